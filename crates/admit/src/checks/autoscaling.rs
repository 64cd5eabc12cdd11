//! Checks of autoscalers. It must not know what is scaled.

use holdfast_kinds::{Quantity, SOURCES, items, text};
use holdfast_model::{FieldError, Value};
use serde_json::json;

use super::fields::{named, not_negative, positive};
use super::pods;
use crate::convert::to_storage;
use crate::names;
use crate::served::Served;

/// The longest that a recommendation may be held back, in seconds.
const MAX_WINDOW: i64 = 3600;
/// The longest period that a policy may look back on, in seconds.
const MAX_PERIOD: i64 = 1800;

/// Which versions a reference may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Versions {
    /// What it named before.
    Any,
    /// Those of all groups.
    All,
    /// Those of the groups that have a name.
    Named,
}

pub(super) fn autoscaler(
    served: &Served,
    new: &Value,
    old: Option<&Value>,
    errors: &mut Vec<FieldError>,
) {
    // The older version is checked by what it means in the newer one.
    let newer = |value: &Value| {
        let mut value = value.clone();
        to_storage(&mut value, served);
        value
    };
    let (new, old) = (newer(new), old.map(newer));
    let spec = &new["spec"];
    let least = spec["minReplicas"].as_i64().unwrap_or(1);
    let most = spec["maxReplicas"].as_i64().unwrap_or(0);
    if most < least {
        let problem = "must be greater than or equal to `minReplicas`";
        let found = json!(most);
        errors.push(FieldError::invalid("spec.maxReplicas", &found, problem));
    }
    let target = &spec["scaleTargetRef"];
    let before = old.as_ref().map(|old| &old["spec"]["scaleTargetRef"]);
    let is_kept = before.is_some_and(|before| {
        ["apiVersion", "kind"]
            .iter()
            .all(|name| text(before, name) == text(target, name))
    });
    let versions = if is_kept {
        Versions::Any
    } else if text(target, "kind") == "ReplicationController" {
        Versions::All
    } else {
        Versions::Named
    };
    reference(target, "spec.scaleTargetRef", versions, errors);
    metrics(spec, least, errors);
    for direction in ["scaleUp", "scaleDown"] {
        let place = format!("spec.behavior.{direction}");
        behaviour(&spec["behavior"][direction], &place, errors);
    }
    // What is declared of single fields is told after the rest.
    not_negative(&spec["minReplicas"], "spec.minReplicas".to_owned(), errors);
    if most == 0 {
        errors.push(FieldError::required("spec.maxReplicas", ""));
    } else if most < 0 {
        let problem = "must be greater than or equal to 1";
        let found = json!(most);
        errors.push(FieldError::invalid("spec.maxReplicas", &found, problem));
    }
    for name in ["currentReplicas", "desiredReplicas"] {
        not_negative(&new["status"][name], format!("status.{name}"), errors);
    }
}

/// What is wrong with something that is named with its kind and version.
fn reference(found: &Value, place: &str, versions: Versions, errors: &mut Vec<FieldError>) {
    for name in ["kind", "name"] {
        let field = format!("{place}.{name}");
        if text(found, name).is_empty() {
            errors.push(FieldError::required(field, ""));
        } else {
            named(&found[name], &field, names::path_segment_problem, errors);
        }
    }
    let version = text(found, "apiVersion");
    let group = match version.split_once('/') {
        Some((_, rest)) if rest.contains('/') => None,
        Some((group, _)) => Some(group),
        None => Some(""),
    };
    let problem = match (versions, group) {
        (Versions::Any, _) => return,
        (_, None) => format!("unexpected GroupVersion string: {version}"),
        (Versions::Named, Some("")) => "apiVersion must specify API group".to_owned(),
        _ => return,
    };
    let field = format!("{place}.apiVersion");
    errors.push(FieldError::invalid(field, &json!(version), &problem));
}

fn metrics(spec: &Value, least: i64, errors: &mut Vec<FieldError>) {
    let found = items(spec, "metrics");
    for (index, metric) in found.iter().enumerate() {
        metric_errors(metric, &format!("spec.metrics[{index}]"), errors);
    }
    let can_wake = |metric: &Value| matches!(text(metric, "type"), "Object" | "External");
    if least == 0 && !found.iter().any(can_wake) {
        errors.push(FieldError::forbidden(
            "spec.metrics",
            "must specify at least one Object or External metric to support scaling to zero \
             replicas",
        ));
    }
}

fn metric_errors(metric: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let kind = text(metric, "type");
    let mut sources = SOURCES;
    sources.sort_by_key(|(.., turn)| *turn);
    let expected = sources.iter().find(|(_, known, _)| *known == kind);
    if kind.is_empty() {
        let problem = "must specify a metric source type";
        errors.push(FieldError::required(format!("{place}.type"), problem));
    }
    if expected.is_none() {
        let found = json!(kind);
        let mut types = SOURCES.map(|(_, kind, _)| kind);
        types.sort_unstable();
        errors.push(FieldError::unsupported(
            format!("{place}.type"),
            &found,
            &types,
        ));
    }
    let fields = sources.iter().map(|(field, ..)| *field);
    let given: Vec<&str> = fields.filter(|field| metric[*field].is_object()).collect();
    if let Some(field) = given.first() {
        source(&metric[*field], field, &format!("{place}.{field}"), errors);
    }
    let Some((expected, ..)) = expected else {
        return;
    };
    if !given.contains(expected) {
        let problem = "must populate information for the given metric source";
        errors.push(FieldError::required(format!("{place}.{expected}"), problem));
    }
    if given.len() > 1 {
        for other in given.iter().filter(|field| *field != expected) {
            let problem = "must populate the given metric source only";
            errors.push(FieldError::forbidden(format!("{place}.{other}"), problem));
        }
    }
}

