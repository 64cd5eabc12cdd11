//! JSON as CEL sees it: fields under names that CEL allows, and times as times.
//! It must not know rules.

use std::collections::HashMap;
use std::sync::Arc;

use holdfast_model::{Value, base64};
use kube_cel::cel::Value as Cel;
use kube_cel::cel::objects::{Key, Map};

use super::library::library;

/// Words that no field may be called.
pub(crate) const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// A text.
pub(crate) fn text(text: &str) -> Cel {
    Cel::String(Arc::new(text.to_owned()))
}

/// A map of these entries.
pub(crate) fn map(entries: HashMap<Key, Cel>) -> Cel {
    Cel::Map(Map {
        map: Arc::new(entries),
    })
}

/// A JSON value of a schema.
pub(crate) fn of_json(value: &Value, schema: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(flag) => Cel::Bool(*flag),
        Value::Number(number) => {
            let whole = number.as_i64().filter(|_| schema["type"] != "number");
            whole.map_or_else(|| Cel::Float(number.as_f64().unwrap_or(0.0)), Cel::Int)
        }
        Value::String(found) => of_text(found, schema),
        Value::Array(items) => {
            let items = items.iter().map(|item| of_json(item, &schema["items"]));
            Cel::List(Arc::new(items.collect()))
        }
        Value::Object(fields) => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let inner = &schema["additionalProperties"];
            let entries = fields.iter().map(|(name, field)| {
                match properties.and_then(|properties| properties.get(name)) {
                    Some(property) => (Key::from(escaped(name)), of_json(field, property)),
                    // Keys of maps are anybody's, and stay as they are.
                    None if inner.is_object() => (Key::from(name.as_str()), of_json(field, inner)),
                    None => (Key::from(escaped(name)), of_json(field, &Value::Null)),
                }
            });
            map(entries.collect())
        }
    }
}

/// A JSON value that no schema describes: every field under its own name, and every text a text.
pub(crate) fn plain(value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(flag) => Cel::Bool(*flag),
        Value::Number(number) => {
            let whole = number.as_i64();
            whole.map_or_else(|| Cel::Float(number.as_f64().unwrap_or(0.0)), Cel::Int)
        }
        Value::String(found) => text(found),
        Value::Array(items) => Cel::List(Arc::new(items.iter().map(plain).collect())),
        Value::Object(fields) => {
            let entries = fields.iter();
            map(entries
                .map(|(name, field)| (Key::from(name.as_str()), plain(field)))
                .collect())
        }
    }
}

fn of_text(found: &str, schema: &Value) -> Cel {
    let read = |function: &str, found: &str| library(function, None, vec![text(found)]).ok();
    let special = match schema["format"].as_str() {
        Some("date-time") => read("timestamp", found),
        Some("date") => read("timestamp", &format!("{found}T00:00:00Z")),
        Some("duration") => read("duration", found),
        Some("byte") => base64::decode(found).map(|bytes| Cel::Bytes(Arc::new(bytes))),
        _ => None,
    };
    special.unwrap_or_else(|| text(found))
}

/// The name of a field as it is written in rules.
pub(crate) fn escaped(name: &str) -> String {
    if RESERVED.contains(&name) {
        return format!("__{name}__");
    }
    let mut escaped = name.replace("__", "__underscores__");
    for (sign, word) in [(".", "__dot__"), ("-", "__dash__"), ("/", "__slash__")] {
        escaped = escaped.replace(sign, word);
    }
    escaped
}

/// How large a value is, as far as costs depend on it.
pub(crate) fn size(value: &Cel) -> u64 {
    let size = match value {
        Cel::String(text) => text.chars().count(),
        Cel::Bytes(bytes) => bytes.len(),
        Cel::List(items) => items.len(),
        Cel::Map(map) => map.map.len(),
        _ => 1,
    };
    size as u64
}

/// Whether a text can be the name of a variable.
pub fn is_identifier(name: &str) -> bool {
    let is_first = |letter: char| letter.is_ascii_alphabetic() || letter == '_';
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    name.starts_with(is_first) && name.chars().all(is_part) && !RESERVED.contains(&name)
}
