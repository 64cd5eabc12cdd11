//! Dates and durations. The present is an input of the render, and the local zone is UTC.
//!
//! It must not read a clock.

use super::arguments::{any, text};
use crate::cast;
use crate::error::Error;
use crate::exec::{Outcome, Run};
use crate::literal;
use crate::moment::{Moment, duration_text, parse_duration};
use crate::moment_parse;
use crate::value::{IntKind, Value};
use crate::zones;

const SECOND: i64 = 1_000_000_000;

pub(super) fn present(run: &Run<'_>) -> Moment {
    let millis = run.inputs.now.millis;
    let nanos = u32::try_from(millis.rem_euclid(1000)).unwrap_or(0) * 1_000_000;
    Moment::utc(millis.div_euclid(1000), nanos)
}

/// A time, or Unix seconds; anything else, even a float, means the present.
fn moment_of(run: &Run<'_>, value: &Value) -> Moment {
    match value {
        Value::Time(moment) => *moment,
        Value::Int(IntKind::Int | IntKind::Int64, seconds) => Moment::utc(*seconds, 0),
        _ => present(run),
    }
}

fn formatted(run: &Run<'_>, layout: &str, value: &Value, zone: &str) -> Outcome {
    let moment = moment_of(run, value);
    let zone = zones::at(zone, moment.seconds);
    Ok(Value::from(moment.within(zone).format(layout)))
}

pub(super) fn now(run: &mut Run<'_>, _: &[Value]) -> Outcome {
    Ok(Value::Time(present(run)))
}

pub(super) fn date(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    formatted(run, &text(arguments, 0), any(arguments, 1), "Local")
}

pub(super) fn date_in_zone(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let (layout, zone) = (text(arguments, 0), text(arguments, 2));
    formatted(run, &layout, any(arguments, 1), &zone)
}

pub(super) fn html_date(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    formatted(run, "2006-01-02", any(arguments, 0), "Local")
}

pub(super) fn html_date_in_zone(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    formatted(run, "2006-01-02", any(arguments, 0), &text(arguments, 1))
}

fn moment(arguments: &[Value], index: usize) -> Moment {
    match arguments.get(index) {
        Some(Value::Time(moment)) => *moment,
        _ => Moment::zero(),
    }
}

pub(super) fn date_modify(arguments: &[Value]) -> Outcome {
    let moment = moment(arguments, 1);
    let duration = parse_duration(&text(arguments, 0)).unwrap_or(0);
    Ok(Value::Time(moment.plus(duration)))
}

pub(super) fn must_date_modify(arguments: &[Value]) -> Outcome {
    let change = text(arguments, 0);
    match parse_duration(&change) {
        Some(duration) => Ok(Value::Time(moment(arguments, 1).plus(duration))),
        None => Err(Error::execute(format!("time: invalid duration {change:?}"))),
    }
}

pub(super) fn to_date(arguments: &[Value]) -> Outcome {
    let parsed = moment_parse::parse(&text(arguments, 0), &text(arguments, 1));
    Ok(Value::Time(parsed.unwrap_or_else(|_| Moment::zero())))
}

pub(super) fn must_to_date(arguments: &[Value]) -> Outcome {
    let parsed = moment_parse::parse(&text(arguments, 0), &text(arguments, 1));
    parsed.map(Value::Time).map_err(Error::execute)
}

pub(super) fn unix_epoch(arguments: &[Value]) -> Outcome {
    Ok(Value::from(moment(arguments, 0).seconds.to_string()))
}

pub(super) fn ago(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let past = moment_of(run, any(arguments, 0));
    let elapsed = present(run).minus(&past);
    Ok(Value::from(duration_text(round_to(elapsed, SECOND))))
}

/// Go's `Duration.Round`: half away from zero.
pub(crate) fn round_to(duration: i64, unit: i64) -> i64 {
    if unit <= 0 {
        return duration;
    }
    let rest = duration % unit;
    let down = duration - rest;
    if rest.unsigned_abs() >= unit.unsigned_abs() - rest.unsigned_abs() {
        return down.saturating_add(if duration < 0 { -unit } else { unit });
    }
    down
}

pub(super) fn duration(arguments: &[Value]) -> Outcome {
    let seconds = match any(arguments, 0) {
        Value::Text(text) => text.parse().unwrap_or(0),
        Value::Int(IntKind::Int64, seconds) => *seconds,
        _ => 0,
    };
    Ok(Value::from(duration_text(seconds.wrapping_mul(SECOND))))
}

