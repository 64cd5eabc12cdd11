//! Objects that differ from another in one place. It must not know what a difference means.

use serde_json::{Map, Value, json};

/// What was done in one place.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// What was done, and where: `removed /spec/replicas`.
    pub name: String,
    /// The object.
    pub value: Value,
}

/// Every object that differs from one in one place: each value removed, nulled, emptied, changed, each
/// list reordered, each list and mapping added to. What names the object stays.
pub fn mutants(base: &Value) -> Vec<Mutant> {
    let mut found = Vec::new();
    for path in paths(base) {
        let Some(value) = base.pointer(&path) else {
            continue;
        };
        let mut add = |what: &str, new: Option<Value>| {
            let mut object = base.clone();
            match new {
                None => remove(&mut object, &path),
                Some(new) => set(&mut object, &path, new),
            }
            if object != *base {
                let name = format!("{what} {path}");
                found.push(Mutant {
                    name,
                    value: object,
                });
            }
        };
        add("removed", None);
        add("nulled", Some(Value::Null));
        if let Some(empty) = emptied(value) {
            add("emptied", Some(empty));
        }
        match value {
            Value::Array(items) => {
                add(
                    "reordered",
                    Some(items.iter().rev().cloned().collect::<Value>()),
                );
                let mut longer = items.clone();
                longer.extend(items.last().map(renamed));
                add("added", Some(Value::Array(longer)));
            }
            Value::Object(fields) => {
                let mut wider = fields.clone();
                wider.insert("added".to_owned(), json!("1.10"));
                add("added", Some(Value::Object(wider)));
            }
            scalar => add("changed", changed(scalar)),
        }
    }
    found
}

/// Pointers to everything in an object but what names it.
fn paths(base: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(base, &mut String::new(), &mut found);
    let names = [
        "",
        "/apiVersion",
        "/kind",
        "/metadata",
        "/metadata/name",
        "/metadata/namespace",
    ];
    found.retain(|path| !names.contains(&path.as_str()));
    found
}

fn collect(value: &Value, path: &mut String, found: &mut Vec<String>) {
    found.push(path.clone());
    let length = path.len();
    match value {
        Value::Object(fields) => {
            for (name, child) in fields {
                path.push('/');
                path.push_str(&name.replace('~', "~0").replace('/', "~1"));
                collect(child, path, found);
                path.truncate(length);
            }
        }
        Value::Array(items) => {
            for (index, child) in items.iter().enumerate() {
                path.push_str(&format!("/{index}"));
                collect(child, path, found);
                path.truncate(length);
            }
        }
        _ => {}
    }
}

fn emptied(value: &Value) -> Option<Value> {
    match value {
        Value::String(text) if !text.is_empty() => Some(json!("")),
        Value::Number(number) if number.as_f64() != Some(0.0) => Some(json!(0)),
        Value::Array(items) if !items.is_empty() => Some(json!([])),
        Value::Object(fields) if !fields.is_empty() => Some(json!({})),
        _ => None,
    }
}

/// Another value of the same form, that means something else or is only written in another way.
fn changed(value: &Value) -> Option<Value> {
    Some(match value {
        Value::Bool(truth) => json!(!truth),
        Value::Number(number) => json!(number.as_i64().unwrap_or_default() + 1),
        Value::String(text) => match text.as_str() {
            "1.10" => json!("1.1"),
            "0700" => json!("700"),
            "1Gi" => json!("1024Mi"),
            "100m" => json!("0.1"),
            text if text.starts_with(|letter: char| letter.is_ascii_digit()) => {
                json!(format!("1{text}"))
            }
            text => json!(format!("{text}x")),
        },
        _ => return None,
    })
}

/// A copy of a list's item under another name.
fn renamed(item: &Value) -> Value {
    match item {
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| {
                let new = match (name.as_str(), value) {
                    ("name" | "key" | "host" | "mountPath" | "path", Value::String(text)) => {
                        json!(format!("{text}2"))
                    }
                    ("port" | "containerPort", Value::Number(number)) => {
                        json!(number.as_i64().unwrap_or_default() + 7)
                    }
                    _ => value.clone(),
                };
                (name.clone(), new)
            });
            Value::Object(fields.collect::<Map<_, _>>())
        }
        other => changed(other).unwrap_or_else(|| other.clone()),
    }
}

fn set(object: &mut Value, path: &str, new: Value) {
    if let Some(place) = object.pointer_mut(path) {
        *place = new;
    }
}

fn remove(object: &mut Value, path: &str) {
    let Some((parent, last)) = path.rsplit_once('/') else {
        return;
    };
    let last = last.replace("~1", "/").replace("~0", "~");
    match object.pointer_mut(parent) {
        Some(Value::Object(fields)) => drop(fields.remove(&last)),
        Some(Value::Array(items)) => {
            if let Ok(index) = last.parse::<usize>() {
                items.remove(index);
            }
        }
        _ => {}
    }
}
