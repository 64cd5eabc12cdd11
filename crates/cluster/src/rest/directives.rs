//! What is said of a strategic merge patch that cannot be carried out, as Go's library says it.
//! It must not know how one is.

use holdfast_admit::ApiError;
use holdfast_merge::strategic::Error;
use holdfast_model::Value;

/// The refusal of a patch. The parts of it that are wrong are shown unless it may hold secrets.
pub(crate) fn refuse(error: &Error, patch: &Value, may_show: bool) -> ApiError {
    match error {
        Error::NotAnObject => ApiError::bad_request(format!(
            "json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
            holdfast_go::json::kind(patch.to_string().as_bytes())
        )),
        Error::BadRetainKeys => ApiError::bad_request(error.to_string()),
        Error::BadDirective { .. } => ApiError::server_error(match wrong(patch, false) {
            _ if !may_show => "unknown patch type".to_owned(),
            Some(Wrong::List) => "merging lists cannot yet be specified in the patch".to_owned(),
            Some(Wrong::Map(map)) => {
                format!(
                    "unknown patch type: {} in map: {}",
                    word(&map["$patch"]),
                    shown(map)
                )
            }
            None => error.to_string(),
        }),
        error => ApiError::server_error(error.to_string()),
    }
}

/// Where a directive stands that means nothing.
enum Wrong<'a> {
    Map(&'a Value),
    List,
}

/// The first directive that means nothing; in a list of objects there is one more that does.
fn wrong(value: &Value, is_item: bool) -> Option<Wrong<'_>> {
    match value {
        Value::Object(fields) => {
            let directive = fields.get("$patch");
            let is_known = directive.is_none_or(|word| word == "replace" || word == "delete");
            if !is_known && is_item && fields.len() == 1 && directive == Some(&"merge".into()) {
                return Some(Wrong::List);
            }
            if !is_known {
                return Some(Wrong::Map(value));
            }
            fields.values().find_map(|child| wrong(child, false))
        }
        Value::Array(items) => items.iter().find_map(|item| wrong(item, true)),
        _ => None,
    }
}

/// A word as `%s` shows it, which is made for texts alone.
fn word(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "%!s(<nil>)".to_owned(),
        Value::Bool(truth) => format!("%!s(bool={truth})"),
        Value::Number(number) if number.is_i64() => format!("%!s(int64={number})"),
        Value::Number(number) => format!("%!s(float64={number})"),
        value => shown(value),
    }
}

/// A value as `%v` shows it.
fn shown(value: &Value) -> String {
    let joined = |parts: Vec<String>| parts.join(" ");
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "<nil>".to_owned(),
        Value::Array(items) => format!("[{}]", joined(items.iter().map(shown).collect())),
        Value::Object(fields) => {
            let mut parts: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{name}:{}", shown(value)))
                .collect();
            parts.sort();
            format!("map[{}]", joined(parts))
        }
        value => value.to_string(),
    }
}
