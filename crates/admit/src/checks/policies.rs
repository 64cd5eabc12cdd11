//! Checks of policies about disruptions and about traffic. It must not know what they select.

use holdfast_kinds::{items, text};
use holdfast_model::{FieldError, Value};
use serde_json::json;

use super::fields::{
    label_key, label_selector, named, network, not_negative, one_of, ordered, port, share,
};
use crate::addresses::Network;

/// The most bytes of the reason of a condition.
const MAX_REASON: usize = 1024;
/// The most bytes of the message of a condition.
const MAX_MESSAGE: usize = 32 * 1024;

pub(super) fn budget(new: &Value, errors: &mut Vec<FieldError>) {
    let spec = &new["spec"];
    let (least, most) = (&spec["minAvailable"], &spec["maxUnavailable"]);
    if !least.is_null() && !most.is_null() {
        let shown = ordered(&[
            ("MinAvailable", least.clone()),
            ("Selector", spec["selector"].clone()),
            ("MaxUnavailable", most.clone()),
            (
                "UnhealthyPodEvictionPolicy",
                spec["unhealthyPodEvictionPolicy"].clone(),
            ),
        ]);
        let problem = "minAvailable and maxUnavailable cannot be both set";
        let message = format!("Invalid value: {shown}: {problem}");
        errors.push(FieldError::plain("FieldValueInvalid", "spec", message));
    }
    share(least, "spec.minAvailable", true, errors);
    share(most, "spec.maxUnavailable", true, errors);
    label_selector(&spec["selector"], "spec.selector", errors);
    let policies = ["AlwaysAllow", "IfHealthyBudget"];
    let (policy, field) = (
        "unhealthyPodEvictionPolicy",
        "spec.unhealthyPodEvictionPolicy",
    );
    one_of(&spec[policy], field, &policies, errors);
    let found = items(&new["status"], "conditions");
    conditions(found, "status.conditions", errors);
    for name in [
        "disruptionsAllowed",
        "currentHealthy",
        "desiredHealthy",
        "expectedPods",
    ] {
        not_negative(&new["status"][name], format!("status.{name}"), errors);
    }
}

/// What is wrong with conditions of the general kind.
fn conditions(found: &[Value], place: &str, errors: &mut Vec<FieldError>) {
    for (index, condition) in found.iter().enumerate() {
        let place = format!("{place}[{index}]");
        let kind = |condition: &Value| text(condition, "type").to_owned();
        if found[..index]
            .iter()
            .any(|other| kind(other) == kind(condition))
        {
            let shown = json!(kind(condition));
            errors.push(FieldError::duplicate(place.clone(), &shown));
        }
        condition_errors(condition, &place, errors);
    }
}

fn condition_errors(condition: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let field = |name: &str| format!("{place}.{name}");
    if text(condition, "type").is_empty() {
        errors.push(FieldError::required(field("type"), "is required"));
    } else {
        label_key(&condition["type"], &field("type"), errors);
    }
    let statuses = ["False", "True", "Unknown"];
    if text(condition, "status").is_empty() {
        errors.push(FieldError::required(field("status"), ""));
    } else {
        one_of(&condition["status"], &field("status"), &statuses, errors);
    }
    let seen = &condition["observedGeneration"];
    if seen.as_i64().is_some_and(|seen| seen < 0) {
        let problem = "must be greater than or equal to zero";
        let field = field("observedGeneration");
        errors.push(FieldError::invalid(field, seen, problem));
    }
    if text(condition, "lastTransitionTime").is_empty() {
        errors.push(FieldError::required(field("lastTransitionTime"), ""));
    }
    let reason = &condition["reason"];
    if text(condition, "reason").is_empty() {
        errors.push(FieldError::required(field("reason"), ""));
    }
    named(reason, &field("reason"), reason_problem, errors);
    for (name, limit) in [("reason", MAX_REASON), ("message", MAX_MESSAGE)] {
        if text(condition, name).len() > limit {
            errors.push(FieldError::too_long(field(name), limit));
        }
    }
}

