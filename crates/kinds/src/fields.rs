//! Reading and filling fields of untyped values. It must not know any kind.

use holdfast_model::Value;

/// Sets a field when it is absent or null.
pub fn fill(value: &mut Value, name: &str, default: impl Into<Value>) {
    if value.get(name).is_none_or(Value::is_null)
        && let Some(fields) = value.as_object_mut()
    {
        fields.insert(name.to_owned(), default.into());
    }
}

/// The items of a list field; none where it is absent or no list.
pub fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The items of a list field, to be changed.
pub fn items_mut<'a>(value: &'a mut Value, name: &str) -> &'a mut [Value] {
    match value.get_mut(name) {
        Some(Value::Array(items)) => items,
        _ => &mut [],
    }
}

/// A text field; empty when absent.
pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or("")
}
