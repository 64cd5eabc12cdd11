//! Fields and methods of values: what stands behind a dot.
//!
//! It must not know templates.

use std::rc::Rc;

use holdfast_go::semver::Version;

use crate::emit;
use crate::error::Error;
use crate::exec::Outcome;
use crate::moment::{Moment, Zone, duration_text};
use crate::value::{Element, IntKind, Map, Shape, Value};

/// The field, entry or method result of a value that is there.
pub(crate) fn field(receiver: &Value, name: &str, arguments: &[Value], strict: bool) -> Outcome {
    let found = match receiver {
        Value::Map(map) => return entry(map, name, arguments, strict),
        Value::Object(object) => match object.call(name, arguments) {
            Some(outcome) => Some(outcome.map_err(|message| call_failed(name, &message))),
            None => match object.field(name) {
                Some(_) if !arguments.is_empty() => {
                    return Err(Error::execute(format!(
                        "{name} has arguments but cannot be invoked as function"
                    )));
                }
                Some(value) => Some(Ok(value)),
                // A missing key of a map is nothing; a missing field of a struct is an error.
                None if object.kind() == "map" => Some(Ok(Value::Nil)),
                None => None,
            },
        },
        Value::Time(moment) => moment_method(moment, name, arguments),
        Value::Version(version) => version_method(version, name, arguments),
        Value::Int(IntKind::Duration, nanos) => duration_method(*nanos, name, arguments),
        Value::Int(IntKind::Month | IntKind::Weekday, _) if name == "String" => {
            Some(Ok(crate::functions::string_form(receiver)))
        }
        Value::List(list) if list.element() == Element::VersionSet && name == "Has" => {
            let wanted = arguments.first().and_then(Value::as_bytes);
            let has = list.items().iter().any(|item| item.as_bytes() == wanted);
            match arguments {
                [Value::Text(_)] => Some(Ok(Value::Bool(has))),
                [other] => Some(Err(Error::execute(format!(
                    "wrong type for value; expected string; got {}",
                    match other {
                        Value::Nil | Value::Invalid => "interface {}",
                        other => other.type_name(),
                    }
                )))),
                _ => Some(Err(wrong_count(name, 1, arguments.len()))),
            }
        }
        _ => None,
    };
    found.unwrap_or_else(|| {
        let type_name = match receiver {
            Value::Object(object) => object.type_name(),
            Value::Time(_) | Value::Version(_) => receiver.type_name(),
            _ => "interface {}",
        };
        Err(Error::execute(format!(
            "can't evaluate field {name} in type {type_name}"
        )))
    })
}

fn call_failed(name: &str, message: &str) -> Error {
    Error::execute(format!("error calling {name}: {message}"))
}

fn wrong_count(name: &str, wanted: usize, got: usize) -> Error {
    Error::execute(format!(
        "wrong number of args for {name}: want {wanted} got {got}"
    ))
}

fn entry(map: &Map, name: &str, arguments: &[Value], strict: bool) -> Outcome {
    if map.shape() == Shape::Values
        && let Some(outcome) = values_method(map, name, arguments)
    {
        return outcome;
    }
    if !arguments.is_empty() {
        return Err(Error::execute(format!(
            "{name} is not a method but has arguments"
        )));
    }
    match map.get(name) {
        Some(value) => Ok(value),
        None if strict => Err(Error::execute(format!("map has no entry for key {name:?}"))),
        None if map.shape() == Shape::Text => Ok(Value::text("")),
        None => Ok(Value::Nil),
    }
}

/// The methods of `.Values`, which hide entries of the same name.
fn values_method(map: &Map, name: &str, arguments: &[Value]) -> Option<Outcome> {
    let path = || match arguments {
        [Value::Text(path)] => Ok(Rc::clone(path)),
        _ => Err(wrong_count(name, 1, arguments.len())),
    };
    Some(match name {
        "AsMap" => Ok(Value::Map(map.shaped(Shape::Any))),
        "YAML" => emit::yaml(&Value::Map(map.clone()), holdfast_yaml::Dialect::Sigs)
            .map(Value::from)
            .map_err(|message| call_failed(name, &message)),
        "Table" => path().and_then(|path| table(map, &path)),
        "PathValue" => path().and_then(|path| path_value(map, &path)),
        "Encode" => Err(wrong_count(name, 1, arguments.len())),
        _ => return None,
    })
}

