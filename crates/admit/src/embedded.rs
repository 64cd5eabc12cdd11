//! What custom objects hold besides plain fields: sizes, which have to be numbers, and whole
//! objects. It must not know how objects are stored.

use holdfast_kinds::text;
use holdfast_model::{FieldError, Value};
use serde_json::json;

use crate::custom::join;
use crate::names;
use crate::served::Served;

/// What is wrong with the sizes of an object whose kind can be scaled.
pub(super) fn sizes(served: &Served, value: &Value) -> Vec<FieldError> {
    let scale = served.custom.as_ref();
    let Some(scale) = scale.and_then(|custom| custom.scale.as_ref()) else {
        return Vec::new();
    };
    let mut errors = Vec::new();
    for name in ["specReplicasPath", "statusReplicasPath"] {
        let path = text(scale, name);
        let Some(found) = at(value, path) else {
            continue;
        };
        let Some(size) = found.as_i64() else {
            let kind = go_type(found);
            let shown = found
                .as_str()
                .map_or_else(|| found.to_string(), str::to_owned);
            let detail =
                format!("{path} accessor error: {shown} is of the type {kind}, expected int64");
            errors.push(FieldError::invalid(path, &json!(0), &detail));
            continue;
        };
        if size < 0 {
            let detail = "should be a non-negative integer";
            errors.push(FieldError::invalid(path, &json!(size), detail));
        } else if size > i64::from(i32::MAX) {
            let detail = format!("should be less than or equal to {}", i32::MAX);
            errors.push(FieldError::invalid(path, &json!(size), &detail));
        }
    }
    errors
}

/// The value at a path such as `.spec.replicas`.
fn at<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let names = path.split('.').filter(|name| !name.is_empty());
    let mut names = names.peekable();
    names.peek()?;
    names.try_fold(value, |value, name| value.get(name))
}

/// What Go calls the type of a value.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(_) => "float64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// What is wrong with the objects in an object.
pub(super) fn objects(value: &Value, schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    match value {
        Value::Object(fields) => {
            if schema["x-kubernetes-embedded-resource"] == true {
                object(value, path, errors);
            }
            let others = &schema["additionalProperties"];
            for (name, field) in fields {
                let own = &schema["properties"][name.as_str()];
                if own.is_object() {
                    objects(field, own, &join(path, name), errors);
                } else if others.is_object() {
                    objects(field, others, &format!("{path}[{name}]"), errors);
                }
            }
        }
        Value::Array(items) if schema["items"].is_object() => {
            for (index, item) in items.iter().enumerate() {
                objects(item, &schema["items"], &format!("{path}[{index}]"), errors);
            }
        }
        _ => {}
    }
}

fn object(value: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for name in ["apiVersion", "kind"] {
        let field = join(path, name);
        let Some(found) = value.get(name) else {
            errors.push(FieldError::required(field, ""));
            continue;
        };
        let problem = match found.as_str() {
            None => "must be a string".to_owned(),
            Some("") => "must not be empty".to_owned(),
            Some(word) if name == "apiVersion" && word.matches('/').count() > 1 => {
                format!("unexpected GroupVersion string: {word}")
            }
            Some(word) if name == "kind" => match names::dns_1035_problem(&word.to_lowercase()) {
                Some(problem) => {
                    format!("may have mixed case, but should otherwise match: {problem}")
                }
                None => continue,
            },
            Some(_) => continue,
        };
        errors.push(FieldError::invalid(field, found, &problem));
    }
}
