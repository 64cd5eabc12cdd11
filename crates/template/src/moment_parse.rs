//! Go's `time.Parse`: reads a moment by a layout.
//!
//! It must not know zones by name beyond UTC and GMT offsets.

use holdfast_model::time::days_from_civil;

use crate::moment::{Moment, Part, Zone, month_name, next_part, weekday_name};

#[derive(Default)]
struct Fields {
    year: Option<i64>,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanos: u32,
    afternoon: Option<bool>,
    zone: Option<Zone>,
}

/// The moment that a text means by a layout.
///
/// # Errors
/// A text near Go's when it does not fit.
pub(crate) fn parse(layout: &str, text: &str) -> Result<Moment, String> {
    let failure = || format!("parsing time {text:?} as {layout:?}: cannot parse the value");
    let mut fields = Fields::default();
    let mut layout_rest = layout;
    let mut rest = text;
    while let Some((before, part, after)) = next_part(layout_rest) {
        rest = skip(before, rest).ok_or_else(failure)?;
        rest = fields.read(part, rest, after).ok_or_else(failure)?;
        layout_rest = after;
    }
    rest = skip(layout_rest, rest).ok_or_else(failure)?;
    if !rest.is_empty() {
        return Err(format!("parsing time {text:?}: extra text: {rest:?}"));
    }
    fields
        .moment()
        .ok_or_else(|| format!("parsing time {text:?}: out of range"))
}

/// Text of the layout must stand in the value; a run of spaces matches any other.
fn skip<'t>(layout: &str, text: &'t str) -> Option<&'t str> {
    let mut layout = layout;
    let mut text = text;
    while let Some(letter) = layout.chars().next() {
        if letter == ' ' {
            if !text.is_empty() && !text.starts_with(' ') {
                return None;
            }
            layout = layout.trim_start_matches(' ');
            text = text.trim_start_matches(' ');
            continue;
        }
        text = text.strip_prefix(letter)?;
        layout = &layout[letter.len_utf8()..];
    }
    Some(text)
}

fn digits(text: &str, least: usize, most: usize) -> Option<(i64, &str)> {
    let count = text
        .bytes()
        .take(most)
        .take_while(u8::is_ascii_digit)
        .count();
    if count < least {
        return None;
    }
    Some((text[..count].parse().ok()?, &text[count..]))
}

fn name(text: &str, names: impl Iterator<Item = String>) -> Option<(i64, &str)> {
    for (index, name) in names.enumerate() {
        let head = text.get(..name.len());
        if head.is_some_and(|head| head.eq_ignore_ascii_case(&name)) {
            return Some((i64::try_from(index).ok()?, &text[name.len()..]));
        }
    }
    None
}

