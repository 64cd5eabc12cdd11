//! Server-side printing: the columns that `kubectl get` shows. It must not know how objects are
//! found.

mod cells;
mod config;
mod core;
mod path;
mod pods;
mod workloads;

use std::borrow::Cow;

use cells::{Column, Printer, age, columns, count, name};
use holdfast_admit::{Served, to_storage};
use holdfast_model::Value;
use holdfast_model::time::Time;
use serde_json::json;

use crate::partial::partial;

/// How a table is made.
pub(crate) struct Options {
    /// `None`, `Metadata` or `Object`.
    pub(crate) include: String,
    /// Whether the columns are described.
    pub(crate) headers: bool,
    /// The time that ages are counted to.
    pub(crate) now: Time,
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
                _ => row["object"] = partial(value),
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
        _ => row["object"] = partial(view),
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
