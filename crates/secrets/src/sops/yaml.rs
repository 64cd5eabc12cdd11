//! YAML files, read and written as SOPS does: four spaces a level, comments as entries, aliases
//! expanded.

use std::collections::HashSet;

use holdfast_yaml::{
    Comment, Dialect, Emitter, Limits, Node, NodeValue, Rules, Scalar, Sequences, Style,
    read_commented, resolve,
};
use zeroize::{Zeroize as _, Zeroizing};

use super::tree::{Documents, Entry, Value};
use crate::error::Error;

const DIALECT: Dialect = Dialect::V3 {
    indent: 4,
    sequences: Sequences::Wide,
};

/// Levels of nesting, and nodes that aliases may add: far more than any Secret has.
const DEPTH: usize = 100;
const ALIAS_NODES: usize = 20_000;

/// The documents of a file.
pub(super) fn read(text: &str) -> Result<Documents, Error> {
    let limits = Limits {
        depth: DEPTH,
        bytes: crate::MOST_BYTES,
        alias_nodes: ALIAS_NODES,
        ..Limits::strict()
    };
    let read = read_commented(text, &limits).map_err(|error| syntax(&error.to_string()))?;
    let (documents, mut comments) = read;
    let mut reader = Reader {
        comments: &comments,
        at: 0,
    };
    let starts: Vec<u32> = documents.iter().map(|document| document.line).collect();
    let mut trees = Vec::new();
    for (index, document) in documents.into_iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(u32::MAX);
        trees.push(reader.document(document.node, end)?);
    }
    for comment in &mut comments {
        comment.text.zeroize();
    }
    Ok(trees)
}

fn syntax(problem: &str) -> Error {
    Error::Syntax {
        format: "YAML",
        problem: problem.to_owned(),
    }
}

/// Joins nodes and the comments between them.
struct Reader<'a> {
    comments: &'a [Comment],
    at: usize,
}

