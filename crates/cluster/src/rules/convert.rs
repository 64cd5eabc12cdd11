//! Between the versions of one kind. It must not know what is stored.

use holdfast_model::Value;
use serde_json::{Map, json};

use crate::registry::Served;

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
pub(crate) fn convert(value: &mut Value, served: &Served) {
    let version = served.kind.api_version();
    let found = value["apiVersion"].as_str().unwrap_or("").to_owned();
    match (found.as_str(), version.as_str()) {
        ("v1", "events.k8s.io/v1") => rename_event(value, true),
        ("autoscaling/v2", "autoscaling/v1") => autoscaler_to_v1(value),
        _ => {}
    }
    value["apiVersion"] = json!(version);
}

/// Brings an object of the served version into the one that is stored.
pub(crate) fn to_storage(value: &mut Value, served: &Served) {
    let found = value["apiVersion"].as_str().unwrap_or("").to_owned();
    match (found.as_str(), served.storage_version.as_str()) {
        ("events.k8s.io/v1", "v1") => rename_event(value, false),
        ("autoscaling/v1", "autoscaling/v2") => autoscaler_to_v2(value),
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

fn autoscaler_to_v1(value: &mut Value) {
    let metrics = value["spec"]
        .as_object_mut()
        .and_then(|spec| spec.remove("metrics"));
    let cpu = metrics
        .as_ref()
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find(|metric| {
            metric["resource"]["name"] == "cpu"
                && metric["resource"]["target"]["type"] == "Utilization"
        });
    if let Some(cpu) = cpu {
        value["spec"]["targetCPUUtilizationPercentage"] =
            cpu["resource"]["target"]["averageUtilization"].clone();
    }
    if let Some(spec) = value["spec"].as_object_mut() {
        spec.remove("behavior");
    }
    let status = value["status"].clone();
    let mut kept = Map::new();
    for name in [
        "currentReplicas",
        "desiredReplicas",
        "lastScaleTime",
        "observedGeneration",
    ] {
        if let Some(found) = status.get(name) {
            kept.insert(name.to_owned(), found.clone());
        }
    }
    kept.entry("currentReplicas").or_insert_with(|| json!(0));
    value["status"] = Value::Object(kept);
}

fn autoscaler_to_v2(value: &mut Value) {
    let spec = value["spec"].as_object_mut();
    if let Some(spec) = spec
        && let Some(percent) = spec.remove("targetCPUUtilizationPercentage")
    {
        let metric = json!({"type": "Resource", "resource": {"name": "cpu", "target": {
            "type": "Utilization", "averageUtilization": percent,
        }}});
        spec.insert("metrics".to_owned(), json!([metric]));
    }
}
