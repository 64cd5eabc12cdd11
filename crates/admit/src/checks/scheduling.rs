//! Checks of what places pods: tolerations, affinity, spreading, priority. It must not know
//! containers.

use holdfast_kinds::{items, text};
use holdfast_model::{FieldError, Value};

use super::fields::{immutable, label_key, label_selector, named, one_of};
use crate::classes::SYSTEM_CLASSES;
use crate::names;

/// The greatest priority that a person may give to a class.
const MAX_PRIORITY: i64 = 1_000_000_000;
pub(super) const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

pub(super) fn priority_class(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    if let Some(old) = old {
        if new["value"] != old["value"] {
            let problem = "may not be changed in an update.";
            errors.push(FieldError::forbidden("value", problem));
        }
        let (policy, before) = (&new["preemptionPolicy"], &old["preemptionPolicy"]);
        immutable("preemptionPolicy", policy, before, errors);
        return;
    }
    let name = text(&new["metadata"], "name");
    if name.starts_with("system-") {
        let known = SYSTEM_CLASSES.iter().find(|(known, ..)| *known == name);
        let problem = match known {
            None => format!("{name} is not a known system priority class"),
            Some((_, value, _)) if new["value"] != *value => {
                format!("value of {name} PriorityClass must be {value}")
            }
            Some(_) if new["globalDefault"] == true => {
                format!("globalDefault of {name} PriorityClass must be false")
            }
            Some(_) => String::new(),
        };
        if !problem.is_empty() {
            let problem = format!(
                "priority class names with 'system-' prefix are reserved for system use only. \
                 error: {problem}"
            );
            errors.push(FieldError::forbidden("metadata.name", &problem));
        }
    } else if new["value"]
        .as_i64()
        .is_some_and(|value| value > MAX_PRIORITY)
    {
        let problem = format!("maximum allowed value of a user defined priority is {MAX_PRIORITY}");
        errors.push(FieldError::forbidden("value", &problem));
    }
    let policy = &new["preemptionPolicy"];
    if policy == "" {
        errors.push(FieldError::required("preemptionPolicy", ""));
    } else {
        let policies = ["PreemptLowerPriority", "Never"];
        one_of(policy, "preemptionPolicy", &policies, errors);
    }
}

/// Checks where a pod may go.
pub(super) fn placement(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let affinity = &spec["affinity"];
    let node = &affinity["nodeAffinity"];
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    if node[required].is_object() {
        let place = format!("{path}.affinity.nodeAffinity.{required}");
        node_terms(&node[required], &place, errors);
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let place = format!("{path}.affinity.{kind}");
        pod_affinity(&affinity[kind], &place, errors);
    }
    for (index, toleration) in items(spec, "tolerations").iter().enumerate() {
        toleration_errors(toleration, &format!("{path}.tolerations[{index}]"), errors);
    }
    for (index, spread) in items(spec, "topologySpreadConstraints").iter().enumerate() {
        let field = |name: &str| format!("{path}.topologySpreadConstraints[{index}].{name}");
        if spread["maxSkew"].as_i64().unwrap_or(0) <= 0 {
            let problem = "must be greater than zero";
            errors.push(FieldError::invalid(
                field("maxSkew"),
                &spread["maxSkew"],
                problem,
            ));
        }
        if text(spread, "topologyKey").is_empty() {
            errors.push(FieldError::required(
                field("topologyKey"),
                "can not be empty",
            ));
        }
        let (actions, place) = (
            ["DoNotSchedule", "ScheduleAnyway"],
            field("whenUnsatisfiable"),
        );
        one_of(&spread["whenUnsatisfiable"], &place, &actions, errors);
        label_selector(&spread["labelSelector"], &field("labelSelector"), errors);
    }
}

/// Checks the terms that select nodes.
pub(super) fn node_terms(selector: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let terms = items(selector, "nodeSelectorTerms");
    if terms.is_empty() {
        let problem = "must have at least one node selector term";
        errors.push(FieldError::required(
            format!("{path}.nodeSelectorTerms"),
            problem,
        ));
    }
    for (index, term) in terms.iter().enumerate() {
        for (rank, rule) in items(term, "matchExpressions").iter().enumerate() {
            let place = format!("{path}.nodeSelectorTerms[{index}].matchExpressions[{rank}]");
            let needs_values = matches!(text(rule, "operator"), "In" | "NotIn");
            if needs_values && items(rule, "values").is_empty() {
                let problem = "must be specified when `operator` is 'In' or 'NotIn'";
                errors.push(FieldError::required(format!("{place}.values"), problem));
            }
            let (key, field) = (&rule["key"], format!("{place}.key"));
            named(key, &field, names::label_key_problem, errors);
        }
    }
}

fn pod_affinity(affinity: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    for (index, term) in items(affinity, required).iter().enumerate() {
        pod_term(term, &format!("{path}.{required}[{index}]"), errors);
    }
    let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
    for (index, wish) in items(affinity, preferred).iter().enumerate() {
        let place = format!("{path}.{preferred}[{index}]");
        if !(1..=100).contains(&wish["weight"].as_i64().unwrap_or(0)) {
            let field = format!("{place}.weight");
            let problem = "must be in the range 1-100";
            errors.push(FieldError::invalid(field, &wish["weight"], problem));
        }
        let place = format!("{place}.podAffinityTerm");
        pod_term(&wish["podAffinityTerm"], &place, errors);
    }
}

fn pod_term(term: &Value, path: &str, errors: &mut Vec<FieldError>) {
    label_selector(
        &term["labelSelector"],
        &format!("{path}.labelSelector"),
        errors,
    );
    let field = format!("{path}.topologyKey");
    if text(term, "topologyKey").is_empty() {
        errors.push(FieldError::required(field.clone(), "can not be empty"));
    }
    label_key(&term["topologyKey"], &field, errors);
}

pub(super) fn toleration_errors(toleration: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let field = |name: &str| format!("{place}.{name}");
    let operator = text(toleration, "operator");
    let (key, effect) = (&toleration["key"], &toleration["effect"]);
    named(key, &field("key"), names::label_key_problem, errors);
    if text(toleration, "key").is_empty() && operator != "Exists" {
        let problem = "operator must be Exists when `key` is empty, which means \"match all values \
                       and all keys\"";
        let found = &toleration["operator"];
        errors.push(FieldError::invalid(field("operator"), found, problem));
    }
    if toleration["tolerationSeconds"].is_number() && effect != "NoExecute" {
        let problem = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        errors.push(FieldError::invalid(field("effect"), effect, problem));
    }
    match operator {
        "Exists" if !text(toleration, "value").is_empty() => errors.push(FieldError::invalid(
            field("operator"),
            &toleration["value"],
            "value must be empty when `operator` is 'Exists'",
        )),
        "Exists" | "Equal" | "" => {}
        _ => {
            let (found, known) = (&toleration["operator"], ["Equal", "Exists"]);
            errors.push(FieldError::unsupported(field("operator"), found, &known));
        }
    }
    if effect != "" {
        one_of(effect, &field("effect"), &EFFECTS, errors);
    }
}
