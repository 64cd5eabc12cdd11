//! Splits template text into tokens: text outside of actions, and what stands inside them.
//!
//! It must not know what a token means; trim markers and comments end here.

use std::fmt;

use memchr::memchr;

use crate::ast::Span;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// Text outside of actions, already trimmed.
    Text,
    /// `{{`.
    Open,
    /// `}}`.
    Close,
    /// White space inside an action.
    Space,
    /// A name without a dot.
    Name,
    /// A name that means something to the language itself.
    Keyword(Keyword),
    /// `.name`.
    Field,
    /// `$` or `$name`.
    Variable,
    /// `true` or `false`.
    Bool,
    /// A number of any form.
    Number,
    /// A character in quotes.
    Char,
    /// `"..."`.
    Quoted,
    /// A string in back quotes.
    RawQuoted,
    /// `:=`.
    Declare,
    /// `=`.
    Assign,
    /// `|`.
    Pipe,
    /// `(`.
    OpenParen,
    /// `)`.
    CloseParen,
    /// `,`.
    Comma,
    /// Any other character.
    Other,
    /// The end of the text.
    End,
}

/// The words of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Nil,
    Template,
    With,
    Dot,
}

/// A token and the bytes it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lexeme {
    pub(crate) token: Token,
    pub(crate) span: Span,
}

impl Lexeme {
    fn new(token: Token, start: usize, end: usize) -> Self {
        Self {
            token,
            span: Span::new(start, end),
        }
    }

    pub(crate) fn start(self) -> usize {
        self.span.start as usize
    }

    pub(crate) fn end(self) -> usize {
        self.span.end as usize
    }
}

/// What is wrong and where.
#[derive(Debug)]
pub(crate) struct LexError {
    pub(crate) at: usize,
    pub(crate) message: String,
}

/// Splits a text into tokens, the last of which is [`Token::End`].
pub(crate) fn lex(text: &str) -> Result<Vec<Lexeme>, LexError> {
    let mut lexer = Lexer {
        text,
        at: 0,
        parens: 0,
        lexemes: Vec::with_capacity(text.len() / 16),
    };
    lexer.run()?;
    Ok(lexer.lexemes)
}

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    parens: usize,
    lexemes: Vec<Lexeme>,
}

const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

fn is_space(letter: char) -> bool {
    SPACES.contains(&letter)
}

fn is_name(letter: char) -> bool {
    letter == '_' || letter.is_alphabetic() || letter.is_numeric() && is_digit(letter)
}

/// Go counts only decimal digits (category Nd) into names.
fn is_digit(letter: char) -> bool {
    letter.is_ascii_digit() || (!letter.is_ascii() && letter.is_numeric())
}

/// Where the next `{{` is. A single letter is looked for many at a time, two of them are not.
fn find_open(text: &str) -> Option<usize> {
    let mut start = 0;
    loop {
        let found = start + memchr(b'{', &text.as_bytes()[start..])?;
        if text[found + 1..].starts_with('{') {
            return Some(found);
        }
        start = found + 1;
    }
}

/// How many bytes of a text are letters of names.
fn name_length(text: &str) -> usize {
    let is_plain = |byte: &u8| *byte == b'_' || byte.is_ascii_alphanumeric();
    let plain = text.bytes().take_while(|byte| is_plain(byte)).count();
    match text.as_bytes().get(plain) {
        Some(128..) => text.find(|letter| !is_name(letter)).unwrap_or(text.len()),
        _ => plain,
    }
}

