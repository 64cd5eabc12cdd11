//! Checks of nodes and of what goes on in a cluster: leases, events, classes of runtimes.
//! It must not know pods.

use std::collections::BTreeSet;

use holdfast_kinds::{Quantity, items, text};
use holdfast_model::{FieldError, Value};
use serde_json::json;

use super::fields::{named, network, not_negative, ordered, positive};
use super::{limits, scheduling};
use crate::metadata::label_errors;
use crate::names;

/// The most characters of the short texts of an event.
const MAX_WORD: usize = 128;
/// The most characters of what an event says.
const MAX_NOTE: usize = 1024;
/// The billionths of one.
const ONE: i128 = 1_000_000_000;

pub(super) fn node(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let (spec, status) = (&new["spec"], &new["status"]);
    for list in ["capacity", "allocatable"] {
        for (name, value) in status[list].as_object().into_iter().flatten() {
            amount(name, value, &format!("status.{list}.{name}"), errors);
        }
    }
    taints(items(spec, "taints"), errors);
    for (index, range) in items(spec, "podCIDRs").iter().enumerate() {
        network(range, format!("spec.podCIDRs[{index}]"), errors);
    }
    let ranges = items(spec, "podCIDRs");
    let of_new_kind = |range: &Value| range.as_str().unwrap_or("").contains(':');
    let count = ranges.iter().filter(|range| of_new_kind(range)).count();
    if ranges.len() > 2 || ranges.len() == 2 && count != 1 {
        let problem = "may specify no more than one CIDR for each IP family";
        errors.push(FieldError::invalid(
            "spec.podCIDRs",
            &json!(ranges),
            problem,
        ));
    }
    let Some(old) = old else { return };
    let mut seen = Vec::new();
    for (index, address) in items(status, "addresses").iter().enumerate() {
        if seen.contains(&address) {
            let field = format!("status.addresses[{index}]");
            errors.push(FieldError::duplicate(field, address));
        }
        seen.push(address);
    }
    let before = items(&old["spec"], "podCIDRs");
    if !before.is_empty() && before != ranges {
        let problem = "node updates may not change podCIDR except from \"\" to valid";
        errors.push(FieldError::forbidden("spec.podCIDRs", problem));
    }
    let (maker, before) = (text(spec, "providerID"), text(&old["spec"], "providerID"));
    if !before.is_empty() && maker != before {
        let way = if maker.is_empty() {
            "cleared"
        } else {
            "modified"
        };
        let problem = format!("field cannot be {way} once set");
        errors.push(FieldError::invalid(
            "spec.providerID",
            &Value::Null,
            &problem,
        ));
    }
    if text(spec, "externalID") != text(&old["spec"], "externalID") {
        errors.push(FieldError::forbidden(
            "spec.externalID",
            "may not be updated",
        ));
    }
}

fn amount(name: &str, value: &Value, field: &str, errors: &mut Vec<FieldError>) {
    let Some(amount) = value.as_str().and_then(Quantity::parse) else {
        return;
    };
    let shown = json!(amount.canonical());
    if amount.nanos < 0 {
        let problem = "must be greater than or equal to 0";
        errors.push(FieldError::invalid(field, &shown, problem));
    }
    let is_whole = name == "pods" || limits::is_extended(name);
    if is_whole && amount.nanos % ONE != 0 {
        errors.push(FieldError::invalid(field, &shown, "must be an integer"));
    }
}

fn taints(taints: &[Value], errors: &mut Vec<FieldError>) {
    let mut seen = BTreeSet::new();
    for (index, taint) in taints.iter().enumerate() {
        // The real one calls the place by another name than it has.
        let place = format!("metadata.taints[{index}]");
        let (key, effect) = (text(taint, "key"), text(taint, "effect"));
        if let Some(problem) = names::label_key_problem(key) {
            let field = format!("{place}.key");
            errors.push(FieldError::invalid(field, &json!(key), &problem));
        }
        let (value, problem) = (&taint["value"], names::label_value_problem);
        named(value, &format!("{place}.value"), problem, errors);
        let field = format!("{place}.effect");
        if effect.is_empty() {
            errors.push(FieldError::required(field, ""));
        } else if !scheduling::EFFECTS.contains(&effect) {
            let (found, known) = (json!(effect), &scheduling::EFFECTS);
            errors.push(FieldError::unsupported(field, &found, known));
        }
        if !seen.insert((key, effect)) {
            let shown = ordered(&[
                ("key", json!(key)),
                ("value", json!(text(taint, "value"))),
                ("effect", json!(effect)),
            ]);
            let message =
                format!("Duplicate value: {shown}: taints must be unique by key and effect pair");
            errors.push(FieldError::plain("FieldValueDuplicate", &place, message));
        }
    }
}

pub(super) fn lease(new: &Value, errors: &mut Vec<FieldError>) {
    let spec = &new["spec"];
    let (seconds, field) = (&spec["leaseDurationSeconds"], "spec.leaseDurationSeconds");
    positive(seconds, field, "must be greater than 0", errors);
    let field = "spec.leaseTransitions".to_owned();
    not_negative(&spec["leaseTransitions"], field, errors);
}

