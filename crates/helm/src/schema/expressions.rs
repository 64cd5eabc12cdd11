//! Why a text is no regular expression to Go, in the words of its `regexp/syntax`.
//!
//! It must not decide whether a text is one: that is the business of crate `template`.

use holdfast_template::compile_regex;

/// What is wrong with an expression that cannot be compiled.
pub(super) fn problem_of(pattern: &str) -> String {
    let (problem, part) = match first_problem(pattern) {
        Err(found) => found,
        // Go may have taken it, or found it too large.
        Ok(()) => ("expression cannot be used here", pattern),
    };
    format!("error parsing regexp: {problem}: `{part}`")
}

type Found<'p> = (&'static str, &'p str);

const BAD_ESCAPE: &str = "invalid escape sequence";
const BAD_RANGE: &str = "invalid character class range";
const BAD_COUNT: &str = "invalid repeat count";
const BAD_NAME: &str = "invalid named capture";
const BAD_GROUP: &str = "invalid or unsupported Perl syntax";
const NO_ARGUMENT: &str = "missing argument to repetition operator";

/// What `longer` has before its end `rest`.
fn before<'p>(longer: &'p str, rest: &str) -> &'p str {
    &longer[..longer.len() - rest.len()]
}

/// What has been read of an expression.
struct Progress<'p> {
    pattern: &'p str,
    open_groups: usize,
    /// Whether something stands in front that can be repeated.
    has_operand: bool,
    /// What begins with the repetition that was read last, where nothing stands between.
    last_repeat: &'p str,
}

fn first_problem(pattern: &str) -> Result<(), Found<'_>> {
    let mut progress = Progress {
        pattern,
        open_groups: 0,
        has_operand: false,
        last_repeat: "",
    };
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        rest = progress.read(letter, rest)?;
    }
    match progress.open_groups {
        0 => Ok(()),
        _ => Err(("missing closing )", pattern)),
    }
}

impl<'p> Progress<'p> {
    /// Reads what begins with a letter; what follows it.
    fn read(&mut self, letter: char, here: &'p str) -> Result<&'p str, Found<'p>> {
        let next = &here[letter.len_utf8()..];
        let counted = match letter {
            '*' | '+' | '?' => Some((true, next)),
            '{' => counts(here),
            _ => None,
        };
        if let Some((is_valid, after)) = counted {
            if !is_valid {
                return Err((BAD_COUNT, before(here, after)));
            }
            let rest = repeated(here, after, self.last_repeat, self.has_operand)?;
            self.last_repeat = here;
            return Ok(rest);
        }
        self.last_repeat = "";
        let had_operand = std::mem::replace(&mut self.has_operand, true);
        match letter {
            '(' => {
                let (opens, rest) = group(here)?;
                self.has_operand = had_operand && !opens;
                self.open_groups += usize::from(opens);
                return Ok(rest);
            }
            '|' => self.has_operand = false,
            ')' if self.open_groups == 0 => return Err(("unexpected )", self.pattern)),
            ')' => self.open_groups -= 1,
            '[' => return class(here),
            '\\' => {
                self.has_operand = had_operand || !here.starts_with("\\Q\\E");
                return escape(here);
            }
            _ => {}
        }
        Ok(next)
    }
}

/// What follows a repetition.
fn repeated<'p>(
    here: &'p str,
    after: &'p str,
    last_repeat: &'p str,
    has_operand: bool,
) -> Result<&'p str, Found<'p>> {
    let after = after.strip_prefix('?').unwrap_or(after);
    if !last_repeat.is_empty() {
        let words = "invalid nested repetition operator";
        return Err((words, before(last_repeat, after)));
    }
    match has_operand {
        true => Ok(after),
        false => Err((NO_ARGUMENT, before(here, after))),
    }
}