impl Lexer<'_> {
    fn run(&mut self) -> Result<(), LexError> {
        loop {
            let Some(found) = find_open(&self.text[self.at..]) else {
                self.push_text(self.at, self.text.len());
                self.at = self.text.len();
                self.push(Token::End, self.at);
                return Ok(());
            };
            let open = self.at + found;
            let trims = self.trims_before(open + 2);
            let end = if trims {
                self.at + self.text[self.at..open].trim_end_matches(SPACES).len()
            } else {
                open
            };
            self.push_text(self.at, end);
            let inside = open + 2 + if trims { 2 } else { 0 };
            if self.text[inside..].starts_with("/*") {
                self.at = inside;
                self.comment()?;
                continue;
            }
            self.at = open;
            self.push(Token::Open, open + 2);
            // The marker's space is dropped with it.
            self.at = inside;
            self.action()?;
        }
    }

    fn push_text(&mut self, start: usize, end: usize) {
        if end > start {
            self.lexemes.push(Lexeme::new(Token::Text, start, end));
        }
    }

    fn push(&mut self, token: Token, end: usize) {
        self.lexemes.push(Lexeme::new(token, self.at, end));
        self.at = end;
    }

    /// Whether `- ` follows an opening delimiter.
    fn trims_before(&self, at: usize) -> bool {
        let mut letters = self.text[at..].chars();
        letters.next() == Some('-') && letters.next().is_some_and(is_space)
    }

    /// The length of the closing delimiter here, and whether it trims what follows.
    fn closes(&self, at: usize) -> Option<(usize, bool)> {
        let rest = &self.text[at..];
        if rest.starts_with("}}") {
            return Some((2, false));
        }
        let mut letters = rest.chars();
        let trims = letters.next().is_some_and(is_space) && letters.as_str().starts_with("-}}");
        trims.then_some((4, true))
    }

    fn close(&mut self, length: usize, trims: bool) {
        self.at += length;
        if trims {
            let rest = &self.text[self.at..];
            self.at += rest.len() - rest.trim_start_matches(SPACES).len();
        }
    }

    fn comment(&mut self) -> Result<(), LexError> {
        let Some(found) = self.text[self.at..].find("*/") else {
            return Err(self.error("unclosed comment"));
        };
        self.at += found + 2;
        let Some((length, trims)) = self.closes(self.at) else {
            return Err(self.error("comment ends before closing delimiter"));
        };
        self.close(length, trims);
        Ok(())
    }

    fn error(&self, message: impl fmt::Display) -> LexError {
        LexError {
            at: self.at,
            message: message.to_string(),
        }
    }

    fn peek(&self, offset: usize) -> Option<char> {
        self.text.get(self.at + offset..)?.chars().next()
    }

    fn action(&mut self) -> Result<(), LexError> {
        self.parens = 0;
        loop {
            if let Some((length, trims)) = self.closes(self.at) {
                if self.parens > 0 {
                    return Err(self.error("unclosed left paren"));
                }
                let start = self.at;
                self.push(Token::Close, start + length);
                self.at = start;
                self.close(length, trims);
                return Ok(());
            }
            let Some(letter) = self.peek(0) else {
                return Err(self.error("unclosed action"));
            };
            self.inside(letter)?;
        }
    }

    fn inside(&mut self, letter: char) -> Result<(), LexError> {
        let one = self.at + letter.len_utf8();
        match letter {
            _ if is_space(letter) => self.space(),
            '=' => self.push(Token::Assign, one),
            ':' if self.peek(1) == Some('=') => self.push(Token::Declare, one + 1),
            ':' => return Err(self.error("expected :=")),
            '|' => self.push(Token::Pipe, one),
            '"' => self.quoted('"', Token::Quoted, "unterminated quoted string")?,
            '\'' => self.quoted('\'', Token::Char, "unterminated character constant")?,
            '`' => {
                let Some(length) = self.text[one..].find('`') else {
                    return Err(self.error("unterminated raw quoted string"));
                };
                self.push(Token::RawQuoted, one + length + 1);
            }
            '$' => self.name(Token::Variable)?,
            '.' if !self.peek(1).is_some_and(|next| next.is_ascii_digit()) => {
                self.name(Token::Field)?;
            }
            '.' | '+' | '-' | '0'..='9' => self.number()?,
            _ if is_name(letter) => self.name(Token::Name)?,
            '(' => {
                self.parens += 1;
                self.push(Token::OpenParen, one);
            }
            ')' => {
                let Some(parens) = self.parens.checked_sub(1) else {
                    return Err(self.error("unexpected right paren"));
                };
                self.parens = parens;
                self.push(Token::CloseParen, one);
            }
            ',' => self.push(Token::Comma, one),
            ' '..='~' => self.push(Token::Other, one),
            _ => {
                let code = u32::from(letter);
                return Err(self.error(format_args!(
                    "unrecognized character in action: U+{code:04X} '{letter}'"
                )));
            }
        }
        Ok(())
    }

    fn space(&mut self) {
        let rest = self.text[self.at..].bytes();
        let spaces = rest.take_while(|byte| is_space(char::from(*byte)));
        let mut end = self.at + spaces.count();
        // The last space belongs to a trimming delimiter that follows it.
        if self.text[end..].starts_with("-}}") {
            end -= 1;
        }
        if end > self.at {
            self.push(Token::Space, end);
        }
    }

    fn quoted(&mut self, quote: char, token: Token, problem: &str) -> Result<(), LexError> {
        let mut letters = self.text[self.at + 1..].char_indices();
        while let Some((offset, letter)) = letters.next() {
            match letter {
                '\\' => match letters.next() {
                    Some((_, escaped)) if escaped != '\n' => {}
                    _ => break,
                },
                '\n' => break,
                _ if letter == quote => {
                    self.push(token, self.at + offset + 2);
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(self.error(problem))
    }

    fn name(&mut self, token: Token) -> Result<(), LexError> {
        let start = self.at;
        let head = usize::from(token != Token::Name);
        let end = start + head + name_length(&self.text[start + head..]);
        if !self.terminates(end) {
            self.at = end;
            let letter = self.peek(0).unwrap_or_default();
            let code = u32::from(letter);
            return Err(self.error(format_args!("bad character U+{code:04X} '{letter}'")));
        }
        let word = &self.text[start..end];
        let token = match (token, word) {
            (Token::Field, ".") => Token::Keyword(Keyword::Dot),
            (Token::Name, "true" | "false") => Token::Bool,
            (Token::Name, word) => keyword(word).map_or(Token::Name, Token::Keyword),
            (token, _) => token,
        };
        self.push(token, end);
        Ok(())
    }

    fn terminates(&self, at: usize) -> bool {
        match self.text[at..].chars().next() {
            None | Some('.' | ',' | '|' | ':' | ')' | '(') => true,
            Some(letter) => is_space(letter) || self.text[at..].starts_with("}}"),
        }
    }

    fn number(&mut self) -> Result<(), LexError> {
        let start = self.at;
        let mut end = self.scan_number(start);
        if self.text[end..].starts_with(['+', '-']) {
            end = self.scan_number(end);
        }
        if self.text[end..].chars().next().is_some_and(is_name) {
            let rest = &self.text[start..];
            let length = rest
                .find(|letter: char| !is_name(letter) && !"+-.".contains(letter))
                .unwrap_or(rest.len());
            return Err(self.error(format_args!("bad number syntax: {:?}", &rest[..length])));
        }
        self.push(Token::Number, end);
        Ok(())
    }

    fn scan_number(&self, start: usize) -> usize {
        let bytes = self.text.as_bytes();
        let at = |index: usize| bytes.get(index).copied().unwrap_or_default();
        let run = |mut index: usize, hex: bool| {
            while at(index) == b'_'
                || at(index).is_ascii_digit()
                || hex && at(index).is_ascii_hexdigit()
            {
                index += 1;
            }
            index
        };
        let mut end = start + usize::from(matches!(at(start), b'+' | b'-'));
        let mut hex = false;
        let mut decimal = true;
        if at(end) == b'0' && matches!(at(end + 1), b'x' | b'X' | b'o' | b'O' | b'b' | b'B') {
            hex = matches!(at(end + 1), b'x' | b'X');
            decimal = false;
            end += 2;
        }
        end = run(end, hex);
        if at(end) == b'.' {
            end = run(end + 1, hex);
        }
        let exponent = at(end).to_ascii_lowercase();
        if decimal && exponent == b'e' || hex && exponent == b'p' {
            end += 1 + usize::from(matches!(at(end + 1), b'+' | b'-'));
            end = run(end, false);
        }
        end + usize::from(at(end) == b'i')
    }
}

fn keyword(word: &str) -> Option<Keyword> {
    Some(match word {
        "block" => Keyword::Block,
        "break" => Keyword::Break,
        "continue" => Keyword::Continue,
        "define" => Keyword::Define,
        "else" => Keyword::Else,
        "end" => Keyword::End,
        "if" => Keyword::If,
        "range" => Keyword::Range,
        "nil" => Keyword::Nil,
        "template" => Keyword::Template,
        "with" => Keyword::With,
        _ => return None,
    })
}
