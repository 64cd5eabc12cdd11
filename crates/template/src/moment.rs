//! Go's `time`: moments, layouts, durations.
//!
//! It must not read a clock; the local zone is UTC.

use std::fmt;

use holdfast_model::time::{civil_from_days, days_from_civil};

/// A moment and the zone it is shown in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Nanoseconds beyond them.
    pub nanos: u32,
    /// Where it is shown.
    pub zone: Zone,
}

/// A zone: an offset in seconds east of UTC, and its abbreviation where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Zone {
    /// Seconds east of UTC.
    pub offset: i32,
    name: [u8; 6],
}

impl Zone {
    /// UTC.
    pub const UTC: Self = Self {
        offset: 0,
        name: *b"UTC\0\0\0",
    };

    /// A zone of an offset without a name, or with a name of at most six letters.
    pub fn new(offset: i32, name: &str) -> Self {
        let mut letters = [0; 6];
        for (letter, byte) in letters.iter_mut().zip(name.bytes()) {
            *letter = byte;
        }
        Self {
            offset,
            name: letters,
        }
    }

    /// Its abbreviation; empty when it has none.
    pub fn name(&self) -> &str {
        let length = self.name.iter().position(|byte| *byte == 0).unwrap_or(6);
        std::str::from_utf8(&self.name[..length]).unwrap_or_default()
    }
}

/// The parts of a moment as clocks and calendars show it.
pub(crate) struct Civil {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    pub(crate) weekday: i64,
    pub(crate) year_day: i64,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// The English name of a month, from 1.
pub(crate) fn month_name(month: i64) -> String {
    name_of(&MONTHS, month - 1).unwrap_or_else(|| format!("%!Month({month})"))
}

/// The English name of a weekday; Sunday is 0.
pub(crate) fn weekday_name(day: i64) -> String {
    name_of(&DAYS, day).unwrap_or_else(|| format!("%!Weekday({day})"))
}

fn name_of(names: &[&str], index: i64) -> Option<String> {
    let index = usize::try_from(index).ok()?;
    names.get(index).map(|name| (*name).to_owned())
}

impl Moment {
    /// A moment in UTC.
    pub fn utc(seconds: i64, nanos: u32) -> Self {
        Self {
            seconds,
            nanos,
            zone: Zone::UTC,
        }
    }

    /// The moment that Go's zero `time.Time` is.
    pub fn zero() -> Self {
        Self::utc(-62_135_596_800, 0)
    }

    /// The same moment shown elsewhere.
    pub fn within(self, zone: Zone) -> Self {
        Self { zone, ..self }
    }

    /// Nanoseconds since the epoch, as far as they fit.
    pub(crate) fn unix_nanos(&self) -> i128 {
        i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos)
    }

    /// This moment and a duration in nanoseconds.
    pub(crate) fn plus(self, nanos: i64) -> Self {
        let total = self.unix_nanos() + i128::from(nanos);
        let seconds = total.div_euclid(1_000_000_000);
        Self {
            seconds: i64::try_from(seconds).unwrap_or(i64::MAX),
            nanos: u32::try_from(total.rem_euclid(1_000_000_000)).unwrap_or(0),
            zone: self.zone,
        }
    }

    /// The duration from another moment to this one, in nanoseconds, as far as it fits.
    pub(crate) fn minus(&self, other: &Self) -> i64 {
        let nanos = self.unix_nanos() - other.unix_nanos();
        i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
    }

    pub(crate) fn civil(&self) -> Civil {
        let local = self.seconds.saturating_add(i64::from(self.zone.offset));
        let (days, rest) = (local.div_euclid(86_400), local.rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days);
        Civil {
            year,
            month,
            day,
            hour: rest / 3600,
            minute: rest / 60 % 60,
            second: rest % 60,
            weekday: (days + 4).rem_euclid(7),
            year_day: days - days_from_civil(year, 1, 1) + 1,
        }
    }

    /// Go's `Format`.
    pub fn format(&self, layout: &str) -> String {
        let civil = self.civil();
        let mut out = String::with_capacity(layout.len() + 8);
        let mut rest = layout;
        while let Some((before, part, after)) = next_part(rest) {
            out.push_str(before);
            self.write_part(&mut out, &civil, part);
            rest = after;
        }
        out.push_str(rest);
        out
    }

