//! What the server refuses about the content of objects, kind by kind.
//! It must not change them.

mod networking;
mod plain;
mod pods;
mod workloads;

use holdfast_model::Value;
use serde_json::json;

use super::{custom, definitions};
use crate::error::FieldError;
use crate::registry::Served;

/// What is wrong with an object; `old` is its state before an update.
pub(crate) fn validate(served: &Served, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    if served.custom.is_some() {
        return custom::validate(served, new, old);
    }
    let mut errors = Vec::new();
    let found = &mut errors;
    match (served.kind.group.as_str(), served.kind.kind.as_str()) {
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            return definitions::validate(new, old);
        }
        ("", "ConfigMap") => plain::config_map(new, old, found),
        ("", "Secret") => plain::secret(new, old, found),
        ("", "PersistentVolumeClaim") => plain::claim(new, old, found),
        ("", "Pod") => pods::pod(new, old, found),
        ("", "Service") => networking::service(new, old, found),
        ("apps", "Deployment") => workloads::deployment(new, old, found),
        ("apps", "ReplicaSet") => workloads::replica_set(new, old, found),
        ("apps", "StatefulSet") => workloads::stateful_set(new, old, found),
        ("apps", "DaemonSet") => workloads::daemon_set(new, old, found),
        ("batch", "Job") => workloads::job(new, old, found),
        ("batch", "CronJob") => workloads::cron_job(new, found),
        ("autoscaling", "HorizontalPodAutoscaler") => workloads::autoscaler(new, found),
        ("networking.k8s.io", "Ingress") => networking::ingress(new, found),
        ("policy", "PodDisruptionBudget") => plain::budget(new, found),
        ("rbac.authorization.k8s.io", "Role" | "ClusterRole") => plain::role(new, found),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            plain::binding(new, old, found);
        }
        _ => {}
    }
    errors
}

/// Refuses a field that differs from what it was.
fn immutable(field: &str, new: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    if new != old {
        errors.push(FieldError::invalid(field, new, "field is immutable"));
    }
}

/// Refuses a number that is negative.
fn not_negative(value: &Value, field: String, errors: &mut Vec<FieldError>) {
    if value.as_i64().is_some_and(|number| number < 0) {
        errors.push(FieldError::invalid(
            field,
            value,
            "must be greater than or equal to 0",
        ));
    }
}

/// Refuses a number that is no port.
fn port(value: &Value, field: String, errors: &mut Vec<FieldError>) {
    let number = value.as_i64().unwrap_or(0);
    if !(1..=65535).contains(&number) {
        errors.push(FieldError::invalid(
            field,
            &json!(number),
            "must be between 1 and 65535, inclusive",
        ));
    }
}

/// Refuses a protocol that is none.
fn protocol(value: &Value, field: String, errors: &mut Vec<FieldError>) {
    const KNOWN: [&str; 3] = ["SCTP", "TCP", "UDP"];
    if !KNOWN.contains(&value.as_str().unwrap_or("")) {
        errors.push(FieldError::unsupported(field, value, &KNOWN));
    }
}
