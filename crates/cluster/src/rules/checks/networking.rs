//! Checks of Services and Ingresses. It must not know how addresses are given out.

use std::collections::BTreeSet;
use std::net::IpAddr;

use holdfast_model::Value;
use serde_json::json;

use super::{address, immutable, is_network, named, one_of, port, protocol};
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
    traffic(spec, errors);
    if kind != "ExternalName" {
        families(spec, errors);
    } else {
        let (name, problem) = (&spec["externalName"], names::dns_subdomain_problem);
        named(name, "spec.externalName", problem, errors);
        if old.is_none() && !text(spec, "clusterIP").is_empty() {
            let problem = "may not be set for ExternalName services";
            errors.push(FieldError::forbidden("spec.clusterIPs", problem));
        }
    }
    if headless && matches!(kind, "NodePort" | "LoadBalancer") {
        let problem = format!("may not be set to 'None' for {kind} services");
        errors.push(FieldError::invalid(
            "spec.clusterIPs[0]",
            &json!("None"),
            &problem,
        ));
    }
    let ways = &new["status"]["loadBalancer"];
    if kind != "LoadBalancer" && !items(ways, "ingress").is_empty() {
        let problem = "may only be used when `spec.type` is 'LoadBalancer'";
        errors.push(FieldError::forbidden(
            "status.loadBalancer.ingress",
            problem,
        ));
    }
    addresses(spec, old, errors);
    if errors.is_empty() {
        errors.extend(label_errors(&spec["selector"], "spec.selector"));
    }
}

fn service_ports(spec: &Value, errors: &mut Vec<FieldError>) {
    let ports = items(spec, "ports");
    let mut seen = BTreeSet::new();
    let mut taken = BTreeSet::new();
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
        } else if let Some(name) = target.as_str() {
            for problem in super::pods::port_name_problems(name) {
                errors.push(FieldError::invalid(field("targetPort"), target, problem));
            }
        }
        let (way, problem) = (&found["appProtocol"], names::label_key_problem);
        named(way, &field("appProtocol"), problem, errors);
        let node = &found["nodePort"];
        if text(spec, "type") == "ClusterIP" && node.as_i64().is_some_and(|node| node != 0) {
            let problem = "may not be used when `type` is 'ClusterIP'";
            errors.push(FieldError::forbidden(field("nodePort"), problem));
        }
        let key = (found["port"].as_i64(), text(found, "protocol"));
        if !taken.insert(key) {
            let shown = json!({
                "Name": "", "Protocol": key.1, "AppProtocol": null, "Port": key.0,
                "TargetPort": 0, "NodePort": 0,
            });
            let field = format!("spec.ports[{index}]");
            errors.push(FieldError::duplicate(field, &shown));
        }
    }
}

/// What only some types of Service have.
fn traffic(spec: &Value, errors: &mut Vec<FieldError>) {
    let seconds = &spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"];
    if text(spec, "sessionAffinity") == "ClientIP"
        && seconds
            .as_i64()
            .is_some_and(|seconds| !(1..=86400).contains(&seconds))
    {
        let field = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
        let problem = "must be greater than 0 and less than 86400";
        errors.push(FieldError::invalid(field, seconds, problem));
    }
    for (index, outer) in items(spec, "externalIPs").iter().enumerate() {
        let field = format!("spec.externalIPs[{index}]");
        let parsed = outer.as_str().unwrap_or("").parse::<IpAddr>();
        if parsed.is_ok_and(|outer| outer.is_loopback()) {
            let problem = "may not be in the loopback range (127.0.0.0/8, ::1/128)";
            errors.push(FieldError::invalid(field, outer, problem));
        } else {
            address(outer, field, errors);
        }
    }
    balancing(spec, errors);
    let (inner, field) = (&spec["internalTrafficPolicy"], "spec.internalTrafficPolicy");
    one_of(inner, field, &LOCAL, errors);
    let known = ["PreferClose", "PreferSameZone", "PreferSameNode"];
    let spread = &spec["trafficDistribution"];
    one_of(spread, "spec.trafficDistribution", &known, errors);
}

const LOCAL: [&str; 2] = ["Cluster", "Local"];

/// What only a Service that is reached from outside has.
fn balancing(spec: &Value, errors: &mut Vec<FieldError>) {
    let kind = text(spec, "type");
    let is_balanced = kind == "LoadBalancer";
    let given = |name: &str| !spec[name].is_null();
    let only = "may only be used when `type` is 'LoadBalancer'";
    if !is_balanced {
        for (name, field) in [
            ("loadBalancerSourceRanges", "LoadBalancerSourceRanges"),
            (
                "allocateLoadBalancerNodePorts",
                "allocateLoadBalancerNodePorts",
            ),
            ("loadBalancerClass", "loadBalancerClass"),
        ] {
            if given(name) {
                errors.push(FieldError::forbidden(format!("spec.{field}"), only));
            }
        }
    } else {
        for (index, range) in items(spec, "loadBalancerSourceRanges").iter().enumerate() {
            is_network(
                range,
                format!("spec.LoadBalancerSourceRanges[{index}]"),
                errors,
            );
        }
        let (class, problem) = (&spec["loadBalancerClass"], names::label_key_problem);
        named(class, "spec.loadBalancerClass", problem, errors);
    }
    let policy = &spec["externalTrafficPolicy"];
    if is_balanced || kind == "NodePort" {
        one_of(policy, "spec.externalTrafficPolicy", &LOCAL, errors);
    } else if given("externalTrafficPolicy") {
        let problem = "may only be set for externally-accessible services";
        errors.push(FieldError::invalid(
            "spec.externalTrafficPolicy",
            policy,
            problem,
        ));
    }
    let checked = &spec["healthCheckNodePort"];
    if checked.as_i64().is_some_and(|port| port != 0) && !(is_balanced && policy == "Local") {
        let problem = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` \
                       is 'Local'";
        errors.push(FieldError::invalid(
            "spec.healthCheckNodePort",
            checked,
            problem,
        ));
    }
}

/// The kinds of addresses; this cluster has those of version 4.
fn families(spec: &Value, errors: &mut Vec<FieldError>) {
    for (index, family) in items(spec, "ipFamilies").iter().enumerate() {
        let field = format!("spec.ipFamilies[{index}]");
        if family == "IPv6" {
            errors.push(FieldError::invalid(
                field,
                family,
                "not configured on this cluster",
            ));
        } else {
            one_of(family, &field, &["IPv4", "IPv6"], errors);
        }
    }
    let policy = &spec["ipFamilyPolicy"];
    if policy == "RequireDualStack" {
        let problem = "this cluster is not configured for dual-stack services";
        errors.push(FieldError::invalid("spec.ipFamilyPolicy", policy, problem));
    }
    let known = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    one_of(policy, "spec.ipFamilyPolicy", &known, errors);
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
        let bare = host.strip_prefix("*.").unwrap_or(host);
        if host.parse::<IpAddr>().is_ok() {
            let problem = "must be a DNS name, not an IP address";
            errors.push(FieldError::invalid(
                format!("{place}.host"),
                &json!(host),
                problem,
            ));
        } else if !host.is_empty()
            && let Some(problem) = names::dns_subdomain_problem(bare)
        {
            errors.push(FieldError::invalid(
                format!("{place}.host"),
                &json!(host),
                &problem,
            ));
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

fn wildcard_problem(host: &str) -> Option<String> {
    names::dns_subdomain_problem(host.strip_prefix("*.").unwrap_or(host))
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
    if let Some(old) = old {
        let before = &old["spec"]["controller"];
        immutable("spec.controller", controller, before, errors);
    }
}