/// `{n}`, `{n,}` or `{n,m}`: whether the counts are allowed, and what follows; nothing for braces
/// that mean themselves.
fn counts(text: &str) -> Option<(bool, &str)> {
    let (inside, after) = text.strip_prefix('{')?.split_once('}')?;
    let (low, high) = match inside.split_once(',') {
        Some((low, "")) => (low, None),
        Some((low, high)) => (low, Some(high)),
        None => (inside, Some(inside)),
    };
    let is_number = |text: &str| {
        let is_padded = text.len() > 1 && text.starts_with('0');
        !text.is_empty() && !is_padded && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    if !is_number(low) || !high.is_none_or(is_number) {
        return None;
    }
    let read = |text: &str| text.parse().unwrap_or(u32::MAX);
    let (low, high) = (read(low), high.map(read));
    let is_valid = low <= 1000 && high.is_none_or(|high| high <= 1000 && low <= high);
    Some((is_valid, after))
}

/// What a parenthesis opens: whether it is a group rather than flags for what follows, and the rest.
fn group(text: &str) -> Result<(bool, &str), Found<'_>> {
    let Some(inside) = text.strip_prefix("(?") else {
        return Ok((true, &text[1..]));
    };
    if let Some(named) = inside.strip_prefix("P<").or(inside.strip_prefix('<'))
        && !named.is_empty()
    {
        let Some((name, rest)) = named.split_once('>') else {
            return Err((BAD_NAME, text));
        };
        let is_name = |letter: char| letter == '_' || letter.is_ascii_alphanumeric();
        return match !name.is_empty() && name.chars().all(is_name) {
            true => Ok((true, rest)),
            false => Err((BAD_NAME, before(text, rest))),
        };
    }
    let mut rest = inside;
    let (mut negates, mut has_flag) = (false, false);
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        match letter {
            'i' | 'm' | 's' | 'U' => has_flag = true,
            '-' if !negates => {
                negates = true;
                has_flag = false;
            }
            ':' | ')' if !negates || has_flag => return Ok((letter == ':', rest)),
            _ => break,
        }
    }
    Err((BAD_GROUP, before(text, rest)))
}

/// What follows a backslash and what belongs to it, outside of brackets.
fn escape(text: &str) -> Result<&str, Found<'_>> {
    let letter = text[1..].chars().next();
    match letter {
        Some('A' | 'b' | 'B' | 'z') => Ok(&text[2..]),
        Some('C') => Err((BAD_ESCAPE, &text[..2])),
        Some('Q') => Ok(text[2..].split_once("\\E").map_or("", |(_, rest)| rest)),
        _ => match named(text)? {
            Some(rest) => Ok(rest),
            None => character(text),
        },
    }
}

/// What follows a class that an escape names; nothing where none does.
fn named(text: &str) -> Result<Option<&str>, Found<'_>> {
    let Some(escaped) = text.strip_prefix('\\') else {
        return Ok(None);
    };
    match escaped.chars().next() {
        Some('d' | 'D' | 's' | 'S' | 'w' | 'W') => return Ok(Some(&escaped[1..])),
        Some('p' | 'P') => {}
        _ => return Ok(None),
    }
    let Some(first) = escaped[1..].chars().next() else {
        return Ok(None);
    };
    let rest = match first {
        '{' => match escaped.split_once('}') {
            Some((_, rest)) => rest,
            None => return Err((BAD_RANGE, text)),
        },
        letter => &escaped[1 + letter.len_utf8()..],
    };
    let whole = before(text, rest);
    match compile_regex(whole) {
        Some(_) => Ok(Some(rest)),
        None => Err((BAD_RANGE, whole)),
    }
}

/// What follows an escaped character.
fn character(text: &str) -> Result<&str, Found<'_>> {
    let escaped = &text[1..];
    let Some(letter) = escaped.chars().next() else {
        return Err(("trailing backslash at end of expression", ""));
    };
    let rest = &escaped[letter.len_utf8()..];
    let is_octal = |letter: char| ('0'..='7').contains(&letter);
    match letter {
        '1'..='7' if !rest.starts_with(is_octal) => {}
        '0'..='7' => {
            let more = rest.chars().take(2).take_while(|letter| is_octal(*letter));
            return Ok(&rest[more.count()..]);
        }
        'x' => return code(text, rest),
        'a' | 'f' | 'n' | 'r' | 't' | 'v' => return Ok(rest),
        letter if letter.is_ascii() && !letter.is_ascii_alphanumeric() => return Ok(rest),
        _ => {}
    }
    Err((BAD_ESCAPE, before(text, rest)))
}

