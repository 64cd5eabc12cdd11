//! Arithmetic: integers after conversion, floats by exact decimal arithmetic.
//!
//! It must not know templates.

use super::arguments::{any, int};
use crate::cast::{to_float, to_int};
use crate::decimal::Decimal;
use crate::error::Error;
use crate::exec::Outcome;
use crate::value::{IntKind, Value};

fn long(number: i64) -> Outcome {
    Ok(Value::Int(IntKind::Int64, number))
}

fn fold(arguments: &[Value], combine: fn(i64, i64) -> i64) -> Outcome {
    let numbers = arguments.iter().map(to_int);
    long(numbers.reduce(combine).unwrap_or(0))
}

pub(super) fn to_int_function(arguments: &[Value]) -> Outcome {
    Ok(Value::int(to_int(any(arguments, 0))))
}

pub(super) fn to_int64(arguments: &[Value]) -> Outcome {
    long(to_int(any(arguments, 0)))
}

pub(super) fn to_float64(arguments: &[Value]) -> Outcome {
    Ok(Value::Float(to_float(any(arguments, 0))))
}

pub(super) fn add1(arguments: &[Value]) -> Outcome {
    long(to_int(any(arguments, 0)).wrapping_add(1))
}

pub(super) fn add(arguments: &[Value]) -> Outcome {
    fold(arguments, i64::wrapping_add)
}

pub(super) fn sub(arguments: &[Value]) -> Outcome {
    fold(arguments, i64::wrapping_sub)
}

pub(super) fn mul(arguments: &[Value]) -> Outcome {
    fold(arguments, i64::wrapping_mul)
}

pub(super) fn div(arguments: &[Value]) -> Outcome {
    divide(arguments, i64::wrapping_div)
}

pub(super) fn modulo(arguments: &[Value]) -> Outcome {
    divide(arguments, i64::wrapping_rem)
}

fn divide(arguments: &[Value], operation: fn(i64, i64) -> i64) -> Outcome {
    let (left, right) = (to_int(any(arguments, 0)), to_int(any(arguments, 1)));
    if right == 0 {
        return Err(Error::execute("runtime error: integer divide by zero"));
    }
    long(operation(left, right))
}

pub(super) fn max(arguments: &[Value]) -> Outcome {
    fold(arguments, i64::max)
}

pub(super) fn min(arguments: &[Value]) -> Outcome {
    fold(arguments, i64::min)
}

pub(super) fn max_float(arguments: &[Value]) -> Outcome {
    fold_floats(arguments, f64::max)
}

pub(super) fn min_float(arguments: &[Value]) -> Outcome {
    fold_floats(arguments, f64::min)
}

fn fold_floats(arguments: &[Value], combine: fn(f64, f64) -> f64) -> Outcome {
    let numbers = arguments.iter().map(to_float);
    let combined = numbers.reduce(|left, right| {
        // Go's Max and Min give NaN where one of both is.
        if left.is_nan() || right.is_nan() {
            return f64::NAN;
        }
        combine(left, right)
    });
    Ok(Value::Float(combined.unwrap_or(0.0)))
}

pub(super) fn floor(arguments: &[Value]) -> Outcome {
    Ok(Value::Float(to_float(any(arguments, 0)).floor()))
}

pub(super) fn ceil(arguments: &[Value]) -> Outcome {
    Ok(Value::Float(to_float(any(arguments, 0)).ceil()))
}

pub(super) fn round(arguments: &[Value]) -> Outcome {
    let number = to_float(any(arguments, 0));
    let places = i32::try_from(int(arguments, 1)).unwrap_or(i32::MAX);
    let turn = match arguments.get(2) {
        Some(Value::Float(turn)) => *turn,
        _ => 0.5,
    };
    let scale = power_of_ten(places);
    let scaled = scale * number;
    let rounded = if scaled - scaled.trunc() >= turn {
        scaled.ceil()
    } else {
        scaled.floor()
    };
    Ok(Value::Float(rounded / scale))
}

/// Ten to a power, rounded once, as `math.Pow` has it.
fn power_of_ten(exponent: i32) -> f64 {
    format!("1e{exponent}").parse().unwrap_or(f64::NAN)
}

fn decimals(arguments: &[Value]) -> Result<Vec<Decimal>, Error> {
    let numbers = arguments.iter().map(|value| {
        Decimal::from_float(to_float(value))
            .ok_or_else(|| Error::execute("Cannot create a Decimal from NaN or Inf"))
    });
    numbers.collect()
}

fn fold_decimals(
    arguments: &[Value],
    start: Option<Decimal>,
    combine: fn(&Decimal, &Decimal) -> Option<Decimal>,
) -> Outcome {
    let mut numbers = decimals(arguments)?.into_iter();
    let first = start.or_else(|| numbers.next());
    let mut total = first.unwrap_or_else(Decimal::zero);
    for number in numbers {
        total = combine(&total, &number)
            .ok_or_else(|| Error::execute("decimal division by 0, or a number too large"))?;
    }
    Ok(Value::Float(total.to_float()))
}

pub(super) fn add1_float(arguments: &[Value]) -> Outcome {
    fold_decimals(arguments, Decimal::from_float(1.0), Decimal::add)
}

pub(super) fn add_float(arguments: &[Value]) -> Outcome {
    fold_decimals(arguments, Some(Decimal::zero()), Decimal::add)
}

pub(super) fn sub_float(arguments: &[Value]) -> Outcome {
    fold_decimals(arguments, None, Decimal::sub)
}

pub(super) fn mul_float(arguments: &[Value]) -> Outcome {
    fold_decimals(arguments, None, Decimal::mul)
}

pub(super) fn div_float(arguments: &[Value]) -> Outcome {
    fold_decimals(arguments, None, Decimal::div)
}
