//! Values with Go's kinds, and the ways to write them, JSON values and nodes as YAML.

use std::borrow::Cow;
use std::fmt;

use holdfast_model::Value;

use crate::emit::{Dialect, Emitter};
use crate::json::{HtmlEscape, json_string};
use crate::limits::Limits;
use crate::node::{Node, NodeValue, Style};
use crate::read_value;
use crate::resolve::{Rules, Scalar, resolve_plain};
use crate::sort::sort_keys;

/// A value with the kinds that Go tells apart. `Debug` shows no values, as they may be secret.
#[derive(Clone, PartialEq)]
pub enum Tree {
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// An `int64`.
    Int(i64),
    /// A `uint64`.
    Uint(u64),
    /// A `float64`.
    Float(f64),
    /// A text.
    Str(String),
    /// A slice.
    Seq(Vec<Tree>),
    /// A map with texts as keys, in any order.
    Map(Vec<(String, Tree)>),
}

impl fmt::Debug for Tree {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Null => "Tree(null)",
            Self::Bool(_) => "Tree(bool)",
            Self::Int(_) | Self::Uint(_) | Self::Float(_) => "Tree(number)",
            Self::Str(_) => "Tree(text)",
            Self::Seq(_) => "Tree(sequence)",
            Self::Map(_) => "Tree(mapping)",
        })
    }
}

impl From<&Value> for Tree {
    fn from(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(truth) => Self::Bool(*truth),
            Value::Number(number) => {
                if let Some(number) = number.as_i64() {
                    Self::Int(number)
                } else if let Some(number) = number.as_u64() {
                    Self::Uint(number)
                } else {
                    Self::Float(number.as_f64().unwrap_or(0.0))
                }
            }
            Value::String(text) => Self::Str(text.clone()),
            Value::Array(items) => Self::Seq(items.iter().map(Self::from).collect()),
            Value::Object(map) => Self::Map(
                map.iter()
                    .map(|(key, value)| (key.clone(), Self::from(value)))
                    .collect(),
            ),
        }
    }
}

/// Writes a value as `sigs.k8s.io/yaml.Marshal` does, with a line break at the end.
pub fn to_yaml(value: &Value) -> String {
    let mut emitter = Emitter::new(Dialect::Sigs);
    emit_value(&mut emitter, value);
    emitter.finish()
}

fn emit_value(emitter: &mut Emitter, value: &Value) {
    match value {
        Value::Null => emitter.null(),
        Value::Bool(truth) => emitter.bool(*truth),
        Value::Number(number) => {
            if let Some(number) = number.as_i64() {
                emitter.int(number);
            } else if let Some(number) = number.as_u64() {
                emitter.uint(number);
            } else {
                emitter.float(number.as_f64().unwrap_or(0.0));
            }
        }
        Value::String(text) => emitter.str(&through_json(text)),
        Value::Array(items) => {
            emitter.begin_sequence(items.len());
            for item in items {
                emit_value(emitter, item);
            }
            emitter.end();
        }
        Value::Object(map) => {
            let mut entries: Vec<(&str, &Value)> = map
                .iter()
                .map(|(key, value)| (key.as_str(), value))
                .collect();
            sort_keys(&mut entries, Rules::V2, |entry| entry.0);
            emitter.begin_mapping(entries.len());
            for (key, value) in entries {
                emitter.key(&through_json(key));
                emit_value(emitter, value);
            }
            emitter.end();
        }
    }
}

/// What a text is after Go wrote it as JSON and read that as YAML. A NEL character stands in JSON
/// as it is and is a line break to YAML, which folds it.
fn through_json(text: &str) -> Cow<'_, str> {
    if !text.contains('\u{85}') {
        return Cow::Borrowed(text);
    }
    let json = json_string(text, HtmlEscape::On);
    match read_value(&json, &Limits::default()) {
        Ok(Value::String(text)) => Cow::Owned(text),
        _ => Cow::Borrowed(text),
    }
}

/// Writes a tree with sorted keys and a line break at the end.
pub fn tree_to_yaml(tree: &Tree, dialect: Dialect) -> String {
    let mut emitter = Emitter::new(dialect);
    emit_tree(&mut emitter, tree, dialect);
    emitter.finish()
}

fn emit_tree(emitter: &mut Emitter, tree: &Tree, dialect: Dialect) {
    match tree {
        Tree::Null => emitter.null(),
        Tree::Bool(truth) => emitter.bool(*truth),
        Tree::Int(number) => emitter.int(*number),
        Tree::Uint(number) => emitter.uint(*number),
        Tree::Float(number) => emitter.float(*number),
        Tree::Str(text) if dialect == Dialect::Sigs => emitter.str(&through_json(text)),
        Tree::Str(text) => emitter.str(text),
        Tree::Seq(items) => {
            emitter.begin_sequence(items.len());
            for item in items {
                emit_tree(emitter, item, dialect);
            }
            emitter.end();
        }
        Tree::Map(entries) => {
            let mut entries: Vec<&(String, Tree)> = entries.iter().collect();
            sort_keys(&mut entries, dialect.rules(), |entry| &entry.0);
            emitter.begin_mapping(entries.len());
            for (key, value) in entries {
                emitter.key(key);
                emit_tree(emitter, value, dialect);
            }
            emitter.end();
        }
    }
}

/// Writes a node as Kustomize's `kyaml` does: order, styles and tags kept, comments not.
pub fn to_yaml_v3(node: &Node) -> String {
    let mut emitter = Emitter::new(Dialect::KYAML);
    emit_node(&mut emitter, node);
    emitter.finish()
}

fn emit_node(emitter: &mut Emitter, node: &Node) {
    match &node.value {
        NodeValue::Scalar(text) => match written_style(node, text) {
            (style, Some(tag)) => {
                emitter.tag(tag);
                emitter.scalar(text, style);
            }
            (style, None) => emitter.scalar(text, style),
        },
        NodeValue::Sequence(items) => {
            if node.style == Style::Flow {
                emitter.begin_flow_sequence();
            } else {
                emitter.begin_sequence(items.len());
            }
            for item in items {
                emit_node(emitter, item);
            }
            emitter.end();
        }
        NodeValue::Mapping(entries) => {
            if node.style == Style::Flow {
                emitter.begin_flow_mapping();
            } else {
                emitter.begin_mapping(entries.len());
            }
            for (key, value) in entries {
                let text = key.text().unwrap_or_default();
                emitter.key_scalar(text, written_style(key, text).0);
                emit_node(emitter, value);
            }
            emitter.end();
        }
    }
}

/// The style to ask for, and a tag where the text would mean something else without it.
fn written_style<'a>(node: &'a Node, text: &str) -> (Style, Option<&'a str>) {
    let tag = node.tag.as_deref().filter(|tag| *tag != "!");
    if node.style != Style::Plain {
        return (node.style, tag.filter(|tag| *tag != "!!str"));
    }
    let style = if text.contains('\n') {
        Style::Literal
    } else {
        Style::Plain
    };
    let meaning = match resolve_plain(text, Rules::V3) {
        Scalar::Null => "!!null",
        Scalar::Bool(_) => "!!bool",
        Scalar::Int(_) | Scalar::Uint(_) => "!!int",
        Scalar::Float(_) => "!!float",
        Scalar::Timestamp(_) => "!!timestamp",
        Scalar::Str(_) | Scalar::Binary(_) | Scalar::Merge => "!!str",
    };
    match tag {
        Some(tag) if tag == meaning => (style, None),
        Some("!!str") if style == Style::Plain => (Style::DoubleQuoted, None),
        tag => (style, tag),
    }
}
