//! Checks of Services, in the order in which the real server finds what is wrong.
//! It must not know how addresses and ports are given out.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use holdfast_kinds::{items, text};
use holdfast_model::{FieldError, Value};
use serde_json::json;

use super::fields::{address, named, network, one_of, ordered, port, protocol};
use crate::metadata::label_errors;
use crate::names;

const TYPES: [&str; 4] = ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"];
const LOCAL: [&str; 2] = ["Cluster", "Local"];
/// What is said of a field that only load balancers have.
const ONLY_BALANCED: &str = "may only be used when `type` is 'LoadBalancer'";

/// Whether a Service has no address of its own.
pub(crate) fn is_headless(service: &Value) -> bool {
    text(&service["spec"], "type") == "ClusterIP" && text(&service["spec"], "clusterIP") == "None"
}

/// Whether something outside may reach it, so that it matters through which node.
pub(crate) fn is_outward(service: &Value) -> bool {
    let spec = &service["spec"];
    match text(spec, "type") {
        "LoadBalancer" | "NodePort" => true,
        "ClusterIP" => !items(spec, "externalIPs").is_empty(),
        _ => false,
    }
}

/// Whether its nodes are asked for their health, at a port of their own.
pub(crate) fn is_probed(service: &Value) -> bool {
    let spec = &service["spec"];
    text(spec, "type") == "LoadBalancer" && text(spec, "externalTrafficPolicy") == "Local"
}

pub(super) fn service(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    if let Some(old) = old {
        kept(new, old, errors);
    }
    let spec = &new["spec"];
    let kind = text(spec, "type");
    let headless = text(spec, "clusterIP") == "None";
    if items(spec, "ports").is_empty() && !is_headless(new) && kind != "ExternalName" {
        errors.push(FieldError::required("spec.ports", ""));
    }
    match kind {
        "LoadBalancer" | "NodePort" if headless => {
            let problem = format!("may not be set to 'None' for {kind} services");
            errors.push(FieldError::invalid(
                "spec.clusterIPs[0]",
                &json!("None"),
                &problem,
            ));
        }
        "ExternalName" => external_name(spec, errors),
        _ => {}
    }
    named_ports(spec, errors);
    errors.extend(label_errors(&spec["selector"], "spec.selector"));
    affinity(spec, errors);
    addresses(new, errors);
    for (index, outer) in items(spec, "externalIPs").iter().enumerate() {
        reachable(outer, &format!("spec.externalIPs[{index}]"), errors);
    }
    if !TYPES.contains(&kind) {
        errors.push(FieldError::unsupported("spec.type", &json!(kind), &TYPES));
    }
    distinct_ports(spec, errors);
    balancing(new, errors);
    let (inner, field) = (&spec["internalTrafficPolicy"], "spec.internalTrafficPolicy");
    one_of(inner, field, &LOCAL, errors);
    let known = ["PreferClose", "PreferSameZone", "PreferSameNode"];
    let spread = &spec["trafficDistribution"];
    one_of(spread, "spec.trafficDistribution", &known, errors);
    let ways = &new["status"]["loadBalancer"];
    if kind != "LoadBalancer" && !items(ways, "ingress").is_empty() {
        let problem = "may only be used when `spec.type` is 'LoadBalancer'";
        let field = "status.loadBalancer.ingress";
        errors.push(FieldError::forbidden(field, problem));
    }
}

fn external_name(spec: &Value, errors: &mut Vec<FieldError>) {
    let forbidden = "may not be set for ExternalName services";
    for name in ["clusterIPs", "ipFamilies"] {
        if !items(spec, name).is_empty() {
            errors.push(FieldError::forbidden(format!("spec.{name}"), forbidden));
        }
    }
    if !spec["ipFamilyPolicy"].is_null() {
        errors.push(FieldError::forbidden("spec.ipFamilyPolicy", forbidden));
    }
    let name = text(spec, "externalName");
    let name = json!(name.strip_suffix('.').unwrap_or(name));
    if name == "" {
        errors.push(FieldError::required("spec.externalName", ""));
    }
    let problem = names::dns_subdomain_problem;
    named(&name, "spec.externalName", problem, errors);
}

