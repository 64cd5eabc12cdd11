//! Writes JSON as Go's `encoding/json` does: keys in byte order, numbers and escapes its way.

use crate::number::format_json_float;
use crate::tree::Tree;

/// Whether `<`, `>` and `&` are escaped, which Go does unless told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HtmlEscape {
    /// As `\u003c`, `\u003e` and `\u0026`.
    On,
    /// As they are.
    Off,
}

/// Writes a tree in one line, as `json.Marshal` does. Numbers without a JSON form become `null`.
pub fn to_json(tree: &Tree, escape: HtmlEscape) -> String {
    let mut writer = Writer {
        out: String::new(),
        escape,
        indent: None,
    };
    writer.tree(tree, 0);
    writer.out
}

/// Writes a tree in lines, as `json.MarshalIndent` does with an empty prefix.
pub fn to_json_indent(tree: &Tree, escape: HtmlEscape, indent: &str) -> String {
    let mut writer = Writer {
        out: String::new(),
        escape,
        indent: Some(indent),
    };
    writer.tree(tree, 0);
    writer.out
}

/// Writes a text with quotes, as `json.Marshal` does.
pub fn json_string(text: &str, escape: HtmlEscape) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    write_string(&mut out, text, escape);
    out
}

struct Writer<'a> {
    out: String,
    escape: HtmlEscape,
    indent: Option<&'a str>,
}

impl Writer<'_> {
    fn tree(&mut self, tree: &Tree, depth: usize) {
        match tree {
            Tree::Null => self.out.push_str("null"),
            Tree::Bool(truth) => self.out.push_str(if *truth { "true" } else { "false" }),
            Tree::Int(number) => self.out.push_str(&number.to_string()),
            Tree::Uint(number) => self.out.push_str(&number.to_string()),
            Tree::Float(number) => {
                let text = format_json_float(*number);
                self.out.push_str(text.as_deref().unwrap_or("null"));
            }
            Tree::Str(text) => write_string(&mut self.out, text, self.escape),
            Tree::Seq(items) => {
                self.out.push('[');
                for (index, item) in items.iter().enumerate() {
                    self.separate(index, depth + 1);
                    self.tree(item, depth + 1);
                }
                self.close(']', items.is_empty(), depth);
            }
            Tree::Map(entries) => {
                let mut sorted: Vec<&(String, Tree)> = entries.iter().collect();
                sorted.sort_by(|left, right| left.0.cmp(&right.0));
                self.out.push('{');
                for (index, (key, value)) in sorted.into_iter().enumerate() {
                    self.separate(index, depth + 1);
                    write_string(&mut self.out, key, self.escape);
                    self.out.push(':');
                    if self.indent.is_some() {
                        self.out.push(' ');
                    }
                    self.tree(value, depth + 1);
                }
                self.close('}', entries.is_empty(), depth);
            }
        }
    }

    fn separate(&mut self, index: usize, depth: usize) {
        if index > 0 {
            self.out.push(',');
        }
        self.new_line(depth);
    }

    fn close(&mut self, bracket: char, empty: bool, depth: usize) {
        if !empty {
            self.new_line(depth);
        }
        self.out.push(bracket);
    }

    fn new_line(&mut self, depth: usize) {
        if let Some(indent) = self.indent {
            self.out.push('\n');
            for _ in 0..depth {
                self.out.push_str(indent);
            }
        }
    }
}

fn write_string(out: &mut String, text: &str, escape: HtmlEscape) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' if escape == HtmlEscape::On => push_escape(out, character),
            '\0'..='\u{1f}' | '\u{2028}' | '\u{2029}' => push_escape(out, character),
            _ => out.push(character),
        }
    }
    out.push('"');
}

fn push_escape(out: &mut String, character: char) {
    out.push_str(&format!("\\u{:04x}", u32::from(character)));
}
