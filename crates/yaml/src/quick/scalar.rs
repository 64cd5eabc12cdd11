//! Scalars and flow collections of the short way: what can stand behind a key or a dash.
//!
//! It must not know block collections.

use holdfast_model::Value;

use super::{Map, Reader};
use crate::resolve::{Rules, Scalar, resolve_plain};
use crate::value::{key_of, scalar_of};

/// How deep flow collections may nest here.
const MAX_FLOW: usize = 16;

impl<'a> Reader<'a> {
    /// A scalar or flow collection that begins here, in a collection of this column, and the rest
    /// of its line.
    pub(super) fn scalar(&mut self, column: usize) -> Option<Value> {
        let value = match self.byte(0) {
            b'|' => return self.literal(column),
            b'>' => return self.folded(column),
            b'"' | b'\'' => Value::String(self.quoted()?),
            b'[' | b'{' => self.flow(0)?,
            b'-' if matches!(self.byte(1), b' ' | b'\n') => return None,
            b',' | b']' | b'}' | b'&' | b'*' | b'!' | b'%' | b'@' | b'`' | b'?' | b':' | b'#'
            | b'\t' | b'\n' => return None,
            _ => return self.plain(column),
        };
        self.end_of_line()?;
        // What goes on behind it is a fault.
        match self.peek_line() {
            Some(next) if next > column => None,
            None if !self.is_at_end() => None,
            _ => Some(value),
        }
    }

    /// A plain scalar with the lines that it goes on in.
    fn plain(&mut self, column: usize) -> Option<Value> {
        let first = self.plain_line()?;
        let mut whole: Option<String> = None;
        loop {
            if self.byte(0) != b'\n' {
                // A comment ends it.
                self.end_of_line()?;
                break;
            }
            let (breaks, next) = self.breaks();
            if next <= column || self.byte(next) == b'#' || self.is_over(next) {
                break;
            }
            self.at += next;
            if self.byte(0) == b'\t' {
                return None;
            }
            let line = self.plain_line()?;
            let text = whole.get_or_insert_with(|| first.to_owned());
            push_breaks(text, breaks);
            text.push_str(line);
        }
        match self.peek_line() {
            Some(next) if next > column => return None,
            None if !self.is_at_end() => return None,
            _ => {}
        }
        let text = whole.as_deref().unwrap_or(first);
        match resolve_plain(text, Rules::V2) {
            Scalar::Str(_) => Some(Value::String(match whole {
                Some(text) => text,
                None => first.to_owned(),
            })),
            meaning => scalar_of(meaning, text),
        }
    }

    /// Passes a line break and the empty lines behind it. Gives how many breaks there were, and
    /// the column of the next character, up to which it does not go.
    fn breaks(&mut self) -> (usize, usize) {
        let mut breaks = 0;
        loop {
            let rest = &self.bytes[self.at..];
            let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
            if rest.get(spaces) != Some(&b'\n') {
                return (breaks, spaces);
            }
            breaks += 1;
            self.at += spaces + 1;
        }
    }

    fn is_over(&self, ahead: usize) -> bool {
        self.at + ahead >= self.bytes.len()
    }

