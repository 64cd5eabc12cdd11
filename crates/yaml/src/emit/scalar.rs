//! Writes one scalar in one style, folding where Go folds.

use super::{Dialect, Emitter};
use crate::analyze::{is_break, is_printable};

impl Emitter {
    fn write_break(&mut self, character: char) {
        if character == '\n' {
            self.put_break();
        } else {
            self.out.push(character);
            self.column = 0;
            self.indention = true;
        }
    }

    pub(super) fn write_plain(&mut self, text: &str, may_break: bool) {
        if !self.whitespace && (!text.is_empty() || self.dialect == Dialect::Sigs) {
            self.put(" ");
        }
        // Most texts are short words without anything to fold.
        if self.column + text.len() <= self.width()
            && text.is_ascii()
            && !text.contains(['\n', '\r'])
        {
            self.put(text);
        } else {
            self.write_folding(text, may_break, false);
        }
        if !text.is_empty() || self.dialect == Dialect::Sigs {
            self.whitespace = false;
        }
        self.indention = false;
    }

    pub(super) fn write_single_quoted(&mut self, text: &str, may_break: bool) {
        self.write_indicator("'", true, false, false);
        self.write_folding(text, may_break, true);
        self.write_indicator("'", false, false, false);
        self.whitespace = false;
        self.indention = false;
    }

    /// Writes a text with single spaces turned into line breaks where lines get too long.
    fn write_folding(&mut self, text: &str, may_break: bool, quoted: bool) {
        let (mut after_space, mut after_break) = (false, false);
        let mut characters = text.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            let next = characters.peek().map(|&(_, next)| next);
            if character == ' ' {
                let inside = !quoted || at > 0 && next.is_some();
                let folds = may_break && !after_space && self.column > self.width();
                if folds && inside && next != Some(' ') {
                    self.write_indent();
                } else {
                    self.put_char(' ');
                }
                after_space = true;
            } else if is_break(character) {
                if !after_break && character == '\n' {
                    self.put_break();
                }
                self.write_break(character);
                after_break = true;
            } else {
                if after_break {
                    self.write_indent();
                }
                if quoted && character == '\'' {
                    self.put_char('\'');
                }
                self.put_char(character);
                self.indention = false;
                (after_space, after_break) = (false, false);
            }
        }
    }

    pub(super) fn write_double_quoted(&mut self, text: &str, may_break: bool) {
        self.write_indicator("\"", true, false, false);
        // Go looks for the byte order mark at the start of the text, whichever character it is at.
        let marked = text.starts_with('\u{feff}');
        let mut after_space = false;
        let mut characters = text.char_indices().peekable();
        while let Some((at, character)) = characters.next() {
            let next = characters.peek().map(|&(_, next)| next);
            let escaped = matches!(character, '"' | '\\') || is_break(character);
            if marked || escaped || !is_printable(character) {
                self.write_escape(character);
                after_space = false;
            } else if character == ' ' {
                let folds = may_break && !after_space && self.column > self.width();
                if folds && at > 0 && next.is_some() {
                    self.write_indent();
                    if next == Some(' ') {
                        self.put_char('\\');
                    }
                } else {
                    self.put_char(' ');
                }
                after_space = true;
            } else {
                self.put_char(character);
                after_space = false;
            }
        }
        self.write_indicator("\"", false, false, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn write_escape(&mut self, character: char) {
        let letter = match character {
            '\0' => '0',
            '\u{7}' => 'a',
            '\u{8}' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\u{b}' => 'v',
            '\u{c}' => 'f',
            '\r' => 'r',
            '\u{1b}' => 'e',
            '"' => '"',
            '\\' => '\\',
            '\u{85}' => 'N',
            '\u{a0}' => '_',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            _ => {
                let code = u32::from(character);
                let escape = match code {
                    0..=0xff => format!("\\x{code:02X}"),
                    0x100..=0xffff => format!("\\u{code:04X}"),
                    _ => format!("\\U{code:08X}"),
                };
                self.put(&escape);
                return;
            }
        };
        self.put_char('\\');
        self.put_char(letter);
    }

    fn write_block_hints(&mut self, text: &str) {
        if text.starts_with(|first| first == ' ' || is_break(first)) {
            let step = match self.dialect {
                Dialect::Sigs => 2,
                Dialect::V3 { indent, .. } => indent.max(2),
            };
            self.write_indicator(&step.to_string(), false, false, false);
        }
        let mut last = text.chars().rev();
        let chomping = match (last.next(), last.next()) {
            (Some(last), _) if !is_break(last) => "-",
            (None, _) => "-",
            (Some(_), None) => "+",
            (Some(_), Some(before)) if is_break(before) => "+",
            _ => return,
        };
        self.write_indicator(chomping, false, false, false);
    }

    pub(super) fn write_literal(&mut self, text: &str) {
        self.write_indicator("|", true, false, false);
        self.write_block_hints(text);
        self.put_break();
        self.whitespace = true;
        let mut after_break = true;
        for line in text.split_inclusive(is_break) {
            let content = line.trim_end_matches(is_break);
            if !content.is_empty() {
                if after_break {
                    self.write_indent();
                }
                self.put(content);
                self.indention = false;
                after_break = false;
            }
            if let Some(last) = line.chars().next_back().filter(|&last| is_break(last)) {
                self.write_break(last);
                after_break = true;
            }
        }
    }

    pub(super) fn write_folded(&mut self, text: &str) {
        self.write_indicator(">", true, false, false);
        self.write_block_hints(text);
        self.put_break();
        self.whitespace = true;
        let (mut after_break, mut leading_space) = (true, true);
        let opening = text.chars().find(|&character| !is_break(character));
        let opens_with_text = opening.is_some_and(|first| !matches!(first, ' ' | '\t'));
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let next = characters.peek().copied();
            if is_break(character) {
                if !after_break && !leading_space && character == '\n' {
                    // Go looks at the start of the text instead of what comes behind the break, so
                    // that breaks before indented lines are doubled.
                    if opens_with_text {
                        self.put_break();
                    }
                }
                self.write_break(character);
                after_break = true;
            } else {
                if after_break {
                    self.write_indent();
                    leading_space = matches!(character, ' ' | '\t');
                }
                let folds = !after_break && character == ' ' && next != Some(' ');
                if folds && self.column > self.width() {
                    self.write_indent();
                } else {
                    self.put_char(character);
                }
                self.indention = false;
                after_break = false;
            }
        }
    }
}
