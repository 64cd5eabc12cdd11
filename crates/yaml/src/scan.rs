//! Text to tokens, by the grammar of libyaml as Go has it: block structure from indentation,
//! simple keys recognised when their `:` comes. It must not know what nodes are made of tokens.

mod directive;
mod scalar;

use std::collections::VecDeque;

use crate::error::Error;
use crate::node::{Comment, Style};

/// A token and where it starts; line and column count from 0.
#[derive(Debug)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

#[derive(Debug, PartialEq)]
pub(crate) enum TokenKind {
    StreamEnd,
    Version { major: u32, minor: u32 },
    TagDirective { handle: String, prefix: String },
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(String),
    Anchor(String),
    Tag { handle: String, suffix: String },
    Scalar { text: String, style: Style },
}

/// A place where a key without `?` may have begun.
#[derive(Clone, Copy, Default)]
struct SimpleKey {
    possible: bool,
    required: bool,
    token: usize,
    line: u32,
    column: u32,
}

/// How far a key's `:` may be from its start, in characters.
const SIMPLE_KEY_REACH: u32 = 1024;

pub(crate) struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    line: u32,
    column: u32,
    tokens: VecDeque<Token>,
    taken: usize,
    /// The column of the innermost block collection; -1 outside of all.
    indent: i64,
    indents: Vec<i64>,
    /// One for the block context and one for each open flow collection.
    keys: Vec<SimpleKey>,
    key_allowed: bool,
    ended: bool,
    /// Whether the head of the queue is known to be no key that is still waiting for its `:`.
    ready: bool,
    depth: usize,
    /// Where comments are wanted, those that were passed.
    pub(crate) comments: Option<Vec<Comment>>,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str, depth: usize) -> Result<Self, Error> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        refuse_control_characters(text)?;
        Ok(Self {
            text,
            bytes: text.as_bytes(),
            at: 0,
            line: 0,
            column: 0,
            tokens: VecDeque::new(),
            taken: 0,
            indent: -1,
            indents: Vec::new(),
            keys: vec![SimpleKey::default()],
            key_allowed: true,
            ended: false,
            ready: false,
            depth,
            comments: None,
        })
    }

    /// The next token without taking it.
    pub(crate) fn peek(&mut self) -> Result<&Token, Error> {
        if !self.ready {
            while self.needs_more() {
                self.fetch()?;
            }
            self.ready = true;
        }
        // The loop above only ends with a token in the queue.
        Ok(self.tokens.front().expect("a token was fetched"))
    }

    /// Takes the next token.
    pub(crate) fn next(&mut self) -> Result<Token, Error> {
        self.peek()?;
        self.taken += 1;
        self.ready = false;
        Ok(self.tokens.pop_front().expect("a token was peeked"))
    }

    pub(crate) fn error_here(&self, message: &str) -> Error {
        Error::new(self.line + 1, self.column + 1, message)
    }

    /// Whether the queue is empty, or its head may still turn out to be a key.
    fn needs_more(&mut self) -> bool {
        if self.tokens.is_empty() {
            return true;
        }
        if self.ended {
            return false;
        }
        let taken = self.taken;
        let Ok(found) = self.keys.binary_search_by_key(&taken, |key| key.token) else {
            return false;
        };
        self.key_is_live(found)
    }

    fn key_is_live(&mut self, index: usize) -> bool {
        let (line, column) = (self.line, self.column);
        let key = &mut self.keys[index];
        if !key.possible {
            return false;
        }
        let stale = key.line < line || key.column + SIMPLE_KEY_REACH < column;
        // A required key that went stale stays, so that removing it reports the error.
        if stale && !key.required {
            key.possible = false;
        }
        !stale
    }

    fn in_flow(&self) -> bool {
        self.keys.len() > 1
    }

    fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn break_length(&self, ahead: usize) -> usize {
        match self.byte(ahead) {
            b'\n' => 1,
            b'\r' => 1 + usize::from(self.byte(ahead + 1) == b'\n'),
            0xc2 if self.byte(ahead + 1) == 0x85 => 2,
            0xe2 if self.byte(ahead + 1) == 0x80 && matches!(self.byte(ahead + 2), 0xa8 | 0xa9) => {
                3
            }
            _ => 0,
        }
    }

    fn is_break(&self, ahead: usize) -> bool {
        self.break_length(ahead) > 0
    }

    fn is_end(&self, ahead: usize) -> bool {
        self.at + ahead >= self.bytes.len()
    }

    fn is_blank(&self, ahead: usize) -> bool {
        matches!(self.byte(ahead), b' ' | b'\t')
    }

    fn is_break_or_end(&self, ahead: usize) -> bool {
        self.is_end(ahead) || self.is_break(ahead)
    }

    fn is_blank_or_end(&self, ahead: usize) -> bool {
        self.is_blank(ahead) || self.is_break_or_end(ahead)
    }

    /// Passes one character that is no line break.
    fn skip(&mut self) {
        self.at += width(self.byte(0));
        self.column += 1;
    }

    /// Passes ASCII characters that are no line breaks.
    fn skip_ascii(&mut self, count: usize) {
        self.at += count;
        self.column += u32::try_from(count).unwrap_or(u32::MAX);
    }

    /// Passes a line break and gives what it stands for in a scalar.
    fn take_break(&mut self) -> &'a str {
        let length = self.break_length(0);
        let start = self.at;
        self.at += length;
        self.line += 1;
        self.column = 0;
        if length == 3 {
            &self.text[start..start + 3]
        } else {
            "\n"
        }
    }

    fn skip_line_rest(&mut self) {
        while !self.is_break_or_end(0) {
            self.skip();
        }
    }

    /// Passes a comment, and keeps it where comments are wanted.
    fn take_comment(&mut self) {
        let (start, line, column) = (self.at, self.line + 1, self.column + 1);
        self.skip_line_rest();
        let Some(comments) = &mut self.comments else {
            return;
        };
        let before = self.text[..start].rsplit(['\n', '\r']).next();
        comments.push(Comment {
            line,
            column,
            alone: before.is_none_or(|before| before.trim().is_empty()),
            text: self.text[start..self.at].into(),
        });
    }

    fn document_indicator(&self) -> Option<TokenKind> {
        if self.column != 0 || !self.is_blank_or_end(3) {
            return None;
        }
        match self.bytes.get(self.at..self.at + 3)? {
            b"---" => Some(TokenKind::DocumentStart),
            b"..." => Some(TokenKind::DocumentEnd),
            _ => None,
        }
    }

    fn skip_to_token(&mut self) {
        loop {
            while self.byte(0) == b' '
                || self.byte(0) == b'\t' && (self.in_flow() || !self.key_allowed)
            {
                self.skip_ascii(1);
            }
            if self.byte(0) == b'#' {
                self.take_comment();
            }
            if !self.is_break(0) {
                return;
            }
            self.take_break();
            if !self.in_flow() {
                self.key_allowed = true;
            }
        }
    }

    fn push(&mut self, kind: TokenKind, line: u32, column: u32) {
        self.tokens.push_back(Token { kind, line, column });
    }

    /// Takes ASCII characters as a token.
    fn push_indicator(&mut self, kind: TokenKind, length: usize) {
        let (line, column) = (self.line, self.column);
        self.skip_ascii(length);
        self.push(kind, line, column);
    }

    fn fetch(&mut self) -> Result<(), Error> {
        self.skip_to_token();
        self.unroll(i64::from(self.column));
        if self.is_end(0) {
            return self.fetch_end();
        }
        if self.column == 0 && self.byte(0) == b'%' {
            self.unroll(-1);
            self.remove_key()?;
            self.key_allowed = false;
            return self.fetch_directive();
        }
        if let Some(kind) = self.document_indicator() {
            self.unroll(-1);
            self.remove_key()?;
            self.key_allowed = false;
            self.push_indicator(kind, 3);
            return Ok(());
        }
        let followed = self.is_blank_or_end(1);
        match self.byte(0) {
            b'[' => self.fetch_flow_start(TokenKind::FlowSequenceStart),
            b'{' => self.fetch_flow_start(TokenKind::FlowMappingStart),
            b']' => self.fetch_flow_end(TokenKind::FlowSequenceEnd),
            b'}' => self.fetch_flow_end(TokenKind::FlowMappingEnd),
            b',' => {
                self.remove_key()?;
                self.key_allowed = true;
                self.push_indicator(TokenKind::FlowEntry, 1);
                Ok(())
            }
            b'-' if followed => self.fetch_block_entry(),
            b'?' if self.in_flow() || followed => self.fetch_key(),
            b':' if self.in_flow() || followed => self.fetch_value(),
            b'*' => self.fetch_anchor(true),
            b'&' => self.fetch_anchor(false),
            b'!' => self.fetch_tag(),
            b'|' if !self.in_flow() => self.fetch_block_scalar(Style::Literal),
            b'>' if !self.in_flow() => self.fetch_block_scalar(Style::Folded),
            b'\'' => self.fetch_quoted(Style::SingleQuoted),
            b'"' => self.fetch_quoted(Style::DoubleQuoted),
            b'#' | b'|' | b'>' | b'%' | b'@' | b'`' | b'\t' => {
                Err(self.error_here("found character that cannot start any token"))
            }
            _ => self.fetch_plain(),
        }
    }

    fn fetch_end(&mut self) -> Result<(), Error> {
        if self.column != 0 {
            self.column = 0;
            self.line += 1;
        }
        self.unroll(-1);
        self.remove_key()?;
        self.key_allowed = false;
        self.ended = true;
        self.push(TokenKind::StreamEnd, self.line, self.column);
        Ok(())
    }

    /// Remembers that a key may begin here.
    fn save_key(&mut self) -> Result<(), Error> {
        if !self.key_allowed {
            return Ok(());
        }
        self.remove_key()?;
        let required = !self.in_flow() && self.indent == i64::from(self.column);
        let key = SimpleKey {
            possible: true,
            required,
            token: self.taken + self.tokens.len(),
            line: self.line,
            column: self.column,
        };
        *self.keys.last_mut().expect("the block level stays") = key;
        Ok(())
    }

    fn remove_key(&mut self) -> Result<(), Error> {
        let key = self.keys.last_mut().expect("the block level stays");
        if key.possible && key.required {
            let message = "could not find expected ':'";
            return Err(Error::new(key.line + 1, key.column + 1, message));
        }
        key.possible = false;
        Ok(())
    }

    /// Opens a block collection when this column is deeper than the open ones.
    fn roll(&mut self, column: u32, index: Option<usize>, token: Token) -> Result<(), Error> {
        if self.in_flow() || self.indent >= i64::from(column) {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = i64::from(column);
        if self.indents.len() + self.keys.len() > self.depth {
            return Err(self.too_deep());
        }
        match index {
            Some(index) => self.tokens.insert(index, token),
            None => self.tokens.push_back(token),
        }
        Ok(())
    }

    fn too_deep(&self) -> Error {
        let message = format!("nested more than {} levels deep", self.depth);
        self.error_here(&message)
    }

    /// Closes the block collections that are deeper than this column.
    fn unroll(&mut self, column: i64) {
        if self.in_flow() {
            return;
        }
        while self.indent > column {
            self.push(TokenKind::BlockEnd, self.line, self.column);
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn fetch_flow_start(&mut self, kind: TokenKind) -> Result<(), Error> {
        self.save_key()?;
        // Keys inside come after the bracket; the numbers have to rise for the search in them.
        let token = self.taken + self.tokens.len() + 1;
        self.keys.push(SimpleKey {
            token,
            ..SimpleKey::default()
        });
        if self.indents.len() + self.keys.len() > self.depth {
            return Err(self.too_deep());
        }
        self.key_allowed = true;
        self.push_indicator(kind, 1);
        Ok(())
    }

    fn fetch_flow_end(&mut self, kind: TokenKind) -> Result<(), Error> {
        self.remove_key()?;
        if self.in_flow() {
            self.keys.pop();
        }
        self.key_allowed = false;
        self.push_indicator(kind, 1);
        Ok(())
    }

    fn start_token(&self, kind: TokenKind) -> Token {
        Token {
            kind,
            line: self.line,
            column: self.column,
        }
    }

    fn fetch_block_entry(&mut self) -> Result<(), Error> {
        if !self.in_flow() {
            if !self.key_allowed {
                let message = "block sequence entries are not allowed in this context";
                return Err(self.error_here(message));
            }
            let start = self.start_token(TokenKind::BlockSequenceStart);
            self.roll(self.column, None, start)?;
        }
        self.remove_key()?;
        self.key_allowed = true;
        self.push_indicator(TokenKind::BlockEntry, 1);
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<(), Error> {
        if !self.in_flow() {
            if !self.key_allowed {
                return Err(self.error_here("mapping keys are not allowed in this context"));
            }
            let start = self.start_token(TokenKind::BlockMappingStart);
            self.roll(self.column, None, start)?;
        }
        self.remove_key()?;
        self.key_allowed = !self.in_flow();
        self.push_indicator(TokenKind::Key, 1);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<(), Error> {
        let last = self.keys.len() - 1;
        if self.key_is_live(last) {
            let key = self.keys[last];
            let (line, column) = (key.line, key.column);
            let index = key.token - self.taken;
            let place = |kind| Token { kind, line, column };
            self.tokens.insert(index, place(TokenKind::Key));
            let start = place(TokenKind::BlockMappingStart);
            self.roll(column, Some(index), start)?;
            self.keys[last].possible = false;
            self.key_allowed = false;
        } else {
            self.remove_key()?;
            if !self.in_flow() {
                if !self.key_allowed {
                    let message = "mapping values are not allowed in this context";
                    return Err(self.error_here(message));
                }
                let start = self.start_token(TokenKind::BlockMappingStart);
                self.roll(self.column, None, start)?;
            }
            self.key_allowed = !self.in_flow();
        }
        self.push_indicator(TokenKind::Value, 1);
        Ok(())
    }

    fn fetch_anchor(&mut self, alias: bool) -> Result<(), Error> {
        self.save_key()?;
        self.key_allowed = false;
        let (line, column) = (self.line, self.column);
        self.skip_ascii(1);
        let start = self.at;
        while is_word(self.byte(0)) {
            self.skip_ascii(1);
        }
        let ends = self.is_blank_or_end(0)
            || matches!(
                self.byte(0),
                b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`'
            );
        if self.at == start || !ends {
            return Err(self.error_here("did not find expected alphabetic or numeric character"));
        }
        let name = self.text[start..self.at].to_owned();
        let kind = if alias {
            TokenKind::Alias(name)
        } else {
            TokenKind::Anchor(name)
        };
        self.push(kind, line, column);
        Ok(())
    }
}

/// Whether a byte may be part of an anchor's or tag handle's name.
fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
}

/// The length of a character from its first byte.
fn width(first: u8) -> usize {
    match first {
        0..=0x7f => 1,
        0x80..=0xdf => 2,
        0xe0..=0xef => 3,
        _ => 4,
    }
}

/// Refuses the characters that YAML does not allow anywhere, as Go's reader does.
pub(crate) fn refuse_control_characters(text: &str) -> Result<(), Error> {
    let bytes = text.as_bytes();
    let bad = |at: usize| match bytes[at] {
        b'\t' | b'\n' | b'\r' | 0x20..=0x7e => false,
        0..=0x7f => true,
        0xc2 => matches!(bytes[at + 1], 0x80..=0x84 | 0x86..=0x9f),
        0xef => bytes[at + 1] == 0xbf && matches!(bytes[at + 2], 0xbe | 0xbf),
        _ => false,
    };
    // Nearly all texts are plain ASCII; a chunk of those needs no look at each character.
    let suspicious = |chunk: &[u8]| {
        let odd =
            |&byte: &u8| byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r') || byte >= 0x7f;
        // Without an early end the compiler looks at many at a time.
        chunk.iter().fold(false, |found, byte| found | odd(byte))
    };
    let found = bytes
        .chunks(64)
        .enumerate()
        .filter(|(_, chunk)| suspicious(chunk));
    let found = found.flat_map(|(index, chunk)| index * 64..index * 64 + chunk.len());
    let Some(at) = found.into_iter().find(|&at| bad(at)) else {
        return Ok(());
    };
    let before = &text[..at];
    let line = before.matches('\n').count();
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count();
    let number = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
    let message = "control characters are not allowed";
    Err(Error::new(number(line), number(column), message))
}
