//! Checks of where Services lead. It must not know Services.

use std::collections::BTreeSet;

use holdfast_kinds::{items, text};
use holdfast_model::{FieldError, Value};
use serde_json::json;

use super::fields::{address, named, port, protocol};
use super::services::endpoint_address;
use crate::metadata::label_errors;
use crate::names;

const MAX_ENDPOINTS: usize = 1000;
const MAX_ADDRESSES: usize = 100;
const MAX_PORTS: usize = 20_000;
const MAX_TOPOLOGY: usize = 16;
const MAX_HINTS: usize = 8;
const TYPES: [&str; 3] = ["FQDN", "IPv4", "IPv6"];

fn too_many(field: &str, found: usize, limit: usize, errors: &mut Vec<FieldError>) -> bool {
    if found > limit {
        errors.push(FieldError::too_many(field, found, limit as u64));
    }
    found > limit
}

pub(super) fn endpoints(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    // What was once accepted may stay.
    if old.is_some_and(|old| old["subsets"] == new["subsets"]) {
        return;
    }
    for (index, subset) in items(new, "subsets").iter().enumerate() {
        let place = format!("subsets[{index}]");
        let lists = ["addresses", "notReadyAddresses"];
        if lists.iter().all(|list| items(subset, list).is_empty()) {
            let problem = "must specify `addresses` or `notReadyAddresses`";
            errors.push(FieldError::required(place.clone(), problem));
        }
        for list in lists {
            for (index, one) in items(subset, list).iter().enumerate() {
                let place = format!("{place}.{list}[{index}]");
                let field = format!("{place}.ip");
                address(&one["ip"], field.clone(), errors);
                let (name, problem) = (&one["hostname"], names::dns_label_problem);
                named(name, &format!("{place}.hostname"), problem, errors);
                node_name(&one["nodeName"], &format!("{place}.nodeName"), errors);
                endpoint_address(&one["ip"], &field, errors);
            }
        }
        let ports = items(subset, "ports");
        for (index, found) in ports.iter().enumerate() {
            let field = |name: &str| format!("{place}.ports[{index}].{name}");
            if ports.len() > 1 && text(found, "name").is_empty() {
                errors.push(FieldError::required(field("name"), ""));
            }
            let problem = names::dns_label_problem;
            named(&found["name"], &field("name"), problem, errors);
            port(&found["port"], field("port"), errors);
            protocol(&found["protocol"], field("protocol"), errors);
            let (way, problem) = (&found["appProtocol"], names::label_key_problem);
            named(way, &field("appProtocol"), problem, errors);
        }
    }
}

fn node_name(name: &Value, field: &str, errors: &mut Vec<FieldError>) {
    let problem = name.as_str().and_then(names::dns_subdomain_problem);
    if let Some(problem) = problem {
        errors.push(FieldError::invalid(field, name, &problem));
    }
}

pub(super) fn slice(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    slice_ports(new, errors);
    let list = items(new, "endpoints");
    let is_kept = old.is_some_and(|old| old["endpoints"] == new["endpoints"]);
    if !is_kept && !too_many("endpoints", list.len(), MAX_ENDPOINTS, errors) {
        for (index, endpoint) in list.iter().enumerate() {
            let place = format!("endpoints[{index}]");
            addresses(endpoint, text(new, "addressType"), &place, errors);
            about(endpoint, &place, errors);
        }
    }
    match text(new, "addressType") {
        "" => errors.push(FieldError::required("addressType", "")),
        kind if !TYPES.contains(&kind) => {
            errors.push(FieldError::unsupported("addressType", &json!(kind), &TYPES));
        }
        _ => {}
    }
    for (index, endpoint) in list.iter().enumerate() {
        let field = format!("endpoints[{index}].addresses");
        let count = items(endpoint, "addresses").len();
        if count == 0 {
            errors.push(FieldError::required(field, ""));
        } else {
            too_many(&field, count, MAX_ADDRESSES, errors);
        }
    }
    if old.is_some_and(|old| old["addressType"] != new["addressType"]) {
        // The real one does not tell the value.
        let problem = "field is immutable";
        errors.push(FieldError::invalid("addressType", &Value::Null, problem));
    }
}

