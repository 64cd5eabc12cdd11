//! Checks of pods and of what pods are made from. It must not know workloads.

use std::collections::BTreeSet;

use holdfast_kinds::{Quantity, items, text};
use holdfast_model::{FieldError, Value};
use serde_json::json;

use super::fields::{address, named, not_negative, one_of, port, positive, protocol};
use super::security::{container_security, security};
use super::variables::variables;
use super::volumes::{relative, volumes};
use super::{limits, scheduling};
use crate::names;

/// Checks the spec of a pod, at a path.
pub(super) fn spec(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    spec_with(spec, path, BTreeSet::new(), errors);
}

/// Checks the spec of a pod that gets some volumes from elsewhere.
pub(super) fn spec_with(
    spec: &Value,
    path: &str,
    given: BTreeSet<String>,
    errors: &mut Vec<FieldError>,
) {
    let mut volumes = volumes(spec, path, errors);
    volumes.extend(given);
    let containers = items(spec, "containers");
    if containers.is_empty() {
        errors.push(FieldError::required(format!("{path}.containers"), ""));
    }
    let mut seen = BTreeSet::new();
    for (list, containers) in [
        ("containers", containers),
        ("initContainers", items(spec, "initContainers")),
    ] {
        for (index, one) in containers.iter().enumerate() {
            let place = format!("{path}.{list}[{index}]");
            let name = text(one, "name");
            if name.is_empty() {
                errors.push(FieldError::required(format!("{place}.name"), ""));
            } else if let Some(problem) = names::dns_label_problem(name) {
                errors.push(FieldError::invalid(
                    format!("{place}.name"),
                    &json!(name),
                    &problem,
                ));
            } else if !seen.insert(name.to_owned()) {
                errors.push(FieldError::duplicate(format!("{place}.name"), &json!(name)));
            }
            container(one, &place, &volumes, errors);
            if list == "initContainers" {
                init_container(one, &place, errors);
            }
        }
    }
    host_ports(spec, path, errors);
    let policies = ["Always", "OnFailure", "Never"];
    let policy = text(spec, "restartPolicy");
    if !policies.contains(&policy) {
        errors.push(FieldError::unsupported(
            format!("{path}.restartPolicy"),
            &json!(policy),
            &policies,
        ));
    }
    names_and_dns(spec, path, errors);
    security(spec, path, errors);
    scheduling::placement(spec, path, errors);
    aliases_and_gates(spec, path, errors);
}

/// Containers that run beside each other need ports of the machine for themselves.
fn host_ports(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let mut taken = BTreeSet::new();
    for (index, one) in items(spec, "containers").iter().enumerate() {
        for (rank, port) in items(one, "ports").iter().enumerate() {
            let number = port["hostPort"].as_i64().unwrap_or(0);
            let (protocol, address) = (text(port, "protocol"), text(port, "hostIP"));
            let key = format!("{protocol}/{address}/{number}");
            if number != 0 && !taken.insert(key.clone()) {
                let field = format!("{path}.containers[{index}].ports[{rank}].hostPort");
                errors.push(FieldError::duplicate(field, &json!(key)));
            }
        }
    }
}

fn aliases_and_gates(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    for (index, alias) in items(spec, "hostAliases").iter().enumerate() {
        let place = format!("{path}.hostAliases[{index}]");
        address(&alias["ip"], format!("{place}.ip"), errors);
        for (index, name) in items(alias, "hostnames").iter().enumerate() {
            let field = format!("{place}.hostnames[{index}]");
            named(name, &field, names::dns_subdomain_problem, errors);
        }
    }
    let mut gates = BTreeSet::new();
    for (index, gate) in items(spec, "schedulingGates").iter().enumerate() {
        if !gates.insert(text(gate, "name")) {
            let field = format!("{path}.schedulingGates[{index}]");
            errors.push(FieldError::duplicate(field, &gate["name"]));
        }
    }
    for (index, gate) in items(spec, "readinessGates").iter().enumerate() {
        let field = format!("{path}.readinessGates[{index}].conditionType");
        named(
            &gate["conditionType"],
            &field,
            names::label_key_problem,
            errors,
        );
    }
}