/// What follows a hexadecimal code.
fn code<'p>(text: &'p str, digits: &'p str) -> Result<&'p str, Found<'p>> {
    if let Some(mut rest) = digits.strip_prefix('{') {
        let mut number = 0u32;
        let mut count = 0;
        while let Some(letter) = rest.chars().next() {
            rest = &rest[letter.len_utf8()..];
            match letter.to_digit(16) {
                Some(digit) if number * 16 + digit <= 0x10_ffff => {
                    number = number * 16 + digit;
                    count += 1;
                }
                None if letter == '}' && count > 0 => return Ok(rest),
                _ => break,
            }
        }
        return Err((BAD_ESCAPE, before(text, rest)));
    }
    let mut letters = digits.chars();
    let is_hex = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_hexdigit());
    let (first, second) = (letters.next(), letters.next());
    match is_hex(first) && is_hex(second) {
        true => Ok(&digits[2..]),
        false => Err((BAD_ESCAPE, before(text, letters.as_str()))),
    }
}

/// What follows a class in brackets.
fn class(text: &str) -> Result<&str, Found<'_>> {
    let mut rest = &text[1..];
    rest = rest.strip_prefix('^').unwrap_or(rest);
    let mut is_first = true;
    while is_first || !rest.starts_with(']') {
        is_first = false;
        if let Some(name) = rest.strip_prefix("[:")
            && let Some((_, behind)) = name.split_once(":]")
        {
            let whole = before(rest, behind);
            if compile_regex(&format!("[{whole}]")).is_none() {
                return Err((BAD_RANGE, whole));
            }
            rest = behind;
            continue;
        }
        if let Some(behind) = named(rest)? {
            rest = behind;
            continue;
        }
        let range = rest;
        rest = class_character(rest, text)?;
        let low = before(range, rest);
        if let Some(upper) = rest.strip_prefix('-')
            && !upper.is_empty()
            && !upper.starts_with(']')
        {
            rest = class_character(upper, text)?;
            let high = before(upper, rest);
            if compile_regex(&format!("[{}-{}]", escaped(low), escaped(high))).is_none() {
                return Err((BAD_RANGE, before(range, rest)));
            }
        }
    }
    Ok(&rest[1..])
}

/// A bound of a range that means itself between brackets.
fn escaped(bound: &str) -> String {
    match bound {
        "[" | "]" | "^" | "-" => format!("\\{bound}"),
        bound => bound.to_owned(),
    }
}

fn class_character<'p>(text: &'p str, whole: &'p str) -> Result<&'p str, Found<'p>> {
    match text.chars().next() {
        None => Err(("missing closing ]", whole)),
        Some('\\') => character(text),
        Some(letter) => Ok(&text[letter.len_utf8()..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Go 1.27 says to `regexp.Compile`.
    #[test]
    fn problems_are_told_as_go_tells_them() {
        let cases = [
            ("[a", "missing closing ]: `[a`"),
            ("a(b", "missing closing ): `a(b`"),
            ("a)b", "unexpected ): `a)b`"),
            ("^(?!x)a", "invalid or unsupported Perl syntax: `(?!`"),
            ("(?<=x)a", "invalid named capture: `(?<=x)a`"),
            ("a**", "invalid nested repetition operator: `**`"),
            ("*a", "missing argument to repetition operator: `*`"),
            ("a|+?b", "missing argument to repetition operator: `+?`"),
            ("a{1001}", "invalid repeat count: `{1001}`"),
            ("a{3,2}", "invalid repeat count: `{3,2}`"),
            (r"\Yx", r"invalid escape sequence: `\Y`"),
            (r"(\w)\1", r"invalid escape sequence: `\1`"),
            (r"[\b]", r"invalid escape sequence: `\b`"),
            ("[z-a]", "invalid character class range: `z-a`"),
            ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
            (r"\p{Foo}", r"invalid character class range: `\p{Foo}`"),
            ("a\\", "trailing backslash at end of expression: ``"),
            (r"\u0041", r"invalid escape sequence: `\u`"),
            (r"\xg1", r"invalid escape sequence: `\xg1`"),
            ("(?i-)a", "invalid or unsupported Perl syntax: `(?i-)`"),
        ];
        for (pattern, expected) in cases {
            assert_eq!(
                problem_of(pattern),
                format!("error parsing regexp: {expected}")
            );
            assert!(compile_regex(pattern).is_none(), "{pattern}");
        }
    }
}
