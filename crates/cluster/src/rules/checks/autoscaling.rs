//! Checks of autoscalers. It must not know what is scaled.

use holdfast_model::Value;
use serde_json::json;

use super::one_of;
use crate::error::FieldError;
use crate::quantity::Quantity;
use crate::rules::{items, text};

/// The longest that a recommendation may be held back, in seconds.
const MAX_WINDOW: i64 = 3600;

pub(super) fn autoscaler(new: &Value, errors: &mut Vec<FieldError>) {
    let spec = &new["spec"];
    let least = spec["minReplicas"].as_i64().unwrap_or(1);
    let most = spec["maxReplicas"].as_i64().unwrap_or(0);
    let sources = ["Object", "External"];
    let can_wake = items(spec, "metrics")
        .iter()
        .any(|metric| sources.contains(&text(metric, "type")));
    if most < least {
        let problem = "must be greater than or equal to `minReplicas`";
        errors.push(FieldError::invalid(
            "spec.maxReplicas",
            &json!(most),
            problem,
        ));
    }
    if most == 0 {
        errors.push(FieldError::required("spec.maxReplicas", ""));
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
    if text(target, "apiVersion").is_empty() && !items(spec, "metrics").is_empty() {
        errors.push(FieldError::invalid(
            "spec.scaleTargetRef.apiVersion",
            &json!(""),
            "apiVersion must specify API group",
        ));
    }
    for (index, metric) in items(spec, "metrics").iter().enumerate() {
        metric_errors(metric, &format!("spec.metrics[{index}]"), errors);
    }
    if least == 0 && !can_wake {
        errors.push(FieldError::forbidden(
            "spec.metrics",
            "must specify at least one Object or External metric to support scaling to zero \
             replicas",
        ));
    }
    for direction in ["scaleUp", "scaleDown"] {
        let place = format!("spec.behavior.{direction}");
        behaviour(&spec["behavior"][direction], &place, errors);
    }
}

fn metric_errors(metric: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let source = match text(metric, "type") {
        "ContainerResource" => "containerResource",
        "External" => "external",
        "Object" => "object",
        "Pods" => "pods",
        "Resource" => "resource",
        _ => {
            let known = [
                "ContainerResource",
                "External",
                "Object",
                "Pods",
                "Resource",
            ];
            let field = format!("{place}.type");
            errors.push(FieldError::unsupported(field, &metric["type"], &known));
            return;
        }
    };
    let place = format!("{place}.{source}");
    let found = &metric[source];
    if !found.is_object() {
        let problem = "must populate information for the given metric source";
        errors.push(FieldError::required(place, problem));
        return;
    }
    let has_metric = matches!(source, "external" | "object" | "pods");
    if has_metric && text(&found["metric"], "name").is_empty() {
        let problem = "must specify a metric name";
        errors.push(FieldError::required(
            format!("{place}.metric.name"),
            problem,
        ));
    }
    let target = &found["target"];
    for name in ["averageValue", "value"] {
        let amount = target[name].as_str().and_then(Quantity::parse);
        if amount.is_some_and(|amount| amount.nanos <= 0) {
            let field = format!("{place}.target.{name}");
            errors.push(FieldError::invalid(
                field,
                &target[name],
                "must be positive",
            ));
        }
    }
    let is_of_resource = matches!(source, "containerResource" | "resource");
    if is_of_resource && target["averageUtilization"].is_null() && target["averageValue"].is_null()
    {
        errors.push(FieldError::required(
            format!("{place}.target.averageUtilization"),
            "must set either a target raw value or a target utilization",
        ));
    }
}

fn behaviour(rules: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let window = &rules["stabilizationWindowSeconds"];
    if window.as_i64().is_some_and(|seconds| seconds > MAX_WINDOW) {
        let problem = format!("must be less than or equal to {MAX_WINDOW}");
        let field = format!("{place}.stabilizationWindowSeconds");
        errors.push(FieldError::invalid(field, window, &problem));
    }
    for (index, policy) in items(rules, "policies").iter().enumerate() {
        let field = |name: &str| format!("{place}.policies[{index}].{name}");
        one_of(
            &policy["type"],
            &field("type"),
            &["Percent", "Pods"],
            errors,
        );
        for name in ["value", "periodSeconds"] {
            if policy[name].as_i64().unwrap_or(0) <= 0 {
                let problem = "must be greater than zero";
                errors.push(FieldError::invalid(field(name), &policy[name], problem));
            }
        }
    }
}
