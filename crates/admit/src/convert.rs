//! Between the versions of one kind. It must not know what is stored.

use holdfast_kinds::{prune_custom, to_first, to_second};
use holdfast_model::Value;
use serde_json::json;

use crate::served::Served;

/// Fields of an Event by their names in the core group and in `events.k8s.io`.
const EVENT_FIELDS: [(&str, &str); 6] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
];
const EVENT_COUNT: (&str, &str) = ("count", "deprecatedCount");

/// Brings a stored object into the version that is served.
pub fn convert(value: &mut Value, served: &Served) {
    let version = served.kind.api_version();
    let found = value["apiVersion"].as_str().unwrap_or("").to_owned();
    match (found.as_str(), version.as_str()) {
        ("v1", "events.k8s.io/v1") => rename_event(value, true),
        ("autoscaling/v2", "autoscaling/v1") => to_first(value),
        (found, version) if served.custom.is_some() && found != version => {
            // What this version has not is not shown.
            prune_custom(value, &served.kind.type_ref);
        }
        _ => {}
    }
    value["apiVersion"] = json!(version);
}

/// Brings an object of the served version into the one that is stored.
pub fn to_storage(value: &mut Value, served: &Served) {
    let found = value["apiVersion"].as_str().unwrap_or("").to_owned();
    match (found.as_str(), served.storage_version.as_str()) {
        ("events.k8s.io/v1", "v1") => rename_event(value, false),
        ("autoscaling/v1", "autoscaling/v2") => to_second(value),
        _ => {}
    }
    if !served.storage_version.is_empty() {
        value["apiVersion"] = json!(served.storage_version);
    }
}

fn rename_event(value: &mut Value, from_core: bool) {
    let Some(fields) = value.as_object_mut() else {
        return;
    };
    for (core, other) in EVENT_FIELDS.into_iter().chain([EVENT_COUNT]) {
        let (from, to) = if from_core {
            (core, other)
        } else {
            (other, core)
        };
        if let Some(found) = fields.remove(from) {
            fields.insert(to.to_owned(), found);
        }
    }
    if from_core {
        for name in ["reportingController", "reportingInstance"] {
            if fields.get(name).is_some_and(|found| found == "") {
                fields.remove(name);
            }
        }
    }
}
