//! Checks of what makes pods. It must not know how pods are made.

use holdfast_kinds::{items, text};
use holdfast_model::{FieldError, Value};
use serde_json::json;

use super::fields::{immutable, label_selector, named, not_negative, one_of, share};
use super::{pods, storage};
use crate::labels::{labels_match, of_label_selector};
use crate::metadata::{annotation_errors, label_errors};
use crate::names;

/// The selector has to be there, and to cover the template.
pub(super) fn selector(spec: &Value, kind: &str, errors: &mut Vec<FieldError>) {
    let labels = &spec["template"]["metadata"]["labels"];
    let given = &spec["selector"];
    let before = errors.len();
    match of_label_selector(given) {
        // A DaemonSet without a selector is only told that it covers nothing.
        _ if given.is_null() && kind == "daemonset" => {}
        _ if given.is_null() => errors.push(FieldError::required("spec.selector", "")),
        Some(selector) if selector.is_empty() => {
            let problem = format!("empty selector is invalid for {kind}");
            errors.push(FieldError::invalid("spec.selector", given, &problem));
            return;
        }
        found => {
            label_selector(given, "spec.selector", errors);
            if errors.len() > before || found.is_none() {
                let problem = "invalid label selector";
                errors.push(FieldError::invalid("spec.selector", given, problem));
                return;
            }
            if found.is_some_and(|selector| labels_match(&selector, Some(labels))) {
                return;
            }
        }
    }
    errors.push(FieldError::invalid(
        "spec.template.metadata.labels",
        labels,
        "`selector` does not match template `labels`",
    ));
}

/// Numbers of the spec that may be left out but not negative.
pub(super) fn counts(spec: &Value, names: &[&str], errors: &mut Vec<FieldError>) {
    for name in names {
        not_negative(&spec[*name], format!("spec.{name}"), errors);
    }
}

/// Numbers of the status that may not be negative, nor greater than that of all pods.
fn status_counts(new: &Value, names: &[&str], errors: &mut Vec<FieldError>) {
    let status = &new["status"];
    let count = |name: &str| status[name].as_i64().unwrap_or(0);
    for name in ["replicas"].iter().chain(names) {
        not_negative(&status[*name], format!("status.{name}"), errors);
    }
    for name in names {
        if count(name) > count("replicas") {
            let problem = "cannot be greater than status.replicas";
            let field = format!("status.{name}");
            errors.push(FieldError::invalid(field, &status[*name], problem));
        }
    }
    if count("availableReplicas") > count("readyReplicas") {
        let problem = "cannot be greater than readyReplicas";
        let (field, found) = ("status.availableReplicas", &status["availableReplicas"]);
        errors.push(FieldError::invalid(field, found, problem));
    }
}

/// The template's pods, which start again for ever.
fn template(spec: &Value, errors: &mut Vec<FieldError>) {
    let pod = &spec["template"]["spec"];
    // The claims of a StatefulSet become volumes of its pods.
    let claims = items(spec, "volumeClaimTemplates").iter();
    let claims = claims.map(|claim| text(&claim["metadata"], "name").to_owned());
    described(&spec["template"], "spec.template", errors);
    pods::spec_with(pod, "spec.template.spec", claims.collect(), errors);
    let policy = text(pod, "restartPolicy");
    if matches!(policy, "Never" | "OnFailure") {
        errors.push(FieldError::unsupported(
            "spec.template.spec.restartPolicy",
            &json!(policy),
            &["Always"],
        ));
    }
    if pod["activeDeadlineSeconds"].is_number() {
        errors.push(FieldError::forbidden(
            "spec.template.spec.activeDeadlineSeconds",
            "activeDeadlineSeconds in ReplicaSet is not Supported",
        ));
    }
}

fn kept_selector(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    if let Some(old) = old {
        let (new, old) = (&new["spec"]["selector"], &old["spec"]["selector"]);
        immutable("spec.selector", new, old, errors);
    }
}

