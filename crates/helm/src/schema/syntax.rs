//! Why a text is no JSON, in the words of Go's `encoding/json`.
//!
//! It must not decide whether a text is JSON: it is asked when it is none.

use super::problem::quoted_letter;

/// What is wrong with a text; nothing where Go may have taken it.
pub(super) fn problem_of(text: &str) -> Option<String> {
    let mut scan = Scan {
        text,
        at: 0,
        open: Vec::new(),
    };
    scan.skip_space();
    if scan.peek().is_none() {
        return Some("EOF".to_owned());
    }
    scan.document().err()
}

struct Scan<'t> {
    text: &'t str,
    at: usize,
    /// Whether each container that is open is a table.
    open: Vec<bool>,
}

type Outcome = Result<(), String>;

const BEFORE_VALUE: &str = "looking for beginning of value";

impl Scan<'_> {
    fn document(&mut self) -> Outcome {
        loop {
            // At the beginning of a value, or at the end of an empty container.
            match self.next_letter()? {
                letter @ ('{' | '[') => {
                    let is_table = letter == '{';
                    self.at += 1;
                    self.open.push(is_table);
                    let close = if is_table { '}' } else { ']' };
                    if self.next_letter()? != close {
                        if is_table {
                            self.key()?;
                        }
                        continue;
                    }
                }
                _ => self.scalar()?,
            }
            if !self.after_value()? {
                return Ok(());
            }
        }
    }

    /// Reads what follows a value up to the next one. Whether there is one.
    fn after_value(&mut self) -> Result<bool, String> {
        // The end of an empty container has not been passed yet.
        self.skip_space();
        loop {
            let Some(is_table) = self.open.last().copied() else {
                self.skip_space();
                return match self.peek() {
                    None => Ok(false),
                    Some(_) => Err("invalid character after top-level value".to_owned()),
                };
            };
            match (self.next_letter()?, is_table) {
                (',', true) => {
                    self.at += 1;
                    self.next_letter()?;
                    self.key()?;
                    return Ok(true);
                }
                (',', false) => {
                    self.at += 1;
                    return Ok(true);
                }
                ('}', true) | (']', false) => {
                    self.at += 1;
                    self.open.pop();
                }
                (_, true) => return self.refuse("after object key:value pair"),
                (_, false) => return self.refuse("after array element"),
            }
        }
    }

    /// A key and its colon.
    fn key(&mut self) -> Outcome {
        if self.next_letter()? != '"' {
            return self.refuse("looking for beginning of object key string");
        }
        self.string()?;
        if self.next_letter()? != ':' {
            return self.refuse("after object key");
        }
        self.at += 1;
        Ok(())
    }

    fn scalar(&mut self) -> Outcome {
        match self.next_letter()? {
            '"' => self.string(),
            't' => self.literal("true"),
            'f' => self.literal("false"),
            'n' => self.literal("null"),
            '-' | '0'..='9' => self.number(),
            _ => self.refuse(BEFORE_VALUE),
        }
    }

    fn literal(&mut self, literal: &str) -> Outcome {
        for expected in literal.chars() {
            if self.here()? != expected {
                return self.refuse(&format!("in literal {literal} (expecting '{expected}')"));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Outcome {
        if self.here()? == '-' {
            self.at += 1;
        }
        match self.here()? {
            '0' => self.at += 1,
            _ => self.digits()?,
        }
        if self.peek() == Some('.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            self.at += 1;
            if matches!(self.here()?, '+' | '-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self) -> Outcome {
        if !self.here()?.is_ascii_digit() {
            return self.refuse("in numeric literal");
        }
        while self.peek().is_some_and(|letter| letter.is_ascii_digit()) {
            self.at += 1;
        }
        Ok(())
    }

    fn string(&mut self) -> Outcome {
        self.at += 1;
        loop {
            match self.here()? {
                '"' => {
                    self.at += 1;
                    return Ok(());
                }
                '\\' => self.escape()?,
                letter if letter < ' ' => return self.refuse("in string"),
                letter => self.at += letter.len_utf8(),
            }
        }
    }

    fn escape(&mut self) -> Outcome {
        let begin = self.at;
        self.at += 1;
        let letter = self.here()?;
        self.at += letter.len_utf8();
        let mut is_valid = matches!(letter, '"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't');
        if letter == 'u' {
            is_valid = true;
            for _ in 0..4 {
                let digit = self.here()?;
                is_valid &= digit.is_ascii_hexdigit();
                self.at += digit.len_utf8();
            }
        }
        match is_valid {
            true => Ok(()),
            false => Err(format!(
                "invalid escape sequence `{}` in string",
                &self.text[begin..self.at]
            )),
        }
    }

    fn refuse<T>(&self, place: &str) -> Result<T, String> {
        let letter = self.here()?;
        Err(format!(
            "invalid character {} {place}",
            quoted_letter(letter)
        ))
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\n' | '\r')) {
            self.at += 1;
        }
    }

    fn next_letter(&mut self) -> Result<char, String> {
        self.skip_space();
        self.here()
    }

    fn here(&self) -> Result<char, String> {
        self.peek().ok_or_else(|| "unexpected EOF".to_owned())
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts, and what helm 4.3.1 says to them as schemas.
    const CASES: [(&str, &str); 31] = [
        ("", "EOF"),
        ("  ", "EOF"),
        ("{", "unexpected EOF"),
        ("[1,", "unexpected EOF"),
        ("nul", "unexpected EOF"),
        ("\"a\\u00", "unexpected EOF"),
        ("1.", "unexpected EOF"),
        (
            "{\"a\":}",
            "invalid character '}' looking for beginning of value",
        ),
        ("{\"a\" 1}", "invalid character '1' after object key"),
        ("{\"a\"}", "invalid character '}' after object key"),
        (
            "[1,]",
            "invalid character ']' looking for beginning of value",
        ),
        (
            "[,]",
            "invalid character ',' looking for beginning of value",
        ),
        (
            "{,}",
            "invalid character ',' looking for beginning of object key string",
        ),
        (
            "{\"a\":1,}",
            "invalid character '}' looking for beginning of object key string",
        ),
        (
            "{a:1}",
            "invalid character 'a' looking for beginning of object key string",
        ),
        (
            "{\"a\":01}",
            "invalid character '1' after object key:value pair",
        ),
        (
            "{\"a\":1]",
            "invalid character ']' after object key:value pair",
        ),
        ("[1 2]", "invalid character '2' after array element"),
        ("[1}", "invalid character '}' after array element"),
        ("{} x", "invalid character after top-level value"),
        ("00", "invalid character after top-level value"),
        (
            "nux",
            "invalid character 'x' in literal null (expecting 'l')",
        ),
        ("-x", "invalid character 'x' in numeric literal"),
        ("1ex", "invalid character 'x' in numeric literal"),
        ("\"a\tb\"", "invalid character '\\t' in string"),
        (
            "\u{1}",
            "invalid character '\\x01' looking for beginning of value",
        ),
        (
            "'a'",
            "invalid character '\\'' looking for beginning of value",
        ),
        ("é", "invalid character 'é' looking for beginning of value"),
        ("\"\\x\"", "invalid escape sequence `\\x` in string"),
        ("\"\\u12g4\"", "invalid escape sequence `\\u12g4` in string"),
        ("-\"", "invalid character '\"' in numeric literal"),
    ];

    #[test]
    fn problems_are_told_as_helm_tells_them() {
        for (text, expected) in CASES {
            assert_eq!(problem_of(text).as_deref(), Some(expected), "{text}");
        }
        for text in [
            "{}",
            "[ ]",
            " [1, {\"a\": [true, -1.5e+3, null]}] ",
            "\"\\u00e9\"",
        ] {
            assert_eq!(problem_of(text), None, "{text}");
        }
    }
}
