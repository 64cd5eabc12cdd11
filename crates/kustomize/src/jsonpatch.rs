//! JSON patches (RFC 6902) with the corner cases of the library that Kustomize uses: negative
//! indices count from the end, replacing a field that is absent adds it.

use holdfast_model::Value;
use holdfast_yaml::{Limits, read_value};

/// The operations of a patch.
#[derive(Clone, Debug)]
pub(crate) struct JsonPatch {
    pub(crate) operations: Vec<Value>,
}

/// Reads a patch written as JSON or YAML.
pub(crate) fn read_patch(text: &str) -> Result<JsonPatch, String> {
    if text.is_empty() {
        return Err("empty json patch operations".to_owned());
    }
    let value = if text.starts_with('[') {
        serde_json::from_str(text).map_err(|error| {
            format!(
                "line {}, column {}: the patch is no JSON",
                error.line(),
                error.column()
            )
        })?
    } else {
        read_value(text, &Limits::default()).map_err(|error| error.to_string())?
    };
    match value {
        Value::Null => Ok(JsonPatch {
            operations: Vec::new(),
        }),
        Value::Array(operations)
            if operations
                .iter()
                .all(|one| one.is_object() || one.is_null()) =>
        {
            Ok(JsonPatch { operations })
        }
        _ => Err("a JSON patch has to be a list of operations".to_owned()),
    }
}

/// Applies a patch in place.
pub(crate) fn apply(document: &mut Value, patch: &JsonPatch) -> Result<(), String> {
    for operation in &patch.operations {
        apply_one(document, operation)?;
    }
    Ok(())
}

fn apply_one(document: &mut Value, operation: &Value) -> Result<(), String> {
    let kind = operation["op"].as_str().unwrap_or("unknown");
    let text = |name: &str| {
        operation[name]
            .as_str()
            .ok_or_else(|| format!("{kind} operation failed to decode {name}"))
    };
    let value = || operation["value"].clone();
    match kind {
        "add" => add(document, text("path")?, value()),
        "remove" => take(document, text("path")?, kind).map(drop),
        "replace" => replace(document, text("path")?, value()),
        "move" => {
            let moved = take(document, text("from")?, kind)?;
            add(document, text("path")?, moved)
        }
        "copy" => {
            let copied = get(document, text("from")?, kind)?.unwrap_or_default();
            add(document, text("path")?, copied)
        }
        "test" => test(document, text("path")?, &operation["value"]),
        kind => Err(format!("Unexpected kind: {kind}")),
    }
}

fn missing(kind: &str, path: &str) -> String {
    format!("{kind} operation does not apply: doc is missing path: \"{path}\"")
}

/// The container at all but the last part of a path, and that part.
fn find<'a>(document: &'a mut Value, path: &str) -> Option<(&'a mut Value, String)> {
    let (_, rest) = path.split_once('/')?;
    let mut parts: Vec<String> = rest
        .split('/')
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect();
    let last = parts.pop()?;
    let mut node = document;
    for part in parts {
        node = match node {
            Value::Object(map) => map.get_mut(&part)?,
            Value::Array(items) => {
                let index = index_of(&part, items.len(), items.len()).ok()?;
                items.get_mut(index)?
            }
            _ => return None,
        };
    }
    (node.is_object() || node.is_array()).then_some((node, last))
}

/// An index below `bound`; negative ones count from `length`.
fn index_of(part: &str, length: usize, bound: usize) -> Result<usize, String> {
    let refuse = || format!("Unable to access invalid index: {part}");
    let index: i64 = part
        .parse()
        .map_err(|_| format!("value was not a proper array index: '{part}'"))?;
    let index = if index < 0 {
        let back = usize::try_from(index.unsigned_abs()).map_err(|_| refuse())?;
        length.checked_sub(back).ok_or_else(refuse)?
    } else {
        usize::try_from(index).map_err(|_| refuse())?
    };
    if index < bound {
        Ok(index)
    } else {
        Err(refuse())
    }
}

fn add(document: &mut Value, path: &str, value: Value) -> Result<(), String> {
    let (container, key) = find(document, path).ok_or_else(|| missing("add", path))?;
    let place = |error: String| format!("error in add for path: '{path}': {error}");
    match container {
        Value::Object(map) => {
            map.insert(key, value);
        }
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => {
            let room = items.len() + 1;
            let index = index_of(&key, room, room).map_err(place)?;
            items.insert(index, value);
        }
        _ => {}
    }
    Ok(())
}

fn take(document: &mut Value, path: &str, kind: &str) -> Result<Value, String> {
    let (container, key) = find(document, path).ok_or_else(|| missing(kind, path))?;
    let place = |error: String| format!("error in {kind} for path: '{path}': {error}");
    match container {
        Value::Object(map) => map
            .remove(&key)
            .ok_or_else(|| place(format!("Unable to remove nonexistent key: {key}"))),
        Value::Array(items) => {
            let index = index_of(&key, items.len(), items.len()).map_err(place)?;
            Ok(items.remove(index))
        }
        _ => Err(missing(kind, path)),
    }
}

fn replace(document: &mut Value, path: &str, value: Value) -> Result<(), String> {
    if path.is_empty() {
        if !value.is_object() && !value.is_array() {
            return Err("replace operation value must be object or array".to_owned());
        }
        *document = value;
        return Ok(());
    }
    let (container, key) = find(document, path).ok_or_else(|| missing("replace", path))?;
    match container {
        Value::Object(map) => {
            map.insert(key, value);
        }
        Value::Array(items) => {
            let absent =
                |_| format!("replace operation does not apply: doc is missing key: {path}");
            let index = index_of(&key, items.len(), items.len()).map_err(absent)?;
            items[index] = value;
        }
        _ => {}
    }
    Ok(())
}

fn get(document: &mut Value, path: &str, kind: &str) -> Result<Option<Value>, String> {
    let (container, key) = find(document, path).ok_or_else(|| missing(kind, path))?;
    match container {
        Value::Object(map) => Ok(map.get(&key).cloned()),
        Value::Array(items) => {
            let index = index_of(&key, items.len(), items.len())?;
            Ok(items.get(index).cloned())
        }
        _ => Ok(None),
    }
}

fn test(document: &mut Value, path: &str, wanted: &Value) -> Result<(), String> {
    let found = if path.is_empty() {
        document.clone()
    } else {
        get(document, path, "test")?.unwrap_or_default()
    };
    if found == *wanted {
        Ok(())
    } else {
        Err(format!("testing value {path} failed"))
    }
}