/// What stays once it has been given out.
fn kept(new: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    let (spec, before) = (&new["spec"], &old["spec"]);
    let is_named = |spec: &Value| text(spec, "type") == "ExternalName";
    if !is_named(spec) && !is_named(before) {
        if !(is_headless(new) && is_headless(old)) {
            kept_list(new, old, "clusterIPs", errors);
        }
        if !is_headless(new) && !is_headless(old) {
            kept_list(new, old, "ipFamilies", errors);
        }
    }
    let is_balanced = |spec: &Value| text(spec, "type") == "LoadBalancer";
    let class = &spec["loadBalancerClass"];
    if is_balanced(spec) && is_balanced(before) && *class != before["loadBalancerClass"] {
        let problem = "may not change once set";
        errors.push(FieldError::invalid(
            "spec.loadBalancerClass",
            class,
            problem,
        ));
    }
    let port = "healthCheckNodePort";
    if is_probed(new) && is_probed(old) && spec[port] != before[port] {
        let field = "spec.healthCheckNodePort";
        errors.push(FieldError::forbidden(field, "field is immutable"));
    }
}

/// The first of a list stays; a second may come, and go when only one is wanted.
fn kept_list(new: &Value, old: &Value, name: &str, errors: &mut Vec<FieldError>) {
    let (found, before) = (items(&new["spec"], name), items(&old["spec"], name));
    let shown = json!(found);
    let field = format!("spec.{name}[0]");
    if found.len() == before.len() {
        for (index, (new, old)) in found.iter().zip(before).enumerate() {
            let index = if name == "clusterIPs" { index } else { 0 };
            if new != old {
                let field = format!("spec.{name}[{index}]");
                errors.push(FieldError::invalid(
                    field,
                    &shown,
                    "may not change once set",
                ));
            }
        }
        return;
    }
    if found.is_empty() && name == "clusterIPs" {
        let problem = "primary clusterIP can not be unset";
        errors.push(FieldError::invalid(field.clone(), &shown, problem));
    }
    if let (Some(new), Some(old)) = (found.first(), before.first())
        && new != old
    {
        errors.push(FieldError::invalid(
            field,
            &shown,
            "may not change once set",
        ));
    }
    let policy = &new["spec"]["ipFamilyPolicy"];
    if before.len() > 1 && found.len() == 1 && policy != "SingleStack" {
        let what = if name == "clusterIPs" {
            "clusterIP"
        } else {
            "ipFamily"
        };
        let problem = format!("must be set to 'SingleStack' when releasing the secondary {what}");
        errors.push(FieldError::invalid("spec.ipFamilyPolicy", policy, &problem));
    }
}

