//! Server-side printing: the columns that `kubectl get` shows. It must not know how objects are
//! found.

mod config;
mod core;
mod path;
mod pods;
mod workloads;

use std::borrow::Cow;
use std::time::Duration;

use holdfast_admit::{Served, to_storage};
use holdfast_model::Value;
use holdfast_model::time::Time;
use serde_json::json;

/// How a table is made.
pub(crate) struct Options {
    /// `None`, `Metadata` or `Object`.
    pub(crate) include: String,
    /// Whether the columns are described.
    pub(crate) headers: bool,
    /// The time that ages are counted to.
    pub(crate) now: Time,
}

/// A column: its name, its type and whether it is shown only when everything is.
#[derive(Clone, Debug)]
struct Column {
    name: String,
    kind: String,
    format: String,
    wide: bool,
    description: String,
}

/// The columns of a kind and the cells of an object, in the same order.
struct Printer {
    columns: Vec<Column>,
    cells: Box<Cells>,
}

/// The cells of an object, at a time that ages are counted to.
type Cells = dyn Fn(&Value, Time) -> Vec<Value>;

/// Columns from their names; `|` starts the wide ones, `#` marks numbers and `?` truths.
fn columns(names: &str) -> Vec<Column> {
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

fn printer(served: &Served) -> Printer {
    if let Some(custom) = &served.custom {
        return path::custom(&custom.columns);
    }
    let kind = (served.kind.group.as_str(), served.kind.kind.as_str());
    workloads::printer(kind)
        .or_else(|| core::printer(kind))
        .or_else(|| config::printer(kind))
        .or_else(|| config::driver_printer(kind))
        .unwrap_or_else(plain)
}

/// What kinds without columns of their own have.
fn plain() -> Printer {
    let mut columns = columns("Name, Created At");
    if let Some(column) = columns.last_mut() {
        column.kind = "date".to_owned();
    }
    Printer {
        columns,
        cells: Box::new(|value, _| {
            let metadata = &value["metadata"];
            vec![
                metadata["name"].clone(),
                metadata["creationTimestamp"].clone(),
            ]
        }),
    }
}

/// Marks the class that volumes get when they name none: the youngest that is called default, and
/// of those the first. Only a list tells which one that is.
pub(crate) fn mark_default(served: &Served, values: &[Value], table: &mut Value) {
    if !served.is("storage.k8s.io", "StorageClass") {
        return;
    }
    let is_default = |value: &&Value| {
        let annotations = &value["metadata"]["annotations"];
        let domains = [
            "storageclass.kubernetes.io",
            "storageclass.beta.kubernetes.io",
        ];
        domains
            .iter()
            .any(|domain| annotations[format!("{domain}/is-default-class")] == "true")
    };
    let order = |value: &&Value| {
        let field = |name: &str| value["metadata"][name].as_str().unwrap_or("").to_owned();
        (field("creationTimestamp"), std::cmp::Reverse(field("name")))
    };
    let name = values.iter().filter(is_default).max_by_key(order);
    let Some(name) = name.map(|value| &value["metadata"]["name"]) else {
        return;
    };
    for row in table["rows"].as_array_mut().into_iter().flatten() {
        let shown = &mut row["cells"][0];
        if shown == name {
            *shown = json!(format!("{} (default)", shown.as_str().unwrap_or("")));
        }
    }
}

/// A table with a row for each object.
pub(crate) fn table(
    served: &Served,
    values: &[Value],
    metadata: Value,
    options: &Options,
) -> Value {
    let printer = printer(served);
    let is_pod = served.is("", "Pod");
    let rows: Vec<Value> = values
        .iter()
        .map(|value| {
            // A table shows all that there is, whichever version it is asked for in.
            let mut stored = Cow::Borrowed(value);
            if served.is("autoscaling", "HorizontalPodAutoscaler") {
                to_storage(stored.to_mut(), served);
            }
            let value = stored.as_ref();
            let mut row = json!({"cells": (printer.cells)(value, options.now)});
            if is_pod && let Some(conditions) = pods::conditions(value) {
                row["conditions"] = conditions;
            }
            match options.include.as_str() {
                "None" => row["object"] = Value::Null,
                "Object" => row["object"] = value.clone(),
                _ => row["object"] = crate::rest::partial(value),
            }
            row
        })
        .collect();
    whole(&printer.columns, rows, metadata, options)
}

/// The table of a view of replicas.
pub(crate) fn scale(view: &Value, options: &Options) -> Value {
    let mut columns = columns("Name, #Desired, #Available, Age");
    // What is scaled has the name, not the view of it.
    columns[0].format.clear();
    let mut row = json!({"cells": [
        name(view), count(view, "/spec/replicas"), count(view, "/status/replicas"),
        age(view, options.now),
    ]});
    match options.include.as_str() {
        "None" => row["object"] = Value::Null,
        "Object" => row["object"] = view.clone(),
        _ => row["object"] = crate::rest::partial(view),
    }
    let metadata = json!({"resourceVersion": view["metadata"]["resourceVersion"]});
    whole(&columns, vec![row], metadata, options)
}

fn whole(columns: &[Column], rows: Vec<Value>, metadata: Value, options: &Options) -> Value {
    let described = columns.iter().map(|column| {
        json!({
            "name": column.name, "type": column.kind, "format": column.format,
            "description": column.description, "priority": i32::from(column.wide),
        })
    });
    let columns = if options.headers {
        described.collect()
    } else {
        Value::Null
    };
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": columns, "rows": rows,
    })
}

/// How long something has been there.
fn age(value: &Value, now: Time) -> Value {
    json!(since(&value["metadata"]["creationTimestamp"], now))
}

/// How long ago a time was, as people say it.
fn since(time: &Value, now: Time) -> String {
    match time.as_str().and_then(Time::parse) {
        Some(time) => human(now.since(time)),
        None => "<unknown>".to_owned(),
    }
}

/// A duration in two units at most.
fn human(duration: Duration) -> String {
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

fn name(value: &Value) -> Value {
    value["metadata"]["name"].clone()
}

fn count(value: &Value, pointer: &str) -> i64 {
    value.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

fn or_none(text: String) -> Value {
    if text.is_empty() {
        json!("<none>")
    } else {
        json!(text)
    }
}

fn or_unset(text: &str) -> Value {
    if text.is_empty() {
        json!("<unset>")
    } else {
        json!(text)
    }
}

/// The first few of a list, and how many more there are.
fn some_of(list: &[String], most: usize, separator: &str) -> String {
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