pub(super) fn deployment(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let spec = &new["spec"];
    counts(spec, &["replicas"], errors);
    selector(spec, "deployment", errors);
    template(spec, errors);
    let strategy = &spec["strategy"];
    match text(strategy, "type") {
        "Recreate" if strategy.get("rollingUpdate").is_some() => {
            errors.push(FieldError::forbidden(
                "spec.strategy.rollingUpdate",
                "may not be specified when strategy `type` is 'Recreate'",
            ));
        }
        "Recreate" => {}
        "RollingUpdate" => rolling_update(&strategy["rollingUpdate"], errors),
        other => errors.push(FieldError::unsupported(
            "spec.strategy",
            &json!({"Type": other, "RollingUpdate": null}),
            &["Recreate", "RollingUpdate"],
        )),
    }
    counts(spec, &["minReadySeconds", "revisionHistoryLimit"], errors);
    let patience = &spec["progressDeadlineSeconds"];
    counts(spec, &["progressDeadlineSeconds"], errors);
    if let Some(seconds) = patience.as_i64()
        && seconds <= spec["minReadySeconds"].as_i64().unwrap_or(0)
    {
        let problem = "must be greater than minReadySeconds";
        let field = "spec.progressDeadlineSeconds";
        errors.push(FieldError::invalid(field, patience, problem));
    }
    kept_selector(new, old, errors);
    let counted = ["updatedReplicas", "readyReplicas", "availableReplicas"];
    status_counts(new, &counted, errors);
}

fn rolling_update(rolling: &Value, errors: &mut Vec<FieldError>) {
    let is_zero = |value: &Value| *value == 0 || *value == "0%";
    for (name, is_bounded) in [("maxUnavailable", false), ("maxSurge", false)] {
        let field = format!("spec.strategy.rollingUpdate.{name}");
        share(&rolling[name], &field, is_bounded, errors);
    }
    if is_zero(&rolling["maxUnavailable"]) && is_zero(&rolling["maxSurge"]) {
        errors.push(FieldError::invalid(
            "spec.strategy.rollingUpdate.maxUnavailable",
            &rolling["maxUnavailable"],
            "may not be 0 when `maxSurge` is 0",
        ));
    }
    let share = text(rolling, "maxUnavailable").strip_suffix('%');
    if share.is_some_and(|share| share.parse().is_ok_and(|share: u64| share > 100)) {
        errors.push(FieldError::invalid(
            "spec.strategy.rollingUpdate.maxUnavailable",
            &rolling["maxUnavailable"],
            "must not be greater than 100%",
        ));
    }
}

pub(super) fn replica_set(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let spec = &new["spec"];
    counts(spec, &["replicas", "minReadySeconds"], errors);
    selector(spec, "replicaset", errors);
    template(spec, errors);
    kept_selector(new, old, errors);
    let counted = ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
    status_counts(new, &counted, errors);
}

pub(super) fn daemon_set(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let spec = &new["spec"];
    kept_selector(new, old, errors);
    selector(spec, "daemonset", errors);
    template(spec, errors);
    counts(spec, &["minReadySeconds"], errors);
    let strategy = &spec["updateStrategy"];
    let rolling = &strategy["rollingUpdate"];
    let is_zero = |value: &Value| value.is_null() || *value == 0 || *value == "0%";
    let surges = !is_zero(&rolling["maxSurge"]);
    match text(strategy, "type") {
        "OnDelete" => {}
        "RollingUpdate" if surges && !is_zero(&rolling["maxUnavailable"]) => {
            errors.push(FieldError::invalid(
                "spec.updateStrategy.rollingUpdate.maxSurge",
                &rolling["maxSurge"],
                "may not be set when maxUnavailable is non-zero",
            ));
        }
        "RollingUpdate" if !surges && is_zero(&rolling["maxUnavailable"]) => {
            errors.push(FieldError::required(
                "spec.updateStrategy.rollingUpdate.maxUnavailable",
                "cannot be 0 when maxSurge is 0",
            ));
        }
        "RollingUpdate" => {}
        other => errors.push(FieldError::unsupported(
            "spec.updateStrategy",
            &json!({"Type": other, "RollingUpdate": null}),
            &["RollingUpdate", "OnDelete"],
        )),
    }
    counts(spec, &["revisionHistoryLimit"], errors);
}

/// Fields of the spec of a StatefulSet that stay as they are.
const KEPT: [&str; 4] = [
    "selector",
    "volumeClaimTemplates",
    "serviceName",
    "podManagementPolicy",
];

