//! Checks of Ingresses and their classes. It must not know who answers them.

use std::net::IpAddr;

use holdfast_model::Value;
use serde_json::json;

use super::{immutable, named, port};
use crate::error::FieldError;
use crate::names;
use crate::rules::{items, text};

pub(super) fn ingress(new: &Value, errors: &mut Vec<FieldError>) {
    let spec = &new["spec"];
    if spec.get("defaultBackend").is_none() && items(spec, "rules").is_empty() {
        errors.push(FieldError::invalid(
            "spec",
            &Value::Null,
            "either `defaultBackend` or `rules` must be specified",
        ));
    }
    if spec["defaultBackend"].is_object() {
        ingress_backend(
            &spec["defaultBackend"],
            "spec.defaultBackend".to_owned(),
            errors,
        );
    }
    for (index, tls) in items(spec, "tls").iter().enumerate() {
        for (rank, host) in items(tls, "hosts").iter().enumerate() {
            let field = format!("spec.tls[{index}].hosts[{rank}]");
            named(host, &field, wildcard_problem, errors);
        }
    }
    let class = &spec["ingressClassName"];
    named(
        class,
        "spec.ingressClassName",
        names::dns_subdomain_problem,
        errors,
    );
    for (index, rule) in items(spec, "rules").iter().enumerate() {
        let place = format!("spec.rules[{index}]");
        let host = text(rule, "host");
        if host.parse::<IpAddr>().is_ok() {
            let problem = "must be a DNS name, not an IP address";
            errors.push(FieldError::invalid(
                format!("{place}.host"),
                &json!(host),
                problem,
            ));
        } else {
            let field = format!("{place}.host");
            named(&json!(host), &field, wildcard_problem, errors);
        }
        if rule["http"].is_object() && items(&rule["http"], "paths").is_empty() {
            errors.push(FieldError::required(format!("{place}.http.paths"), ""));
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
            } else if *kind != "ImplementationSpecific" {
                let bad = ["//", "/./", "/../", "%2f", "%2F"];
                for part in bad.into_iter().filter(|part| found.contains(part)) {
                    let problem = format!("must not contain '{part}'");
                    let field = format!("{place}.path");
                    errors.push(FieldError::invalid(field, &json!(found), &problem));
                }
            }
        }
    }
    ingress_backend(&path["backend"], format!("{place}.backend"), errors);
}

/// What is wrong with a host, which may stand for all below it.
fn wildcard_problem(host: &str) -> Option<String> {
    if !host.contains('*') {
        return names::dns_subdomain_problem(host);
    }
    let below = host.strip_prefix("*.");
    let is_right = below.is_some_and(|below| names::dns_subdomain_problem(below).is_none());
    (!is_right).then(|| {
        "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, \
         which must consist of lower case alphanumeric characters, '-' or '.' and end with an \
         alphanumeric character (e.g. '*.example.com', regex used for validation is \
         '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
            .to_owned()
    })
}

fn ingress_backend(backend: &Value, place: String, errors: &mut Vec<FieldError>) {
    match (backend.get("service"), backend.get("resource")) {
        (None, None) => errors.push(FieldError::required(
            place,
            "resource or service backend is required",
        )),
        (Some(service), None) => {
            if text(service, "name").is_empty() {
                errors.push(FieldError::required(format!("{place}.service.name"), ""));
            }
            let (name, field) = (&service["name"], format!("{place}.service.name"));
            named(name, &field, names::dns_label_problem, errors);
            let target = &service["port"];
            let (name, number) = (text(target, "name"), &target["number"]);
            let field = format!("{place}.service.port.name");
            if !name.is_empty() && number.as_i64().is_some_and(|number| number != 0) {
                let problem = "cannot set both port name & port number";
                errors.push(FieldError::invalid(place, &json!(""), problem));
                return;
            } else if !name.is_empty() {
                for problem in super::pods::port_name_problems(name) {
                    errors.push(FieldError::invalid(field.clone(), &json!(name), problem));
                }
            } else if number.as_i64().is_some_and(|number| number != 0) {
                port(number, format!("{place}.service.port.number"), errors);
            }
            if text(target, "name").is_empty() && target["number"].as_i64().unwrap_or(0) == 0 {
                errors.push(FieldError::required(
                    place,
                    "port name or number is required",
                ));
            }
        }
        (Some(_), Some(_)) => errors.push(FieldError::invalid(
            place,
            &json!(""),
            "cannot set both resource and service backends",
        )),
        _ => {}
    }
}

pub(super) fn class(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let controller = &new["spec"]["controller"];
    let name = controller.as_str().unwrap_or("");
    if name.is_empty() {
        errors.push(FieldError::required("spec.controller", ""));
    } else if !name.contains('/') {
        let problem = "must be a domain-prefixed path (such as \"acme.io/foo\")";
        errors.push(FieldError::invalid("spec.controller", controller, problem));
    }
    parameters(&new["spec"]["parameters"], errors);
    if let Some(old) = old {
        let before = &old["spec"]["controller"];
        immutable("spec.controller", controller, before, errors);
    }
}

fn parameters(found: &Value, errors: &mut Vec<FieldError>) {
    if !found.is_object() {
        return;
    }
    let field = |name: &str| format!("spec.parameters.{name}");
    let problem = names::dns_subdomain_problem;
    named(&found["apiGroup"], &field("apiGroup"), problem, errors);
    for name in ["kind", "name"] {
        named(
            &found[name],
            &field(name),
            names::path_segment_problem,
            errors,
        );
    }
    let (scope, namespace) = (text(found, "scope"), &found["namespace"]);
    match scope {
        "Namespace" if namespace.is_null() => {
            let problem = "`parameters.scope` is set to 'Namespace'";
            errors.push(FieldError::required(field("namespace"), problem));
        }
        "Namespace" => {
            let problem = names::dns_label_problem;
            named(namespace, &field("namespace"), problem, errors);
        }
        "Cluster" if !namespace.is_null() => {
            let problem = "`parameters.scope` is set to 'Cluster'";
            errors.push(FieldError::forbidden(field("namespace"), problem));
        }
        "Cluster" => {}
        _ => {
            let known = ["Cluster", "Namespace"];
            let found = json!(scope);
            errors.push(FieldError::unsupported(field("scope"), &found, &known));
        }
    }
    for name in ["kind", "name"] {
        if text(found, name).is_empty() {
            errors.push(FieldError::required(field(name), ""));
        }
    }
}
