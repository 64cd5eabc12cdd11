//! Between nodes and JSON values, as Kustomize converts them when it prints and when it patches.

use holdfast_model::Value;
use holdfast_yaml::{Node, NodeValue, Rules, Scalar, Style, format_float, resolve};

use crate::node::{Tag, string, tag_of};

/// Like `serde_json::Map`.
type Map = serde_json::Map<String, Value>;

/// The JSON value of a node by v3's rules.
///
/// # Errors
/// A key twice in a mapping, a key that is no text (below the top), and numbers without a JSON form.
pub(crate) fn to_value(node: &Node) -> Result<Value, String> {
    convert(node, true)
}

fn convert(node: &Node, top: bool) -> Result<Value, String> {
    match &node.value {
        NodeValue::Scalar(text) => scalar(node, text),
        NodeValue::Sequence(items) => {
            let items: Result<Vec<Value>, String> =
                items.iter().map(|item| convert(item, false)).collect();
            items.map(Value::Array)
        }
        NodeValue::Mapping(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let Some(name) = key.text() else {
                    return Err(format!("line {}: a key is no text", key.line));
                };
                if !top && tag_of(key) != Tag::Str {
                    return Err(format!("line {}: key `{name}` is no text", key.line));
                }
                if map
                    .insert(name.to_owned(), convert(value, false)?)
                    .is_some()
                {
                    let line = key.line;
                    return Err(format!("line {line}: key `{name}` is already defined"));
                }
            }
            Ok(Value::Object(map))
        }
    }
}

fn scalar(node: &Node, text: &str) -> Result<Value, String> {
    Ok(
        match resolve(node, Rules::V3).map_err(|error| error.to_string())? {
            Scalar::Null => Value::Null,
            Scalar::Bool(truth) => Value::Bool(truth),
            Scalar::Int(number) => Value::from(number),
            Scalar::Uint(number) => Value::from(number),
            Scalar::Float(number) => match serde_json::Number::from_f64(number) {
                Some(number) => Value::Number(number),
                None => return Err(format!("line {}: a number has no JSON form", node.line)),
            },
            Scalar::Timestamp(moment) => Value::String(moment),
            Scalar::Binary(bytes) => Value::String(String::from_utf8_lossy(&bytes).into_owned()),
            Scalar::Str(_) | Scalar::Merge => Value::String(text.to_owned()),
        },
    )
}

/// How integers come out of JSON.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Integers {
    /// As they are.
    Kept,
    /// As 64-bit floats, which is what Go makes of all numbers it does not know the type of.
    Floats,
}

/// The node of a JSON value; texts stay texts.
pub(crate) fn to_node(value: &Value, integers: Integers) -> Node {
    match value {
        Value::Null => Node::scalar("null", Style::Plain),
        Value::Bool(truth) => Node::scalar(truth.to_string(), Style::Plain),
        Value::Number(number) => {
            let text = match (number.is_f64(), integers) {
                (false, Integers::Kept) => number.to_string(),
                _ => format_float(number.as_f64().unwrap_or(0.0)),
            };
            Node::scalar(text, Style::Plain)
        }
        Value::String(text) => string(text.as_str()),
        Value::Array(items) => {
            Node::sequence(items.iter().map(|item| to_node(item, integers)).collect())
        }
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| {
                let value = to_node(value, integers);
                (string(key.as_str()), value)
            });
            Node::mapping(entries.collect())
        }
    }
}