impl Reader<'_> {
    fn document(&mut self, node: Node, end: u32) -> Result<Vec<Entry>, Error> {
        let line = node.line;
        match node.value {
            NodeValue::Mapping(_) => {
                let Value::Map(mut entries) = self.value(node, end)? else {
                    return Ok(Vec::new());
                };
                entries.extend(self.before(end).map(as_entry));
                Ok(entries)
            }
            NodeValue::Scalar(text) if text.is_empty() || text == "null" || text == "~" => {
                Ok(self.before(end).map(as_entry).collect())
            }
            _ => Err(syntax(&format!(
                "the document on line {line} is no mapping, which SOPS cannot seal"
            ))),
        }
    }

    /// The comments that were not taken yet and stand above a line.
    fn before(&mut self, line: u32) -> impl Iterator<Item = Value> + use<> {
        self.take(|comment| comment.line < line)
    }

    fn take(&mut self, fits: impl Fn(&Comment) -> bool) -> std::vec::IntoIter<Value> {
        let rest = &self.comments[self.at..];
        let taken = rest.iter().take_while(|comment| fits(comment)).count();
        self.at += taken;
        let text = |comment: &Comment| {
            let text = comment.text.strip_prefix('#').unwrap_or(&comment.text);
            Value::comment(text, false)
        };
        let taken: Vec<Value> = rest[..taken].iter().map(text).collect();
        taken.into_iter()
    }

    /// The comment behind a value that begins on this line.
    fn behind(&mut self, line: u32, end: u32) -> Option<Value> {
        let comment = self.comments.get(self.at)?;
        let fits = !comment.alone && comment.line >= line && comment.line < end;
        let text = comment.text.strip_prefix('#').unwrap_or(&comment.text);
        fits.then(|| {
            self.at += 1;
            Value::comment(text, true)
        })
    }

    /// A value; `end` is the line of what follows it.
    fn value(&mut self, node: Node, end: u32) -> Result<Value, Error> {
        let (column, block) = (node.column, node.style == Style::Block);
        match node.value {
            NodeValue::Scalar(_) => scalar(node),
            NodeValue::Mapping(entries) => {
                let mut map = self.map(entries, end)?;
                if block {
                    map.extend(self.trailing(column, end).map(as_entry));
                }
                Ok(Value::Map(map))
            }
            NodeValue::Sequence(items) => {
                // The dash stands two columns before what it introduces.
                let column = items.iter().map(|item| item.column).min().unwrap_or(column);
                let mut list = self.list(items, end)?;
                if block {
                    list.extend(self.trailing(column.saturating_sub(2), end));
                }
                Ok(Value::List(list))
            }
        }
    }

    fn trailing(&mut self, column: u32, end: u32) -> impl Iterator<Item = Value> + use<> {
        self.take(|comment| comment.line < end && comment.column >= column)
    }

    fn map(&mut self, entries: Vec<(Node, Node)>, end: u32) -> Result<Vec<Entry>, Error> {
        let starts: Vec<u32> = entries.iter().map(|(key, _)| key.line).collect();
        let mut map = Vec::with_capacity(entries.len());
        let mut known = HashSet::new();
        for (index, (key, value)) in entries.into_iter().enumerate() {
            let next = starts.get(index + 1).copied().unwrap_or(end);
            let line = key.line;
            map.extend(self.before(line).map(as_entry));
            let key = name(key)?;
            if !known.insert(key.clone()) {
                let problem = format!("the key `{key}` on line {line} is there twice");
                return Err(syntax(&problem));
            }
            let start = value.line;
            let simple = matches!(value.value, NodeValue::Scalar(_));
            let value = self.value(value, next)?;
            if simple {
                map.extend(self.behind(start, next).map(as_entry));
            }
            map.push(Entry::pair(key, value));
        }
        Ok(map)
    }

    fn list(&mut self, items: Vec<Node>, end: u32) -> Result<Vec<Value>, Error> {
        let starts: Vec<u32> = items.iter().map(|item| item.line).collect();
        let mut list = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            let next = starts.get(index + 1).copied().unwrap_or(end);
            let line = item.line;
            list.extend(self.before(line));
            let simple = matches!(item.value, NodeValue::Scalar(_));
            let value = self.value(item, next)?;
            if simple {
                list.extend(self.behind(line, next));
            }
            list.push(value);
        }
        Ok(list)
    }
}

fn as_entry(comment: Value) -> Entry {
    Entry {
        key: None,
        value: comment,
    }
}

fn name(key: Node) -> Result<String, Error> {
    let line = key.line;
    let text = match resolve(&key, Rules::V3) {
        Ok(Scalar::Str(text)) => Some(text.to_owned()),
        Ok(Scalar::Merge) => Some("<<".to_owned()),
        _ => None,
    };
    text.ok_or_else(|| {
        let problem = format!("the key on line {line} is no text; SOPS seals only below texts");
        syntax(&problem)
    })
}

fn scalar(node: Node) -> Result<Value, Error> {
    let line = node.line;
    let meaning = resolve(&node, Rules::V3).map_err(|error| syntax(&error.to_string()))?;
    Ok(match meaning {
        Scalar::Null => Value::Null,
        Scalar::Bool(truth) => Value::Bool(truth),
        Scalar::Int(number) => Value::Int(number),
        Scalar::Float(number) => Value::Float(number),
        Scalar::Str(text) => Value::text(text),
        Scalar::Merge => Value::text("<<"),
        Scalar::Timestamp(moment) => Value::Time(moment),
        Scalar::Binary(bytes) => Value::Text(Zeroizing::new(bytes)),
        Scalar::Uint(_) => {
            let problem = format!("the number on line {line} is larger than SOPS can seal");
            return Err(syntax(&problem));
        }
    })
}

/// The text of the documents.
pub(super) fn write(documents: &[Vec<Entry>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        if index > 0 {
            out.extend_from_slice(b"---\n");
        }
        let mut emitter = Emitter::new(DIALECT);
        emit_map(&mut emitter, document);
        let text = Zeroizing::new(emitter.finish());
        out.extend_from_slice(text.as_bytes());
    }
    out
}