pub(super) fn duration_round(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let nanos = match any(arguments, 0) {
        Value::Text(text) => parse_duration(text).unwrap_or(0),
        Value::Int(IntKind::Int64, nanos) => *nanos,
        Value::Time(past) => present(run).minus(past),
        _ => 0,
    };
    let magnitude = nanos.unsigned_abs();
    let hour = 3600 * SECOND.unsigned_abs();
    let units = [
        (hour * 24 * 365, "y"),
        (hour * 24 * 30, "mo"),
        (hour * 24, "d"),
        (hour, "h"),
        (hour / 60, "m"),
        (SECOND.unsigned_abs(), "s"),
    ];
    let unit = units.iter().find(|(unit, _)| magnitude > *unit);
    Ok(Value::from(match unit {
        Some((unit, name)) => format!("{}{name}", magnitude / unit),
        None => "0s".to_owned(),
    }))
}

/// A duration from a duration, a text, or a number of seconds.
fn as_duration(value: &Value) -> Result<i64, String> {
    match value {
        Value::Int(IntKind::Duration, nanos) => Ok(*nanos),
        Value::Text(text) => {
            let text = text.trim();
            if text.is_empty() {
                return Err("empty duration".to_owned());
            }
            if let Some(nanos) = parse_duration(text) {
                return Ok(nanos);
            }
            match literal::parse_float(text) {
                Some(seconds) => from_seconds(seconds),
                None => Err(format!("could not parse duration {text:?}")),
            }
        }
        Value::Int(_, seconds) => seconds
            .checked_mul(SECOND)
            .ok_or_else(|| format!("duration seconds overflow: {seconds}")),
        Value::Float(seconds) => from_seconds(*seconds),
        value if value.is_nil() => Err("invalid duration".to_owned()),
        other => Err(format!("unsupported duration type {}", other.type_name())),
    }
}

fn from_seconds(seconds: f64) -> Result<i64, String> {
    if !seconds.is_finite() {
        return Err("invalid duration seconds".to_owned());
    }
    let nanos = seconds * 1e9;
    if nanos.abs() > 9.223_372_036_854_775e18 {
        return Err("duration seconds overflow".to_owned());
    }
    Ok(cast::truncate(nanos))
}

pub(super) fn must_to_duration(arguments: &[Value]) -> Outcome {
    as_duration(any(arguments, 0))
        .map(|nanos| Value::Int(IntKind::Duration, nanos))
        .map_err(Error::execute)
}

fn in_units(arguments: &[Value], unit: f64) -> Outcome {
    let nanos = as_duration(any(arguments, 0)).unwrap_or(0);
    #[expect(clippy::cast_precision_loss, reason = "as Go converts")]
    let nanos = nanos as f64;
    Ok(Value::Float(nanos / unit))
}

fn whole_units(arguments: &[Value], unit: i64) -> Outcome {
    let nanos = as_duration(any(arguments, 0)).unwrap_or(0);
    Ok(Value::Int(IntKind::Int64, nanos / unit))
}

pub(super) fn seconds(arguments: &[Value]) -> Outcome {
    in_units(arguments, 1e9)
}

pub(super) fn minutes(arguments: &[Value]) -> Outcome {
    in_units(arguments, 60e9)
}

pub(super) fn hours(arguments: &[Value]) -> Outcome {
    in_units(arguments, 3600e9)
}

pub(super) fn days(arguments: &[Value]) -> Outcome {
    in_units(arguments, 24.0 * 3600e9)
}

pub(super) fn weeks(arguments: &[Value]) -> Outcome {
    in_units(arguments, 7.0 * 24.0 * 3600e9)
}

pub(super) fn milliseconds(arguments: &[Value]) -> Outcome {
    whole_units(arguments, 1_000_000)
}

pub(super) fn microseconds(arguments: &[Value]) -> Outcome {
    whole_units(arguments, 1_000)
}

pub(super) fn nanoseconds(arguments: &[Value]) -> Outcome {
    whole_units(arguments, 1)
}

fn with_unit(arguments: &[Value], change: fn(i64, i64) -> i64) -> Outcome {
    let duration = as_duration(any(arguments, 0)).unwrap_or(0);
    let unit = as_duration(any(arguments, 1));
    let changed = unit.map_or(duration, |unit| change(duration, unit));
    Ok(Value::Int(IntKind::Duration, changed))
}

pub(super) fn duration_round_to(arguments: &[Value]) -> Outcome {
    with_unit(arguments, round_to)
}

pub(super) fn duration_truncate_to(arguments: &[Value]) -> Outcome {
    with_unit(arguments, |duration, unit| {
        if unit <= 0 {
            duration
        } else {
            duration - duration % unit
        }
    })
}
