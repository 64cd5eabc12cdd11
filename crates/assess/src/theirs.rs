//! Ours and theirs: places of desired objects that the control plane or a controller is known to
//! write, whatever Git says there. A table by kind, each row with its source. It must not know who
//! wrote a place last.

use std::collections::BTreeSet;

use holdfast_model::Value;
use holdfast_model::object::{GroupKind, Object, split_api_version};

/// When a place is theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// Whatever Git says.
    Always,
    /// Where Git says something at this pointer as well.
    With(&'static str),
    /// Where Git leaves it empty: a zero, an empty text, or a placeholder for a certificate.
    Empty,
    /// Where an autoscaler of the same Stack scales the object.
    Scaled,
}

/// Group, kind, JSON pointer with `*` for every item, when, and where the rule comes from.
type Row = (&'static str, &'static str, &'static str, When, &'static str);

const ADMISSION: &str = "admissionregistration.k8s.io";
const INJECTION: &str = "cert-manager docs, CA injector: caBundle is filled in by annotation";
const ALLOCATION: &str = "Kubernetes API reference, ServiceSpec: assigned when not set";
const SCALING: &str =
    "Kubernetes docs, HorizontalPodAutoscaler: leave spec.replicas to the autoscaler";

const TABLE: [Row; 17] = [
    (
        "rbac.authorization.k8s.io",
        "ClusterRole",
        "/rules",
        When::With("/aggregationRule"),
        "Kubernetes docs, aggregated ClusterRoles: the control plane overwrites rules",
    ),
    (
        ADMISSION,
        "MutatingWebhookConfiguration",
        "/webhooks/*/clientConfig/caBundle",
        When::Empty,
        INJECTION,
    ),
    (
        ADMISSION,
        "ValidatingWebhookConfiguration",
        "/webhooks/*/clientConfig/caBundle",
        When::Empty,
        INJECTION,
    ),
    (
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        "/spec/conversion/webhook/clientConfig/caBundle",
        When::Empty,
        INJECTION,
    ),
    (
        "apiregistration.k8s.io",
        "APIService",
        "/spec/caBundle",
        When::Empty,
        INJECTION,
    ),
    ("", "Service", "/spec/clusterIP", When::Empty, ALLOCATION),
    ("", "Service", "/spec/clusterIPs", When::Empty, ALLOCATION),
    (
        "",
        "Service",
        "/spec/healthCheckNodePort",
        When::Empty,
        ALLOCATION,
    ),
    (
        "",
        "Service",
        "/spec/ports/*/nodePort",
        When::Empty,
        ALLOCATION,
    ),
    (
        "",
        "PersistentVolumeClaim",
        "/spec/volumeName",
        When::Empty,
        "Kubernetes docs, PersistentVolumes: the binder sets volumeName",
    ),
    (
        "",
        "ServiceAccount",
        "/secrets",
        When::Empty,
        "Kubernetes docs, ServiceAccount: the token controller lists what it makes",
    ),
    (
        "",
        "Namespace",
        "/spec/finalizers",
        When::Always,
        "Kubernetes 1.37: an update keeps the finalizers of a namespace's spec",
    ),
    (
        "apps",
        "Deployment",
        "/metadata/annotations/deployment.kubernetes.io~1revision",
        When::Always,
        "Kubernetes 1.37: the deployment controller counts revisions there",
    ),
    (
        "apps",
        "Deployment",
        "/spec/replicas",
        When::Scaled,
        SCALING,
    ),
    (
        "apps",
        "ReplicaSet",
        "/spec/replicas",
        When::Scaled,
        SCALING,
    ),
    (
        "apps",
        "StatefulSet",
        "/spec/replicas",
        When::Scaled,
        SCALING,
    ),
    (
        "",
        "ReplicationController",
        "/spec/replicas",
        When::Scaled,
        SCALING,
    ),
];

/// What a base64 text of nothing but line breaks looks like, which stands where a certificate is to be
/// injected.
const PLACEHOLDERS: [&str; 3] = ["", "Cg==", "Cgo="];

fn rows(kind: &GroupKind) -> impl Iterator<Item = &'static Row> {
    TABLE
        .iter()
        .filter(|(group, name, ..)| kind.is(group, name))
}

/// JSON pointers of an object that are left to others as `spec.ignore` leaves them, beyond what the
/// Stack says.
pub fn left_alone(kind: &GroupKind, desired: &Object, is_scaled: bool) -> Vec<String> {
    if rows(kind).next().is_none() {
        return Vec::new();
    }
    let desired = desired.value();
    let is_theirs = |when: When| match when {
        When::Always => true,
        When::With(pointer) => desired.pointer(pointer).is_some_and(Value::is_object),
        When::Scaled => is_scaled,
        When::Empty => false,
    };
    rows(kind)
        .filter(|(_, _, pointer, when, _)| is_theirs(*when) && desired.pointer(pointer).is_some())
        .map(|(_, _, pointer, ..)| (*pointer).to_owned())
        .collect()
}

/// Takes out of what is sent what Git leaves empty for others to fill in.
pub fn drop_empty(kind: &GroupKind, sent: &mut Value) {
    for (_, _, pointer, when, _) in rows(kind) {
        if *when == When::Empty {
            let parts: Vec<&str> = pointer.split('/').skip(1).collect();
            drop_at(sent, &parts);
        }
    }
}

fn drop_at(value: &mut Value, parts: &[&str]) {
    match (parts, value) {
        (["*", rest @ ..], Value::Array(items)) => {
            items.iter_mut().for_each(|item| drop_at(item, rest));
        }
        ([last], Value::Object(fields)) if fields.get(*last).is_some_and(is_empty) => {
            fields.remove(*last);
        }
        ([first, rest @ ..], Value::Object(fields)) if !rest.is_empty() => {
            if let Some(child) = fields.get_mut(*first) {
                drop_at(child, rest);
            }
        }
        _ => {}
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => PLACEHOLDERS.contains(&text.as_str()),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Array(items) => items.is_empty(),
        Value::Object(_) | Value::Bool(_) => false,
    }
}

/// What is scaled by autoscalers: kind, namespace and name.
pub type Scaled = BTreeSet<(GroupKind, Option<String>, String)>;

/// What the autoscalers among desired objects scale: HorizontalPodAutoscalers, and ScaledObjects of
/// KEDA (keda.sh/v1alpha1), which make one.
pub fn scaled(desired: &[Object]) -> Scaled {
    let is_scaler = |kind: &GroupKind| {
        kind.is("autoscaling", "HorizontalPodAutoscaler") || kind.is("keda.sh", "ScaledObject")
    };
    let scalers = desired
        .iter()
        .filter(|object| is_scaler(&object.key().kind));
    scalers
        .filter_map(|object| {
            let value = object.value();
            let target = value.pointer("/spec/scaleTargetRef")?;
            let text = |name: &str| target.get(name).and_then(Value::as_str);
            let (group, _) = split_api_version(text("apiVersion").unwrap_or("apps/v1"));
            let kind = GroupKind::new(group, text("kind").unwrap_or("Deployment"));
            let namespace = object.key().namespace.as_deref().map(str::to_owned);
            Some((kind, namespace, text("name")?.to_owned()))
        })
        .collect()
}
