//! When two values are the same: `reflect.DeepEqual`, and the comparison functions of templates.
//!
//! It must not know templates.

use std::cmp::Ordering;

use crate::value::{IntKind, Value};

/// How deep values are compared. Deeper ones are circles.
const MAX_DEPTH: usize = 200;

/// `reflect.DeepEqual`: the types must agree as well, so `3` and `3.0` differ.
pub(crate) fn deep_equal(left: &Value, right: &Value) -> bool {
    equal_to(left, right, 0)
}

fn equal_to(left: &Value, right: &Value, depth: usize) -> bool {
    if depth > MAX_DEPTH {
        return true;
    }
    match (left, right) {
        (Value::Invalid | Value::Nil, Value::Invalid | Value::Nil) => true,
        (Value::Bool(left), Value::Bool(right)) => left == right,
        (Value::Int(left_kind, left), Value::Int(right_kind, right)) => {
            left_kind == right_kind && left == right
        }
        (Value::Float(left), Value::Float(right)) => left == right,
        (Value::Text(_) | Value::Raw(_), Value::Text(_) | Value::Raw(_)) => {
            left.as_bytes() == right.as_bytes()
        }
        (Value::Bytes(left), Value::Bytes(right)) => left == right,
        (Value::List(left), Value::List(right)) => {
            left.element() == right.element()
                && left.items().len() == right.items().len()
                && left
                    .items()
                    .iter()
                    .zip(right.items())
                    .all(|(left, right)| equal_to(left, right, depth + 1))
        }
        (Value::Map(left), Value::Map(right)) => {
            left.is(right)
                || left.shape() == right.shape()
                    && left.entries().len() == right.entries().len()
                    && left.entries().iter().zip(right.entries().iter()).all(
                        |((left_key, left), (right_key, right))| {
                            left_key == right_key && equal_to(left, right, depth + 1)
                        },
                    )
        }
        (Value::Time(left), Value::Time(right)) => left == right,
        (Value::Version(left), Value::Version(right)) => left == right,
        _ => false,
    }
}

/// What Go's comparison functions can compare.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Basic {
    Bool,
    Int,
    Uint,
    Float,
    Text,
}

fn basic(value: &Value) -> Option<Basic> {
    Some(match value {
        Value::Bool(_) => Basic::Bool,
        Value::Int(IntKind::Uint8 | IntKind::Uint64, _) => Basic::Uint,
        Value::Int(..) => Basic::Int,
        Value::Float(_) => Basic::Float,
        Value::Text(_) | Value::Raw(_) => Basic::Text,
        _ => return None,
    })
}

fn incompatible(left: &Value, right: &Value) -> String {
    format!(
        "incompatible types for comparison: {} and {}",
        left.type_name(),
        right.type_name()
    )
}

/// `eq` of two values.
pub(crate) fn same(left: &Value, right: &Value) -> Result<bool, String> {
    if left.is_nil() || right.is_nil() {
        return Ok(left.is_nil() == right.is_nil());
    }
    match (basic(left), basic(right)) {
        (Some(left_basic), Some(right_basic)) if left_basic != right_basic => {
            match integers(left, right) {
                Some(order) => Ok(order == Ordering::Equal),
                None => Err(incompatible(left, right)),
            }
        }
        (Some(_), Some(_)) => Ok(match (left, right) {
            (Value::Float(left), Value::Float(right)) => left == right,
            (Value::Int(_, left), Value::Int(_, right)) => left == right,
            (Value::Bool(left), Value::Bool(right)) => left == right,
            _ => left.as_bytes() == right.as_bytes(),
        }),
        _ => other_same(left, right),
    }
}

fn other_same(left: &Value, right: &Value) -> Result<bool, String> {
    match (left, right) {
        (Value::Time(left), Value::Time(right)) => Ok(left == right),
        (Value::Version(left), Value::Version(right)) => Ok(std::rc::Rc::ptr_eq(left, right)),
        (Value::List(_) | Value::Map(_) | Value::Bytes(_), _) => Err(format!(
            "non-comparable type {}: {}",
            "value",
            left.type_name()
        )),
        (_, Value::List(_) | Value::Map(_) | Value::Bytes(_)) => Err(format!(
            "non-comparable type {}: {}",
            "value",
            right.type_name()
        )),
        _ => Err(incompatible(left, right)),
    }
}

/// A signed and an unsigned integer can be compared with each other.
fn integers(left: &Value, right: &Value) -> Option<Ordering> {
    let wide = |value: &Value| match value {
        #[expect(clippy::cast_sign_loss, reason = "unsigned numbers keep their bits")]
        Value::Int(kind, number) if kind.is_unsigned() => Some(i128::from(*number as u64)),
        Value::Int(_, number) => Some(i128::from(*number)),
        _ => None,
    };
    Some(wide(left)?.cmp(&wide(right)?))
}

/// `lt` of two values.
pub(crate) fn less(left: &Value, right: &Value) -> Result<bool, String> {
    let bad = || "invalid type for comparison".to_owned();
    let (left_basic, right_basic) = (basic(left).ok_or_else(bad)?, basic(right).ok_or_else(bad)?);
    if left_basic != right_basic {
        return match integers(left, right) {
            Some(order) => Ok(order == Ordering::Less),
            None => Err(incompatible(left, right)),
        };
    }
    match (left, right) {
        (Value::Float(left), Value::Float(right)) => Ok(left < right),
        (Value::Int(..), Value::Int(..)) => Ok(integers(left, right) == Some(Ordering::Less)),
        (Value::Bool(_), _) => Err(bad()),
        _ => Ok(left.as_bytes() < right.as_bytes()),
    }
}
