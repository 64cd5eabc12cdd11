//! Dates, times, durations and periods of JSON Schema, with the words of Helm's validator and Go's
//! for what is wrong.
//!
//! It must not know schemas.

use super::formats::{Wrong, quoting, within, wrong};

/// A text in double quotes as Go's package `time` writes it: byte by byte.
fn quoted(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for byte in text {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(*byte));
            }
            b' '..=0x7f => out.push(char::from(*byte)),
            byte => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out.push('"');
    out
}

/// Units of a duration before and behind the `T`, in their order.
const UNITS: [&str; 2] = ["YMD", "HMS"];

pub(super) fn is_duration(text: &str) -> Result<(), Wrong> {
    let Some(rest) = text.strip_prefix('P') else {
        return wrong("must start with P");
    };
    if rest.is_empty() {
        return wrong("nothing after P");
    }
    if let Some(weeks) = rest.strip_suffix('W') {
        if weeks.is_empty() {
            return wrong("no number in week");
        }
        return match weeks.bytes().all(|byte| byte.is_ascii_digit()) {
            true => Ok(()),
            false => wrong("invalid week"),
        };
    }
    for (index, part) in rest.split('T').enumerate() {
        if index != 0 && part.is_empty() {
            return wrong("no time elements");
        }
        match UNITS.get(index) {
            Some(units) => has_units(part, units)?,
            None => return wrong("more than one T"),
        }
    }
    Ok(())
}

/// Whether a text is numbers with units, each unit at most once and in this order.
fn has_units(text: &str, all: &str) -> Result<(), Wrong> {
    let mut units = all;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return wrong("missing number");
        }
        let Some(unit) = rest[digits..].bytes().next() else {
            return wrong("missing unit");
        };
        // Go looks at a byte, and shows it as a character.
        let unit = char::from(unit);
        let Some(place) = units.find(unit) else {
            return match all.contains(unit) {
                true => quoting(format!("unit '{unit}' out of order"), "unit out of order"),
                false => quoting(format!("invalid unit '{unit}'"), "invalid unit"),
            };
        };
        units = &units[place + 1..];
        rest = &rest[digits + 1..];
    }
    Ok(())
}

pub(super) fn is_period(text: &str) -> Result<(), Wrong> {
    let Some((start, end)) = text.split_once('/') else {
        return wrong("missing slash");
    };
    if start.starts_with('P') {
        within(is_duration(start), "invalid start duration")?;
        return within(is_moment(end), "invalid end date-time");
    }
    within(is_moment(start), "invalid start date-time")?;
    match end.starts_with('P') {
        true => within(is_duration(end), "invalid end duration"),
        false => within(is_moment(end), "invalid end date-time"),
    }
}

/// A date as `time.Parse` reads it.
pub(super) fn is_date(text: &str) -> Result<(), Wrong> {
    let bytes = text.as_bytes();
    let rest = |from: usize| bytes.get(from..).unwrap_or_default();
    let unread = |from: usize, wanted: &str| {
        let open = format!(
            "parsing time {} as \"2006-01-02\": cannot parse {} as \"{wanted}\"",
            quoted(bytes),
            quoted(rest(from))
        );
        quoting(open, &format!("cannot parse it as \"{wanted}\""))
    };
    let out_of = |problem: &str| {
        quoting(
            format!("parsing time {}: {problem}", quoted(bytes)),
            problem,
        )
    };
    let digits = |from: usize, count: usize| {
        let digits = bytes.get(from..from + count)?;
        let is_number = digits.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(digits).ok().filter(|_| is_number)?;
        text.parse::<u32>().ok()
    };
    let Some(year) = digits(0, 4) else {
        return unread(0, "2006");
    };
    if bytes.get(4) != Some(&b'-') {
        return unread(4, "-");
    }
    let month = match digits(5, 2) {
        None => return unread(5, "01"),
        Some(month @ 1..=12) => month,
        Some(_) => return out_of("month out of range"),
    };
    if bytes.get(7) != Some(&b'-') {
        return unread(7, "-");
    }
    let Some(day) = digits(8, 2) else {
        return unread(8, "02");
    };
    if bytes.len() > 10 {
        let open = format!(
            "parsing time {}: extra text: {}",
            quoted(bytes),
            quoted(rest(10))
        );
        return quoting(open, "extra text");
    }
    match (1..=days_of(year, month)).contains(&day) {
        true => Ok(()),
        false => out_of("day out of range"),
    }
}

fn days_of(year: u32, month: u32) -> u32 {
    let is_leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Two digits of a time. Go reads a sign, too.
fn two(text: &str, unread: &str, negative: &str) -> Result<u32, Wrong> {
    match text.parse::<i32>() {
        Err(_) => wrong(unread),
        Ok(number) => match u32::try_from(number) {
            Ok(number) => Ok(number),
            Err(_) => wrong(negative),
        },
    }
}

pub(super) fn is_time(text: &str) -> Result<(), Wrong> {
    let bytes = text.as_bytes();
    if bytes.len() < 9 {
        return wrong("less than 9 characters long");
    }
    if bytes[2] != b':' || bytes[5] != b':' {
        return wrong("missing colon in correct place");
    }
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let read = |part: &str| two(part, "invalid hour/min/sec", "non-positive hour/min/sec");
    let (hour, minute, second) = (read(part(0, 2))?, read(part(3, 5))?, read(part(6, 8))?);
    if hour > 23 || minute > 59 || second > 60 {
        return wrong("hour/min/sec out of range");
    }
    let mut rest = text.get(8..).unwrap_or_default();
    if let Some(fraction) = rest.strip_prefix('.') {
        let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 {
            return wrong("no digits in second fraction");
        }
        rest = &fraction[digits..];
    }
    let minutes = match rest {
        "z" | "Z" => hour * 60 + minute,
        offset => {
            let day = 24 * 60;
            (day + hour * 60 + minute - offset_minutes(offset)?) % day
        }
    };
    match second == 60 && minutes != 23 * 60 + 59 {
        true => wrong("invalid leap second"),
        false => Ok(()),
    }
}

/// How many minutes later it is than in UTC, from nothing to a day.
fn offset_minutes(text: &str) -> Result<u32, Wrong> {
    if text.len() != 6 {
        return wrong("offset must be 6 characters long");
    }
    let is_later = match text.as_bytes()[0] {
        b'+' => true,
        b'-' => false,
        _ => return wrong("offset must begin with plus/minus"),
    };
    if text.as_bytes()[3] != b':' {
        return wrong("missing colon in offset in correct place");
    }
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let unread = "invalid hour/min in offset";
    let negative = "non-positive hour/min in offset";
    let hour = two(part(1, 3), unread, negative)?;
    let minute = two(part(4, 6), unread, negative)?;
    if hour > 23 || minute > 59 {
        return wrong("hour/min in offset out of range");
    }
    let minutes = hour * 60 + minute;
    Ok(if is_later { minutes } else { 24 * 60 - minutes })
}

/// A date and a time.
pub(super) fn is_moment(text: &str) -> Result<(), Wrong> {
    if text.len() < 20 {
        return wrong("less than 20 characters long");
    }
    if !matches!(text.as_bytes()[10], b't' | b'T') {
        return wrong("11th character must be t or T");
    }
    let (date, time) = (text.get(..10), text.get(11..));
    within(is_date(date.unwrap_or_default()), "invalid date element")?;
    within(is_time(time.unwrap_or_default()), "invalid time element")
}
