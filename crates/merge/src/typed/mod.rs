//! Walks over values by their types: which fields a value has, how two values differ, how they
//! merge, and what is left when fields are taken out. It must not know who owns a field.

mod check;
mod compare;
mod extract;
mod merge;
mod remove;

use holdfast_model::Value;
use holdfast_schema::{List, ListRelation, Shape, TypeRef};
use serde_json::Map;

use crate::fields::Element;

pub use check::{Duplicates, check};
pub use compare::{Comparison, compare};
pub use extract::{field_set, with_named_fields};
pub use merge::merge;
pub use remove::remove;

/// How a value is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// As one value.
    Leaf,
    /// Item by item, by key.
    List,
    /// Field by field.
    Map,
}

/// How a value of this type is walked. Where the type takes anything, the value decides.
pub(crate) fn form(type_ref: &TypeRef, value: &Value) -> Form {
    match type_ref.shape() {
        Shape::Any { atomic: true } | Shape::Scalar(_) => Form::Leaf,
        Shape::Any { atomic: false } => match value {
            Value::Object(_) | Value::Null => Form::Map,
            _ => Form::Leaf,
        },
        _ if type_ref.is_atomic() => Form::Leaf,
        Shape::List(_) => Form::List,
        Shape::Map(_) | Shape::Struct(_) => Form::Map,
    }
}

/// The path element of an item of a list that is not atomic.
pub(crate) fn item_element(list: &List, item: &Value) -> Result<Element, String> {
    let ListRelation::Map(keys) = &list.relation else {
        return match item {
            Value::Object(_) => {
                Err("associative list without keys has an element that's a map type".to_owned())
            }
            Value::Array(_) => {
                Err("not supported: associative list with lists as elements".to_owned())
            }
            Value::Null => Err(
                "associative list without keys has an element that's an explicit null".to_owned(),
            ),
            item => Ok(Element::value(item)),
        };
    };
    let fields = match item {
        Value::Object(fields) => fields,
        Value::Null => {
            return Err("associative list with keys may not have a null element".to_owned());
        }
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    let mut found = Map::new();
    for key in keys {
        if let Some(value) = fields.get(key) {
            found.insert(key.clone(), value.clone());
        } else if let Some(default) = list
            .item
            .field(key)
            .and_then(|field| field.default.as_ref())
            .filter(|default| !default.is_null())
        {
            found.insert(key.clone(), default.clone());
        }
    }
    if found.is_empty() && !keys.is_empty() {
        let keys: Vec<String> = keys.iter().map(|key| format!("{key:?}")).collect();
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{}] \
             (and doesn't have default values for any key fields)",
            keys.join(" ")
        ));
    }
    Ok(Element::key(found))
}

/// Whether two values are the same; numbers compare by what they stand for.
pub fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || left.as_f64() == right.as_f64() && (left.is_f64() || right.is_f64())
        }
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .zip(right)
                    .all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left
                    .iter()
                    .all(|(key, value)| right.get(key).is_some_and(|other| same(value, other)))
        }
        (left, right) => left == right,
    }
}

/// What names an item of a list that is merged by keys or is a set; `None` where it has no name.
pub fn item_element_of(list: &List, item: &Value) -> Option<Element> {
    item_element(list, item).ok()
}