fn slice_ports(slice: &Value, errors: &mut Vec<FieldError>) {
    let ports = items(slice, "ports");
    if too_many("ports", ports.len(), MAX_PORTS, errors) {
        return;
    }
    let mut seen = BTreeSet::new();
    for (index, found) in ports.iter().enumerate() {
        let field = |name: &str| format!("ports[{index}].{name}");
        let (name, problem) = (&found["name"], names::dns_label_problem);
        named(name, &field("name"), problem, errors);
        if !seen.insert(text(found, "name")) {
            errors.push(FieldError::duplicate(field("name"), name));
        }
        protocol(&found["protocol"], field("protocol"), errors);
        let (way, problem) = (&found["appProtocol"], names::label_key_problem);
        named(way, &field("appProtocol"), problem, errors);
    }
}

fn addresses(endpoint: &Value, kind: &str, place: &str, errors: &mut Vec<FieldError>) {
    let place = format!("{place}.addresses");
    for (index, found) in items(endpoint, "addresses").iter().enumerate() {
        let field = format!("{place}[{index}]");
        match kind {
            "IPv4" | "IPv6" => {
                let before = errors.len();
                address(found, field.clone(), errors);
                if errors.len() > before {
                    continue;
                }
                let is_of_kind = found.as_str().unwrap_or("").contains(':') == (kind == "IPv6");
                if !is_of_kind {
                    let problem = format!("must be an {kind} address");
                    errors.push(FieldError::invalid(place.clone(), found, &problem));
                }
                endpoint_address(found, &field, errors);
            }
            "FQDN" => full_name(found, &field, errors),
            _ => {}
        }
    }
}

/// Refuses a text that is no name with a domain.
fn full_name(value: &Value, field: &str, errors: &mut Vec<FieldError>) {
    let found = value.as_str().unwrap_or("");
    let name = found.strip_suffix('.').unwrap_or(found);
    if found.is_empty() {
        errors.push(FieldError::required(field, ""));
    } else if let Some(problem) = names::dns_subdomain_problem(name) {
        errors.push(FieldError::invalid(field, &json!(name), &problem));
    } else if !name.contains('.') {
        let problem = "should be a domain with at least two segments separated by dots";
        errors.push(FieldError::invalid(field, &json!(name), problem));
    } else {
        let mut labels = name.split('.');
        let bad = labels.find_map(|label| Some((label, names::dns_label_problem(label)?)));
        if let Some((label, problem)) = bad {
            errors.push(FieldError::invalid(field, &json!(label), &problem));
        }
    }
}

/// Where an endpoint runs, and who had better use it.
fn about(endpoint: &Value, place: &str, errors: &mut Vec<FieldError>) {
    node_name(&endpoint["nodeName"], &format!("{place}.nodeName"), errors);
    let topology = &endpoint["deprecatedTopology"];
    let field = format!("{place}.deprecatedTopology");
    let count = topology.as_object().map_or(0, serde_json::Map::len);
    too_many(&field, count, MAX_TOPOLOGY, errors);
    errors.extend(label_errors(topology, &field));
    if let Some(problem) = endpoint["hostname"]
        .as_str()
        .and_then(names::dns_label_problem)
    {
        let field = format!("{place}.hostname");
        errors.push(FieldError::invalid(field, &endpoint["hostname"], &problem));
    }
    for (list, problem) in [
        (
            "forZones",
            names::label_value_problem as fn(&str) -> Option<String>,
        ),
        ("forNodes", names::dns_subdomain_problem),
    ] {
        let hints = items(&endpoint["hints"], list);
        let place = format!("{place}.hints.{list}");
        if too_many(&place, hints.len(), MAX_HINTS, errors) {
            return;
        }
        let mut seen = BTreeSet::new();
        for (index, hint) in hints.iter().enumerate() {
            let field = format!("{place}[{index}].name");
            let name = text(hint, "name");
            if !seen.insert(name) {
                errors.push(FieldError::duplicate(field.clone(), &json!(name)));
            }
            if let Some(problem) = problem(name) {
                errors.push(FieldError::invalid(field, &json!(name), &problem));
            }
        }
    }
}
