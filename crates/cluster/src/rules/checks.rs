//! What the server refuses about the content of objects.
//! It must not change them.

use holdfast_model::Value;

use crate::error::FieldError;
use crate::registry::Served;

/// What is wrong with an object; `old` is its state before an update.
pub(crate) fn validate(_served: &Served, _new: &Value, _old: Option<&Value>) -> Vec<FieldError> {
    Vec::new()
}
