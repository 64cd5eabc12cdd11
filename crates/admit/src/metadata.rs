//! What names, labels, annotations and owners of an object have to be, and which fields select.
//! It must not know the rest of an object.

use holdfast_kinds::{items, text};
use holdfast_model::{FieldError, Value};
use serde_json::json;

use crate::names;
use crate::served::Served;

/// The most bytes that all annotations of an object may have together.
const MAX_ANNOTATIONS: usize = 256 * 1024;

/// Finalizers that need no domain.
const FINALIZERS: [&str; 3] = ["kubernetes", "orphan", "foregroundDeletion"];

/// Which problem a name has, by kind.
fn name_problem(served: &Served, name: &str) -> Option<String> {
    if served.custom.is_some() {
        return names::dns_subdomain_problem(name);
    }
    match (served.kind.group.as_str(), served.kind.kind.as_str()) {
        ("", "Namespace" | "Service") => names::dns_label_problem(name),
        ("rbac.authorization.k8s.io", _) | ("policy", "PodDisruptionBudget") => {
            names::path_segment_problem(name)
        }
        _ => names::dns_subdomain_problem(name),
    }
}

/// What is wrong with `metadata`.
pub fn validate_metadata(served: &Served, value: &Value) -> Vec<FieldError> {
    let metadata = &value["metadata"];
    let mut errors = Vec::new();
    let name = text(metadata, "name");
    let generated = text(metadata, "generateName");
    if name.is_empty() {
        errors.push(FieldError::required(
            "metadata.name",
            "name or generateName is required",
        ));
    } else if let Some(problem) = name_problem(served, name) {
        errors.push(FieldError::invalid("metadata.name", &json!(name), &problem));
    }
    let generated_base = generated.trim_end_matches('-');
    if !generated_base.is_empty()
        && let Some(problem) = name_problem(served, generated_base)
    {
        errors.push(FieldError::invalid(
            "metadata.generateName",
            &json!(generated),
            &problem,
        ));
    }
    errors.extend(label_errors(&metadata["labels"], "metadata.labels"));
    errors.extend(annotation_errors(
        &metadata["annotations"],
        "metadata.annotations",
    ));
    errors.extend(owner_errors(metadata));
    for (index, finalizer) in items(metadata, "finalizers").iter().enumerate() {
        let finalizer = finalizer.as_str().unwrap_or("");
        let found = json!(finalizer);
        if let Some(problem) = names::label_key_problem(finalizer) {
            // The real one leaves the index out here.
            errors.push(FieldError::invalid("metadata.finalizers", &found, &problem));
        }
        if !finalizer.contains('/') && !FINALIZERS.contains(&finalizer) {
            let field = format!("metadata.finalizers[{index}]");
            let problem = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(FieldError::invalid(field, &found, problem));
        }
    }
    errors
}

/// What is wrong with labels.
pub(crate) fn label_errors(labels: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (key, value) in labels.as_object().into_iter().flatten() {
        if let Some(problem) = names::label_key_problem(key) {
            errors.push(FieldError::invalid(path, &json!(key), &problem));
        }
        let value = value.as_str().unwrap_or("");
        if let Some(problem) = names::label_value_problem(value) {
            errors.push(FieldError::invalid(path, &json!(value), &problem));
        }
    }
    errors
}

/// What is wrong with annotations.
pub(crate) fn annotation_errors(annotations: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut size = 0;
    for (key, value) in annotations.as_object().into_iter().flatten() {
        if let Some(problem) = names::label_key_problem(&key.to_lowercase()) {
            errors.push(FieldError::invalid(path, &json!(key), &problem));
        }
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > MAX_ANNOTATIONS {
        errors.push(FieldError::too_long(path, MAX_ANNOTATIONS));
    }
    errors
}

fn owner_errors(metadata: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut controllers = Vec::new();
    for (index, owner) in items(metadata, "ownerReferences").iter().enumerate() {
        // The real one names no index here.
        for (name, problem) in [
            ("apiVersion", "version must not be empty"),
            ("kind", "must not be empty"),
            ("name", "must not be empty"),
        ] {
            if text(owner, name).is_empty() {
                let field = format!("metadata.ownerReferences.{name}");
                errors.push(FieldError::invalid(field, &json!(""), problem));
            }
        }
        if text(owner, "uid").is_empty() {
            let field = format!("metadata.ownerReferences[{index}].uid");
            errors.push(FieldError::required(field, "must not be empty"));
        }
        if owner.get("controller") == Some(&Value::Bool(true)) {
            controllers.push(text(owner, "name").to_owned());
        }
    }
    if controllers.len() > 1 {
        errors.push(FieldError::invalid(
            "metadata.ownerReferences",
            &metadata["ownerReferences"],
            &format!(
                "Only one reference can have Controller set to true. Found \"true\" in \
                 references for {} and {}",
                controllers[0], controllers[1]
            ),
        ));
    }
    errors
}

/// Whether a kind has fields of its own to be selected by.
pub fn selects_by_fields(served: &Served) -> bool {
    served.custom.is_some() || !fields_of(served).is_empty()
}

/// The fields that a built-in kind can be selected by, besides its name.
fn fields_of(served: &Served) -> &'static [&'static str] {
    let kind = (served.kind.group.as_str(), served.kind.kind.as_str());
    match kind {
        ("", "Pod") => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        ("", "Event") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        ("events.k8s.io", "Event") => &[
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "reason",
            "reportingController",
            "type",
        ],
        ("", "Namespace") => &["status.phase"],
        ("", "Node") => &["spec.unschedulable"],
        ("", "Secret") => &["type"],
        ("", "Service") => &["spec.clusterIP", "spec.type"],
        ("", "ReplicationController") => &["status.replicas"],
        ("certificates.k8s.io", "CertificateSigningRequest") => &["spec.signerName"],
        ("batch", "Job") => &["status.successful"],
        _ => &[],
    }
}

/// Whether a kind can be selected by this field.
pub fn selectable(served: &Served, path: &str) -> bool {
    if matches!(path, "metadata.name" | "metadata.namespace") {
        return true;
    }
    let custom = served.custom.as_ref().is_some_and(|custom| {
        custom
            .selectable
            .iter()
            .any(|known| known.trim_start_matches('.') == path)
    });
    fields_of(served).contains(&path) || custom
}