/// What a pod is called, where it goes by name, and how it finds others.
fn names_and_dns(spec: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let field = |name: &str| format!("{path}.{name}");
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    one_of(&spec["dnsPolicy"], &field("dnsPolicy"), &policies, errors);
    let servers = items(&spec["dnsConfig"], "nameservers");
    if servers.len() > MAX_NAMESERVERS {
        let found = &spec["dnsConfig"]["nameservers"];
        let problem = format!("must not have more than {MAX_NAMESERVERS} nameservers");
        errors.push(FieldError::invalid(
            field("dnsConfig.nameservers"),
            found,
            &problem,
        ));
    }
    for (index, server) in servers.iter().enumerate() {
        address(
            server,
            field(&format!("dnsConfig.nameservers[{index}]")),
            errors,
        );
    }
    if text(spec, "dnsPolicy") == "None" && spec["dnsConfig"].is_null() {
        let problem = "must provide `dnsConfig` when `dnsPolicy` is None";
        errors.push(FieldError::required(field("dnsConfig"), problem));
    }
    for (key, _) in spec["nodeSelector"].as_object().into_iter().flatten() {
        let place = field("nodeSelector");
        named(&json!(key), &place, names::label_key_problem, errors);
    }
    let (node, problem) = (&spec["nodeName"], names::dns_subdomain_problem);
    named(node, &field("nodeName"), problem, errors);
    let deadline = &spec["activeDeadlineSeconds"];
    let problem = "must be between 1 and 2147483647, inclusive";
    positive(deadline, &field("activeDeadlineSeconds"), problem, errors);
    let (host, problem) = (&spec["hostname"], names::dns_label_problem);
    named(host, &field("hostname"), problem, errors);
    if text(spec, "subdomain").contains('.') {
        let problem = "must not contain dots";
        errors.push(FieldError::invalid(
            field("subdomain"),
            &spec["subdomain"],
            problem,
        ));
    } else {
        named(&spec["subdomain"], &field("subdomain"), problem, errors);
    }
    one_of(
        &spec["os"]["name"],
        &field("os"),
        &["linux", "windows"],
        errors,
    );
}

/// The most name servers of a pod.
const MAX_NAMESERVERS: usize = 3;

pub(super) fn image(one: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let image = text(one, "image");
    if image.is_empty() {
        errors.push(FieldError::required(format!("{place}.image"), ""));
    } else if image.trim() != image {
        let problem = "must not have leading or trailing whitespace";
        errors.push(FieldError::invalid(
            format!("{place}.image"),
            &one["image"],
            problem,
        ));
    }
}

fn container(one: &Value, place: &str, volumes: &BTreeSet<String>, errors: &mut Vec<FieldError>) {
    image(one, place, errors);
    ports(one, place, errors);
    variables(one, place, errors);
    mounts(one, place, volumes, errors);
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(found) = one.get(name) {
            probe(found, &format!("{place}.{name}"), errors);
        }
    }
    let policies = ["Always", "IfNotPresent", "Never"];
    let policy = text(one, "imagePullPolicy");
    if !policies.contains(&policy) {
        errors.push(FieldError::unsupported(
            format!("{place}.imagePullPolicy"),
            &json!(policy),
            &policies,
        ));
    }
    let policies = ["File", "FallbackToLogsOnError"];
    let policy = &one["terminationMessagePolicy"];
    one_of(
        policy,
        &format!("{place}.terminationMessagePolicy"),
        &policies,
        errors,
    );
    for name in ["postStart", "preStop"] {
        if let Some(hook) = one["lifecycle"].get(name) {
            handler(hook, &format!("{place}.lifecycle.{name}"), errors);
        }
    }
    resources(&one["resources"], &format!("{place}.resources"), errors);
    container_security(one, place, errors);
}

fn mounts(one: &Value, place: &str, volumes: &BTreeSet<String>, errors: &mut Vec<FieldError>) {
    let mut mounted = BTreeSet::new();
    for (index, mount) in items(one, "volumeMounts").iter().enumerate() {
        let field = |name: &str| format!("{place}.volumeMounts[{index}].{name}");
        let (name, target) = (text(mount, "name"), text(mount, "mountPath"));
        if name.is_empty() {
            errors.push(FieldError::required(field("name"), ""));
        } else if !volumes.contains(name) {
            errors.push(FieldError::not_found(field("name"), &json!(name)));
        }
        if target.is_empty() {
            errors.push(FieldError::required(field("mountPath"), ""));
        } else if !mounted.insert(target) {
            let problem = "must be unique";
            errors.push(FieldError::invalid(
                field("mountPath"),
                &json!(target),
                problem,
            ));
        }
        // The real one names no index here.
        let place = format!("{place}.volumeMounts");
        relative(&mount["subPath"], &format!("{place}.subPath"), errors);
        let ways = ["Bidirectional", "HostToContainer", "None"];
        let way = &mount["mountPropagation"];
        one_of(way, &format!("{place}.mountPropagation"), &ways, errors);
        let parts = (text(mount, "subPath"), text(mount, "subPathExpr"));
        if !parts.0.is_empty() && !parts.1.is_empty() {
            let problem = "subPathExpr and subPath are mutually exclusive";
            errors.push(FieldError::invalid(
                field("subPathExpr"),
                &json!(parts.1),
                problem,
            ));
        }
    }
    for (index, device) in items(one, "volumeDevices").iter().enumerate() {
        let name = text(device, "name");
        if !volumes.contains(name) {
            let field = format!("{place}.volumeDevices[{index}].name");
            errors.push(FieldError::not_found(field, &json!(name)));
        }
    }
}

