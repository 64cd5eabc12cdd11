//! Whether a value fits its type, as far as ownership needs it: known fields, kinds of scalars,
//! list items that have a key. It must not know what a field means.

use std::collections::BTreeSet;

use holdfast_model::Value;
use holdfast_schema::{List, ListRelation, Scalar, Shape, TypeRef};

use super::item_element;
use crate::fields::{Element, show_path};

/// Whether list items may have the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// They may; stored objects can have them.
    Allowed,
    /// They may not.
    Refused,
}

/// What does not fit, a message each that starts with the path.
pub fn check(value: &Value, type_ref: &TypeRef, duplicates: Duplicates) -> Vec<String> {
    let mut walk = Walk {
        path: Vec::new(),
        duplicates,
        problems: Vec::new(),
    };
    walk.visit(value, type_ref);
    walk.problems
}

struct Walk {
    path: Vec<Element>,
    duplicates: Duplicates,
    problems: Vec<String>,
}

impl Walk {
    fn report(&mut self, message: &str) {
        let path = show_path(&self.path);
        self.problems.push(format!("{path}: {message}"));
    }

    fn visit(&mut self, value: &Value, type_ref: &TypeRef) {
        if value.is_null() {
            return;
        }
        match type_ref.shape() {
            Shape::Any { .. } => {}
            Shape::Scalar(scalar) => self.scalar(value, *scalar),
            Shape::List(list) => match value {
                Value::Array(items) => self.items(items, list),
                _ => self.report(&format!("expected list, got {}", describe(value))),
            },
            Shape::Map(_) | Shape::Struct(_) => {
                let Value::Object(fields) = value else {
                    self.report(&format!("expected map, got {}", describe(value)));
                    return;
                };
                for (name, child) in fields {
                    self.path.push(Element::field(name));
                    match type_ref.child(name) {
                        Some(child_type) => self.visit(child, &child_type),
                        None if is_no_type(type_ref) => {}
                        None => self.report("field not declared in schema"),
                    }
                    self.path.pop();
                }
            }
        }
    }

    fn scalar(&mut self, value: &Value, scalar: Scalar) {
        let problem = match scalar {
            Scalar::String | Scalar::Bytes if !value.is_string() => "expected string",
            Scalar::Int32 | Scalar::Int64 | Scalar::Double if !value.is_number() => {
                "expected numeric (int or float)"
            }
            Scalar::Boolean if !value.is_boolean() => "expected boolean",
            Scalar::Quantity | Scalar::Time | Scalar::MicroTime | Scalar::IntOrString
                if value.is_object() || value.is_array() =>
            {
                "expected any scalar"
            }
            _ => return,
        };
        self.report(&format!("{problem}, got {}", describe(value)));
    }

    fn items(&mut self, items: &[Value], list: &List) {
        let mut seen = BTreeSet::new();
        for (index, item) in items.iter().enumerate() {
            let element = if list.relation == ListRelation::Atomic {
                Element::parse(&format!("i:{index}")).map_err(|error| error.to_string())
            } else {
                item_element(list, item)
            };
            match element {
                Ok(element) => {
                    let first = seen.insert(element.clone());
                    if !first && self.duplicates == Duplicates::Refused {
                        self.report(&format!("duplicate entries for key {element}"));
                    }
                    self.path.push(element);
                    self.visit(item, &list.item);
                    self.path.pop();
                }
                Err(problem) => {
                    self.report(&format!("element {index}: {problem}"));
                    return;
                }
            }
        }
    }
}

/// The kind of a value, never the value itself: it may be a secret.
fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "list",
        Value::Object(_) => "map",
    }
}

/// Whether a built-in type has no fields at all, such as the subresource `status` of a definition: to the
/// server that is no type, and takes whatever is in it.
fn is_no_type(type_ref: &TypeRef) -> bool {
    match type_ref.shape() {
        Shape::Struct(object) => object.fields.is_empty() && !object.name.is_empty(),
        _ => false,
    }
}
