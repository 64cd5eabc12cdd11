//! Why a workload does not work, in the words of its pods. It must not know who asks.

use holdfast_assess::health::{Health, judge};
use holdfast_model::Value;
use holdfast_model::object::{GroupKind, LiveObject};
use holdfast_model::percent::encode;

use crate::request::Call;
use crate::target::Actor;

/// How many pods are looked at.
const PODS: usize = 20;

/// What the pods of a workload say, each thing once; nothing for what has no pods.
pub(crate) async fn explain(target: &Actor, object: &LiveObject) -> Vec<String> {
    let kind = GroupKind::new("", "Pod");
    let pods = pods_of(target, object).await;
    let mut found: Vec<String> = pods
        .iter()
        .map(|pod| judge(&kind, pod))
        .filter(|verdict| verdict.health == Health::Degraded)
        .map(|verdict| verdict.message)
        .collect();
    found.sort();
    found.dedup();
    found
}

/// The pods of a workload, a bounded number; none where they cannot be read.
pub(crate) async fn pods_of(target: &Actor, object: &LiveObject) -> Vec<Value> {
    let Some(path) = pods_path(object) else {
        return Vec::new();
    };
    let kind = GroupKind::new("", "Pod");
    let Ok(bytes) = target.api.call(&Call::get(path), &kind).await else {
        return Vec::new();
    };
    let mut list: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    match list.get_mut("items").map(Value::take) {
        Some(Value::Array(pods)) => pods,
        _ => Vec::new(),
    }
}

fn pods_path(object: &LiveObject) -> Option<String> {
    let key = &object.key.key;
    let is_workload = matches!(key.kind.group.as_str(), "apps" | "batch");
    let labels = object.value.find(&["spec", "selector", "matchLabels"])?;
    let labels = labels.as_object()?;
    if !is_workload || labels.is_empty() {
        return None;
    }
    let selector: Vec<String> = labels
        .iter()
        .filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?)))
        .collect();
    let namespace = encode(key.namespace.as_deref()?);
    let selector = encode(&selector.join(","));
    Some(format!(
        "/api/v1/namespaces/{namespace}/pods?labelSelector={selector}&limit={PODS}"
    ))
}