pub(super) fn runtime_class(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let handler = &new["handler"];
    if let Some(old) = old
        && *handler != old["handler"]
    {
        // The real one does not tell the value.
        let problem = "field is immutable";
        errors.push(FieldError::invalid("handler", &Value::Null, problem));
    }
    if old.is_some() {
        return;
    }
    let fixed = &new["overhead"]["podFixed"];
    for (name, value) in fixed.as_object().into_iter().flatten() {
        let field = format!("overhead.limits[{name}]");
        super::pods::resource_name(name, &field, errors);
        amount(name, value, &field, errors);
    }
    let places = &new["scheduling"];
    let field = "scheduling.nodeSelector";
    errors.extend(label_errors(&places["nodeSelector"], field));
    for (index, toleration) in items(places, "tolerations").iter().enumerate() {
        let place = format!("scheduling.tolerations[{index}]");
        scheduling::toleration_errors(toleration, &place, errors);
    }
    doubled(items(places, "tolerations"), errors);
    if text(new, "handler").is_empty() {
        errors.push(FieldError::required("handler", ""));
    }
    let problem = |text: &str| {
        // It is declared as a short name, which is measured in bytes.
        let problem = names::dns_label_problem(text)?;
        Some(problem.replace("63 characters", "63 bytes"))
    };
    named(handler, "handler", problem, errors);
}

/// No two tolerations of a class say the same.
fn doubled(tolerations: &[Value], errors: &mut Vec<FieldError>) {
    let identity = |toleration: &Value| {
        let field = |name: &str| json!(text(toleration, name));
        [
            ("Key", field("key")),
            ("Operator", field("operator")),
            ("Value", field("value")),
            ("Effect", field("effect")),
            ("TolerationSeconds", Value::Null),
        ]
    };
    for (index, toleration) in tolerations.iter().enumerate() {
        let found = identity(toleration);
        if tolerations[..index]
            .iter()
            .any(|other| identity(other) == found)
        {
            let place = format!("scheduling.tolerations[{index}]");
            let message = format!("Duplicate value: {}", ordered(&found));
            errors.push(FieldError::plain("FieldValueDuplicate", &place, message));
        }
    }
}

/// Checks an event; `group` is that of the version in which it is written.
pub(super) fn event(group: &str, new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let is_new_form = group == "events.k8s.io";
    let about = &new[if is_new_form {
        "regarding"
    } else {
        "involvedObject"
    }];
    let (home, namespace) = (
        text(about, "namespace"),
        text(&new["metadata"], "namespace"),
    );
    let is_timed = new["eventTime"].is_string();
    let is_at_home = match (home, is_timed) {
        ("", false) => matches!(namespace, "" | "default"),
        ("", true) => matches!(namespace, "default" | "kube-system"),
        (home, false) => home == namespace,
        (_, true) => true,
    };
    if !is_at_home {
        let problem = "does not match event.namespace";
        errors.push(FieldError::invalid(
            "involvedObject.namespace",
            &json!(home),
            problem,
        ));
    }
    if is_timed {
        timed(new, is_new_form, errors);
    }
    if is_new_form {
        strict(new, old, errors);
    }
}

fn timed(event: &Value, is_new_form: bool, errors: &mut Vec<FieldError>) {
    let reporter = if is_new_form {
        "reportingController"
    } else {
        "reportingComponent"
    };
    if text(event, reporter).is_empty() {
        errors.push(FieldError::required(reporter, ""));
    }
    if let Some(problem) = names::label_key_problem(text(event, reporter)) {
        let found = json!(text(event, reporter));
        errors.push(FieldError::invalid(reporter, &found, &problem));
    }
    for name in ["reportingInstance", "action", "reason"] {
        let found = text(event, name);
        if found.is_empty() {
            errors.push(FieldError::required(name, ""));
        }
        if found.len() > MAX_WORD {
            let problem = format!("can have at most {MAX_WORD} characters");
            errors.push(FieldError::invalid(name, &json!(""), &problem));
        }
    }
    let note = text(event, if is_new_form { "note" } else { "message" });
    if note.len() > MAX_NOTE {
        let problem = format!("can have at most {MAX_NOTE} characters");
        errors.push(FieldError::invalid("message", &json!(""), &problem));
    }
}

/// What the newer form of events asks for beyond the older one.
fn strict(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let series = &new["series"];
    if series.is_object() && old.is_none_or(|old| old["series"] != *series) {
        if series["count"].as_i64().unwrap_or(0) < 2 {
            let problem = "should be at least 2";
            errors.push(FieldError::invalid("series.count", &json!(""), problem));
        }
        if series["lastObservedTime"].is_null() {
            errors.push(FieldError::required("series.lastObservedTime", ""));
        }
    }
    let Some(old) = old else {
        if new["eventTime"].is_null() {
            errors.push(FieldError::required("eventTime", ""));
        }
        let kind = text(new, "type");
        if !matches!(kind, "Normal" | "Warning") {
            let problem = format!("has invalid value: {kind}");
            errors.push(FieldError::invalid("type", &json!(""), &problem));
        }
        for (name, field) in [
            ("deprecatedFirstTimestamp", "firstTimestamp"),
            ("deprecatedLastTimestamp", "lastTimestamp"),
            ("deprecatedCount", "count"),
            ("deprecatedSource", "source"),
        ] {
            let found = &new[name];
            let is_empty = found.as_object().is_some_and(serde_json::Map::is_empty);
            if !found.is_null() && *found != 0 && !is_empty {
                errors.push(FieldError::invalid(field, &json!(""), "needs to be unset"));
            }
        }
        return;
    };
    for (name, field) in [
        ("regarding", "involvedObject"),
        ("reason", "reason"),
        ("note", "message"),
        ("deprecatedSource", "source"),
        ("deprecatedFirstTimestamp", "firstTimestamp"),
        ("deprecatedLastTimestamp", "lastTimestamp"),
        ("deprecatedCount", "count"),
        ("reason", "reason"),
        ("type", "type"),
        ("eventTime", "eventTime"),
        ("action", "action"),
        ("related", "related"),
        ("reportingController", "reportingController"),
        ("reportingInstance", "reportingInstance"),
    ] {
        super::fields::immutable(field, &new[name], &old[name], errors);
    }
}
