//! A short way from text to values for what nearly all texts are: one document of block mappings
//! and sequences with common scalars. What it is not sure of it leaves to the parser, so it never
//! refuses a text and needs no errors; what it reads has to be what the parser reads.
//!
//! It must not know tags, anchors and merges.

mod scalar;

use holdfast_model::Value;

use crate::resolve::{Rules, resolve_plain};
use crate::value::key_of;

/// Like `serde_json::Map`.
type Map = serde_json::Map<String, Value>;

/// How deep collections may nest here; the parser has its own limit.
pub(crate) const MAX_DEPTH: usize = 64;

/// The longest key here; the parser allows a little more.
const MAX_KEY: usize = 512;

/// The value of a text and the line on which its document begins, from 1; `None` where the parser has
/// to read it. Control characters and a byte order mark must have been ruled out.
pub(crate) fn read(text: &str) -> Option<(u32, Value)> {
    if text.contains('\r') || has_wide_breaks(text) {
        return None;
    }
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        at: 0,
        depth: 0,
        seen: None,
    };
    let mut indent = reader.next_line()?;
    if reader.bytes[reader.at..].starts_with(b"---") && indent == 0 {
        reader.at += 3;
        reader.end_of_line()?;
        indent = reader.next_line()?;
    }
    let before = &reader.bytes[..reader.at];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let value = reader.block(indent)?;
    match reader.next_line() {
        Some(_) => None,
        None if reader.at < reader.bytes.len() => None,
        None => Some((u32::try_from(line).ok()?, value)),
    }
}

/// Line breaks beyond those of ASCII.
fn has_wide_breaks(text: &str) -> bool {
    !text.is_ascii() && text.contains(['\u{85}', '\u{2028}', '\u{2029}'])
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    /// The line that was looked at last: most are looked at several times.
    seen: Option<Line>,
}

/// A line that says something.
#[derive(Clone, Copy)]
struct Line {
    /// Where it was looked for.
    from: usize,
    /// Where it says something.
    at: usize,
    column: usize,
}