fn table(map: &Map, path: &str) -> Outcome {
    let mut current = map.clone();
    for part in path.split('.') {
        match current.get(part) {
            Some(Value::Map(next)) => current = next,
            _ => return Err(call_failed("Table", &format!("{part:?} is not a table"))),
        }
    }
    Ok(Value::Map(current.shaped(Shape::Values)))
}

fn path_value(map: &Map, path: &str) -> Outcome {
    let fail = || call_failed("PathValue", &format!("{path:?} is not a value"));
    let (tables, last) = path.rsplit_once('.').unwrap_or(("", path));
    let mut current = map.clone();
    for part in tables.split('.').filter(|part| !part.is_empty()) {
        match current.get(part) {
            Some(Value::Map(next)) => current = next,
            _ => return Err(fail()),
        }
    }
    match current.get(last) {
        Some(Value::Map(_)) | None => Err(fail()),
        Some(value) => Ok(value),
    }
}

fn number(kind: IntKind, number: i64) -> Value {
    Value::Int(kind, number)
}

fn moment_method(moment: &Moment, name: &str, arguments: &[Value]) -> Option<Outcome> {
    let civil = moment.civil();
    let millis = moment.seconds.saturating_mul(1000) + i64::from(moment.nanos / 1_000_000);
    let value = match (name, arguments) {
        ("Format", [Value::Text(layout)]) => Value::from(moment.format(layout)),
        ("String", []) => Value::from(moment.to_string()),
        ("Unix", []) => number(IntKind::Int64, moment.seconds),
        ("UnixMilli", []) => number(IntKind::Int64, millis),
        ("UnixMicro", []) => number(
            IntKind::Int64,
            moment.seconds.saturating_mul(1_000_000) + i64::from(moment.nanos / 1000),
        ),
        ("UnixNano", []) => number(
            IntKind::Int64,
            i64::try_from(moment.unix_nanos()).unwrap_or(i64::MAX),
        ),
        ("Year", []) => Value::int(civil.year),
        ("Month", []) => number(IntKind::Month, civil.month),
        ("Day", []) => Value::int(civil.day),
        ("Hour", []) => Value::int(civil.hour),
        ("Minute", []) => Value::int(civil.minute),
        ("Second", []) => Value::int(civil.second),
        ("Nanosecond", []) => Value::int(i64::from(moment.nanos)),
        ("YearDay", []) => Value::int(civil.year_day),
        ("Weekday", []) => number(IntKind::Weekday, civil.weekday),
        ("UTC" | "Local", []) => Value::Time(moment.within(Zone::UTC)),
        ("IsZero", []) => Value::Bool(moment.unix_nanos() == Moment::zero().unix_nanos()),
        ("Add", [Value::Int(IntKind::Duration, nanos)]) => Value::Time(moment.plus(*nanos)),
        ("Sub", [Value::Time(other)]) => number(IntKind::Duration, moment.minus(other)),
        ("After", [Value::Time(other)]) => Value::Bool(moment.unix_nanos() > other.unix_nanos()),
        ("Before", [Value::Time(other)]) => Value::Bool(moment.unix_nanos() < other.unix_nanos()),
        ("Equal", [Value::Time(other)]) => Value::Bool(moment.unix_nanos() == other.unix_nanos()),
        (
            "AddDate",
            [
                Value::Int(_, years),
                Value::Int(_, months),
                Value::Int(_, days),
            ],
        ) => Value::Time(add_date(moment, (*years, *months, *days))),
        ("Truncate" | "Round", [Value::Int(IntKind::Duration, unit)]) => {
            // Go counts from its zero time, not from the epoch.
            let since = moment.unix_nanos() - Moment::zero().unix_nanos();
            let unit = i128::from(*unit);
            if unit <= 0 {
                return Some(Ok(Value::Time(*moment)));
            }
            let rest = since.rem_euclid(unit);
            let up = name == "Round" && rest * 2 >= unit;
            let change = if up { unit - rest } else { -rest };
            Value::Time(moment.plus(i64::try_from(change).unwrap_or(0)))
        }
        _ => return None,
    };
    Some(Ok(value))
}

