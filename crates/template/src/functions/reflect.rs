//! What a value is: types and kinds by Go's names.
//!
//! It must not know templates.

use super::arguments::{any, text};
use crate::equal::deep_equal;
use crate::exec::Outcome;
use crate::value::Value;

pub(super) fn type_of(arguments: &[Value]) -> Outcome {
    Ok(Value::text(any(arguments, 0).type_name()))
}

pub(super) fn type_is(arguments: &[Value]) -> Outcome {
    Ok(Value::Bool(
        text(arguments, 0) == any(arguments, 1).type_name(),
    ))
}

pub(super) fn type_is_like(arguments: &[Value]) -> Outcome {
    let (wanted, found) = (text(arguments, 0), any(arguments, 1).type_name());
    let is_like = found == wanted || found.strip_prefix('*') == Some(&wanted);
    Ok(Value::Bool(is_like))
}

pub(super) fn kind_of(arguments: &[Value]) -> Outcome {
    Ok(Value::text(any(arguments, 0).kind()))
}

pub(super) fn kind_is(arguments: &[Value]) -> Outcome {
    Ok(Value::Bool(text(arguments, 0) == any(arguments, 1).kind()))
}

pub(super) fn deep_equal_of(arguments: &[Value]) -> Outcome {
    Ok(Value::Bool(deep_equal(
        any(arguments, 0),
        any(arguments, 1),
    )))
}
