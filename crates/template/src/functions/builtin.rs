//! Go's own functions, and sprig's on what is empty: comparison, indexing, printing, escaping.
//!
//! It must not know charts.

use super::arguments::{any, bytes, text};
use crate::equal;
use crate::error::{Class, Error};
use crate::exec::{NO_VALUE, Outcome, Run};
use crate::format;
use crate::value::{IntKind, Value};
use holdfast_go::quote;

fn compared(outcome: Result<bool, String>) -> Outcome {
    outcome.map(Value::Bool).map_err(Error::execute)
}

pub(super) fn eq(arguments: &[Value]) -> Outcome {
    if arguments.len() < 2 {
        return Err(Error::execute("missing argument for comparison"));
    }
    for other in &arguments[1..] {
        if equal::same(&arguments[0], other).map_err(Error::execute)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

pub(super) fn ne(arguments: &[Value]) -> Outcome {
    compared(equal::same(&arguments[0], &arguments[1]).map(|same| !same))
}

pub(super) fn lt(arguments: &[Value]) -> Outcome {
    compared(equal::less(&arguments[0], &arguments[1]))
}

pub(super) fn le(arguments: &[Value]) -> Outcome {
    let (left, right) = (&arguments[0], &arguments[1]);
    let outcome = equal::less(left, right);
    compared(outcome.and_then(|less| Ok(less || equal::same(left, right)?)))
}

pub(super) fn gt(arguments: &[Value]) -> Outcome {
    let (left, right) = (&arguments[0], &arguments[1]);
    let outcome = equal::less(left, right);
    compared(outcome.and_then(|less| Ok(!less && !equal::same(left, right)?)))
}

pub(super) fn ge(arguments: &[Value]) -> Outcome {
    compared(equal::less(&arguments[0], &arguments[1]).map(|less| !less))
}

pub(super) fn not(arguments: &[Value]) -> Outcome {
    Ok(Value::Bool(!arguments[0].truth()))
}

pub(super) fn len(arguments: &[Value]) -> Outcome {
    let length = match &arguments[0] {
        Value::Invalid | Value::Nil => return Err(Error::execute("len of nil pointer")),
        Value::Text(text) => text.len(),
        Value::Raw(bytes) | Value::Bytes(bytes) => bytes.len(),
        Value::List(list) => list.items().len(),
        Value::Map(map) => map.entries().len(),
        Value::Object(object) if matches!(object.kind(), "map" | "slice") => object.entries().len(),
        other => {
            return Err(Error::execute(format!("len of type {}", other.type_name())));
        }
    };
    Ok(Value::int(i64::try_from(length).unwrap_or(i64::MAX)))
}

pub(super) fn index(arguments: &[Value]) -> Outcome {
    let mut item = arguments[0].clone();
    if item.is_nil() {
        return Err(Error::execute("index of untyped nil"));
    }
    for index in &arguments[1..] {
        item = index_one(&item, index)?;
    }
    Ok(item)
}

fn index_one(item: &Value, index: &Value) -> Outcome {
    match item {
        Value::Invalid | Value::Nil => Err(Error::execute("index of nil pointer")),
        Value::Map(map) => {
            let Some(key) = index.as_bytes() else {
                return Err(Error::execute(match index {
                    Value::Invalid | Value::Nil => {
                        "value is nil; should be of type string".to_owned()
                    }
                    other => format!("value has type {}; should be string", other.type_name()),
                }));
            };
            let key = std::str::from_utf8(key).unwrap_or_default();
            Ok(map.get(key).unwrap_or(match map.shape() {
                crate::value::Shape::Text => Value::text(""),
                _ => Value::Nil,
            }))
        }
        Value::Object(object) if object.kind() == "map" => Ok(object
            .field(&text(std::slice::from_ref(index), 0))
            .unwrap_or(Value::Nil)),
        Value::List(list) => {
            let at = position(index, list.items().len())?;
            Ok(list.items()[at].clone())
        }
        Value::Text(_) | Value::Raw(_) | Value::Bytes(_) => {
            let all = match item {
                Value::Bytes(bytes) => bytes,
                other => other.as_bytes().unwrap_or_default(),
            };
            let at = position(index, all.len())?;
            Ok(Value::Int(IntKind::Uint8, i64::from(all[at])))
        }
        other => Err(Error::execute(format!(
            "can't index item of type {}",
            other.type_name()
        ))),
    }
}

fn position(index: &Value, length: usize) -> Result<usize, Error> {
    let number = match index {
        Value::Int(_, number) => *number,
        Value::Invalid | Value::Nil => {
            return Err(Error::execute("cannot index slice/array with nil"));
        }
        other => {
            return Err(Error::execute(format!(
                "cannot index slice/array with type {}",
                other.type_name()
            )));
        }
    };
    usize::try_from(number)
        .ok()
        .filter(|at| *at < length)
        .ok_or_else(|| Error::execute(format!("index out of range: {number}")))
}

pub(super) fn print(arguments: &[Value]) -> Outcome {
    if let [value @ Value::Text(_)] = arguments {
        return Ok(value.clone());
    }
    Ok(Value::string(format::sprint(arguments)))
}

pub(super) fn print_line(arguments: &[Value]) -> Outcome {
    Ok(Value::string(format::sprintln(arguments)))
}

pub(super) fn printf(arguments: &[Value]) -> Outcome {
    let format = text(arguments, 0);
    Ok(Value::string(format::sprintf(&format, &arguments[1..])))
}

/// What the escaping functions work on: one string as it is, anything else printed.
fn printed(arguments: &[Value]) -> Vec<u8> {
    if let [one] = arguments
        && one.as_bytes().is_some()
    {
        return bytes(arguments, 0).to_vec();
    }
    let present = arguments.iter().map(|value| match value {
        value if value.is_nil() => Value::text(NO_VALUE),
        value => value.clone(),
    });
    format::sprint(&present.collect::<Vec<_>>())
}

pub(super) fn html(arguments: &[Value]) -> Outcome {
    let mut out = Vec::new();
    for byte in printed(arguments) {
        match byte {
            0 => out.extend_from_slice("\u{fffd}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            _ => out.push(byte),
        }
    }
    Ok(Value::string(out))
}

pub(super) fn js(arguments: &[Value]) -> Outcome {
    let printed = printed(arguments);
    let mut out = String::new();
    for letter in String::from_utf8_lossy(&printed).chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => out.push_str(&format!("\\u{:04X}", u32::from(letter))),
            _ if letter < ' ' => out.push_str(&format!("\\u{:04X}", u32::from(letter))),
            _ if quote::is_printable(letter) => out.push(letter),
            _ => out.push_str(&format!("\\u{:04X}", u32::from(letter))),
        }
    }
    Ok(Value::from(out))
}

pub(super) fn url_query(arguments: &[Value]) -> Outcome {
    let mut out = String::new();
    for byte in printed(arguments) {
        match byte {
            b' ' => out.push('+'),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    Ok(Value::from(out))
}

pub(super) fn call(arguments: &[Value]) -> Outcome {
    match &arguments[0] {
        Value::Invalid | Value::Nil => Err(Error::execute("call of nil")),
        other => Err(Error::execute(format!(
            "non-function of type {}",
            other.type_name()
        ))),
    }
}

pub(super) fn default(arguments: &[Value]) -> Outcome {
    match arguments.get(1) {
        Some(given) if given.truth() => Ok(given.clone()),
        _ => Ok(arguments[0].clone()),
    }
}

pub(super) fn empty(arguments: &[Value]) -> Outcome {
    Ok(Value::Bool(!any(arguments, 0).truth()))
}

pub(super) fn coalesce(arguments: &[Value]) -> Outcome {
    let found = arguments.iter().find(|value| value.truth());
    Ok(found.cloned().unwrap_or(Value::Nil))
}

pub(super) fn all(arguments: &[Value]) -> Outcome {
    Ok(Value::Bool(arguments.iter().all(Value::truth)))
}

pub(super) fn any_of(arguments: &[Value]) -> Outcome {
    Ok(Value::Bool(arguments.iter().any(Value::truth)))
}

pub(super) fn ternary(arguments: &[Value]) -> Outcome {
    let index = if arguments[2].truth() { 0 } else { 1 };
    Ok(arguments[index].clone())
}

pub(super) fn fail(arguments: &[Value]) -> Outcome {
    Err(Error::new(Class::Refused, text(arguments, 0)))
}

pub(super) fn required(arguments: &[Value]) -> Outcome {
    let value = any(arguments, 1);
    let is_missing = value.is_nil() || value.as_bytes().is_some_and(<[u8]>::is_empty);
    if is_missing {
        return Err(Error::new(Class::Refused, text(arguments, 0)));
    }
    Ok(value.clone())
}

pub(super) fn get_host_by_name(_: &mut Run<'_>, _: &[Value]) -> Outcome {
    // Helm answers with nothing unless it is told to ask the network, and nobody tells this one.
    Ok(Value::text(""))
}
