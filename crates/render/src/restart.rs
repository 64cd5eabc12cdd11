//! Workloads that are to restart when what they use has changed: their pods are given a digest of it.
//! It must not know how a workload restarts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use holdfast_model::Value;
use holdfast_model::digest::{Digest, Hasher};
use holdfast_model::object::Object;
use holdfast_model::secret::DigestKey;

/// The annotation of pods: a digest of the Secrets and ConfigMaps of the Stack that they use.
pub const CONTENT_ANNOTATION: &str = "holdfast.dev/content";

/// A Secret or a ConfigMap: kind, namespace and name.
type Name = (&'static str, String, String);

/// The objects, in which pods of workloads carry a digest by `key` of what they use of the others.
pub(crate) fn restarting(
    objects: Vec<Object>,
    key: &Arc<DigestKey>,
    namespace: &str,
) -> Vec<Object> {
    let contents: BTreeMap<Name, Digest> = objects
        .iter()
        .filter_map(|object| {
            let name = name_of(object, namespace)?;
            Some((name, content(&object.value())))
        })
        .collect();
    if contents.is_empty() {
        return objects;
    }
    let annotated = objects
        .into_iter()
        .map(|object| annotated(&object, &contents, key, namespace).unwrap_or(object));
    annotated.collect()
}

/// The Secrets and ConfigMaps that the pods of a workload, a Job or a Pod use: kind and name.
pub fn uses(object: &Object) -> Vec<(&'static str, String)> {
    const PODS: [&str; 3] = [
        "/spec/template/spec",
        "/spec/jobTemplate/spec/template/spec",
        "/spec",
    ];
    let kind = &object.key().kind;
    let is_known = is_workload(object)
        || kind.is("apps", "ReplicaSet")
        || kind.is("batch", "Job")
        || kind.is("batch", "CronJob")
        || kind.is("", "Pod");
    let value = object.value();
    let pod = PODS.iter().find_map(|place| value.pointer(place));
    let mut names = BTreeSet::new();
    if let Some(pod) = pod.filter(|_| is_known) {
        used(pod, &mut names);
    }
    names.into_iter().collect()
}

fn space<'a>(object: &'a Object, namespace: &'a str) -> &'a str {
    object.key().namespace.as_deref().unwrap_or(namespace)
}

fn name_of(object: &Object, namespace: &str) -> Option<Name> {
    let kind = &object.key().kind;
    let kind = ["Secret", "ConfigMap"]
        .into_iter()
        .find(|name| kind.is("", name))?;
    let name = object.key().name.to_string();
    Some((kind, space(object, namespace).to_owned(), name))
}

/// A digest of what pods can see of a Secret or a ConfigMap.
fn content(value: &Value) -> Digest {
    let mut hasher = Hasher::new("content");
    for field in ["data", "stringData", "binaryData"] {
        let part = value.get(field).unwrap_or(&Value::Null);
        hasher.field(Digest::of_value(part).as_bytes());
    }
    hasher.finish()
}

/// Whether pods of these are made anew when their template changes.
fn is_workload(object: &Object) -> bool {
    let kind = &object.key().kind;
    let apps = ["Deployment", "StatefulSet", "DaemonSet"];
    apps.iter().any(|name| kind.is("apps", name)) || kind.is("argoproj.io", "Rollout")
}

fn annotated(
    object: &Object,
    contents: &BTreeMap<Name, Digest>,
    key: &Arc<DigestKey>,
    namespace: &str,
) -> Option<Object> {
    if !is_workload(object) {
        return None;
    }
    let mut value = object.value();
    let mut names = BTreeSet::new();
    used(value.pointer("/spec/template/spec")?, &mut names);
    let namespace = space(object, namespace);
    let mut all = Hasher::new("contents");
    let mut found = false;
    for (kind, name) in names {
        let of = (kind, namespace.to_owned(), name);
        if let Some(content) = contents.get(&of) {
            found = true;
            all.field(of.0.as_bytes());
            all.field(of.2.as_bytes());
            all.field(content.as_bytes());
        }
    }
    if !found {
        return None;
    }
    let digest = key.digest(all.finish().as_bytes()).to_string();
    let template = value.pointer_mut("/spec/template")?.as_object_mut()?;
    let mut place = template;
    for name in ["metadata", "annotations"] {
        let inner = place.entry(name).or_insert(Value::Null);
        if inner.is_null() {
            *inner = Value::Object(serde_json::Map::new());
        }
        place = inner.as_object_mut()?;
    }
    place.insert(CONTENT_ANNOTATION.to_owned(), digest.into());
    let annotated = Object::new(value, object.origin.clone()).ok()?;
    Some(annotated.with_opened(object.opened().to_vec()))
}

/// What a pod uses, as volumes and in the environment of its containers.
fn used(pod: &Value, names: &mut BTreeSet<(&'static str, String)>) {
    let mut add = |kind, name: Option<&Value>| {
        if let Some(name) = name.and_then(Value::as_str) {
            names.insert((kind, name.to_owned()));
        }
    };
    for volume in list(pod, "volumes") {
        add("Secret", volume.pointer("/secret/secretName"));
        add("ConfigMap", volume.pointer("/configMap/name"));
        for source in volume
            .get("projected")
            .into_iter()
            .flat_map(|projected| list(projected, "sources"))
        {
            add("Secret", source.pointer("/secret/name"));
            add("ConfigMap", source.pointer("/configMap/name"));
        }
    }
    let containers = list(pod, "containers").chain(list(pod, "initContainers"));
    for container in containers {
        for variable in list(container, "env") {
            add("Secret", variable.pointer("/valueFrom/secretKeyRef/name"));
            add(
                "ConfigMap",
                variable.pointer("/valueFrom/configMapKeyRef/name"),
            );
        }
        for from in list(container, "envFrom") {
            add("Secret", from.pointer("/secretRef/name"));
            add("ConfigMap", from.pointer("/configMapRef/name"));
        }
    }
}

fn list<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(field)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}