impl Fields {
    fn read<'t>(&mut self, part: Part, text: &'t str, after: &str) -> Option<&'t str> {
        let within = |range: std::ops::RangeInclusive<i64>, found: (i64, &'t str)| {
            range.contains(&found.0).then_some(found)
        };
        let rest = match part {
            Part::LongMonth | Part::Month => {
                let length = if part == Part::Month { 3 } else { usize::MAX };
                let names = (1..=12).map(|month| cut(month_name(month), length));
                let (month, rest) = name(text, names)?;
                self.month = Some(month + 1);
                rest
            }
            Part::LongWeekday | Part::Weekday => {
                let length = if part == Part::Weekday { 3 } else { usize::MAX };
                let names = (0..7).map(|day| cut(weekday_name(day), length));
                name(text, names)?.1
            }
            Part::MonthNumber | Part::MonthTwo => {
                let least = if part == Part::MonthTwo { 2 } else { 1 };
                let (month, rest) = within(1..=12, digits(text, least, 2)?)?;
                self.month = Some(month);
                rest
            }
            Part::Day | Part::DaySpace | Part::DayTwo => {
                let text = match part {
                    Part::DaySpace => text.strip_prefix(' ').unwrap_or(text),
                    _ => text,
                };
                let least = if part == Part::DayTwo { 2 } else { 1 };
                let (day, rest) = digits(text, least, 2)?;
                self.day = Some(day);
                rest
            }
            Part::YearDay | Part::YearDaySpace => {
                let text = match part {
                    Part::YearDaySpace => text.trim_start_matches(' '),
                    _ => text,
                };
                let (day, rest) = digits(text, 1, 3)?;
                self.year_day = Some(day);
                rest
            }
            Part::LongYear => {
                let (year, rest) = digits(text, 4, 4)?;
                self.year = Some(year);
                rest
            }
            Part::Year => {
                let (year, rest) = digits(text, 2, 2)?;
                self.year = Some(if year >= 69 { 1900 + year } else { 2000 + year });
                rest
            }
            _ => return self.read_clock(part, text, after),
        };
        Some(rest)
    }

    fn read_clock<'t>(&mut self, part: Part, text: &'t str, after: &str) -> Option<&'t str> {
        let rest = match part {
            Part::Hour => {
                let (hour, rest) = digits(text, 1, 2)?;
                self.hour = hour;
                (hour < 24).then_some(rest)?
            }
            Part::Hour12 | Part::Hour12Two => {
                let least = if part == Part::Hour12Two { 2 } else { 1 };
                let (hour, rest) = digits(text, least, 2)?;
                self.hour = hour;
                (hour <= 12).then_some(rest)?
            }
            Part::Minute | Part::MinuteTwo => {
                let least = if part == Part::MinuteTwo { 2 } else { 1 };
                let (minute, rest) = digits(text, least, 2)?;
                self.minute = minute;
                (minute < 60).then_some(rest)?
            }
            Part::Second | Part::SecondTwo => {
                let least = if part == Part::SecondTwo { 2 } else { 1 };
                let (second, rest) = digits(text, least, 2)?;
                self.second = second;
                let rest = (second < 60).then_some(rest)?;
                // A fraction may follow the seconds even where the layout has none.
                let has_fraction = matches!(next_part(after), Some(("", Part::Fraction { .. }, _)));
                if has_fraction {
                    rest
                } else {
                    self.read_fraction(rest).unwrap_or(rest)
                }
            }
            Part::UpperHalf | Part::LowerHalf => {
                let (morning, evening) = match part {
                    Part::UpperHalf => ("AM", "PM"),
                    _ => ("am", "pm"),
                };
                let head = text.get(..2)?;
                if head != morning && head != evening {
                    return None;
                }
                self.afternoon = Some(head == evening);
                &text[2..]
            }
            Part::ZoneName => self.read_zone_name(text)?,
            Part::Offset { zulu, colon, parts } => self.read_offset(text, zulu, (colon, parts))?,
            Part::Fraction {
                keep: true, digits, ..
            } => {
                let rest = self.read_fraction(text)?;
                (text.len() - rest.len() == digits + 1).then_some(rest)?
            }
            Part::Fraction { .. } => self.read_fraction(text).unwrap_or(text),
            _ => return None,
        };
        Some(rest)
    }

    fn read_fraction<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let rest = text.strip_prefix(['.', ','])?;
        let count = rest.bytes().take_while(u8::is_ascii_digit).count();
        if count == 0 {
            return None;
        }
        let nanos = format!("{:0<9}", &rest[..count]);
        self.nanos = nanos.get(..9)?.parse().ok()?;
        Some(&rest[count..])
    }

    fn read_zone_name<'t>(&mut self, text: &'t str) -> Option<&'t str> {
        let count = text
            .bytes()
            .take(5)
            .take_while(u8::is_ascii_uppercase)
            .count();
        if !(3..=5).contains(&count) {
            return None;
        }
        let (name, rest) = text.split_at(count);
        // Without an offset in the text Go makes up a zone of offset zero for an unknown name.
        if self.zone.is_none() {
            self.zone = Some(if name == "UTC" {
                Zone::UTC
            } else {
                Zone::new(0, name)
            });
        }
        Some(rest)
    }

    fn read_offset<'t>(
        &mut self,
        text: &'t str,
        zulu: bool,
        (colon, parts): (bool, u8),
    ) -> Option<&'t str> {
        if zulu && let Some(rest) = text.strip_prefix('Z') {
            self.zone = Some(Zone::UTC);
            return Some(rest);
        }
        let sign = match text.as_bytes().first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        let mut rest = &text[1..];
        let mut seconds = 0i64;
        for (index, unit) in (0..parts).zip([3600, 60, 1]) {
            if index > 0 && colon {
                rest = rest.strip_prefix(':')?;
            }
            let (number, after) = digits(rest, 2, 2)?;
            seconds += number * unit;
            rest = after;
        }
        let offset = i32::try_from(seconds * sign).ok()?;
        self.zone = Some(if offset == 0 {
            Zone::UTC
        } else {
            Zone::new(offset, "")
        });
        Some(rest)
    }

    fn moment(&self) -> Option<Moment> {
        let year = self.year.unwrap_or(0);
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        let hour = match (self.afternoon, self.hour) {
            (Some(true), hour) if hour < 12 => hour + 12,
            (Some(false), 12) => 0,
            (_, hour) => hour,
        };
        let days = match self.year_day {
            Some(day) if self.month.is_none() => days_from_civil(year, 1, 1) + day - 1,
            _ => {
                let next = if month == 12 {
                    (year + 1, 1)
                } else {
                    (year, month + 1)
                };
                let length = days_from_civil(next.0, next.1, 1) - days_from_civil(year, month, 1);
                if !(1..=length).contains(&day) {
                    return None;
                }
                days_from_civil(year, month, day)
            }
        };
        let zone = self.zone.unwrap_or(Zone::UTC);
        let seconds = days * 86_400 + hour * 3600 + self.minute * 60 + self.second;
        Some(Moment {
            seconds: seconds - i64::from(zone.offset),
            nanos: self.nanos,
            zone,
        })
    }
}

fn cut(mut text: String, length: usize) -> String {
    text.truncate(length);
    text
}