/// What init containers may not have unless they stay.
fn init_container(one: &Value, place: &str, errors: &mut Vec<FieldError>) {
    if text(one, "restartPolicy") == "Always" {
        return;
    }
    for name in [
        "lifecycle",
        "livenessProbe",
        "readinessProbe",
        "startupProbe",
    ] {
        if one.get(name).is_some_and(Value::is_object) {
            let problem = "may not be set for init containers without restartPolicy=Always";
            errors.push(FieldError::forbidden(format!("{place}.{name}"), problem));
        }
    }
}

fn ports(one: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let mut seen = BTreeSet::new();
    for (index, found) in items(one, "ports").iter().enumerate() {
        let field = |name: &str| format!("{place}.ports[{index}].{name}");
        let name = text(found, "name");
        if !name.is_empty() {
            let problems = port_name_problems(name);
            for problem in &problems {
                errors.push(FieldError::invalid(field("name"), &json!(name), problem));
            }
            if !problems.is_empty() {
                // The name is told once.
            } else if !seen.insert(name) {
                errors.push(FieldError::duplicate(field("name"), &json!(name)));
            }
        }
        if found["containerPort"] == 0 {
            errors.push(FieldError::required(field("containerPort"), ""));
        } else {
            port(&found["containerPort"], field("containerPort"), errors);
        }
        let host = &found["hostPort"];
        if host.as_i64().is_some_and(|number| number != 0) {
            port(host, field("hostPort"), errors);
        }
        protocol(&found["protocol"], field("protocol"), errors);
    }
}

/// All that is wrong with the name of a port.
pub(super) fn port_name_problems(name: &str) -> Vec<&'static str> {
    let bytes = name.as_bytes();
    let fits = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    let problems = [
        (bytes.len() > 15, "must be no more than 15 characters"),
        (
            bytes.is_empty() || !bytes.iter().all(fits),
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ),
        (
            !bytes.iter().any(u8::is_ascii_lowercase),
            "must contain at least one letter (a-z)",
        ),
        (name.contains("--"), "must not contain consecutive hyphens"),
        (
            name.starts_with('-') || name.ends_with('-'),
            "must not begin or end with a hyphen",
        ),
    ];
    let found = problems.into_iter().filter(|(is_wrong, _)| *is_wrong);
    found.map(|(_, problem)| problem).collect()
}

fn probe(found: &Value, place: &str, errors: &mut Vec<FieldError>) {
    handler(found, place, errors);
    for name in [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ] {
        not_negative(&found[name], format!("{place}.{name}"), errors);
    }
    let grace = &found["terminationGracePeriodSeconds"];
    let is_readiness = place.ends_with("readinessProbe");
    if is_readiness && grace.is_number() {
        let field = format!("{place}.terminationGracePeriodSeconds");
        let problem = "must not be set for readinessProbes";
        errors.push(FieldError::invalid(field, grace, problem));
    }
    let wanted = &found["successThreshold"];
    if !is_readiness && wanted.is_number() && *wanted != 1 {
        let field = format!("{place}.successThreshold");
        errors.push(FieldError::invalid(field, wanted, "must be 1"));
    }
}

