//! Between nodes and JSON values, as Kustomize converts them when it prints and when it patches.

use holdfast_model::Value;
use holdfast_yaml::{
    Limits, Node, NodeValue, Rules, Scalar, Style, default_style, format_float, read_first_node,
    resolve, to_yaml_v3,
};

use crate::node::{Tag, is_null, tag_of};

/// Like `serde_json::Map`.
type Map = serde_json::Map<String, Value>;

/// The JSON value of a node by v3's rules.
///
/// # Errors
/// A key twice in a mapping, a key that is no text (below the top), and numbers without a JSON form.
pub(crate) fn to_value(node: &Node) -> Result<Value, String> {
    convert(
        node,
        Around {
            top: true,
            flow: false,
        },
    )
}

/// What is around a node that is converted.
#[derive(Clone, Copy)]
struct Around {
    /// Nothing is.
    top: bool,
    /// A collection between brackets is, at some depth.
    flow: bool,
}

fn convert(node: &Node, around: Around) -> Result<Value, String> {
    let below = Around {
        top: false,
        flow: around.flow || node.style == Style::Flow,
    };
    match &node.value {
        // Kustomize writes what it converts and reads it again. Between brackets an empty scalar
        // is written with quotes, so that a null without a word for it comes back as a text.
        NodeValue::Scalar(text) if around.flow && text.is_empty() && is_null(node) => {
            Ok(Value::String(String::new()))
        }
        NodeValue::Scalar(text) => scalar(node, text),
        NodeValue::Sequence(items) => {
            let items: Result<Vec<Value>, String> =
                items.iter().map(|item| convert(item, below)).collect();
            items.map(Value::Array)
        }
        NodeValue::Mapping(entries) => {
            let mut map = Map::new();
            for (key, value) in entries {
                let Some(name) = key.text() else {
                    return Err(format!("line {}: a key is no text", key.line));
                };
                if !around.top && tag_of(key) != Tag::Str {
                    return Err(format!("line {}: key `{name}` is no text", key.line));
                }
                if map
                    .insert(name.to_owned(), convert(value, below)?)
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
            Scalar::Str(_) | Scalar::Merge if node.style == Style::Folded => {
                Value::String(refolded(node, text))
            }
            Scalar::Str(_) | Scalar::Merge => Value::String(text.to_owned()),
        },
    )
}

/// What a folded text is after Kustomize wrote it and read it again: where lines are indented
/// further it does not come back as it was.
fn refolded(node: &Node, text: &str) -> String {
    let written = to_yaml_v3(&Node::scalar(text, node.style));
    let read = read_first_node(&written, &Limits::default());
    let read = read
        .ok()
        .flatten()
        .and_then(|document| document.node.text().map(str::to_owned));
    read.unwrap_or_else(|| text.to_owned())
}

/// What stands between a JSON value and the node that Kustomize makes of it.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Through {
    /// JSON is read as YAML: integers stay, texts are quoted.
    Json,
    /// JSON is decoded by Go, where all numbers become floats, and written as YAML.
    Go,
}

/// The node of a JSON value. Texts stay texts; their style matters when others take their place.
pub(crate) fn to_node(value: &Value, through: Through) -> Node {
    match value {
        Value::Null => Node::scalar("null", Style::Plain),
        Value::Bool(truth) => Node::scalar(truth.to_string(), Style::Plain),
        Value::Number(number) => {
            let text = match (number.is_f64(), through) {
                (false, Through::Json) => number.to_string(),
                _ => format_float(number.as_f64().unwrap_or(0.0)),
            };
            Node::scalar(text, Style::Plain)
        }
        Value::String(text) => text_node(text, through),
        Value::Array(items) => {
            Node::sequence(items.iter().map(|item| to_node(item, through)).collect())
        }
        Value::Object(map) => {
            let entries = map
                .iter()
                .map(|(key, value)| (text_node(key, through), to_node(value, through)));
            Node::mapping(entries.collect())
        }
    }
}

fn text_node(text: &str, through: Through) -> Node {
    let style = match through {
        Through::Json => Style::DoubleQuoted,
        Through::Go => default_style(text, Rules::V3),
    };
    Node::scalar(text, style)
}