    fn write_part(&self, out: &mut String, civil: &Civil, part: Part) {
        let hour12 = match civil.hour % 12 {
            0 => 12,
            hour => hour,
        };
        let text = match part {
            Part::LongMonth => month_name(civil.month),
            Part::Month => month_name(civil.month)[..3].to_owned(),
            Part::MonthNumber => civil.month.to_string(),
            Part::MonthTwo => format!("{:02}", civil.month),
            Part::LongWeekday => weekday_name(civil.weekday),
            Part::Weekday => weekday_name(civil.weekday)[..3].to_owned(),
            Part::Day => civil.day.to_string(),
            Part::DaySpace => format!("{:2}", civil.day),
            Part::DayTwo => format!("{:02}", civil.day),
            Part::YearDaySpace => format!("{:3}", civil.year_day),
            Part::YearDay => format!("{:03}", civil.year_day),
            Part::Hour => format!("{:02}", civil.hour),
            Part::Hour12 => hour12.to_string(),
            Part::Hour12Two => format!("{hour12:02}"),
            Part::Minute => civil.minute.to_string(),
            Part::MinuteTwo => format!("{:02}", civil.minute),
            Part::Second => civil.second.to_string(),
            Part::SecondTwo => format!("{:02}", civil.second),
            Part::LongYear => format!("{:04}", civil.year),
            Part::Year => format!("{:02}", civil.year.rem_euclid(100)),
            Part::UpperHalf => if civil.hour >= 12 { "PM" } else { "AM" }.to_owned(),
            Part::LowerHalf => if civil.hour >= 12 { "pm" } else { "am" }.to_owned(),
            Part::ZoneName => match self.zone.name() {
                "" => offset_text(
                    self.zone.offset,
                    if self.zone.offset % 3600 == 0 { 0 } else { 1 },
                ),
                name => name.to_owned(),
            },
            Part::Offset { zulu: true, .. } if self.zone.offset == 0 => "Z".to_owned(),
            Part::Offset { colon, parts, .. } => signed_offset(self.zone.offset, colon, parts),
            Part::Fraction { digits, keep, mark } => fraction(self.nanos, digits, keep, mark),
        };
        out.push_str(&text);
    }
}

/// The name Go gives a zone without one, such as `+02` or `+0530`.
fn offset_text(offset: i32, minutes: u8) -> String {
    let sign = if offset < 0 { '-' } else { '+' };
    let offset = offset.unsigned_abs() / 60;
    match minutes {
        0 => format!("{sign}{:02}", offset / 60),
        _ => format!("{sign}{:02}{:02}", offset / 60, offset % 60),
    }
}

fn signed_offset(offset: i32, colon: bool, parts: u8) -> String {
    let sign = if offset < 0 { '-' } else { '+' };
    let offset = offset.unsigned_abs();
    let mark = if colon { ":" } else { "" };
    let mut text = format!("{sign}{:02}", offset / 3600);
    if parts > 1 {
        text.push_str(&format!("{mark}{:02}", offset / 60 % 60));
    }
    if parts > 2 {
        text.push_str(&format!("{mark}{:02}", offset % 60));
    }
    text
}

fn fraction(nanos: u32, digits: usize, keep: bool, mark: char) -> String {
    let all = format!("{nanos:09}");
    let mut text = all[..digits.min(9)].to_owned();
    if !keep {
        text.truncate(text.trim_end_matches('0').len());
        if text.is_empty() {
            return text;
        }
    }
    text.insert(0, mark);
    text
}

/// One element of a layout.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    LongMonth,
    Month,
    MonthNumber,
    MonthTwo,
    LongWeekday,
    Weekday,
    Day,
    DaySpace,
    DayTwo,
    YearDaySpace,
    YearDay,
    Hour,
    Hour12,
    Hour12Two,
    Minute,
    MinuteTwo,
    Second,
    SecondTwo,
    LongYear,
    Year,
    UpperHalf,
    LowerHalf,
    ZoneName,
    Offset {
        zulu: bool,
        colon: bool,
        parts: u8,
    },
    Fraction {
        digits: usize,
        keep: bool,
        mark: char,
    },
}

/// The layout elements that are plain words; longer ones before those they begin with.
const WORDS: [(&str, Part); 34] = [
    ("January", Part::LongMonth),
    ("Jan", Part::Month),
    ("Monday", Part::LongWeekday),
    ("Mon", Part::Weekday),
    ("MST", Part::ZoneName),
    ("002", Part::YearDay),
    ("01", Part::MonthTwo),
    ("02", Part::DayTwo),
    ("03", Part::Hour12Two),
    ("04", Part::MinuteTwo),
    ("05", Part::SecondTwo),
    ("06", Part::Year),
    ("15", Part::Hour),
    ("1", Part::MonthNumber),
    ("2006", Part::LongYear),
    ("2", Part::Day),
    // An underscore before a year is only an underscore.
    ("_2006", Part::LongYear),
    ("__2", Part::YearDaySpace),
    ("_2", Part::DaySpace),
    ("3", Part::Hour12),
    ("4", Part::Minute),
    ("5", Part::Second),
    ("PM", Part::UpperHalf),
    ("pm", Part::LowerHalf),
    ("-07:00:00", offset(false, true, 3)),
    ("-070000", offset(false, false, 3)),
    ("-07:00", offset(false, true, 2)),
    ("-0700", offset(false, false, 2)),
    ("-07", offset(false, false, 1)),
    ("Z07:00:00", offset(true, true, 3)),
    ("Z070000", offset(true, false, 3)),
    ("Z07:00", offset(true, true, 2)),
    ("Z0700", offset(true, false, 2)),
    ("Z07", offset(true, false, 1)),
];

