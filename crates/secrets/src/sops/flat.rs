//! Formats without levels: env files, and how the `sops` block is laid flat in them.

use super::tree::{Entry, Value};
use crate::error::Error;

/// What stands in front of the keys of the `sops` block in an env file.
pub(super) const PREFIX: &str = "sops_";

/// The levels that a flat key may have: the block has four.
const LEVELS: usize = 8;

/// The entries that a flat block may have: two for each recipient, and a dozen more.
const ENTRIES: usize = 4096;

/// The entries of an env file.
pub(super) fn read_env(text: &str) -> Result<Vec<Entry>, Error> {
    let mut entries: Vec<Entry> = Vec::new();
    for (number, line) in (1..).zip(text.split('\n')) {
        if line.is_empty() {
            continue;
        }
        if let Some(comment) = line.strip_prefix('#') {
            entries.push(Entry::comment(comment, false));
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            return Err(Error::Syntax {
                format: "env file",
                problem: format!("line {number} is neither `KEY=value` nor a comment"),
            });
        };
        let value = Value::text(&value.replace("\\n", "\n"));
        entries.push(Entry::pair(key, value));
    }
    Ok(entries)
}

/// The text of an env file.
pub(super) fn write_env(entries: &[Entry]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    for entry in entries {
        match (&entry.key, &entry.value) {
            (_, Value::Comment(comment)) => {
                out.push(b'#');
                out.extend_from_slice(comment.text.as_bytes());
            }
            (None, _) => continue,
            (Some(key), value) => {
                let value = plain(value).ok_or_else(|| Error::Unwritable {
                    format: "an env file",
                    problem: format!("`{key}` has a value with levels"),
                })?;
                out.extend_from_slice(key.as_bytes());
                out.push(b'=');
                for byte in value {
                    match byte {
                        b'\n' => out.extend_from_slice(b"\\n"),
                        byte => out.push(byte),
                    }
                }
            }
        }
        out.push(b'\n');
    }
    Ok(out)
}

/// A value without levels as a text.
pub(super) fn plain(value: &Value) -> Option<Vec<u8>> {
    Some(match value {
        Value::Text(bytes) => bytes.to_vec(),
        Value::Int(number) => number.to_string().into_bytes(),
        Value::Bool(truth) => truth.to_string().into_bytes(),
        Value::Time(moment) => moment.clone().into_bytes(),
        Value::Float(number) => number.to_string().into_bytes(),
        Value::Null => b"<nil>".to_vec(),
        Value::Comment(_) | Value::List(_) | Value::Map(_) => return None,
    })
}

/// A tree laid flat: the way to each value is its key.
pub(super) fn flatten(entries: &[Entry], prefix: &str) -> Vec<Entry> {
    let mut flat = Vec::new();
    for entry in entries {
        if let Some(key) = &entry.key {
            flatten_value(&mut flat, &entry.value, format!("{prefix}{key}"));
        }
    }
    flat
}

fn flatten_value(flat: &mut Vec<Entry>, value: &Value, key: String) {
    match value {
        Value::Comment(_) => {}
        Value::Map(entries) => flat.extend(flatten(entries, &format!("{key}__map_"))),
        Value::List(items) => {
            let items = items.iter().filter(|item| !item.is_comment());
            for (index, item) in items.enumerate() {
                flatten_value(flat, item, format!("{key}__list_{index}"));
            }
        }
        value => flat.push(Entry::pair(key, value.clone())),
    }
}

/// A step on the way to a value.
#[derive(PartialEq)]
enum Step<'a> {
    Key(&'a str),
    Index(usize),
}

/// The tree that was laid flat.
pub(super) fn unflatten(flat: &[Entry]) -> Result<Vec<Entry>, Error> {
    if flat.len() > ENTRIES {
        return Err(Error::Metadata {
            problem: format!("it has more than {ENTRIES} entries"),
        });
    }
    let mut root = Value::Map(Vec::new());
    for entry in flat {
        let Some(key) = &entry.key else {
            continue;
        };
        let wrong = || Error::Metadata {
            problem: format!("its flat key `{key}` does not fit the others"),
        };
        let steps = steps(key).ok_or_else(wrong)?;
        place(&mut root, &steps, &entry.value).ok_or_else(wrong)?;
    }
    match root {
        Value::Map(entries) => Ok(entries),
        _ => Ok(Vec::new()),
    }
}

fn steps(key: &str) -> Option<Vec<Step<'_>>> {
    let mut steps = Vec::new();
    let mut rest = key;
    let mut is_index = false;
    loop {
        let map = rest.find("__map_").unwrap_or(rest.len());
        let list = rest.find("__list_").unwrap_or(rest.len());
        let end = map.min(list);
        steps.push(if is_index {
            Step::Index(rest[..end].parse().ok()?)
        } else {
            Step::Key(&rest[..end])
        });
        if end == rest.len() {
            return Some(steps);
        }
        if steps.len() >= LEVELS {
            return None;
        }
        is_index = list < map;
        rest = &rest[end + if is_index { 7 } else { 6 }..];
    }
}

fn place(value: &mut Value, steps: &[Step<'_>], leaf: &Value) -> Option<()> {
    let Some((step, rest)) = steps.split_first() else {
        *value = leaf.clone();
        return Some(());
    };
    let empty = match rest.first() {
        None => Value::Null,
        Some(Step::Key(_)) => Value::Map(Vec::new()),
        Some(Step::Index(_)) => Value::List(Vec::new()),
    };
    let next = match (step, value) {
        (Step::Key(key), Value::Map(entries)) => {
            let found = entries
                .iter()
                .position(|entry| entry.key.as_deref() == Some(key));
            let at = found.unwrap_or_else(|| {
                entries.push(Entry::pair(*key, empty));
                entries.len() - 1
            });
            &mut entries[at].value
        }
        (Step::Index(index), Value::List(items)) => {
            // Items come in their order; one that is left out would make room for any number.
            match index.cmp(&items.len()) {
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => items.push(empty),
                std::cmp::Ordering::Greater => return None,
            }
            &mut items[*index]
        }
        _ => return None,
    };
    place(next, rest, leaf)
}
