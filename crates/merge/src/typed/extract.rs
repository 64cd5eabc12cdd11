//! The set of fields that a value has. It must not know owners.

use holdfast_model::Value;
use holdfast_schema::{Shape, TypeRef};

use super::{Form, form, item_element};
use crate::fields::{Element, FieldSet};

/// The fields that a value has.
pub fn field_set(value: &Value, type_ref: &TypeRef) -> FieldSet {
    let mut set = FieldSet::default();
    collect(value, type_ref, &mut Vec::new(), &mut set);
    set
}

fn collect(value: &Value, type_ref: &TypeRef, path: &mut Vec<Element>, set: &mut FieldSet) {
    match form(type_ref, value) {
        Form::Leaf => set.insert(path),
        Form::List => {
            let (Shape::List(list), Some(items)) = (type_ref.shape(), value.as_array()) else {
                return;
            };
            let elements: Vec<Option<Element>> = items
                .iter()
                .map(|item| item_element(list, item).ok())
                .collect();
            for (index, item) in items.iter().enumerate() {
                let Some(element) = &elements[index] else {
                    continue;
                };
                let twice = elements
                    .iter()
                    .enumerate()
                    .any(|(other, found)| other != index && found.as_ref() == Some(element));
                path.push(element.clone());
                // What stands there twice is owned as a whole.
                if !twice {
                    collect(item, &list.item, path, set);
                }
                set.insert(path);
                path.pop();
            }
        }
        Form::Map => {
            for (name, child) in value.as_object().into_iter().flatten() {
                let Some(child_type) = type_ref.child(name) else {
                    continue;
                };
                path.push(Element::field(name));
                collect(child, &child_type, path, set);
                let empty = child.as_object().is_some_and(serde_json::Map::is_empty);
                if child.is_null() || empty || type_ref.field(name).is_none() {
                    set.insert(path);
                }
                path.pop();
            }
        }
    }
}

/// The same set with every listed field that has paths below it made a path of its own.
pub fn with_named_fields(set: &FieldSet, type_ref: &TypeRef) -> FieldSet {
    set.mapped(&mut |element, member, below| {
        let name = element.field_name();
        let listed = name.is_some_and(|name| type_ref.field(name).is_some());
        let child = match name {
            Some(name) => type_ref.child(name),
            None => type_ref.item(),
        };
        let below = match child {
            Some(child) => with_named_fields(below, &child),
            None => below.clone(),
        };
        let member = member || listed && !below.is_empty();
        (member, below)
    })
}
