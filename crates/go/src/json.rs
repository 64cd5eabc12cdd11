//! Why a text is no JSON, in the words of `encoding/json`. It must not build values.

/// How deep values may be nested.
const MAX_DEPTH: usize = 10_000;
const END: &str = "unexpected end of JSON input";

/// Why a text is no JSON document; `None` when it is one.
pub fn problem(bytes: &[u8]) -> Option<String> {
    let mut scanner = Scanner { bytes, at: 0 };
    scanner.document().err()
}

/// What kind of value a JSON document is, as Go calls it.
pub fn kind(bytes: &[u8]) -> &'static str {
    let mut bytes = bytes.iter().skip_while(|byte| is_space(**byte));
    match bytes.next() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "bool",
        Some(b'n') => "null",
        _ => "number",
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

/// What is open around the place that is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    Object,
    Array,
}

impl Scanner<'_> {
    fn peek(&mut self) -> Result<u8, String> {
        while self.bytes.get(self.at).is_some_and(|byte| is_space(*byte)) {
            self.at += 1;
        }
        self.raw()
    }

    fn raw(&self) -> Result<u8, String> {
        self.bytes
            .get(self.at)
            .copied()
            .ok_or_else(|| END.to_owned())
    }

    fn wrong(&self, byte: u8, place: &str) -> String {
        let shown = match byte {
            b'\'' => "'\\''".to_owned(),
            b'"' => "'\"'".to_owned(),
            b'\\' => "'\\\\'".to_owned(),
            b'\n' => "'\\n'".to_owned(),
            b'\t' => "'\\t'".to_owned(),
            b'\r' => "'\\r'".to_owned(),
            0x20..0x7f => format!("'{}'", char::from(byte)),
            0xa1..=0xff if byte != 0xad => format!("'{}'", char::from(byte)),
            byte if byte < 0x80 => format!("'\\x{byte:02x}'"),
            byte => format!("'\\u{byte:04x}'"),
        };
        format!("invalid character {shown} {place}")
    }

    fn document(&mut self) -> Result<(), String> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            // A value begins here.
            match self.peek()? {
                b'{' => {
                    self.at += 1;
                    if self.peek()? == b'}' {
                        self.at += 1;
                    } else {
                        open.push(Open::Object);
                        self.key()?;
                        self.bound(&open)?;
                        continue;
                    }
                }
                b'[' => {
                    self.at += 1;
                    if self.peek()? == b']' {
                        self.at += 1;
                    } else {
                        open.push(Open::Array);
                        self.bound(&open)?;
                        continue;
                    }
                }
                byte => self.scalar(byte)?,
            }
            if self.close(&mut open)? {
                return Ok(());
            }
        }
    }

    fn bound(&self, open: &[Open]) -> Result<(), String> {
        if open.len() > MAX_DEPTH {
            return Err("exceeded max depth".to_owned());
        }
        Ok(())
    }

    /// Goes on behind a value; whether the document ends here.
    fn close(&mut self, open: &mut Vec<Open>) -> Result<bool, String> {
        loop {
            let Some(innermost) = open.last().copied() else {
                return match self.peek() {
                    Err(_) => Ok(true),
                    Ok(byte) => Err(self.wrong(byte, "after top-level value")),
                };
            };
            let byte = self.peek()?;
            let (end, place) = match innermost {
                Open::Object => (b'}', "after object key:value pair"),
                Open::Array => (b']', "after array element"),
            };
            if byte == end {
                self.at += 1;
                open.pop();
                continue;
            }
            if byte != b',' {
                return Err(self.wrong(byte, place));
            }
            self.at += 1;
            if innermost == Open::Object {
                self.key()?;
            }
            return Ok(false);
        }
    }

    fn key(&mut self) -> Result<(), String> {
        let byte = self.peek()?;
        if byte != b'"' {
            return Err(self.wrong(byte, "looking for beginning of object key string"));
        }
        self.string()?;
        match self.peek()? {
            b':' => {
                self.at += 1;
                Ok(())
            }
            byte => Err(self.wrong(byte, "after object key")),
        }
    }

    fn scalar(&mut self, byte: u8) -> Result<(), String> {
        match byte {
            b'"' => self.string(),
            b't' => self.word("true"),
            b'f' => self.word("false"),
            b'n' => self.word("null"),
            b'-' | b'0'..=b'9' => self.number(),
            byte => Err(self.wrong(byte, "looking for beginning of value")),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), String> {
        for expected in word.bytes() {
            let byte = self.raw()?;
            if byte != expected {
                let expected = char::from(expected);
                let place = format!("in literal {word} (expecting '{expected}')");
                return Err(self.wrong(byte, &place));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), String> {
        self.at += 1;
        loop {
            let byte = self.raw()?;
            self.at += 1;
            match byte {
                b'"' => return Ok(()),
                b'\\' => self.escape()?,
                byte if byte < 0x20 => return Err(self.wrong(byte, "in string literal")),
                _ => {}
            }
        }
    }

    fn escape(&mut self) -> Result<(), String> {
        let byte = self.raw()?;
        self.at += 1;
        match byte {
            b'b' | b'f' | b'n' | b'r' | b't' | b'\\' | b'/' | b'"' => Ok(()),
            b'u' => {
                for _ in 0..4 {
                    let byte = self.raw()?;
                    if !byte.is_ascii_hexdigit() {
                        return Err(self.wrong(byte, "in \\u hexadecimal character escape"));
                    }
                    self.at += 1;
                }
                Ok(())
            }
            byte => Err(self.wrong(byte, "in string escape code")),
        }
    }

    fn number(&mut self) -> Result<(), String> {
        if self.raw()? == b'-' {
            self.at += 1;
            let byte = self.raw()?;
            if !byte.is_ascii_digit() {
                return Err(self.wrong(byte, "in numeric literal"));
            }
        }
        if self.raw()? == b'0' {
            self.at += 1;
        } else {
            self.digits();
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.needed("after decimal point in numeric literal")?;
        }
        if matches!(self.bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.needed("in exponent of numeric literal")?;
        }
        Ok(())
    }

    fn digits(&mut self) {
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
    }

    fn needed(&mut self, place: &str) -> Result<(), String> {
        let byte = self.raw()?;
        if !byte.is_ascii_digit() {
            return Err(self.wrong(byte, place));
        }
        self.digits();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::problem;

    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(problem(text.as_bytes()).as_deref(), expected, "{text}");
    }

    // The expected texts are what Go's encoding/json says.
    #[test]
    fn what_is_no_json_is_told_as_by_the_real_reader() {
        check(r#"{"a":[1,-2.5e+3,"x\u00e9",true,null,{}]}"#, None);
        check(
            "x",
            Some("invalid character 'x' looking for beginning of value"),
        );
        check("", Some("unexpected end of JSON input"));
        check("{", Some("unexpected end of JSON input"));
        check(
            "not",
            Some("invalid character 'o' in literal null (expecting 'u')"),
        );
        check(
            "{a:1}",
            Some("invalid character 'a' looking for beginning of object key string"),
        );
        check(r#"{"a" 1}"#, Some("invalid character '1' after object key"));
        check(
            r#"{"a":1 2}"#,
            Some("invalid character '2' after object key:value pair"),
        );
        check("[1 2]", Some("invalid character '2' after array element"));
        check("1 2", Some("invalid character '2' after top-level value"));
        check("-x", Some("invalid character 'x' in numeric literal"));
        check(
            "1.x",
            Some("invalid character 'x' after decimal point in numeric literal"),
        );
        check(
            r#""\q""#,
            Some("invalid character 'q' in string escape code"),
        );
        check(
            "[1,]",
            Some("invalid character ']' looking for beginning of value"),
        );
    }
}
