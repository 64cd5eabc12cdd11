//! What the server refuses about the content of objects, kind by kind.
//! It must not change them.

use holdfast_model::Value;

use super::{custom, definitions};
use crate::error::FieldError;
use crate::registry::Served;

/// What is wrong with an object; `old` is its state before an update.
pub(crate) fn validate(served: &Served, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    if served.custom.is_some() {
        return custom::validate(served, new, old);
    }
    match (served.kind.group.as_str(), served.kind.kind.as_str()) {
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definitions::validate(new, old),
        _ => Vec::new(),
    }
}