const fn offset(zulu: bool, colon: bool, parts: u8) -> Part {
    Part::Offset { zulu, colon, parts }
}

/// The text before the next element of a layout, the element, and what follows it.
pub(crate) fn next_part(layout: &str) -> Option<(&str, Part, &str)> {
    for (at, letter) in layout.char_indices() {
        let here = &layout[at..];
        if matches!(letter, '.' | ',') {
            if let Some((part, length)) = fraction_part(here, letter) {
                return Some((&layout[..at], part, &here[length..]));
            }
            continue;
        }
        let Some((word, part)) = WORDS.iter().find(|(word, _)| here.starts_with(word)) else {
            continue;
        };
        let follows = here[word.len()..].chars().next();
        // "Jan" is an abbreviation only where no lower-case letter follows.
        if matches!(*word, "Jan" | "Mon")
            && follows.is_some_and(|letter| letter.is_ascii_lowercase())
        {
            continue;
        }
        let skipped = usize::from(*word == "_2006");
        return Some((&layout[..at + skipped], *part, &here[word.len()..]));
    }
    None
}

fn fraction_part(here: &str, mark: char) -> Option<(Part, usize)> {
    let bytes = here.as_bytes();
    let digit = *bytes.get(1)?;
    if digit != b'0' && digit != b'9' {
        return None;
    }
    let digits = bytes[1..].iter().take_while(|byte| **byte == digit).count();
    if bytes.get(1 + digits).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    let keep = digit == b'0';
    Some((Part::Fraction { digits, keep, mark }, 1 + digits))
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

/// Go's `Duration.String`.
pub(crate) fn duration_text(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let magnitude = nanos.unsigned_abs();
    if magnitude == 0 {
        return "0s".to_owned();
    }
    let small = |unit: u64, name: &str| {
        let digits = unit.to_string().len() - 1;
        let text = format!("{}.{:0digits$}", magnitude / unit, magnitude % unit);
        let text = if digits == 0 {
            magnitude.to_string()
        } else {
            text
        };
        let text = match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
            false => text,
        };
        format!("{sign}{text}{name}")
    };
    match magnitude {
        0..1_000 => format!("{sign}{magnitude}ns"),
        1_000..1_000_000 => small(1_000, "µs"),
        1_000_000..1_000_000_000 => small(1_000_000, "ms"),
        _ => {
            let seconds = magnitude / 1_000_000_000;
            let fraction = format!("{:09}", magnitude % 1_000_000_000);
            let fraction = fraction.trim_end_matches('0');
            let point = if fraction.is_empty() { "" } else { "." };
            let mut text = format!("{}{point}{fraction}s", seconds % 60);
            if seconds >= 60 {
                text.insert_str(0, &format!("{}m", seconds / 60 % 60));
            }
            if seconds >= 3600 {
                text.insert_str(0, &format!("{}h", seconds / 3600));
            }
            format!("{sign}{text}")
        }
    }
}

/// Go's `time.ParseDuration`, in nanoseconds.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let length = digits(rest);
        let (whole, after) = rest.split_at(length);
        let (part, after) = match after.strip_prefix('.') {
            Some(after) => after.split_at(digits(after)),
            None => ("", after),
        };
        if whole.is_empty() && part.is_empty() {
            return None;
        }
        let unit_length = after
            .find(|letter: char| letter == '.' || letter.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_length);
        let unit: u64 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let whole: u64 = if whole.is_empty() {
            0
        } else {
            whole.parse().ok()?
        };
        total = total.checked_add(whole.checked_mul(unit)?)?;
        if !part.is_empty() {
            let fraction: f64 = format!("0.{part}").parse().ok()?;
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a fraction of one unit fits"
            )]
            let nanos = (fraction * unit as f64) as u64;
            total = total.checked_add(nanos)?;
        }
        rest = after;
    }
    if negative {
        0i64.checked_sub_unsigned(total)
    } else {
        i64::try_from(total).ok()
    }
}
