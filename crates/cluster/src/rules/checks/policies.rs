//! Checks of policies about disruptions and about traffic. It must not know what they select.

use holdfast_model::Value;
use serde_json::json;

use super::{is_network, label_selector, network as network_of, not_negative, one_of, port, share};
use crate::error::FieldError;
use crate::rules::items;

pub(super) fn budget(new: &Value, errors: &mut Vec<FieldError>) {
    let spec = &new["spec"];
    let (least, most) = (&spec["minAvailable"], &spec["maxUnavailable"]);
    if !least.is_null() && !most.is_null() {
        errors.push(FieldError::invalid(
            "spec",
            &json!({
                "MinAvailable": least, "Selector": spec["selector"], "MaxUnavailable": most,
                "UnhealthyPodEvictionPolicy": spec["unhealthyPodEvictionPolicy"],
            }),
            "minAvailable and maxUnavailable cannot be both set",
        ));
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
    for name in [
        "disruptionsAllowed",
        "currentHealthy",
        "desiredHealthy",
        "expectedPods",
    ] {
        not_negative(&new["status"][name], format!("status.{name}"), errors);
    }
}

pub(super) fn network(new: &Value, errors: &mut Vec<FieldError>) {
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
        let outer = network_of(block["cidr"].as_str().unwrap_or(""));
        is_network(&block["cidr"], format!("{place}.ipBlock.cidr"), errors);
        for (index, hole) in items(block, "except").iter().enumerate() {
            let field = format!("{place}.ipBlock.except[{index}]");
            if !is_network(hole, field.clone(), errors) {
                continue;
            }
            let inner = network_of(hole.as_str().unwrap_or(""));
            let is_inside = outer.zip(inner).is_some_and(|(outer, inner)| {
                let mask = u128::MAX.checked_shl(128 - outer.0).unwrap_or(0);
                outer.0 < inner.0 && outer.1 & mask == inner.1 & mask
            });
            if outer.is_some() && !is_inside {
                let problem = "must be a strict subset of `cidr`";
                errors.push(FieldError::invalid(field, hole, problem));
            }
        }
        if kinds > 0 {
            let problem = "may not specify both ipBlock and another peer";
            errors.push(FieldError::forbidden(place, problem));
        }
    } else if kinds == 0 {
        errors.push(FieldError::required(place, "must specify a peer"));
    }
}