pub(super) fn stateful_set(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let spec = &new["spec"];
    if !matches!(
        text(spec, "podManagementPolicy"),
        "OrderedReady" | "Parallel"
    ) {
        let problem = "must be 'OrderedReady' or 'Parallel'";
        let found = &spec["podManagementPolicy"];
        errors.push(FieldError::invalid(
            "spec.podManagementPolicy",
            found,
            problem,
        ));
    }
    update_of_stateful_set(&spec["updateStrategy"], errors);
    for name in ["whenDeleted", "whenScaled"] {
        let field = format!("spec.persistentVolumeClaimRetentionPolicy.{name}");
        let found = &spec["persistentVolumeClaimRetentionPolicy"][name];
        one_of(found, &field, &["Retain", "Delete"], errors);
    }
    counts(spec, &["replicas", "minReadySeconds"], errors);
    let start = &spec["ordinals"]["start"];
    not_negative(start, "spec.ordinals.start".to_owned(), errors);
    selector(spec, "statefulset", errors);
    template(spec, errors);
    for (index, claim) in items(spec, "volumeClaimTemplates").iter().enumerate() {
        let place = format!("spec.volumeClaimTemplates[{index}].spec");
        storage::claim_spec(&claim["spec"], &place, errors);
    }
    if old.is_none() {
        let (name, field) = (&spec["serviceName"], "spec.serviceName");
        named(name, field, names::dns_label_problem, errors);
    }
    let Some(old) = old else { return };
    for name in KEPT {
        let (value, before) = (&spec[name], &old["spec"][name]);
        // A list that is not there is shown as an empty one.
        let empty = json!([]);
        let shown = if before.is_array() && value.is_null() {
            &empty
        } else {
            value
        };
        immutable(&format!("spec.{name}"), shown, before, errors);
    }
}

fn update_of_stateful_set(strategy: &Value, errors: &mut Vec<FieldError>) {
    let rolling = &strategy["rollingUpdate"];
    match text(strategy, "type") {
        "RollingUpdate" => {
            let field = "spec.updateStrategy.rollingUpdate.partition".to_owned();
            not_negative(&rolling["partition"], field, errors);
        }
        "OnDelete" if rolling.is_object() => errors.push(FieldError::invalid(
            "spec.updateStrategy.rollingUpdate",
            &json!({"Partition": rolling["partition"], "MaxUnavailable": rolling["maxUnavailable"]}),
            "only allowed for updateStrategy 'RollingUpdate'",
        )),
        "OnDelete" => {}
        other => errors.push(FieldError::invalid(
            "spec.updateStrategy",
            &json!({"Type": other, "RollingUpdate": null}),
            "must be 'RollingUpdate' or 'OnDelete'",
        )),
    }
}

pub(super) fn revision(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    not_negative(&new["revision"], "revision".to_owned(), errors);
    if new["data"].is_null() {
        errors.push(FieldError::required("data", "data is mandatory"));
    }
    if let Some(old) = old {
        immutable("data", &new["data"], &old["data"], errors);
    }
}

pub(super) fn replication_controller(new: &Value, errors: &mut Vec<FieldError>) {
    let spec = &new["spec"];
    let selector = spec["selector"].as_object();
    if selector.is_none_or(serde_json::Map::is_empty) {
        errors.push(FieldError::required("spec.selector", ""));
    }
    if spec["template"].is_object() {
        template_of_controller(spec, errors);
    } else {
        errors.push(FieldError::required("spec.template", ""));
    }
    counts(spec, &["minReadySeconds", "replicas"], errors);
    let counted = ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
    status_counts(new, &counted, errors);
}

fn template_of_controller(spec: &Value, errors: &mut Vec<FieldError>) {
    let labels = &spec["template"]["metadata"]["labels"];
    let mut selector = spec["selector"].as_object().into_iter().flatten();
    if !selector.all(|(key, value)| labels.get(key) == Some(value)) {
        errors.push(FieldError::invalid(
            "spec.template.metadata.labels",
            labels,
            "`selector` does not match template `labels`",
        ));
    }
    errors.extend(label_errors(labels, "spec.template.labels"));
    let pod = &spec["template"]["spec"];
    pods::spec(pod, "spec.template.spec", errors);
    let policy = &pod["restartPolicy"];
    one_of(
        policy,
        "spec.template.spec.restartPolicy",
        &["Always"],
        errors,
    );
    if pod["activeDeadlineSeconds"].is_number() {
        errors.push(FieldError::forbidden(
            "spec.template.spec.activeDeadlineSeconds",
            "activeDeadlineSeconds in ReplicationController is not Supported",
        ));
    }
}

/// What pods are made from, with what they are called by.
pub(super) fn pod_template(template: &Value, path: &str, errors: &mut Vec<FieldError>) {
    described(template, path, errors);
    pods::spec(&template["spec"], &format!("{path}.spec"), errors);
}

/// The labels and annotations of a template, whose place is told without `metadata`.
fn described(template: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let metadata = &template["metadata"];
    let labels = &metadata["labels"];
    errors.extend(label_errors(labels, &format!("{path}.labels")));
    let annotations = &metadata["annotations"];
    let path = format!("{path}.annotations");
    errors.extend(annotation_errors(annotations, &path));
}