    /// What one line has of a plain scalar, without the space at its end.
    fn plain_line(&mut self) -> Option<&'a str> {
        let rest = &self.bytes[self.at..];
        let mut length = 0;
        loop {
            match rest.get(length) {
                None | Some(b'\n') => break,
                Some(b'\t') => return None,
                Some(b':') if matches!(rest.get(length + 1), None | Some(b' ' | b'\n' | b'\t')) => {
                    return None;
                }
                Some(b'#') if length > 0 && rest[length - 1] == b' ' => break,
                Some(_) => length += 1,
            }
        }
        let text = self.text[self.at..self.at + length].trim_end_matches(' ');
        let is_last = rest.get(length) != Some(&b'#');
        self.at += if is_last { length } else { text.len() };
        Some(text)
    }

    /// A quoted text with the escapes that people use.
    pub(super) fn quoted(&mut self) -> Option<String> {
        let quote = self.byte(0);
        self.at += 1;
        let mut text = String::new();
        loop {
            let rest = &self.bytes[self.at..];
            let stop = |byte: &u8| *byte == quote || matches!(byte, b'\\' | b'\n' | b'\t');
            let length = rest.iter().position(stop)?;
            let run = &self.text[self.at..self.at + length];
            let (found, behind) = (rest[length], rest.get(length + 1).copied());
            self.at += length;
            if found == b'\n' {
                text.push_str(run.trim_end_matches(' '));
                let (breaks, next) = self.breaks();
                let is_mark = matches!(self.byte(0), b'-' | b'.') && next == 0;
                if is_mark || self.byte(next) == b'\t' || self.is_over(next) {
                    return None;
                }
                self.at += next;
                push_breaks(&mut text, breaks);
                continue;
            }
            let escaped = match (found, behind) {
                (b'\\', _) if quote == b'\'' => None,
                (b'\\', Some(b'n')) => Some('\n'),
                (b'\\', Some(b't')) => Some('\t'),
                (b'\\', Some(escaped @ (b'"' | b'\\'))) => Some(char::from(escaped)),
                (b'\'', Some(b'\'')) if quote == b'\'' => Some('\''),
                (found, _) if found == quote => {
                    self.at += 1;
                    if text.is_empty() {
                        return Some(run.to_owned());
                    }
                    text.push_str(run);
                    return Some(text);
                }
                _ => return None,
            };
            text.push_str(run);
            text.push(escaped.unwrap_or('\\'));
            self.at += 1 + usize::from(escaped.is_some());
        }
    }

    /// A flow collection on one line, of scalars that are plainly scalars.
    fn flow(&mut self, depth: usize) -> Option<Value> {
        if depth > MAX_FLOW {
            return None;
        }
        let is_mapping = self.byte(0) == b'{';
        let end = if is_mapping { b'}' } else { b']' };
        let (mut map, mut items) = (Map::new(), Vec::new());
        self.at += 1;
        self.skip_spaces();
        let mut is_first = true;
        while self.byte(0) != end || !is_first {
            is_first = false;
            if is_mapping {
                let key = self.flow_key()?;
                map.insert(key, self.flow_item(depth)?);
            } else {
                items.push(self.flow_item(depth)?);
            }
            self.skip_spaces();
            match self.byte(0) {
                b',' => self.at += 1,
                byte if byte == end => break,
                _ => return None,
            }
            self.skip_spaces();
        }
        self.at += 1;
        Some(match is_mapping {
            true => Value::Object(map),
            false => Value::Array(items),
        })
    }

    fn flow_key(&mut self) -> Option<String> {
        let start = self.at;
        let key = match self.byte(0) {
            b'"' | b'\'' => self.quoted()?,
            _ => {
                let text = self.flow_word()?;
                key_of(resolve_plain(text, Rules::V2), text)?
            }
        };
        if self.byte(0) != b':' || self.byte(1) != b' ' || self.spans_lines(start) {
            return None;
        }
        self.at += 2;
        self.skip_spaces();
        Some(key)
    }

    fn flow_item(&mut self, depth: usize) -> Option<Value> {
        let start = self.at;
        let value = match self.byte(0) {
            b'[' | b'{' => self.flow(depth + 1)?,
            b'"' | b'\'' => Value::String(self.quoted()?),
            _ => {
                let text = self.flow_word()?;
                scalar_of(resolve_plain(text, Rules::V2), text)?
            }
        };
        (!self.spans_lines(start)).then_some(value)
    }

    pub(super) fn spans_lines(&self, start: usize) -> bool {
        let end = self.at.min(self.bytes.len());
        end - start > super::MAX_KEY || self.bytes[start..end].contains(&b'\n')
    }

    /// A plain scalar in a flow collection, of characters that mean nothing there.
    fn flow_word(&mut self) -> Option<&'a str> {
        let rest = &self.bytes[self.at..];
        let is_plain =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/');
        let length = rest.iter().position(|byte| !is_plain(byte))?;
        let text = &self.text[self.at..self.at + length];
        if text.is_empty() || text == "-" {
            return None;
        }
        self.at += length;
        Some(text)
    }

    /// `|`, `|-` or `|+` and the lines below it.
    fn literal(&mut self, column: usize) -> Option<Value> {
        let (chomping, indent) = self.block_header(column)?;
        let mut text = String::new();
        // Empty lines count only once something follows them.
        let mut empty = 0;
        while let Some(line) = self.block_line(column, indent)? {
            if line.is_empty() {
                empty += 1;
                continue;
            }
            text.extend(std::iter::repeat_n('\n', empty));
            empty = 0;
            text.push_str(line);
            text.push('\n');
        }
        chomp(&mut text, chomping, empty);
        Some(Value::String(text))
    }

    /// `>`, `>-` or `>+` and the lines below it, none of which is deeper than the others.
    fn folded(&mut self, column: usize) -> Option<Value> {
        let (chomping, indent) = self.block_header(column)?;
        let mut text = String::new();
        let mut breaks = 0;
        while let Some(line) = self.block_line(column, indent)? {
            if line.is_empty() {
                breaks += 1;
                continue;
            }
            if line.starts_with([' ', '\t']) {
                return None;
            }
            if !text.is_empty() {
                push_breaks(&mut text, breaks + 1);
            }
            breaks = 0;
            text.push_str(line);
        }
        text.push('\n');
        chomp(&mut text, chomping, breaks);
        Some(Value::String(text))
    }

    /// The mark for chomping, and the column of the first line, which has to say something.
    fn block_header(&mut self, column: usize) -> Option<(u8, usize)> {
        self.at += 1;
        let chomping = match self.byte(0) {
            mark @ (b'-' | b'+') => {
                self.at += 1;
                mark
            }
            _ => 0,
        };
        self.end_of_line()?;
        let rest = &self.bytes[self.at..];
        let indent = rest.iter().take_while(|byte| **byte == b' ').count();
        let says = !matches!(rest.get(indent)?, b'\n' | b'\t');
        (says && indent > column).then_some((chomping, indent))
    }

    /// The next line of a block scalar without its indentation; nothing inside where it ends.
    /// A last line without a break follows rules of its own.
    #[expect(
        clippy::option_option,
        reason = "the outer one is whether it is simple enough"
    )]
    fn block_line(&mut self, column: usize, indent: usize) -> Option<Option<&'a str>> {
        let rest = &self.bytes[self.at..];
        if rest.is_empty() {
            return Some(None);
        }
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let spaces = rest.iter().take(indent).take_while(|byte| **byte == b' ');
        let spaces = spaces.count();
        if spaces == indent || spaces == end {
            let line = &self.text[self.at + spaces..self.at + end];
            self.at += end + 1;
            return Some(Some(line));
        }
        if rest[spaces] == b'\t' || spaces > column && rest[spaces] != b'#' {
            return None;
        }
        Some(None)
    }
}

/// What line breaks in the middle of a text stand for.
fn push_breaks(text: &mut String, breaks: usize) {
    match breaks {
        0 | 1 => text.push(' '),
        breaks => text.extend(std::iter::repeat_n('\n', breaks - 1)),
    }
}

fn chomp(text: &mut String, chomping: u8, breaks: usize) {
    match chomping {
        b'-' => {
            text.pop();
        }
        b'+' => text.extend(std::iter::repeat_n('\n', breaks)),
        _ => {}
    }
}
