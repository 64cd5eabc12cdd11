//! Conversions as the Go library `spf13/cast` does them: what `int`, `int64` and `float64` give.
//!
//! It must not fail: what cannot be converted is zero.

use crate::literal;
use crate::value::{IntKind, Value};

/// `cast.ToInt64`.
pub(crate) fn to_int(value: &Value) -> i64 {
    match value {
        Value::Int(IntKind::Duration, _) => 0,
        Value::Int(_, number) => *number,
        Value::Float(number) => truncate(*number),
        Value::Bool(flag) => i64::from(*flag),
        Value::Text(text) => literal::parse_int(without_zero_decimals(text)).unwrap_or(0),
        _ => 0,
    }
}

/// `cast.ToFloat64`.
pub(crate) fn to_float(value: &Value) -> f64 {
    match value {
        Value::Int(IntKind::Duration, _) => 0.0,
        #[expect(clippy::cast_precision_loss, reason = "as Go converts")]
        Value::Int(_, number) => *number as f64,
        Value::Float(number) => *number,
        Value::Bool(flag) => f64::from(u8::from(*flag)),
        Value::Text(text) => literal::parse_float(text).unwrap_or(0.0),
        _ => 0.0,
    }
}

/// A float to an integer as amd64 does it: what does not fit is the smallest number.
pub(crate) fn truncate(number: f64) -> i64 {
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number) {
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
        return number as i64;
    }
    i64::MIN
}

/// `1.00` is a whole number too.
fn without_zero_decimals(text: &str) -> &str {
    match text.trim_end_matches('0').strip_suffix('.') {
        Some(whole) if text.ends_with('0') => whole,
        _ => text,
    }
}
