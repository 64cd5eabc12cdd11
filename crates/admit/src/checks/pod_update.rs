//! Checks of a pod itself: that it is whole when it comes, and what of it may change later.
//! It must not know templates.

use holdfast_kinds::{items, text};
use holdfast_model::{FieldError, Value};
use serde_json::Map;

use super::pods::{image, spec};

/// Fields of a pod that may change once it is there.
const CHANGEABLE: [&str; 3] = ["activeDeadlineSeconds", "tolerations", "schedulingGates"];

pub(super) fn pod(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let Some(old) = old else {
        spec(&new["spec"], "spec", errors);
        if !items(&new["spec"], "ephemeralContainers").is_empty() {
            errors.push(FieldError::forbidden(
                "spec.ephemeralContainers",
                "cannot be set on create",
            ));
        }
        return;
    };
    for (index, one) in items(&new["spec"], "containers").iter().enumerate() {
        image(one, &format!("spec.containers[{index}]"), errors);
    }
    if items(&new["spec"], "containers").len() != items(&old["spec"], "containers").len() {
        let problem = "pod updates may not add or remove containers";
        errors.push(FieldError::forbidden("spec.containers", problem));
        return;
    }
    let (wanted, before) = (
        &new["spec"]["activeDeadlineSeconds"],
        &old["spec"]["activeDeadlineSeconds"],
    );
    if before.is_number() && wanted.as_i64() > before.as_i64() {
        let problem = "must be less than or equal to previous value";
        errors.push(FieldError::invalid(
            "spec.activeDeadlineSeconds",
            wanted,
            problem,
        ));
        return;
    }
    if before.is_number() && wanted.is_null() {
        let problem = "must not update from a positive integer to nil value";
        let field = "spec.activeDeadlineSeconds";
        errors.push(FieldError::invalid(field, wanted, problem));
    }
    only_added(new, old, errors);
    let is_gated = !items(&old["spec"], "schedulingGates").is_empty();
    if fixed(new, is_gated) != fixed(old, is_gated) {
        errors.push(FieldError::forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,\
             `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only \
             additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to \
             be set to 1 if it was previously negative)",
        ));
    }
}

/// Takes away what says which nodes a pod may run on.
pub(super) fn forget_node(spec: &mut Map<String, Value>) {
    spec.remove("nodeSelector");
    let affinity = spec.get_mut("affinity").and_then(Value::as_object_mut);
    let is_empty = affinity.is_some_and(|affinity| {
        affinity.remove("nodeAffinity");
        affinity.is_empty()
    });
    if is_empty {
        spec.remove("affinity");
    }
}

/// The part of the spec that no update changes.
fn fixed(pod: &Value, is_gated: bool) -> Value {
    let mut spec = pod["spec"].clone();
    if let Some(fields) = spec.as_object_mut() {
        fields.retain(|name, _| !CHANGEABLE.contains(&name.as_str()));
        if is_gated {
            forget_node(fields);
        }
    }
    for list in ["containers", "initContainers"] {
        for container in holdfast_kinds::items_mut(&mut spec, list) {
            if let Some(fields) = container.as_object_mut() {
                fields.remove("image");
            }
        }
    }
    spec
}

/// Tolerations may only be added, gates only taken away, and what selects the nodes of a pod that
/// waits may only be narrowed.
fn only_added(new: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    let (new, old) = (&new["spec"], &old["spec"]);
    let timeless = |toleration: &Value| {
        let mut toleration = toleration.clone();
        if let Some(fields) = toleration.as_object_mut() {
            fields.remove("tolerationSeconds");
        }
        toleration
    };
    let found: Vec<Value> = items(new, "tolerations").iter().map(timeless).collect();
    let mut known = items(old, "tolerations").iter().map(timeless);
    if !known.all(|toleration| found.contains(&toleration)) {
        let problem = "existing toleration can not be modified except its tolerationSeconds";
        errors.push(FieldError::forbidden("spec.tolerations", problem));
    }
    let known = items(old, "schedulingGates");
    for (index, gate) in items(new, "schedulingGates").iter().enumerate() {
        if !known.iter().any(|known| known["name"] == gate["name"]) {
            let name = text(gate, "name");
            let problem =
                format!("only deletion is allowed, but found new scheduling gate '{name}'");
            let field = format!("spec.schedulingGates[{index}].name");
            errors.push(FieldError::forbidden(field, &problem));
        }
    }
    let selector = &new["nodeSelector"];
    let mut known = old["nodeSelector"].as_object().into_iter().flatten();
    let is_narrower = known.all(|(key, value)| selector.get(key) == Some(value));
    if !items(old, "schedulingGates").is_empty() && !is_narrower {
        let problem = "only additions to spec.nodeSelector are allowed (no mutations or deletions)";
        errors.push(FieldError::invalid("spec.nodeSelector", selector, problem));
    }
}