impl<'a> Reader<'a> {
    fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(b'\n')
    }

    /// Goes to the first character of the next line that says something, and gives its column.
    /// `None` at the end, and where white space is not what it should be.
    fn next_line(&mut self) -> Option<usize> {
        if let Some(seen) = self.seen.filter(|seen| seen.from == self.at) {
            self.at = seen.at;
            return Some(seen.column);
        }
        loop {
            let start = self.at;
            while self.byte(0) == b' ' {
                self.at += 1;
            }
            match self.bytes.get(self.at)? {
                b'\n' => self.at += 1,
                b'#' => self.skip_line(),
                b'\t' => return None,
                _ => return Some(self.at - start),
            }
        }
    }

    /// The column of the next line that says something, without going there.
    fn peek_line(&mut self) -> Option<usize> {
        let from = self.at;
        let column = self.next_line()?;
        let at = std::mem::replace(&mut self.at, from);
        self.seen = Some(Line { from, at, column });
        Some(column)
    }

    fn skip_line(&mut self) {
        let rest = &self.bytes[self.at..];
        let length = rest.iter().position(|byte| *byte == b'\n');
        self.at += length.map_or(rest.len(), |length| length + 1);
    }

    fn skip_spaces(&mut self) {
        while self.byte(0) == b' ' {
            self.at += 1;
        }
    }

    /// Passes spaces, a comment and the line break; `None` where there is anything else.
    fn end_of_line(&mut self) -> Option<()> {
        let start = self.at;
        self.skip_spaces();
        match self.byte(0) {
            b'\n' => self.at = (self.at + 1).min(self.bytes.len()),
            b'#' if self.at > start => self.skip_line(),
            _ => return None,
        }
        Some(())
    }

    fn at_entry(&self) -> bool {
        self.byte(0) == b'-' && matches!(self.byte(1), b' ' | b'\n')
    }

    /// The collection that begins here, in this column.
    fn block(&mut self, column: usize) -> Option<Value> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return None;
        }
        let value = match self.at_entry() {
            true => self.sequence(column),
            false => self.mapping(column),
        };
        self.depth -= 1;
        value
    }

    fn sequence(&mut self, column: usize) -> Option<Value> {
        let mut items = Vec::new();
        loop {
            self.at += 1;
            let dash = self.at;
            self.skip_spaces();
            let inner = column + 1 + self.at - dash;
            let item = match self.byte(0) {
                b'\n' | b'#' => {
                    self.at = dash;
                    self.end_of_line()?;
                    self.nested(column, false)?
                }
                b'-' if self.at_entry() => self.block(inner)?,
                _ if self.is_entry_of_mapping() => self.block(inner)?,
                _ => self.scalar(column)?,
            };
            items.push(item);
            match self.peek_line() {
                Some(next) if next == column => {
                    self.next_line();
                    // In a mapping's own column another key may follow.
                    if !self.at_entry() {
                        self.at -= column;
                        return Some(Value::Array(items));
                    }
                }
                Some(next) if next > column => return None,
                None if !self.is_at_end() => return None,
                _ => return Some(Value::Array(items)),
            }
        }
    }

    /// Whether nothing but empty lines and comments is left.
    fn is_at_end(&mut self) -> bool {
        let at = self.at;
        let is_over = self.next_line().is_none() && self.at == self.bytes.len();
        self.at = at;
        is_over
    }

    /// What stands on the lines below a key or a dash in this column; nothing, where what follows
    /// is not deeper.
    fn nested(&mut self, column: usize, entries_may_align: bool) -> Option<Value> {
        match self.peek_line() {
            Some(next) if next > column => {
                self.next_line();
                match self.at_entry() || self.is_entry_of_mapping() {
                    true => self.block(next),
                    false => self.scalar(column),
                }
            }
            Some(next) if next == column && entries_may_align => {
                let start = self.at;
                self.next_line();
                if self.at_entry() {
                    return self.block(column);
                }
                self.at = start;
                Some(Value::Null)
            }
            Some(_) => Some(Value::Null),
            None => self.is_at_end().then_some(Value::Null),
        }
    }

    /// Whether a key and its colon begin here.
    fn is_entry_of_mapping(&mut self) -> bool {
        let start = self.at;
        let found = match self.byte(0) {
            b'"' | b'\'' => self.quoted().is_some(),
            _ => self.pass_plain_key().is_some(),
        };
        let found = found && self.is_colon_of(start);
        self.at = start;
        found
    }

    /// Passes what may be a key without quotes, and gives it.
    fn pass_plain_key(&mut self) -> Option<&'a str> {
        let rest = &self.bytes[self.at..];
        let is_first = |byte: &u8| byte.is_ascii_alphanumeric() || b"_/$".contains(byte);
        rest.first().filter(|byte| is_first(byte))?;
        let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-./$@".contains(byte);
        let length = rest.iter().position(|byte| !is_plain(byte))?;
        let text = &self.text[self.at..self.at + length];
        self.at += length;
        Some(text)
    }

    /// Whether the colon of a key that began there is next.
    fn is_colon_of(&self, start: usize) -> bool {
        let is_colon = self.byte(0) == b':' && matches!(self.byte(1), b' ' | b'\n');
        is_colon && !self.spans_lines(start) && self.at < self.bytes.len()
    }

    fn mapping(&mut self, column: usize) -> Option<Value> {
        let mut map = Map::new();
        loop {
            let key = self.key()?;
            self.skip_spaces();
            let value = match self.byte(0) {
                b'\n' | b'#' => {
                    // A comment needs a space before it, which the colon's own rule has seen to.
                    self.skip_line();
                    self.nested(column, true)?
                }
                _ => self.scalar(column)?,
            };
            map.insert(key, value);
            match self.peek_line() {
                Some(next) if next == column => self.next_line(),
                Some(next) if next > column => return None,
                None if !self.is_at_end() => return None,
                _ => return Some(Value::Object(map)),
            };
        }
    }

    /// A key with its colon.
    fn key(&mut self) -> Option<String> {
        let start = self.at;
        let key = match self.byte(0) {
            b'"' | b'\'' => self.quoted()?,
            _ => {
                let text = self.pass_plain_key()?;
                key_of(resolve_plain(text, Rules::V2), text)?
            }
        };
        if !self.is_colon_of(start) {
            return None;
        }
        self.at += 1;
        Some(key)
    }
}