fn add_date(moment: &Moment, (years, months, days): (i64, i64, i64)) -> Moment {
    let civil = moment.civil();
    let bounded = |number: i64| number.clamp(-1_000_000, 1_000_000);
    let total = (civil.year + bounded(years)) * 12 + civil.month - 1 + bounded(months);
    let (year, month) = (total.div_euclid(12), total.rem_euclid(12) + 1);
    let first = holdfast_model::time::days_from_civil(year, month, 1);
    let day = first + civil.day - 1 + bounded(days);
    let time = civil.hour * 3600 + civil.minute * 60 + civil.second;
    Moment {
        seconds: day * 86_400 + time - i64::from(moment.zone.offset),
        ..*moment
    }
}

fn duration_method(nanos: i64, name: &str, arguments: &[Value]) -> Option<Outcome> {
    #[expect(clippy::cast_precision_loss, reason = "as Go converts")]
    let float = nanos as f64;
    let value = match (name, arguments) {
        ("String", []) => Value::from(duration_text(nanos)),
        ("Seconds", []) => Value::Float(float / 1e9),
        ("Minutes", []) => Value::Float(float / 60e9),
        ("Hours", []) => Value::Float(float / 3600e9),
        ("Milliseconds", []) => number(IntKind::Int64, nanos / 1_000_000),
        ("Microseconds", []) => number(IntKind::Int64, nanos / 1_000),
        ("Nanoseconds", []) => number(IntKind::Int64, nanos),
        ("Abs", []) => number(IntKind::Duration, nanos.saturating_abs()),
        ("Round", [Value::Int(IntKind::Duration, unit)]) => {
            number(IntKind::Duration, crate::functions::round_to(nanos, *unit))
        }
        ("Truncate", [Value::Int(IntKind::Duration, unit)]) if *unit > 0 => {
            number(IntKind::Duration, nanos - nanos % unit)
        }
        _ => return None,
    };
    Some(Ok(value))
}

fn version_method(version: &Rc<Version>, name: &str, arguments: &[Value]) -> Option<Outcome> {
    #[expect(
        clippy::cast_possible_wrap,
        reason = "unsigned numbers keep their bits"
    )]
    let unsigned = |number: u64| Value::Int(IntKind::Uint64, number as i64);
    let next = |part: u8| Value::Version(Rc::new(version.next(part)));
    let order = |other: &Version| version.compare(other);
    let value = match (name, arguments) {
        ("Major", []) => unsigned(version.major),
        ("Minor", []) => unsigned(version.minor),
        ("Patch", []) => unsigned(version.patch),
        ("Prerelease", []) => Value::text(&version.pre),
        ("Metadata", []) => Value::text(&version.metadata),
        ("Original", []) => Value::text(&version.original),
        ("String", []) => Value::from(version.to_string()),
        ("IncMajor", []) => next(0),
        ("IncMinor", []) => next(1),
        ("IncPatch", []) => next(2),
        ("Compare", [Value::Version(other)]) => Value::int(order(other) as i64),
        ("LessThan", [Value::Version(other)]) => Value::Bool(order(other).is_lt()),
        ("LessThanEqual", [Value::Version(other)]) => Value::Bool(order(other).is_le()),
        ("GreaterThan", [Value::Version(other)]) => Value::Bool(order(other).is_gt()),
        ("GreaterThanEqual", [Value::Version(other)]) => Value::Bool(order(other).is_ge()),
        ("Equal", [Value::Version(other)]) => Value::Bool(order(other).is_eq()),
        _ => return None,
    };
    Some(Ok(value))
}
