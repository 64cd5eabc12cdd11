//! What absent fields stand for. It must not know what is wrong with the others.

use holdfast_kinds::{default_built_in, default_custom};
use holdfast_model::Value;

use crate::served::Served;

/// Puts in what absent fields stand for.
pub fn default(served: &Served, value: &mut Value) {
    if served.custom.is_some() {
        default_custom(value, &served.kind.type_ref);
    } else {
        default_built_in(&served.kind, value);
    }
}