fn reason_problem(reason: &str) -> Option<String> {
    let bytes = reason.as_bytes();
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"_,:".contains(byte);
    let ends = bytes.last().is_some_and(|byte| !b",:".contains(byte));
    let starts = bytes.first().is_some_and(u8::is_ascii_alphabetic);
    (!(starts && ends && bytes.iter().all(fits))).then(|| {
        "a condition reason must start with alphabetic character, optionally followed by a string \
         of alphanumeric characters or '_,:', and must end with an alphanumeric character or '_' \
         (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or 'ReasonA,ReasonB',  or \
         'ReasonA:ReasonB', regex used for validation is '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')"
            .to_owned()
    })
}

pub(super) fn traffic(new: &Value, errors: &mut Vec<FieldError>) {
    let spec = &new["spec"];
    label_selector(&spec["podSelector"], "spec.podSelector", errors);
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        for (index, rule) in items(spec, direction).iter().enumerate() {
            let place = format!("spec.{direction}[{index}]");
            for (index, port) in items(rule, "ports").iter().enumerate() {
                port_errors(port, &format!("{place}.ports[{index}]"), errors);
            }
            for (index, peer) in items(rule, peers).iter().enumerate() {
                peer_errors(peer, &format!("{place}.{peers}[{index}]"), errors);
            }
        }
    }
    let kinds = items(spec, "policyTypes");
    if kinds.len() > 2 {
        let problem = "may not specify more than two policyTypes";
        let found = &spec["policyTypes"];
        errors.push(FieldError::invalid("spec.policyTypes", found, problem));
        return;
    }
    for (index, kind) in kinds.iter().enumerate() {
        let field = format!("spec.policyTypes[{index}]");
        one_of(kind, &field, &["Ingress", "Egress"], errors);
    }
}

fn port_errors(found: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let field = |name: &str| format!("{place}.{name}");
    let protocols = ["TCP", "UDP", "SCTP"];
    one_of(&found["protocol"], &field("protocol"), &protocols, errors);
    let (number, end) = (&found["port"], &found["endPort"]);
    if number.is_number() {
        port(number, field("port"), errors);
        if end.as_i64().is_some_and(|end| Some(end) < number.as_i64()) {
            let problem = "must be greater than or equal to `port`";
            errors.push(FieldError::invalid(field("endPort"), end, problem));
        }
        if end.is_number() {
            port(end, field("endPort"), errors);
        }
    } else if let Some(name) = number.as_str() {
        for problem in super::pods::port_name_problems(name) {
            errors.push(FieldError::invalid(field("port"), number, problem));
        }
        if end.is_number() {
            let problem = "may not be specified when `port` is non-numeric";
            errors.push(FieldError::invalid(field("endPort"), end, problem));
        }
    } else if end.is_number() {
        let problem = "may not be specified when `port` is not specified";
        errors.push(FieldError::invalid(field("endPort"), end, problem));
    }
}

fn peer_errors(peer: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let mut kinds = 0;
    for name in ["podSelector", "namespaceSelector"] {
        if peer[name].is_object() {
            kinds += 1;
            label_selector(&peer[name], &format!("{place}.{name}"), errors);
        }
    }
    let block = &peer["ipBlock"];
    if block.is_object() {
        block_errors(block, &format!("{place}.ipBlock"), errors);
        if kinds > 0 {
            let problem = "may not specify both ipBlock and another peer";
            errors.push(FieldError::forbidden(place, problem));
        }
    } else if kinds == 0 {
        errors.push(FieldError::required(place, "must specify a peer"));
    }
}

/// What is wrong with a network and its holes.
fn block_errors(block: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let whole = &block["cidr"];
    let field = format!("{place}.cidr");
    if text(block, "cidr").is_empty() {
        errors.push(FieldError::required(field, ""));
        return;
    }
    network(whole, field, errors);
    let Some(whole) = Network::read(text(block, "cidr")) else {
        return;
    };
    for (index, hole) in items(block, "except").iter().enumerate() {
        let field = format!("{place}.except[{index}]");
        network(hole, field.clone(), errors);
        let part = Network::read(hole.as_str().unwrap_or(""));
        if part.is_some_and(|part| !whole.holds(part)) {
            let problem = "must be a strict subset of `cidr`";
            errors.push(FieldError::invalid(field, hole, problem));
        }
    }
}
