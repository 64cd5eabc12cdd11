//! Columns, and what stands in their cells: ages, counts, lists. It must not know any kind.

use std::time::Duration;

use holdfast_model::Value;
use holdfast_model::time::Time;
use serde_json::json;

/// A column: its name, its type and whether it is shown only when everything is.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) format: String,
    pub(super) wide: bool,
    pub(super) description: String,
}

/// The columns of a kind and the cells of an object, in the same order.
pub(super) struct Printer {
    pub(super) columns: Vec<Column>,
    pub(super) cells: Box<Cells>,
}

/// The cells of an object, at a time that ages are counted to.
pub(super) type Cells = dyn Fn(&Value, Time) -> Vec<Value>;

/// Columns from their names; `|` starts the wide ones, `#` marks numbers and `?` truths.
pub(super) fn columns(names: &str) -> Vec<Column> {
    let (narrow, wide) = names.split_once('|').unwrap_or((names, ""));
    let read = |names: &str, wide: bool| -> Vec<Column> {
        let names = names
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty());
        names
            .map(|name| Column {
                name: name.trim_start_matches(['#', '?']).to_owned(),
                kind: match name.chars().next() {
                    Some('#') => "integer",
                    Some('?') => "boolean",
                    _ => "string",
                }
                .to_owned(),
                format: if name == "Name" { "name" } else { "" }.to_owned(),
                wide,
                description: String::new(),
            })
            .collect()
    };
    let mut columns = read(narrow, false);
    columns.extend(read(wide, true));
    columns
}

/// How long something has been there.
pub(super) fn age(value: &Value, now: Time) -> Value {
    json!(since(&value["metadata"]["creationTimestamp"], now))
}

/// How long ago a time was, as people say it.
pub(super) fn since(time: &Value, now: Time) -> String {
    match time.as_str().and_then(Time::parse) {
        Some(time) => human(now.since(time)),
        None => "<unknown>".to_owned(),
    }
}

/// A duration in two units at most.
pub(super) fn human(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let two = |whole: u64, unit: &str, rest: u64, small: &str| {
        if rest == 0 {
            format!("{whole}{unit}")
        } else {
            format!("{whole}{unit}{rest}{small}")
        }
    };
    if seconds < 120 {
        format!("{seconds}s")
    } else if minutes < 10 {
        two(minutes, "m", seconds % 60, "s")
    } else if minutes < 180 {
        format!("{minutes}m")
    } else if hours < 8 {
        two(hours, "h", minutes % 60, "m")
    } else if hours < 48 {
        format!("{hours}h")
    } else if days < 8 {
        two(days, "d", hours % 24, "h")
    } else if days < 730 {
        format!("{days}d")
    } else {
        two(days / 365, "y", days % 365, "d")
    }
}

pub(super) fn name(value: &Value) -> Value {
    value["metadata"]["name"].clone()
}

pub(super) fn count(value: &Value, pointer: &str) -> i64 {
    value.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

pub(super) fn or_none(text: String) -> Value {
    if text.is_empty() {
        json!("<none>")
    } else {
        json!(text)
    }
}

pub(super) fn or_unset(text: &str) -> Value {
    if text.is_empty() {
        json!("<unset>")
    } else {
        json!(text)
    }
}

/// The first few of a list, and how many more there are.
pub(super) fn some_of(list: &[String], most: usize, separator: &str) -> String {
    if list.len() <= most {
        return list.join(separator);
    }
    let first = list[..most].join(separator);
    format!("{first} + {} more...", list.len() - most)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::human;

    fn check(seconds: u64, expected: &str) {
        assert_eq!(human(Duration::from_secs(seconds)), expected);
    }

    // As apimachinery's duration package has it.
    #[test]
    fn ages_are_told_in_two_units_at_most() {
        check(0, "0s");
        check(119, "119s");
        check(120, "2m");
        check(185, "3m5s");
        check(3600, "60m");
        check(11_000, "3h3m");
        check(100_000, "27h");
        check(200_000, "2d7h");
        check(1_000_000, "11d");
    }
}