fn emit_map(emitter: &mut Emitter, entries: &[Entry]) {
    let pairs = entries.iter().filter(|entry| entry.key.is_some()).count();
    emitter.begin_mapping(pairs);
    let mut behind = Vec::new();
    for entry in entries {
        let Some(key) = &entry.key else {
            emit_comment(emitter, &entry.value, &mut behind);
            continue;
        };
        let held = std::mem::take(&mut behind);
        let (inline, above) = placed(&entry.value, held);
        for text in above {
            emitter.comment(&text);
        }
        if key == "<<" {
            emitter.merge_key();
        } else {
            emitter.key(key);
        }
        emit_value(emitter, &entry.value);
        if let Some(text) = inline {
            emitter.comment_behind(&text);
        }
    }
    for text in behind {
        emitter.comment(&text);
    }
    emitter.end();
}

/// Writes a comment, or keeps one that is to stand behind the next value.
fn emit_comment(emitter: &mut Emitter, value: &Value, behind: &mut Vec<Zeroizing<String>>) {
    let Value::Comment(comment) = value else {
        return;
    };
    let text = Zeroizing::new(format!("#{}", *comment.text));
    if comment.behind {
        behind.push(text);
    } else {
        emitter.comment(&text);
    }
}

type Lines = Vec<Zeroizing<String>>;

/// The comment that can stand behind a value, and those that have to stand above it.
fn placed(value: &Value, mut comments: Lines) -> (Option<Zeroizing<String>>, Lines) {
    let several_lines = match value {
        Value::Text(bytes) => bytes.contains(&b'\n'),
        Value::Map(_) | Value::List(_) => true,
        _ => false,
    };
    if several_lines || comments.len() != 1 {
        return (None, comments);
    }
    (comments.pop(), comments)
}

fn emit_list(emitter: &mut Emitter, items: &[Value]) {
    let count = items.iter().filter(|item| !item.is_comment()).count();
    emitter.begin_sequence(count);
    let mut behind = Vec::new();
    for item in items {
        if item.is_comment() {
            emit_comment(emitter, item, &mut behind);
            continue;
        }
        let held = std::mem::take(&mut behind);
        let (inline, above) = placed(item, held);
        for text in above {
            emitter.comment(&text);
        }
        // Comments at the head of an item stand before its dash.
        match item {
            Value::Map(entries) => {
                let head = entries.iter().take_while(|entry| entry.key.is_none());
                let count = head
                    .map(|entry| emit_comment(emitter, &entry.value, &mut behind))
                    .count();
                emit_map(emitter, &entries[count..]);
            }
            Value::List(items) => {
                let head = items.iter().take_while(|item| item.is_comment());
                let count = head
                    .map(|item| emit_comment(emitter, item, &mut behind))
                    .count();
                emit_list(emitter, &items[count..]);
            }
            item => emit_value(emitter, item),
        }
        if let Some(text) = inline {
            emitter.comment_behind(&text);
        }
    }
    for text in behind {
        emitter.comment(&text);
    }
    emitter.end();
}

fn emit_value(emitter: &mut Emitter, value: &Value) {
    match value {
        Value::Null => emitter.null(),
        Value::Bool(truth) => emitter.bool(*truth),
        Value::Int(number) => emitter.int(*number),
        Value::Float(number) => emitter.float(*number),
        Value::Time(moment) => emitter.scalar(moment, Style::Plain),
        Value::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok("<<") => {
                emitter.tag("!!merge");
                emitter.scalar("<<", Style::Plain);
            }
            Ok(text) => emitter.str(text),
            Err(_) => {
                emitter.tag("!!binary");
                emitter.scalar(&holdfast_go::base64::encode(bytes), Style::Plain);
            }
        },
        Value::Comment(_) => {}
        Value::List(items) => emit_list(emitter, items),
        Value::Map(entries) => emit_map(emitter, entries),
    }
}