/// What a probe or a hook does; it does one thing.
fn handler(found: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let mut is_first = true;
    for name in ["exec", "httpGet", "tcpSocket", "grpc", "sleep"] {
        let Some(given) = found.get(name) else {
            continue;
        };
        let place = format!("{place}.{name}");
        if !is_first {
            let problem = "may not specify more than 1 handler type";
            errors.push(FieldError::forbidden(place, problem));
            continue;
        }
        is_first = false;
        if name == "exec" && items(given, "command").is_empty() {
            errors.push(FieldError::required(format!("{place}.command"), ""));
        }
        let number = &given["port"];
        if number.is_number() {
            port(number, format!("{place}.port"), errors);
        } else if let Some(name) = number.as_str() {
            for problem in port_name_problems(name) {
                errors.push(FieldError::invalid(
                    format!("{place}.port"),
                    number,
                    problem,
                ));
            }
        }
        let schemes = ["HTTP", "HTTPS"];
        one_of(
            &given["scheme"],
            &format!("{place}.scheme"),
            &schemes,
            errors,
        );
        for header in items(given, "httpHeaders") {
            let field = format!("{place}.httpHeaders");
            named(&header["name"], &field, header_problem, errors);
        }
    }
    if is_first {
        errors.push(FieldError::required(place, "must specify a handler type"));
    }
}

fn header_problem(name: &str) -> Option<String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let problem = "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. \
                   'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";
    (!name.bytes().all(fits)).then(|| problem.to_owned())
}

fn resources(found: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let (limits, requests) = (&found["limits"], &found["requests"]);
    for (name, value) in limits.as_object().into_iter().flatten() {
        amount_of(name, value, &format!("{place}.limits[{name}]"), errors);
    }
    for (name, value) in requests.as_object().into_iter().flatten() {
        let field = format!("{place}.requests");
        let may_exceed = limits::may_be_overcommitted(name);
        let amount = |value: &Value| value.as_str().and_then(Quantity::parse);
        if let (Some(wanted), Some(most)) = (amount(value), amount(&limits[name])) {
            let way = if wanted.nanos != most.nanos && !may_exceed {
                Some("equal to")
            } else {
                (wanted.nanos > most.nanos).then_some("less than or equal to")
            };
            if let Some(way) = way {
                let most = most.canonical();
                let problem = format!("must be {way} {name} limit of {most}");
                errors.push(FieldError::invalid(field, value, &problem));
            }
        } else if !may_exceed {
            let problem = "Limit must be set for non overcommitable resources";
            errors.push(FieldError::required(format!("{place}.limits"), problem));
        }
        amount_of(name, value, &format!("{place}.requests[{name}]"), errors);
    }
    let has = |fits: fn(&str) -> bool| {
        let names = [limits, requests].into_iter().filter_map(Value::as_object);
        names.flatten().any(|(name, _)| fits(name))
    };
    if has(|name| name.starts_with("hugepages-")) && !has(|name| matches!(name, "cpu" | "memory")) {
        let problem = "HugePages require cpu or memory";
        errors.push(FieldError::forbidden(place, problem));
    }
}

/// Checks the name and the amount of a resource.
fn amount_of(name: &str, value: &Value, field: &str, errors: &mut Vec<FieldError>) {
    resource_name(name, field, errors);
    let Some(amount) = value.as_str().and_then(Quantity::parse) else {
        return;
    };
    if name.contains('/') && amount.nanos % 1_000_000_000 != 0 {
        errors.push(FieldError::invalid(field, value, "must be an integer"));
    }
    if amount.nanos < 0 {
        let problem = "must be greater than or equal to 0";
        errors.push(FieldError::invalid(field, value, problem));
    }
    let page = name.strip_prefix("hugepages-").and_then(Quantity::parse);
    let is_uneven = |page: Quantity| page.nanos <= 0 || amount.nanos % page.nanos != 0;
    if page.is_some_and(is_uneven) {
        let found = amount.canonical();
        let problem = format!("{found} is not positive integer multiple of {name}");
        errors.push(FieldError::invalid(field, value, &problem));
    }
}

/// Refuses what no container can have.
pub(super) fn resource_name(name: &str, field: &str, errors: &mut Vec<FieldError>) {
    const STANDARD: [&str; 3] = ["cpu", "ephemeral-storage", "memory"];
    let is_standard = STANDARD.contains(&name) || name.starts_with("hugepages-");
    if let Some(problem) = names::label_key_problem(name) {
        errors.push(FieldError::invalid(field, &json!(name), &problem));
    } else if !name.contains('/') && !is_standard {
        let problem = "must be a standard resource type or fully qualified";
        errors.push(FieldError::invalid(field, &json!(name), problem));
    }
    if !name.contains('/') && !is_standard {
        let problem = "must be a standard resource for containers";
        errors.push(FieldError::invalid(field, &json!(name), problem));
    }
}
