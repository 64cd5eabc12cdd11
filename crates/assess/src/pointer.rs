//! JSON pointers (RFC 6901) as lists of parts. It must not know objects.

use holdfast_model::Value;

/// Splits a pointer into its parts, unescaped; the empty pointer has none.
pub fn parts(pointer: &str) -> Vec<String> {
    pointer
        .split('/')
        .skip(1)
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect()
}

/// Appends a part, escaped, to a pointer.
pub fn push(pointer: &mut String, part: &str) {
    pointer.push('/');
    pointer.push_str(&part.replace('~', "~0").replace('/', "~1"));
}

/// Removes what a pointer names; whether it was there.
pub fn remove(value: &mut Value, pointer: &str) -> bool {
    let Some((parent, last)) = pointer.rsplit_once('/') else {
        return false;
    };
    let last = last.replace("~1", "/").replace("~0", "~");
    match value.pointer_mut(parent) {
        Some(Value::Object(map)) => map.remove(&last).is_some(),
        Some(Value::Array(items)) => match last.parse::<usize>() {
            Ok(index) if index < items.len() => {
                items.remove(index);
                true
            }
            _ => false,
        },
        _ => false,
    }
}

/// Puts a value where a pointer names it, making mappings on the way; whether that was possible.
pub fn set(value: &mut Value, pointer: &str, new: Value) -> bool {
    let mut place = value;
    for part in parts(pointer) {
        place = match place {
            Value::Object(map) => map.entry(part).or_insert(Value::Null),
            Value::Null => {
                *place = Value::Object(serde_json::Map::new());
                match place {
                    Value::Object(map) => map.entry(part).or_insert(Value::Null),
                    _ => return false,
                }
            }
            Value::Array(items) => match part.parse::<usize>().ok() {
                Some(index) if index < items.len() => &mut items[index],
                _ => return false,
            },
            _ => return false,
        };
    }
    *place = new;
    true
}
