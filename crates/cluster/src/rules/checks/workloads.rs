//! Checks of what makes pods. It must not know how pods are made.

use holdfast_model::Value;
use serde_json::json;

use super::{immutable, not_negative, pods};
use crate::controllers::Schedule;
use crate::error::FieldError;
use crate::rules::{items, text};
use crate::select::{labels_match, of_label_selector};

/// The selector has to be there, and to cover the template.
fn selector(spec: &Value, errors: &mut Vec<FieldError>) {
    let labels = &spec["template"]["metadata"]["labels"];
    match of_label_selector(&spec["selector"]) {
        None => errors.push(FieldError::required("spec.selector", "")),
        Some(selector) if selector.is_empty() => {
            errors.push(FieldError::invalid(
                "spec.selector",
                &spec["selector"],
                "empty selector is invalid for deployment",
            ));
        }
        Some(selector) if labels_match(&selector, Some(labels)) => return,
        Some(_) => {}
    }
    errors.push(FieldError::invalid(
        "spec.template.metadata.labels",
        labels,
        "`selector` does not match template `labels`",
    ));
}

/// The template's pods, which start again for ever.
fn template(spec: &Value, errors: &mut Vec<FieldError>) {
    let pod = &spec["template"]["spec"];
    // The claims of a StatefulSet become volumes of its pods.
    let claims = items(spec, "volumeClaimTemplates").iter();
    let claims = claims.map(|claim| text(&claim["metadata"], "name").to_owned());
    pods::spec_with(pod, "spec.template.spec", claims.collect(), errors);
    let policy = text(pod, "restartPolicy");
    if matches!(policy, "Never" | "OnFailure") {
        errors.push(FieldError::unsupported(
            "spec.template.spec.restartPolicy",
            &json!(policy),
            &["Always"],
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
    not_negative(&spec["replicas"], "spec.replicas".to_owned(), errors);
    selector(spec, errors);
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
            "spec.strategy.type",
            &json!(other),
            &["Recreate", "RollingUpdate"],
        )),
    }
    not_negative(
        &spec["minReadySeconds"],
        "spec.minReadySeconds".to_owned(),
        errors,
    );
    kept_selector(new, old, errors);
}

fn rolling_update(rolling: &Value, errors: &mut Vec<FieldError>) {
    let is_zero = |value: &Value| *value == 0 || *value == "0%";
    for name in ["maxUnavailable", "maxSurge"] {
        let field = format!("spec.strategy.rollingUpdate.{name}");
        not_negative(&rolling[name], field, errors);
    }
    if is_zero(&rolling["maxUnavailable"]) && is_zero(&rolling["maxSurge"]) {
        errors.push(FieldError::invalid(
            "spec.strategy.rollingUpdate.maxUnavailable",
            &rolling["maxUnavailable"],
            "may not be 0 when `maxSurge` is 0",
        ));
    }
}

pub(super) fn replica_set(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let spec = &new["spec"];
    not_negative(&spec["replicas"], "spec.replicas".to_owned(), errors);
    selector(spec, errors);
    template(spec, errors);
    kept_selector(new, old, errors);
}

pub(super) fn daemon_set(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    selector(&new["spec"], errors);
    template(&new["spec"], errors);
    kept_selector(new, old, errors);
}

pub(super) fn stateful_set(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    /// Fields of the spec that may change.
    const CHANGEABLE: [&str; 8] = [
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
        "revisionHistoryLimit",
        "podManagementPolicy",
    ];
    let spec = &new["spec"];
    not_negative(&spec["replicas"], "spec.replicas".to_owned(), errors);
    selector(spec, errors);
    template(spec, errors);
    let Some(old) = old else { return };
    for (name, value) in spec.as_object().into_iter().flatten() {
        if !CHANGEABLE.contains(&name.as_str()) {
            immutable(&format!("spec.{name}"), value, &old["spec"][name], errors);
        }
    }
}

pub(super) fn job(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let spec = &new["spec"];
    for name in ["parallelism", "completions", "backoffLimit"] {
        not_negative(&spec[name], format!("spec.{name}"), errors);
    }
    pods::spec(&spec["template"]["spec"], "spec.template.spec", errors);
    if text(&spec["template"]["spec"], "restartPolicy") == "Always" {
        errors.push(FieldError::required(
            "spec.template.spec.restartPolicy",
            "valid values: \"OnFailure\", \"Never\"",
        ));
    }
    let Some(old) = old else { return };
    for name in ["completions", "selector", "template"] {
        let suspended = old["spec"]["suspend"] == true && name == "template";
        if !suspended {
            immutable(
                &format!("spec.{name}"),
                &spec[name],
                &old["spec"][name],
                errors,
            );
        }
    }
}

pub(super) fn cron_job(new: &Value, errors: &mut Vec<FieldError>) {
    let spec = &new["spec"];
    let schedule = text(spec, "schedule");
    if schedule.is_empty() {
        errors.push(FieldError::required("spec.schedule", ""));
    } else if Schedule::parse(schedule).is_none() {
        let fields: Vec<&str> = schedule.split_whitespace().collect();
        let problem = if fields.len() == 5 {
            "the schedule cannot be read".to_owned()
        } else {
            format!(
                "expected exactly 5 fields, found {}: [{}]",
                fields.len(),
                fields.join(" ")
            )
        };
        errors.push(FieldError::invalid(
            "spec.schedule",
            &json!(schedule),
            &problem,
        ));
    }
    let pod = &spec["jobTemplate"]["spec"]["template"]["spec"];
    let path = "spec.jobTemplate.spec.template.spec";
    pods::spec(pod, path, errors);
    if text(pod, "restartPolicy") == "Always" {
        errors.push(FieldError::required(
            format!("{path}.restartPolicy"),
            "valid values: \"OnFailure\", \"Never\"",
        ));
    }
}

pub(super) fn autoscaler(new: &Value, errors: &mut Vec<FieldError>) {
    let spec = &new["spec"];
    let (least, most) = (spec["minReplicas"].as_i64(), spec["maxReplicas"].as_i64());
    if most.unwrap_or(0) < 1 {
        errors.push(FieldError::invalid(
            "spec.maxReplicas",
            &spec["maxReplicas"],
            "must be greater than 0",
        ));
    }
    if most < least {
        errors.push(FieldError::invalid(
            "spec.maxReplicas",
            &spec["maxReplicas"],
            "must be greater than or equal to `minReplicas`",
        ));
    }
    let target = &spec["scaleTargetRef"];
    for name in ["kind", "name"] {
        if text(target, name).is_empty() {
            errors.push(FieldError::required(
                format!("spec.scaleTargetRef.{name}"),
                "",
            ));
        }
    }
    if text(target, "apiVersion").is_empty() && items(spec, "metrics").is_empty() {
        // Old objects may leave it out.
    } else if text(target, "apiVersion").is_empty() {
        errors.push(FieldError::invalid(
            "spec.scaleTargetRef.apiVersion",
            &json!(""),
            "apiVersion must specify API group",
        ));
    }
}
