//! How functions read their arguments, whose types the evaluator has already checked.
//!
//! It must not fail for a type: what a signature excludes reads as empty here.

use std::borrow::Cow;

use crate::error::Error;
use crate::exec::{Outcome, Run};
use crate::format;
use crate::value::{Map, Value};

/// A string argument; bytes that are no UTF-8 are replaced.
pub(crate) fn text(arguments: &[Value], index: usize) -> Cow<'_, str> {
    match arguments.get(index) {
        Some(Value::Text(text)) => Cow::Borrowed(text),
        Some(Value::Raw(bytes)) => String::from_utf8_lossy(bytes),
        _ => Cow::Borrowed(""),
    }
}

/// The bytes of a string argument.
pub(crate) fn bytes(arguments: &[Value], index: usize) -> &[u8] {
    arguments
        .get(index)
        .and_then(Value::as_bytes)
        .unwrap_or_default()
}

/// An `int` argument.
pub(crate) fn int(arguments: &[Value], index: usize) -> i64 {
    match arguments.get(index) {
        Some(Value::Int(_, number)) => *number,
        _ => 0,
    }
}

/// A map argument; a nil map is none.
pub(crate) fn map(arguments: &[Value], index: usize) -> Option<&Map> {
    match arguments.get(index) {
        Some(Value::Map(map)) => Some(map),
        _ => None,
    }
}

/// Any argument; nil when it was left out.
pub(crate) fn any(arguments: &[Value], index: usize) -> &Value {
    arguments.get(index).unwrap_or(&Value::Nil)
}

/// The items of any slice; `None` for what is none.
pub(crate) fn items(value: &Value) -> Option<Cow<'_, [Value]>> {
    match value {
        Value::List(list) => Some(Cow::Borrowed(list.items())),
        Value::Bytes(bytes) => Some(Cow::Owned(
            bytes
                .iter()
                .map(|byte| Value::Int(crate::value::IntKind::Uint8, i64::from(*byte)))
                .collect(),
        )),
        _ => None,
    }
}

/// The string form that sprig gives a value.
pub(crate) fn string_form(value: &Value) -> Value {
    match value {
        Value::Text(_) | Value::Raw(_) => value.clone(),
        Value::Bytes(bytes) => Value::string(bytes.to_vec()),
        value => format::plain(value),
    }
}

/// The string form as text.
pub(crate) fn string_text(value: &Value) -> String {
    match string_form(value) {
        Value::Text(text) => text.to_string(),
        Value::Raw(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        _ => String::new(),
    }
}

/// Refuses to make a text longer than a render may.
pub(crate) fn check_size(run: &Run<'_>, bytes: u128) -> Outcome<()> {
    if bytes > run.inputs.limits.text as u128 {
        return Err(Error::limit("the templates make too much text"));
    }
    Ok(())
}

/// Refuses to make a list longer than a render may.
pub(crate) fn check_items(run: &Run<'_>, items: u128) -> Outcome<()> {
    if items > run.inputs.limits.items as u128 {
        return Err(Error::limit("a list is too long"));
    }
    Ok(())
}

/// How many bytes are made of `parts` copies of `size` bytes.
pub(crate) fn product(parts: usize, size: usize) -> u128 {
    (parts as u128).saturating_mul(size as u128)
}
