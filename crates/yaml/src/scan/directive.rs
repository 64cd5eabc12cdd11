//! Directives (`%YAML`, `%TAG`) and tags (`!!str`, `!<uri>`).

use super::{Scanner, TokenKind, is_word};
use crate::error::Error;

impl Scanner<'_> {
    pub(super) fn fetch_directive(&mut self) -> Result<(), Error> {
        let (line, column) = (self.line, self.column);
        self.skip_ascii(1);
        let start = self.at;
        while is_word(self.byte(0)) {
            self.skip_ascii(1);
        }
        let name = &self.text[start..self.at];
        let kind = match name {
            "YAML" => self.scan_version()?,
            "TAG" => self.scan_tag_directive()?,
            "" => return Err(self.error_here("could not find expected directive name")),
            _ => return Err(self.error_here("found unknown directive name")),
        };
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
        self.push(kind, line, column);
        Ok(())
    }

    pub(super) fn skip_blanks(&mut self) {
        while self.is_blank(0) {
            self.skip_ascii(1);
        }
    }

    fn scan_version(&mut self) -> Result<TokenKind, Error> {
        self.skip_blanks();
        let major = self.scan_version_number()?;
        if self.byte(0) != b'.' {
            return Err(self.error_here("did not find expected digit or '.' character"));
        }
        self.skip_ascii(1);
        let minor = self.scan_version_number()?;
        Ok(TokenKind::Version { major, minor })
    }

    fn scan_version_number(&mut self) -> Result<u32, Error> {
        let mut number = 0;
        let mut length = 0;
        while self.byte(0).is_ascii_digit() {
            length += 1;
            if length > 2 {
                return Err(self.error_here("found extremely long version number"));
            }
            number = number * 10 + u32::from(self.byte(0) - b'0');
            self.skip_ascii(1);
        }
        if length == 0 {
            return Err(self.error_here("did not find expected version number"));
        }
        Ok(number)
    }

    fn scan_tag_directive(&mut self) -> Result<TokenKind, Error> {
        self.skip_blanks();
        let handle = self.scan_tag_handle()?;
        if handle != "!" && !handle.ends_with('!') {
            return Err(self.error_here("did not find expected '!'"));
        }
        if !self.is_blank(0) {
            return Err(self.error_here("did not find expected whitespace"));
        }
        self.skip_blanks();
        let prefix = self.scan_tag_uri("")?;
        if !self.is_blank_or_end(0) {
            return Err(self.error_here("did not find expected whitespace or line break"));
        }
        Ok(TokenKind::TagDirective { handle, prefix })
    }

    pub(super) fn fetch_tag(&mut self) -> Result<(), Error> {
        self.save_key()?;
        self.key_allowed = false;
        let (line, column) = (self.line, self.column);
        let (handle, suffix) = if self.byte(1) == b'<' {
            self.skip_ascii(2);
            let uri = self.scan_tag_uri("")?;
            if self.byte(0) != b'>' {
                return Err(self.error_here("did not find the expected '>'"));
            }
            self.skip_ascii(1);
            (String::new(), uri)
        } else {
            let handle = self.scan_tag_handle()?;
            if handle.len() > 1 && handle.ends_with('!') {
                let suffix = self.scan_tag_uri("")?;
                (handle, suffix)
            } else {
                let suffix = self.scan_tag_uri(&handle)?;
                if suffix.is_empty() {
                    (String::new(), "!".to_owned())
                } else {
                    ("!".to_owned(), suffix)
                }
            }
        };
        if !self.is_blank_or_end(0) {
            return Err(self.error_here("did not find expected whitespace or line break"));
        }
        self.push(TokenKind::Tag { handle, suffix }, line, column);
        Ok(())
    }

    fn scan_tag_handle(&mut self) -> Result<String, Error> {
        if self.byte(0) != b'!' {
            return Err(self.error_here("did not find expected '!'"));
        }
        let start = self.at;
        self.skip_ascii(1);
        while is_word(self.byte(0)) {
            self.skip_ascii(1);
        }
        if self.byte(0) == b'!' {
            self.skip_ascii(1);
        }
        Ok(self.text[start..self.at].to_owned())
    }

    /// Scans a URI; `head` is a handle that turned out to be its beginning.
    fn scan_tag_uri(&mut self, head: &str) -> Result<String, Error> {
        let mut uri = head.get(1..).unwrap_or_default().as_bytes().to_vec();
        let start = self.at;
        loop {
            match self.byte(0) {
                b'%' => {
                    let octet = self.scan_escape()?;
                    uri.push(octet);
                }
                byte if is_word(byte) || b";/?:@&=+$,.!~*'()[]".contains(&byte) => {
                    uri.push(byte);
                    self.skip_ascii(1);
                }
                _ => break,
            }
        }
        if self.at == start && head.is_empty() {
            return Err(self.error_here("did not find expected tag URI"));
        }
        String::from_utf8(uri)
            .map_err(|_| self.error_here("found an incorrect UTF-8 octet in a tag URI"))
    }

    fn scan_escape(&mut self) -> Result<u8, Error> {
        let digits = self.bytes.get(self.at + 1..self.at + 3).unwrap_or_default();
        let octet = std::str::from_utf8(digits)
            .ok()
            .filter(|text| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|text| u8::from_str_radix(text, 16).ok());
        match octet {
            Some(octet) => {
                self.skip_ascii(3);
                Ok(octet)
            }
            None => Err(self.error_here("did not find URI escaped octet")),
        }
    }
}
