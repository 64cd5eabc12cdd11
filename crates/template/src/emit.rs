//! Values as YAML and JSON.
//!
//! It must not know how either is written, only what a value looks like to Go's encoders.

use std::rc::Rc;

use holdfast_yaml::{Dialect, Emitter, Rules, Tree, compare_keys};

use crate::value::{Entries, Value};

/// How deep a value may be nested; Go's own encoders give up on circles only.
const MAX_DEPTH: usize = 400;

/// How many values are written at most.
const MAX_VALUES: usize = 4_000_000;

struct Job {
    left: usize,
}

impl Job {
    fn enter(&mut self, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err("the value is nested too deep, or holds itself".to_owned());
        }
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| "the value is too large".to_owned())?;
        Ok(())
    }
}

/// A value as YAML, with the newline at its end.
///
/// # Errors
/// A text for what has no YAML form.
pub(crate) fn yaml(value: &Value, dialect: Dialect) -> Result<String, String> {
    let mut emitter = Emitter::new(dialect);
    let mut job = Job { left: MAX_VALUES };
    job.write(&mut emitter, dialect, value, 0)?;
    Ok(emitter.finish())
}

/// A value with the kinds that JSON can have.
///
/// # Errors
/// A text for what has no JSON form.
pub(crate) fn tree(value: &Value) -> Result<Tree, String> {
    Job { left: MAX_VALUES }.tree(value, 0)
}

impl Job {
    fn write(
        &mut self,
        emitter: &mut Emitter,
        dialect: Dialect,
        value: &Value,
        depth: usize,
    ) -> Result<(), String> {
        self.enter(depth)?;
        match value {
            Value::Text(text) if dialect == Dialect::Sigs && text.contains('\u{85}') => {
                // Only the tree knows what becomes of this character on its way through JSON.
                emitter.str(&through_json(text));
            }
            Value::Text(text) => emitter.str(text),
            Value::List(list) if list.is_nil() => emitter.null(),
            Value::List(list) => {
                emitter.begin_sequence(list.items().len());
                for item in list.items() {
                    self.write(emitter, dialect, item, depth + 1)?;
                }
                emitter.end();
            }
            Value::Map(map) if map.is_nil() => emitter.null(),
            Value::Map(map) => {
                let entries = map.entries();
                self.write_entries(emitter, dialect, &entries, depth)?;
            }
            Value::Object(object) => {
                let entries: Entries = object.serial().into_iter().collect();
                self.write_entries(emitter, dialect, &entries, depth)?;
            }
            other => write_tree(emitter, &self.leaf(other)?),
        }
        Ok(())
    }

    fn write_entries(
        &mut self,
        emitter: &mut Emitter,
        dialect: Dialect,
        entries: &Entries,
        depth: usize,
    ) -> Result<(), String> {
        let mut sorted: Vec<(&Rc<str>, &Value)> = entries.iter().collect();
        insertion_sort(&mut sorted, dialect.rules());
        emitter.begin_mapping(sorted.len());
        for (key, item) in sorted {
            emitter.key(key);
            self.write(emitter, dialect, item, depth + 1)?;
        }
        emitter.end();
        Ok(())
    }

    fn tree(&mut self, value: &Value, depth: usize) -> Result<Tree, String> {
        self.enter(depth)?;
        Ok(match value {
            Value::List(list) if list.is_nil() => Tree::Null,
            Value::List(list) => Tree::Seq(
                list.items()
                    .iter()
                    .map(|item| self.tree(item, depth + 1))
                    .collect::<Result<_, _>>()?,
            ),
            Value::Map(map) if map.is_nil() => Tree::Null,
            Value::Map(map) => {
                let mut entries = Vec::with_capacity(map.entries().len());
                for (key, item) in map.entries().iter() {
                    entries.push((key.to_string(), self.tree(item, depth + 1)?));
                }
                Tree::Map(entries)
            }
            Value::Object(object) => {
                let mut entries = Vec::new();
                for (key, item) in object.serial() {
                    entries.push((key.to_string(), self.tree(&item, depth + 1)?));
                }
                Tree::Map(entries)
            }
            other => self.leaf(other)?,
        })
    }

    /// What holds no other value.
    fn leaf(&self, value: &Value) -> Result<Tree, String> {
        Ok(match value {
            Value::Invalid | Value::Nil => Tree::Null,
            Value::Bool(flag) => Tree::Bool(*flag),
            Value::Int(kind, number) if kind.is_unsigned() => {
                #[expect(clippy::cast_sign_loss, reason = "unsigned numbers keep their bits")]
                let number = *number as u64;
                Tree::Uint(number)
            }
            Value::Int(_, number) => Tree::Int(*number),
            Value::Float(number) if number.is_finite() => Tree::Float(*number),
            Value::Float(_) => return Err("json: unsupported value: not a number".to_owned()),
            Value::Text(text) => Tree::Str(text.to_string()),
            Value::Raw(bytes) => Tree::Str(replaced(bytes)),
            Value::Bytes(bytes) => Tree::Str(holdfast_go::base64::encode(bytes)),
            Value::Time(moment) => Tree::Str(moment.format("2006-01-02T15:04:05.999999999Z07:00")),
            Value::Version(version) => Tree::Str(version.to_string()),
            Value::Object(_) | Value::List(_) | Value::Map(_) => {
                Job { left: self.left }.tree(value, MAX_DEPTH / 2)?
            }
        })
    }
}

fn write_tree(emitter: &mut Emitter, tree: &Tree) {
    match tree {
        Tree::Null => emitter.null(),
        Tree::Bool(flag) => emitter.bool(*flag),
        Tree::Int(number) => emitter.int(*number),
        Tree::Uint(number) => emitter.uint(*number),
        Tree::Float(number) => emitter.float(*number),
        Tree::Str(text) => emitter.str(text),
        Tree::Seq(items) => {
            emitter.begin_sequence(items.len());
            for item in items {
                write_tree(emitter, item);
            }
            emitter.end();
        }
        Tree::Map(entries) => {
            emitter.begin_mapping(entries.len());
            for (key, item) in entries {
                emitter.key(key);
                write_tree(emitter, item);
            }
            emitter.end();
        }
    }
}

/// Each byte that is no UTF-8 becomes a replacement character, as in Go.
fn replaced(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    out
}

fn through_json(text: &str) -> String {
    let json = holdfast_yaml::json_string(text, holdfast_yaml::HtmlEscape::On);
    match holdfast_yaml::read_value(&json, &holdfast_yaml::Limits::default()) {
        Ok(holdfast_model::Value::String(text)) => text,
        _ => text.to_owned(),
    }
}

/// Sorts by go-yaml's order, which is not total: the library's own sort may refuse it.
fn insertion_sort(entries: &mut [(&Rc<str>, &Value)], rules: Rules) {
    // Entries come in byte order, which most keys keep.
    for end in 1..entries.len() {
        let mut at = end;
        while at > 0
            && compare_keys(entries[at].0, entries[at - 1].0, rules) == std::cmp::Ordering::Less
        {
            entries.swap(at, at - 1);
            at -= 1;
        }
    }
}
