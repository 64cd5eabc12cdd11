//! Scalars: plain, quoted and block, with folding of line breaks.

use super::{Scanner, TokenKind};
use crate::error::Error;
use crate::node::Style;

/// White space met inside a flow scalar, until it is known what it becomes.
#[derive(Default)]
struct Gap {
    blanks: String,
    first_break: String,
    more_breaks: String,
    broken: bool,
}

impl Gap {
    fn add_break(&mut self, text: &str) {
        if self.broken {
            self.more_breaks.push_str(text);
        } else {
            self.blanks.clear();
            self.first_break.push_str(text);
            self.broken = true;
        }
    }

    /// Writes the gap: blanks as they are, one line break as a space, further ones as they are.
    fn fold_into(&mut self, text: &mut String) {
        if !self.broken {
            text.push_str(&self.blanks);
        } else if self.first_break == "\n" && self.more_breaks.is_empty() {
            text.push(' ');
        } else {
            if self.first_break != "\n" {
                text.push_str(&self.first_break);
            }
            text.push_str(&self.more_breaks);
        }
        self.blanks.clear();
        self.first_break.clear();
        self.more_breaks.clear();
        self.broken = false;
    }
}

impl<'a> Scanner<'a> {
    /// Passes characters up to a byte offset that is no line break away.
    fn take_until(&mut self, end: usize) -> &'a str {
        let taken = &self.text[self.at..end];
        let characters = if taken.is_ascii() {
            taken.len()
        } else {
            taken.chars().count()
        };
        self.at = end;
        self.column += u32::try_from(characters).unwrap_or(u32::MAX);
        taken
    }

    pub(super) fn fetch_plain(&mut self) -> Result<(), Error> {
        self.save_key()?;
        self.key_allowed = false;
        let (line, column) = (self.line, self.column);
        let mut text = String::new();
        let mut gap = Gap::default();
        loop {
            if self.document_indicator().is_some() || self.byte(0) == b'#' {
                break;
            }
            let end = self.plain_end();
            if end > self.at {
                gap.fold_into(&mut text);
                text.push_str(self.take_until(end));
            }
            if !self.is_blank(0) && !self.is_break(0) {
                break;
            }
            self.take_plain_gap(&mut gap)?;
            if !self.in_flow() && i64::from(self.column) < self.indent + 1 {
                break;
            }
        }
        if gap.broken {
            self.key_allowed = true;
        }
        let style = Style::Plain;
        self.push(TokenKind::Scalar { text, style }, line, column);
        Ok(())
    }

    /// Where a run of a plain scalar's characters without white space ends.
    fn plain_end(&self) -> usize {
        let flow = self.in_flow();
        let mut ahead = 0;
        while let Some(&byte) = self.bytes.get(self.at + ahead) {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => break,
                b':' if self.is_blank_or_end(ahead + 1) => break,
                b',' | b'?' | b'[' | b']' | b'{' | b'}' if flow => break,
                0xc2 | 0xe2 if self.is_break(ahead) => break,
                _ => ahead += 1,
            }
        }
        self.at + ahead
    }

    fn take_plain_gap(&mut self, gap: &mut Gap) -> Result<(), Error> {
        loop {
            if self.is_blank(0) {
                if gap.broken && i64::from(self.column) < self.indent + 1 && self.byte(0) == b'\t' {
                    let message = "found a tab character that violates indentation";
                    return Err(self.error_here(message));
                }
                if !gap.broken {
                    gap.blanks.push(char::from(self.byte(0)));
                }
                self.skip_ascii(1);
            } else if self.is_break(0) {
                gap.add_break(self.take_break());
            } else {
                return Ok(());
            }
        }
    }

    pub(super) fn fetch_quoted(&mut self, style: Style) -> Result<(), Error> {
        self.save_key()?;
        self.key_allowed = false;
        let (line, column) = (self.line, self.column);
        let quote = self.byte(0);
        self.skip_ascii(1);
        let mut text = String::new();
        let mut gap = Gap::default();
        loop {
            if self.document_indicator().is_some() {
                return Err(self.error_here("found unexpected document indicator"));
            }
            if self.is_end(0) {
                let message = "found unexpected end of stream in a quoted scalar";
                return Err(Error::new(line + 1, column + 1, message));
            }
            self.take_quoted_run(style, &mut text, &mut gap)?;
            if self.byte(0) == quote {
                break;
            }
            while self.is_blank(0) || self.is_break(0) {
                if self.is_break(0) {
                    gap.add_break(self.take_break());
                } else {
                    if !gap.broken {
                        gap.blanks.push(char::from(self.byte(0)));
                    }
                    self.skip_ascii(1);
                }
            }
            gap.fold_into(&mut text);
        }
        self.skip_ascii(1);
        self.push(TokenKind::Scalar { text, style }, line, column);
        Ok(())
    }

    /// Takes characters up to white space or the closing quote. An escaped line break opens the
    /// gap that the following white space belongs to.
    fn take_quoted_run(
        &mut self,
        style: Style,
        text: &mut String,
        gap: &mut Gap,
    ) -> Result<(), Error> {
        let quote = self.byte_of(style);
        while !self.is_blank_or_end(0) {
            match self.byte(0) {
                b'\'' if quote == b'\'' && self.byte(1) == b'\'' => {
                    text.push('\'');
                    self.skip_ascii(2);
                }
                byte if byte == quote => return Ok(()),
                b'\\' if quote == b'"' && self.is_break(1) => {
                    self.skip_ascii(1);
                    self.take_break();
                    // The break itself stands for nothing; only further ones are kept.
                    gap.broken = true;
                    return Ok(());
                }
                b'\\' if quote == b'"' => self.take_escape(text)?,
                _ => {
                    let end = self.quoted_end(quote);
                    text.push_str(self.take_until(end));
                }
            }
        }
        Ok(())
    }

    fn byte_of(&self, style: Style) -> u8 {
        if style == Style::SingleQuoted {
            b'\''
        } else {
            b'"'
        }
    }

    fn quoted_end(&self, quote: u8) -> usize {
        let mut ahead = 0;
        while let Some(&byte) = self.bytes.get(self.at + ahead) {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => break,
                b'\\' if quote == b'"' => break,
                0xc2 | 0xe2 if self.is_break(ahead) => break,
                _ if byte == quote => break,
                _ => ahead += 1,
            }
        }
        self.at + ahead
    }

    fn take_escape(&mut self, text: &mut String) -> Result<(), Error> {
        let digits = match self.byte(1) {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            _ => 0,
        };
        if digits == 0 {
            let Some(character) = simple_escape(self.byte(1)) else {
                return Err(self.error_here("found unknown escape character"));
            };
            text.push(character);
            self.skip_ascii(2);
            return Ok(());
        }
        let code = self
            .bytes
            .get(self.at + 2..self.at + 2 + digits)
            .and_then(|bytes| std::str::from_utf8(bytes).ok())
            .filter(|code| code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let Some(code) = code else {
            return Err(self.error_here("did not find expected hexadecimal number"));
        };
        let character = u32::from_str_radix(code, 16).ok().and_then(char::from_u32);
        let Some(character) = character else {
            return Err(self.error_here("found invalid Unicode character escape code"));
        };
        text.push(character);
        self.skip_ascii(2 + digits);
        Ok(())
    }

    pub(super) fn fetch_block_scalar(&mut self, style: Style) -> Result<(), Error> {
        self.remove_key()?;
        self.key_allowed = true;
        let (line, column) = (self.line, self.column);
        self.skip_ascii(1);
        let (chomping, increment) = self.scan_block_header()?;
        let base = self.indent.max(0);
        let mut indent = match increment {
            0 => 0,
            increment => base + i64::from(increment),
        };
        let mut text = String::new();
        let mut first_break = "";
        let mut more_breaks = String::new();
        self.take_block_breaks(&mut indent, &mut more_breaks)?;
        let mut after_blank = false;
        while i64::from(self.column) == indent && !self.is_end(0) {
            let blank = self.is_blank(0);
            if style == Style::Folded && first_break == "\n" && !after_blank && !blank {
                if more_breaks.is_empty() {
                    text.push(' ');
                }
            } else {
                text.push_str(first_break);
            }
            text.push_str(&more_breaks);
            more_breaks.clear();
            after_blank = blank;
            let end = self.line_end();
            text.push_str(self.take_until(end));
            first_break = if self.is_break(0) {
                self.take_break()
            } else {
                ""
            };
            self.take_block_breaks(&mut indent, &mut more_breaks)?;
        }
        if chomping != Chomping::Strip {
            text.push_str(first_break);
        }
        if chomping == Chomping::Keep {
            text.push_str(&more_breaks);
        }
        self.push(TokenKind::Scalar { text, style }, line, column);
        Ok(())
    }

    fn line_end(&self) -> usize {
        let mut ahead = 0;
        while let Some(&byte) = self.bytes.get(self.at + ahead) {
            match byte {
                b'\n' | b'\r' => break,
                0xc2 | 0xe2 if self.is_break(ahead) => break,
                _ => ahead += 1,
            }
        }
        self.at + ahead
    }

    fn scan_block_header(&mut self) -> Result<(Chomping, u32), Error> {
        let mut chomping = Chomping::Clip;
        let mut increment = 0;
        for _ in 0..2 {
            match self.byte(0) {
                b'+' if chomping == Chomping::Clip => chomping = Chomping::Keep,
                b'-' if chomping == Chomping::Clip => chomping = Chomping::Strip,
                b'0' if increment == 0 => {
                    return Err(self.error_here("found an indentation indicator equal to 0"));
                }
                digit @ b'1'..=b'9' if increment == 0 => increment = u32::from(digit - b'0'),
                _ => break,
            }
            self.skip_ascii(1);
        }
        self.skip_blanks();
        if self.byte(0) == b'#' {
            self.skip_line_rest();
        }
        if !self.is_break_or_end(0) {
            return Err(self.error_here("did not find expected comment or line break"));
        }
        if self.is_break(0) {
            self.take_break();
        }
        Ok((chomping, increment))
    }

    /// Passes indentation and empty lines; finds out the indentation where it is still 0.
    fn take_block_breaks(&mut self, indent: &mut i64, breaks: &mut String) -> Result<(), Error> {
        let mut deepest = 0;
        loop {
            let open = |column: u32| *indent == 0 || i64::from(column) < *indent;
            while open(self.column) && self.byte(0) == b' ' {
                self.skip_ascii(1);
            }
            deepest = deepest.max(i64::from(self.column));
            if open(self.column) && self.byte(0) == b'\t' {
                let message = "found a tab character where an indentation space is expected";
                return Err(self.error_here(message));
            }
            if !self.is_break(0) {
                break;
            }
            breaks.push_str(self.take_break());
        }
        if *indent == 0 {
            *indent = deepest.max(self.indent + 1).max(1);
        }
        Ok(())
    }
}

/// What happens to the line breaks at the end of a block scalar.
#[derive(Clone, Copy, PartialEq)]
enum Chomping {
    Strip,
    Clip,
    Keep,
}

fn simple_escape(byte: u8) -> Option<char> {
    Some(match byte {
        b'0' => '\0',
        b'a' => '\u{7}',
        b'b' => '\u{8}',
        b't' | b'\t' => '\t',
        b'n' => '\n',
        b'v' => '\u{b}',
        b'f' => '\u{c}',
        b'r' => '\r',
        b'e' => '\u{1b}',
        b' ' => ' ',
        b'"' => '"',
        b'\'' => '\'',
        b'\\' => '\\',
        b'N' => '\u{85}',
        b'_' => '\u{a0}',
        b'L' => '\u{2028}',
        b'P' => '\u{2029}',
        _ => return None,
    })
}