fn named_ports(spec: &Value, errors: &mut Vec<FieldError>) {
    let ports = items(spec, "ports");
    let mut seen = BTreeSet::new();
    for (index, found) in ports.iter().enumerate() {
        let field = |name: &str| format!("spec.ports[{index}].{name}");
        let name = text(found, "name");
        if name.is_empty() && ports.len() > 1 {
            errors.push(FieldError::required(field("name"), ""));
        } else if !name.is_empty() {
            let problem = names::dns_label_problem;
            named(&found["name"], &field("name"), problem, errors);
            if !seen.insert(name) {
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
    }
}

/// No two ports are the same, neither of the Service nor of the nodes.
fn distinct_ports(spec: &Value, errors: &mut Vec<FieldError>) {
    let ports = items(spec, "ports");
    let node_of = |port: &Value| port["nodePort"].as_i64().filter(|number| *number != 0);
    for (index, found) in ports.iter().enumerate() {
        if text(spec, "type") == "ClusterIP" && node_of(found).is_some() {
            let problem = "may not be used when `type` is 'ClusterIP'";
            let field = format!("spec.ports[{index}].nodePort");
            errors.push(FieldError::forbidden(field, problem));
        }
    }
    let mut nodes = BTreeSet::new();
    for (index, found) in ports.iter().enumerate() {
        let Some(number) = node_of(found) else {
            continue;
        };
        if !nodes.insert((text(found, "protocol"), number)) {
            let field = format!("spec.ports[{index}].nodePort");
            errors.push(FieldError::duplicate(field, &json!(number)));
        }
    }
    let mut taken = BTreeSet::new();
    for (index, found) in ports.iter().enumerate() {
        let (protocol, number) = (text(found, "protocol"), &found["port"]);
        if !taken.insert((protocol, number.as_i64())) {
            let shown = ordered(&[
                ("Name", json!("")),
                ("Protocol", json!(protocol)),
                ("AppProtocol", Value::Null),
                ("Port", number.clone()),
                ("TargetPort", json!(0)),
                ("NodePort", json!(0)),
            ]);
            let field = format!("spec.ports[{index}]");
            let message = format!("Duplicate value: {shown}");
            errors.push(FieldError::plain("FieldValueDuplicate", &field, message));
        }
    }
}

fn affinity(spec: &Value, errors: &mut Vec<FieldError>) {
    let affinity = text(spec, "sessionAffinity");
    let known = ["ClientIP", "None"];
    if !known.contains(&affinity) {
        let field = "spec.sessionAffinity";
        errors.push(FieldError::unsupported(field, &json!(affinity), &known));
    }
    let seconds = &spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"];
    let fits = |seconds: i64| (1..=86400).contains(&seconds);
    if affinity == "ClientIP" && seconds.as_i64().is_some_and(|seconds| !fits(seconds)) {
        let field = "spec.sessionAffinityConfig.clientIP.timeoutSeconds";
        let problem = "must be greater than 0 and less than 86400";
        errors.push(FieldError::invalid(field, seconds, problem));
    }
}

/// Addresses, their families and their policy, as far as they speak of each other.
pub(crate) fn addresses(service: &Value, errors: &mut Vec<FieldError>) {
    let spec = &service["spec"];
    if text(spec, "type") == "ExternalName" {
        return;
    }
    let list = items(spec, "clusterIPs");
    let (first, shown) = (text(spec, "clusterIP"), json!(list));
    let field = "spec.clusterIPs";
    match list.first() {
        None if !first.is_empty() => errors.push(FieldError::required(field, "")),
        Some(_) if first.is_empty() => {
            let problem = "must be empty when `clusterIP` is not specified";
            errors.push(FieldError::invalid(field, &shown, problem));
        }
        Some(found) if *found != *first => {
            let problem = "first value must match `clusterIP`";
            errors.push(FieldError::invalid(field, &shown, problem));
        }
        _ => {}
    }
    families(spec, errors);
    let before = errors.len();
    for (index, found) in list.iter().enumerate() {
        if index == 0 && *found == "None" {
            if list.len() > 1 {
                let problem = "'None' must be the first and only value";
                errors.push(FieldError::invalid(field, &shown, problem));
            }
        } else {
            address(found, format!("{field}[{index}]"), errors);
        }
    }
    let is_readable = errors.len() == before;
    if list.len() > 2 {
        errors.push(FieldError::invalid(
            field,
            &shown,
            "may only hold up to 2 values",
        ));
    }
    if is_readable {
        matching(service, errors);
    }
}

fn families(spec: &Value, errors: &mut Vec<FieldError>) {
    let mut seen = BTreeSet::new();
    for (index, family) in items(spec, "ipFamilies").iter().enumerate() {
        let field = format!("spec.ipFamilies[{index}]");
        one_of(family, &field, &["IPv4", "IPv6"], errors);
        if !seen.insert(family.as_str().unwrap_or("")) {
            errors.push(FieldError::duplicate(field, family));
        }
    }
    let known = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    let policy = &spec["ipFamilyPolicy"];
    one_of(policy, "spec.ipFamilyPolicy", &known, errors);
}

/// Each address is of its family, and no two are of one.
fn matching(service: &Value, errors: &mut Vec<FieldError>) {
    let spec = &service["spec"];
    let list = items(spec, "clusterIPs");
    let of_new_kind = |value: &Value| value.as_str().unwrap_or("").contains(':');
    if list.len() > 1 && list.iter().all(of_new_kind) != list.iter().any(of_new_kind) {
        // One of each.
    } else if list.len() > 1 {
        let problem = "may specify no more than one IP for each IP family";
        errors.push(FieldError::invalid(
            "spec.clusterIPs",
            &json!(list),
            problem,
        ));
    }
    if is_headless(service) {
        return;
    }
    let pairs = list.iter().zip(items(spec, "ipFamilies"));
    for (index, (found, family)) in pairs.enumerate() {
        let is_wrong = match family.as_str() {
            Some("IPv4") => of_new_kind(found),
            Some("IPv6") => !of_new_kind(found),
            _ => false,
        };
        if is_wrong {
            let family = family.as_str().unwrap_or("");
            let problem =
                format!("expected an {family} value as indicated by `ipFamilies[{index}]`");
            let field = format!("spec.clusterIPs[{index}]");
            errors.push(FieldError::invalid(field, found, &problem));
        }
    }
}

/// What only a Service that is reached from outside has.
fn balancing(service: &Value, errors: &mut Vec<FieldError>) {
    let spec = &service["spec"];
    let is_balanced = text(spec, "type") == "LoadBalancer";
    let ranges = items(spec, "loadBalancerSourceRanges");
    let field = "spec.LoadBalancerSourceRanges";
    if !ranges.is_empty() && !is_balanced {
        errors.push(FieldError::forbidden(field, ONLY_BALANCED));
    }
    for (index, range) in ranges.iter().enumerate() {
        let trimmed = json!(range.as_str().unwrap_or("").trim());
        network(&trimmed, format!("{field}[{index}]"), errors);
    }
    for name in ["allocateLoadBalancerNodePorts", "loadBalancerClass"] {
        if !is_balanced && !spec[name].is_null() {
            errors.push(FieldError::forbidden(format!("spec.{name}"), ONLY_BALANCED));
        }
    }
    if is_balanced {
        let (class, problem) = (&spec["loadBalancerClass"], names::label_key_problem);
        named(class, "spec.loadBalancerClass", problem, errors);
    }
    let policy = &spec["externalTrafficPolicy"];
    let field = "spec.externalTrafficPolicy";
    match policy.as_str() {
        Some(_) if is_outward(service) => one_of(policy, field, &LOCAL, errors),
        Some(_) => {
            let problem = "may only be set for externally-accessible services";
            errors.push(FieldError::invalid(field, policy, problem));
        }
        None if is_outward(service) => errors.push(FieldError::required(field, "")),
        None => {}
    }
    let probed = &spec["healthCheckNodePort"];
    let field = "spec.healthCheckNodePort";
    if is_probed(service) {
        port(probed, field.to_owned(), errors);
    } else if probed.as_i64().is_some_and(|number| number != 0) {
        let problem = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` \
                       is 'Local'";
        errors.push(FieldError::invalid(field, probed, problem));
    }
}

/// Refuses a text that is no address, or one that means a machine itself or its link.
pub(super) fn reachable(value: &Value, field: &str, errors: &mut Vec<FieldError>) {
    if value.as_str().unwrap_or("").parse::<IpAddr>().is_ok() {
        endpoint_address(value, field, errors);
    } else {
        address(value, field.to_owned(), errors);
    }
}

/// What the address of an endpoint may not be.
pub(super) fn endpoint_address(value: &Value, field: &str, errors: &mut Vec<FieldError>) {
    let found = value.as_str().unwrap_or("");
    let Ok(address) = found.parse::<IpAddr>() else {
        let problem = "must be a valid IP address";
        errors.push(FieldError::invalid(field, value, problem));
        return;
    };
    let address = address.to_canonical();
    let is_link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    };
    let is_link_multicast = match address {
        IpAddr::V4(address) => {
            address & Ipv4Addr::new(255, 255, 255, 0) == Ipv4Addr::new(224, 0, 0, 0)
        }
        IpAddr::V6(address) => address.segments()[0] & 0xff0f == 0xff02,
    };
    let unspecified = format!("may not be unspecified ({found})");
    for (is_wrong, problem) in [
        (address.is_unspecified(), unspecified.as_str()),
        (
            address.is_loopback(),
            "may not be in the loopback range (127.0.0.0/8, ::1/128)",
        ),
        (
            is_link_local,
            "may not be in the link-local range (169.254.0.0/16, fe80::/10)",
        ),
        (
            is_link_multicast,
            "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)",
        ),
    ] {
        if is_wrong {
            errors.push(FieldError::invalid(field, value, problem));
        }
    }
}