/// What is wrong with one source of a metric.
fn source(found: &Value, kind: &str, place: &str, errors: &mut Vec<FieldError>) {
    let field = |name: &str| format!("{place}.{name}");
    if kind == "object" {
        let described = &found["describedObject"];
        reference(described, &field("describedObject"), Versions::All, errors);
    }
    if matches!(kind, "resource" | "containerResource") {
        let name = text(found, "name");
        if name.is_empty() {
            let problem = "must specify a resource name";
            errors.push(FieldError::required(field("name"), problem));
        } else if kind == "containerResource" {
            pods::resource_name(name, &field("name"), errors);
        }
    } else {
        identifier(&found["metric"], &field("metric"), errors);
    }
    if kind == "containerResource" {
        let container = &found["container"];
        if text(found, "container").is_empty() {
            let problem = "must specify a container";
            errors.push(FieldError::required(field("container"), problem));
        }
        let problem = names::dns_label_problem;
        named(container, &field("container"), problem, errors);
    }
    let target = &found["target"];
    goal(target, &field("target"), errors);
    let has = |name: &str| !target[name].is_null();
    let given = (has("value"), has("averageValue"), has("averageUtilization"));
    let (missing, problem) = match (kind, given) {
        ("object", (false, false, _)) => (
            "target.averageValue",
            "must set either a target value or averageValue",
        ),
        ("external", (false, false, _)) => (
            "target.averageValue",
            "must set either a target value for metric or a per-pod target",
        ),
        ("pods", (_, false, _)) => (
            "target.averageValue",
            "must specify a positive target averageValue",
        ),
        ("resource" | "containerResource", (_, false, false)) => (
            "target.averageUtilization",
            "must set either a target raw value or a target utilization",
        ),
        ("external", (true, true, _)) => {
            let problem = "may not set both a target value for metric and a per-pod target";
            errors.push(FieldError::forbidden(field("target.value"), problem));
            return;
        }
        ("resource" | "containerResource", (_, true, true)) => {
            let problem = "may not set both a target raw value and a target utilization";
            errors.push(FieldError::forbidden(field("target.averageValue"), problem));
            return;
        }
        _ => return,
    };
    errors.push(FieldError::required(field(missing), problem));
}

fn identifier(metric: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let field = format!("{place}.name");
    if text(metric, "name").is_empty() {
        let problem = "must specify a metric name";
        errors.push(FieldError::required(field, problem));
    } else {
        let problem = names::path_segment_problem;
        named(&metric["name"], &field, problem, errors);
    }
}

/// What a metric is to be.
fn goal(target: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let field = |name: &str| format!("{place}.{name}");
    let kind = text(target, "type");
    if kind.is_empty() {
        let problem = "must specify a metric target type";
        errors.push(FieldError::required(field("type"), problem));
    }
    if !matches!(kind, "Utilization" | "Value" | "AverageValue") {
        let problem = "must be either Utilization, Value, or AverageValue";
        errors.push(FieldError::invalid(field("type"), &json!(kind), problem));
    }
    for name in ["value", "averageValue"] {
        let amount = target[name].as_str().and_then(Quantity::parse);
        if amount.is_some_and(|amount| amount.nanos <= 0) {
            let problem = "must be positive";
            errors.push(FieldError::invalid(field(name), &target[name], problem));
        }
    }
    let (share, place) = (&target["averageUtilization"], field("averageUtilization"));
    positive(share, &place, "must be greater than 0", errors);
}

fn behaviour(rules: &Value, place: &str, errors: &mut Vec<FieldError>) {
    if !rules.is_object() {
        return;
    }
    let field = |name: &str| format!("{place}.{name}");
    let window = &rules["stabilizationWindowSeconds"];
    let problem = match window.as_i64() {
        Some(seconds) if seconds < 0 => "must be greater than or equal to zero".to_owned(),
        Some(seconds) if seconds > MAX_WINDOW => {
            format!("must be less than or equal to {MAX_WINDOW}")
        }
        _ => String::new(),
    };
    if !problem.is_empty() {
        let field = field("stabilizationWindowSeconds");
        errors.push(FieldError::invalid(field, window, &problem));
    }
    let choices = ["Disabled", "Max", "Min"];
    let (choice, place) = (&rules["selectPolicy"], field("selectPolicy"));
    super::fields::one_of(choice, &place, &choices, errors);
    if items(rules, "policies").is_empty() {
        let problem = "must specify at least one Policy";
        errors.push(FieldError::required(field("policies"), problem));
    }
    for (index, found) in items(rules, "policies").iter().enumerate() {
        policy(found, &field(&format!("policies[{index}]")), errors);
    }
    let tolerance = &rules["tolerance"];
    let amount = tolerance.as_str().and_then(Quantity::parse);
    if amount.is_some_and(|amount| amount.nanos < 0) {
        let problem = "must be greater than or equal to 0";
        errors.push(FieldError::invalid(field("tolerance"), tolerance, problem));
    }
}

fn policy(policy: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let field = |name: &str| format!("{place}.{name}");
    let (kind, known) = (json!(text(policy, "type")), ["Percent", "Pods"]);
    super::fields::one_of(&kind, &field("type"), &known, errors);
    for name in ["value", "periodSeconds"] {
        if policy[name].as_i64().unwrap_or(0) <= 0 {
            let problem = "must be greater than zero";
            errors.push(FieldError::invalid(field(name), &policy[name], problem));
        }
    }
    let period = &policy["periodSeconds"];
    if period.as_i64().is_some_and(|seconds| seconds > MAX_PERIOD) {
        let problem = format!("must be less than or equal to {MAX_PERIOD}");
        errors.push(FieldError::invalid(
            field("periodSeconds"),
            period,
            &problem,
        ));
    }
}
