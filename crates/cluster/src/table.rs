//! Server-side printing: the columns that `kubectl get` shows. It must not know how objects are
//! found.

use holdfast_model::Value;
use holdfast_model::time::Time;
use serde_json::json;

use crate::registry::Served;

/// How a table is made.
pub(crate) struct Options {
    /// `None`, `Metadata` or `Object`.
    pub(crate) include: String,
    /// Whether the columns are described.
    pub(crate) headers: bool,
    /// The time that ages are counted to.
    pub(crate) now: Time,
}

/// A table with a row for each object.
pub(crate) fn table(
    _served: &Served,
    values: &[Value],
    metadata: Value,
    options: &Options,
) -> Value {
    let rows: Vec<Value> = values
        .iter()
        .map(|value| {
            let created = value["metadata"]["creationTimestamp"].clone();
            let object = match options.include.as_str() {
                "None" => Value::Null,
                "Object" => value.clone(),
                _ => crate::rest::partial(value),
            };
            let mut row = json!({"cells": [value["metadata"]["name"], created]});
            if !object.is_null() {
                row["object"] = object;
            }
            row
        })
        .collect();
    let columns = if options.headers {
        json!([
            {"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0},
            {"name": "Created At", "type": "date", "format": "", "description": "", "priority": 0},
        ])
    } else {
        Value::Null
    };
    let _ = options.now;
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": columns, "rows": rows,
    })
}
