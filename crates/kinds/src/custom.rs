//! Custom objects by their schema: unknown fields are taken out, defaults are put in.
//! It must not know which definition the schema belongs to.

use holdfast_model::Value;
use holdfast_schema::{Shape, TypeRef};

use crate::canonical::{MAX_DEPTH, shown_path};

/// Takes out the fields that the type does not have, and gives their paths.
pub fn prune_custom(value: &mut Value, type_ref: &TypeRef) -> Vec<String> {
    let mut unknown = Vec::new();
    prune(value, type_ref, &mut Vec::new(), &mut unknown);
    unknown
}

fn prune(value: &mut Value, type_ref: &TypeRef, path: &mut Vec<String>, unknown: &mut Vec<String>) {
    if path.len() > MAX_DEPTH {
        return;
    }
    match (value, type_ref.shape()) {
        (Value::Object(fields), Shape::Struct(object)) => {
            let names: Vec<String> = fields.keys().cloned().collect();
            for name in names {
                path.push(name.clone());
                match object.field(&name) {
                    Some(field) => {
                        if let Some(child) = fields.get_mut(&name) {
                            prune(child, &field.type_ref, path, unknown);
                        }
                    }
                    None if object.keeps_unknown => {}
                    None => {
                        fields.remove(&name);
                        unknown.push(shown_path(path));
                    }
                }
                path.pop();
            }
        }
        (Value::Object(fields), Shape::Map(map)) => {
            for (name, child) in fields {
                path.push(name.clone());
                prune(child, &map.item, path, unknown);
                path.pop();
            }
        }
        (Value::Array(items), Shape::List(list)) => {
            for (index, item) in items.iter_mut().enumerate() {
                path.push(format!("[{index}]"));
                prune(item, &list.item, path, unknown);
                path.pop();
            }
        }
        _ => {}
    }
}

/// Puts in the defaults of the type, outer ones first. A null where none is allowed counts as
/// absent where there is a default.
pub fn default_custom(value: &mut Value, type_ref: &TypeRef) {
    match (value, type_ref.shape()) {
        // Built-in types have names; what they default is none of a custom schema's business.
        (_, Shape::Struct(object)) if !object.name.is_empty() => {}
        (Value::Object(fields), Shape::Struct(object)) => {
            for field in &object.fields {
                if let Some(default) = &field.default {
                    let present = fields.get(&field.name);
                    let absent = present.is_none_or(|value| value.is_null() && !field.nullable);
                    if absent {
                        fields.insert(field.name.clone(), default.clone());
                    }
                }
                if let Some(child) = fields.get_mut(&field.name) {
                    default_custom(child, &field.type_ref);
                }
            }
        }
        (Value::Object(fields), Shape::Map(map)) => {
            for child in fields.values_mut() {
                default_custom(child, &map.item);
            }
        }
        (Value::Array(items), Shape::List(list)) => {
            for item in items {
                default_custom(item, &list.item);
            }
        }
        _ => {}
    }
}

/// Takes out nulls where none is allowed, by the schema of the definition. What a client sends is
/// read so; what comes of an apply is not.
pub fn drop_nulls(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, child| {
                let known = &schema["properties"][name.as_str()];
                let schema = if known.is_object() {
                    known
                } else {
                    &schema["additionalProperties"]
                };
                if child.is_null() {
                    return !schema.is_object() || schema["nullable"] == true;
                }
                drop_nulls(child, schema);
                true
            });
        }
        Value::Array(items) => {
            for item in items {
                drop_nulls(item, &schema["items"]);
            }
        }
        _ => {}
    }
}
