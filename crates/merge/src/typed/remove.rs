//! Takes fields out of a value. It must not know owners.

use holdfast_model::Value;
use holdfast_schema::{Shape, TypeRef};
use serde_json::Map;

use super::item_element;
use crate::fields::{Element, FieldSet};

/// The value without the fields of the set; `Null` when nothing is left of it.
pub fn remove(value: &Value, fields: &FieldSet, type_ref: &TypeRef) -> Value {
    match (value, type_ref.shape()) {
        (Value::Object(object), Shape::Any { .. } | Shape::Map(_) | Shape::Struct(_)) => {
            if type_ref.is_atomic() {
                return Value::Null;
            }
            let mut kept = Map::new();
            for (name, child) in object {
                let element = Element::field(name);
                if fields.has_element(&element) {
                    continue;
                }
                let child = match fields.below(&element) {
                    Some(below) => {
                        let child_type = type_ref.child(name).unwrap_or_else(TypeRef::any);
                        remove(child, below, &child_type)
                    }
                    None => child.clone(),
                };
                kept.insert(name.clone(), child);
            }
            if kept.is_empty() {
                Value::Null
            } else {
                Value::Object(kept)
            }
        }
        (Value::Array(items), Shape::List(list)) => {
            if type_ref.is_atomic() {
                return Value::Null;
            }
            let mut kept = Vec::new();
            for item in items {
                let Ok(element) = item_element(list, item) else {
                    kept.push(item.clone());
                    continue;
                };
                if fields.has_element(&element) {
                    continue;
                }
                kept.push(match fields.below(&element) {
                    Some(below) => remove(item, below, &list.item),
                    None => item.clone(),
                });
            }
            if kept.is_empty() {
                Value::Null
            } else {
                Value::Array(kept)
            }
        }
        (value, _) => value.clone(),
    }
}
