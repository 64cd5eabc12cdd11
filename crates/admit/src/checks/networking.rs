//! Checks of Ingresses and their classes. It must not know who answers them.

use holdfast_kinds::{items, text};
use holdfast_model::{FieldError, Value};
use serde_json::json;

use super::fields::{address, immutable, named, named_if_set, port, prefixed_path};
use crate::addresses::is_address;
use crate::names;

/// The longest name of what answers a class of Ingresses.
const MAX_CONTROLLER: usize = 250;
/// The older way to name the class of an Ingress.
const CLASS: &str = "kubernetes.io/ingress.class";
/// What paths may not have in them.
const BAD_PARTS: [&str; 5] = ["//", "/./", "/../", "%2f", "%2F"];
/// What paths may not end with.
const BAD_ENDS: [&str; 2] = ["/..", "/."];

pub(super) fn ingress(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let spec = &new["spec"];
    if !spec["defaultBackend"].is_object() && items(spec, "rules").is_empty() {
        errors.push(FieldError::invalid(
            "spec",
            &Value::Null,
            "either `defaultBackend` or `rules` must be specified",
        ));
    }
    if spec["defaultBackend"].is_object() {
        ingress_backend(&spec["defaultBackend"], "spec.defaultBackend", errors);
    }
    for (index, rule) in items(spec, "rules").iter().enumerate() {
        ingress_rule(rule, &format!("spec.rules[{index}]"), errors);
    }
    for (index, tls) in items(spec, "tls").iter().enumerate() {
        for (rank, host) in items(tls, "hosts").iter().enumerate() {
            let field = format!("spec.tls[{index}].hosts[{rank}]");
            named_if_set(host, &field, wildcard_problem, errors);
        }
        let (secret, field) = (&tls["secretName"], format!("spec.tls[{index}].secretName"));
        named(secret, &field, names::dns_subdomain_problem, errors);
    }
    let class = &spec["ingressClassName"];
    let problem = names::dns_subdomain_problem;
    named_if_set(class, "spec.ingressClassName", problem, errors);
    let older = &new["metadata"]["annotations"][CLASS];
    if old.is_none() && older.is_string() && class.is_string() && older != class {
        // The real one leaves out that annotations are metadata.
        let field = format!("annotations.{CLASS}");
        let problem = "must match `ingressClassName` when both are specified";
        errors.push(FieldError::invalid(field, older, problem));
    }
    let ways = items(&new["status"]["loadBalancer"], "ingress");
    for (index, way) in ways.iter().enumerate() {
        let field = |name: &str| format!("status.loadBalancer.ingress[{index}].{name}");
        if !text(way, "ip").is_empty() {
            address(&way["ip"], field("ip"), errors);
        }
        let (host, problem) = (&way["hostname"], names::dns_subdomain_problem);
        named(host, &field("hostname"), problem, errors);
        no_address(host, &field("hostname"), errors);
    }
}

/// Refuses an address where a name has to be.
fn no_address(host: &Value, field: &str, errors: &mut Vec<FieldError>) {
    if host.as_str().is_some_and(is_address) {
        let problem = "must be a DNS name, not an IP address";
        errors.push(FieldError::invalid(field, host, problem));
    }
}

fn ingress_rule(rule: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let (host, field) = (&rule["host"], format!("{place}.host"));
    no_address(host, &field, errors);
    named(host, &field, wildcard_problem, errors);
    if rule["http"].is_object() && items(&rule["http"], "paths").is_empty() {
        errors.push(FieldError::required(format!("{place}.http.paths"), ""));
    }
    for (index, path) in items(&rule["http"], "paths").iter().enumerate() {
        ingress_path(path, &format!("{place}.http.paths[{index}]"), errors);
    }
}

fn ingress_path(path: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let field = format!("{place}.pathType");
    let Some(kind) = path["pathType"].as_str() else {
        errors.push(FieldError::required(field, "pathType must be specified"));
        return;
    };
    let kinds = ["Exact", "ImplementationSpecific", "Prefix"];
    if !kinds.contains(&kind) {
        errors.push(FieldError::unsupported(field, &json!(kind), &kinds));
    } else {
        path_errors(text(path, "path"), kind, &format!("{place}.path"), errors);
    }
    ingress_backend(&path["backend"], &format!("{place}.backend"), errors);
}

fn path_errors(path: &str, kind: &str, field: &str, errors: &mut Vec<FieldError>) {
    let is_free = kind == "ImplementationSpecific";
    let shown = json!(path);
    if !(path.starts_with('/') || is_free && path.is_empty()) {
        let problem = "must be an absolute path";
        errors.push(FieldError::invalid(field, &shown, problem));
    }
    if is_free {
        return;
    }
    for part in BAD_PARTS.iter().filter(|part| path.contains(**part)) {
        let problem = format!("must not contain '{part}'");
        errors.push(FieldError::invalid(field, &shown, &problem));
    }
    for end in BAD_ENDS.iter().filter(|end| path.ends_with(**end)) {
        let problem = format!("cannot end with '{end}'");
        errors.push(FieldError::invalid(field, &shown, &problem));
    }
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

fn ingress_backend(backend: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let (service, resource) = (&backend["service"], &backend["resource"]);
    let problem = match (service.is_object(), resource.is_object()) {
        (true, false) => return service_backend(service, place, errors),
        (false, true) => return typed(resource, &format!("{place}.resource"), errors),
        (true, true) => "cannot set both resource and service backends",
        (false, false) => "resource or service backend is required",
    };
    errors.push(FieldError::invalid(place, &json!(""), problem));
}

fn service_backend(service: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let field = format!("{place}.service.name");
    if text(service, "name").is_empty() {
        errors.push(FieldError::required(field.clone(), ""));
    }
    named(&service["name"], &field, names::dns_label_problem, errors);
    let target = &service["port"];
    let (name, number) = (text(target, "name"), &target["number"]);
    let is_numbered = number.as_i64().is_some_and(|number| number != 0);
    match (name.is_empty(), is_numbered) {
        (false, true) => {
            let problem = "cannot set both port name & port number";
            errors.push(FieldError::invalid(place, &json!(""), problem));
        }
        (false, false) => {
            for problem in super::pods::port_name_problems(name) {
                let field = format!("{place}.service.port.name");
                errors.push(FieldError::invalid(field, &json!(name), problem));
            }
        }
        (true, true) => port(number, format!("{place}.service.port.number"), errors),
        (true, false) => {
            let problem = "port name or number is required";
            errors.push(FieldError::required(place, problem));
        }
    }
}

/// What is wrong with an object that is named by its group, kind and name.
fn typed(found: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let field = |name: &str| format!("{place}.{name}");
    let (group, problem) = (&found["apiGroup"], names::dns_subdomain_problem);
    named_if_set(group, &field("apiGroup"), problem, errors);
    for name in ["kind", "name"] {
        if text(found, name).is_empty() {
            errors.push(FieldError::required(field(name), ""));
        }
        let problem = names::path_segment_problem;
        named(&found[name], &field(name), problem, errors);
    }
}

pub(super) fn class(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let controller = &new["spec"]["controller"];
    if text(&new["spec"], "controller").len() > MAX_CONTROLLER {
        errors.push(FieldError::too_long("spec.controller", MAX_CONTROLLER));
    }
    prefixed_path(controller, "spec.controller", errors);
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
    named_if_set(&found["apiGroup"], &field("apiGroup"), problem, errors);
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
