//! Checks of Services and Ingresses. It must not know how addresses are given out.

use std::collections::BTreeSet;
use std::net::IpAddr;

use holdfast_model::Value;
use serde_json::json;

use super::{port, protocol};
use crate::error::FieldError;
use crate::names;
use crate::rules::metadata::label_errors;
use crate::rules::{items, text};

const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];

pub(super) fn service(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let spec = &new["spec"];
    let kind = text(spec, "type");
    let headless = spec["clusterIP"] == "None";
    if items(spec, "ports").is_empty() && !headless && kind != "ExternalName" {
        errors.push(FieldError::required("spec.ports", ""));
    }
    if kind == "ExternalName" && text(spec, "externalName").is_empty() {
        errors.push(FieldError::required("spec.externalName", ""));
    }
    service_ports(spec, errors);
    let affinity = text(spec, "sessionAffinity");
    let known = ["ClientIP", "None"];
    if !known.contains(&affinity) {
        errors.push(FieldError::unsupported(
            "spec.sessionAffinity",
            &json!(affinity),
            &known,
        ));
    }
    if !TYPES.contains(&kind) {
        errors.push(FieldError::unsupported("spec.type", &json!(kind), &TYPES));
    }
    addresses(spec, old, errors);
    if errors.is_empty() {
        errors.extend(label_errors(&spec["selector"], "spec.selector"));
    }
}

fn service_ports(spec: &Value, errors: &mut Vec<FieldError>) {
    let ports = items(spec, "ports");
    let mut seen = BTreeSet::new();
    for (index, found) in ports.iter().enumerate() {
        let field = |name: &str| format!("spec.ports[{index}].{name}");
        let name = text(found, "name");
        if name.is_empty() && ports.len() > 1 {
            errors.push(FieldError::required(field("name"), ""));
        } else if !name.is_empty() {
            if let Some(problem) = names::dns_label_problem(name) {
                errors.push(FieldError::invalid(field("name"), &json!(name), &problem));
            } else if !seen.insert(name) {
                errors.push(FieldError::duplicate(field("name"), &json!(name)));
            }
        }
        port(&found["port"], field("port"), errors);
        protocol(&found["protocol"], field("protocol"), errors);
        let target = &found["targetPort"];
        if target.is_number() {
            port(target, field("targetPort"), errors);
        } else if let Some(name) = target.as_str()
            && let Some(problem) = super::pods::port_name_problem(name)
        {
            errors.push(FieldError::invalid(field("targetPort"), target, problem));
        }
    }
}

fn addresses(spec: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    for (index, address) in items(spec, "clusterIPs").iter().enumerate() {
        let text = address.as_str().unwrap_or("");
        if text != "None" && text.parse::<IpAddr>().is_err() {
            errors.push(FieldError::invalid(
                format!("spec.clusterIPs[{index}]"),
                address,
                "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
            ));
        }
    }
    let Some(old) = old else { return };
    let before = &old["spec"]["clusterIP"];
    let named = spec["type"] == "ExternalName" || old["spec"]["type"] == "ExternalName";
    if !named && before.is_string() && spec["clusterIP"] != *before {
        errors.push(FieldError::invalid(
            "spec.clusterIPs[0]",
            &json!([spec["clusterIP"]]),
            "may not change once set",
        ));
    }
}

pub(super) fn ingress(new: &Value, errors: &mut Vec<FieldError>) {
    let spec = &new["spec"];
    if spec.get("defaultBackend").is_none() && items(spec, "rules").is_empty() {
        errors.push(FieldError::invalid(
            "spec",
            &Value::Null,
            "either `defaultBackend` or `rules` must be specified",
        ));
    }
    for (index, rule) in items(spec, "rules").iter().enumerate() {
        let place = format!("spec.rules[{index}]");
        let host = text(rule, "host");
        let bare = host.strip_prefix("*.").unwrap_or(host);
        if !host.is_empty()
            && let Some(problem) = names::dns_subdomain_problem(bare)
        {
            errors.push(FieldError::invalid(
                format!("{place}.host"),
                &json!(host),
                &problem,
            ));
        }
        for (index, path) in items(&rule["http"], "paths").iter().enumerate() {
            ingress_path(path, &format!("{place}.http.paths[{index}]"), errors);
        }
    }
}

fn ingress_path(path: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let kinds = ["Exact", "ImplementationSpecific", "Prefix"];
    match path.get("pathType") {
        None => errors.push(FieldError::required(
            format!("{place}.pathType"),
            "pathType must be specified",
        )),
        Some(kind) if !kinds.contains(&kind.as_str().unwrap_or("")) => {
            errors.push(FieldError::unsupported(
                format!("{place}.pathType"),
                kind,
                &kinds,
            ));
        }
        Some(kind) => {
            let found = text(path, "path");
            if *kind != "ImplementationSpecific" && !found.starts_with('/') {
                errors.push(FieldError::invalid(
                    format!("{place}.path"),
                    &json!(found),
                    "must be an absolute path",
                ));
            }
        }
    }
    let backend = &path["backend"];
    let place = format!("{place}.backend");
    match (backend.get("service"), backend.get("resource")) {
        (None, None) => errors.push(FieldError::required(
            place,
            "resource or service backend is required",
        )),
        (Some(service), None) => {
            if text(service, "name").is_empty() {
                errors.push(FieldError::required(format!("{place}.service.name"), ""));
            }
            let target = &service["port"];
            if text(target, "name").is_empty() && target["number"].as_i64().unwrap_or(0) == 0 {
                errors.push(FieldError::required(
                    place,
                    "port name or number is required",
                ));
            }
        }
        _ => {}
    }
}
