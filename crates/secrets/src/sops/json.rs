//! JSON files, read and written as SOPS does: keys in their order, tabs.

use std::fmt;

use holdfast_yaml::{HtmlEscape, format_json_float, json_string};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use zeroize::Zeroizing;

use super::tree::{Entry, Value};
use crate::error::Error;

/// The object of a file.
pub(super) fn read(text: &str) -> Result<Vec<Entry>, Error> {
    match serde_json::from_str(text) {
        Ok(Ordered(Value::Map(entries))) => Ok(entries),
        Ok(_) => Err(syntax("what it holds is no object")),
        // What serde_json says may quote what was read; where it is wrong is enough.
        Err(error) => Err(syntax(&format!(
            "line {}, column {} is wrong",
            error.line(),
            error.column()
        ))),
    }
}

fn syntax(problem: &str) -> Error {
    Error::Syntax {
        format: "JSON",
        problem: problem.to_owned(),
    }
}

/// A value whose keys stay in their order.
struct Ordered(Value);

impl<'de> Deserialize<'de> for Ordered {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OrderedVisitor).map(Self)
    }
}

struct OrderedVisitor;

impl<'de> Visitor<'de> for OrderedVisitor {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(i64::try_from(number).map_or(Value::Float(number as f64), Value::Int))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Ordered(item)) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut known = std::collections::HashSet::new();
        while let Some((key, Ordered(value))) = access.next_entry::<String, Ordered>()? {
            if !known.insert(key.clone()) {
                return Err(A::Error::custom("a key is there twice"));
            }
            entries.push(Entry::pair(key, value));
        }
        Ok(Value::Map(entries))
    }
}

/// The text of an object.
pub(super) fn write(entries: &[Entry]) -> Result<Vec<u8>, Error> {
    let mut out = Zeroizing::new(String::new());
    write_map(&mut out, entries, 0)?;
    out.push('\n');
    Ok(std::mem::take(&mut *out).into_bytes())
}

/// The bytes of a binary file, which stand below one key.
pub(super) fn write_binary(entries: &[Entry]) -> Result<Vec<u8>, Error> {
    match super::tree::get(entries, "data") {
        Some(Value::Text(bytes)) => Ok(bytes.to_vec()),
        _ => Err(Error::Unwritable {
            format: "a binary file",
            problem: "it has no text `data`".to_owned(),
        }),
    }
}

fn write_value(out: &mut String, value: &Value, depth: usize) -> Result<(), Error> {
    match value {
        Value::Null | Value::Comment(_) => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Float(number) => {
            let text = format_json_float(*number).ok_or_else(|| Error::Unwritable {
                format: "JSON",
                problem: "a number is infinite or not a number".to_owned(),
            })?;
            out.push_str(&text);
        }
        Value::Time(moment) => out.push_str(&json_string(moment, HtmlEscape::On)),
        Value::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => out.push_str(&Zeroizing::new(json_string(text, HtmlEscape::On))),
            Err(_) => {
                return Err(Error::Unwritable {
                    format: "JSON",
                    problem: "a text holds bytes that are no UTF-8".to_owned(),
                });
            }
        },
        Value::List(items) => {
            let items: Vec<&Value> = items.iter().filter(|item| !item.is_comment()).collect();
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                separate(out, index, depth + 1);
                write_value(out, item, depth + 1)?;
            }
            close(out, ']', items.is_empty(), depth);
        }
        Value::Map(entries) => write_map(out, entries, depth)?,
    }
    Ok(())
}

fn write_map(out: &mut String, entries: &[Entry], depth: usize) -> Result<(), Error> {
    let pairs = entries
        .iter()
        .filter_map(|entry| Some((entry.key.as_ref()?, &entry.value)));
    out.push('{');
    let mut count = 0;
    for (key, value) in pairs {
        separate(out, count, depth + 1);
        out.push_str(&json_string(key, HtmlEscape::On));
        out.push_str(": ");
        write_value(out, value, depth + 1)?;
        count += 1;
    }
    close(out, '}', count == 0, depth);
    Ok(())
}

fn separate(out: &mut String, index: usize, depth: usize) {
    if index > 0 {
        out.push(',');
    }
    new_line(out, depth);
}

fn close(out: &mut String, bracket: char, empty: bool, depth: usize) {
    if !empty {
        new_line(out, depth);
    }
    out.push(bracket);
}

fn new_line(out: &mut String, depth: usize) {
    out.push('\n');
    for _ in 0..depth {
        out.push('\t');
    }
}
