//! Checks of pods and of what pods are made from. It must not know workloads.

use std::collections::BTreeSet;

use holdfast_model::Value;
use serde_json::json;

use super::{not_negative, port, protocol};
use crate::error::FieldError;
use crate::names;
use crate::quantity::Quantity;
use crate::rules::{items, text};

/// Fields of a pod that may change once it is there.
const CHANGEABLE: [&str; 5] = [
    "activeDeadlineSeconds",
    "terminationGracePeriodSeconds",
    "tolerations",
    "nodeName",
    "schedulingGates",
];

pub(super) fn pod(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let Some(old) = old else {
        spec(&new["spec"], "spec", errors);
        return;
    };
    let fixed = |pod: &Value| {
        let mut spec = pod["spec"].clone();
        if let Some(fields) = spec.as_object_mut() {
            fields.retain(|name, _| !CHANGEABLE.contains(&name.as_str()));
        }
        for list in ["containers", "initContainers"] {
            for container in crate::rules::items_mut(&mut spec, list) {
                if let Some(fields) = container.as_object_mut() {
                    fields.remove("image");
                }
            }
        }
        spec
    };
    if fixed(new) != fixed(old) {
        errors.push(FieldError::forbidden(
            "spec",
            "pod updates may not change fields other than `spec.containers[*].image`,\
             `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only \
             additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to \
             be set to 1 if it was previously negative)",
        ));
    }
}

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
        }
    }
    not_negative(
        &spec["terminationGracePeriodSeconds"],
        format!("{path}.terminationGracePeriodSeconds"),
        errors,
    );
    let policies = ["Always", "OnFailure", "Never"];
    let policy = text(spec, "restartPolicy");
    if !policies.contains(&policy) {
        errors.push(FieldError::unsupported(
            format!("{path}.restartPolicy"),
            &json!(policy),
            &policies,
        ));
    }
}

fn volumes(spec: &Value, path: &str, errors: &mut Vec<FieldError>) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    for (index, volume) in items(spec, "volumes").iter().enumerate() {
        let place = format!("{path}.volumes[{index}]");
        let name = text(volume, "name");
        if name.is_empty() {
            errors.push(FieldError::required(format!("{place}.name"), ""));
        } else if let Some(problem) = names::dns_label_problem(name) {
            errors.push(FieldError::invalid(
                format!("{place}.name"),
                &json!(name),
                &problem,
            ));
        } else if !known.insert(name.to_owned()) {
            errors.push(FieldError::duplicate(format!("{place}.name"), &json!(name)));
        }
        let kinds = volume.as_object().into_iter().flatten();
        let kinds = kinds.map(|(kind, _)| kind).filter(|kind| *kind != "name");
        for kind in kinds.skip(1) {
            errors.push(FieldError::forbidden(
                format!("{place}.{kind}"),
                "may not specify more than 1 volume type",
            ));
        }
        let path_missing =
            volume["hostPath"].is_object() && text(&volume["hostPath"], "path").is_empty();
        if path_missing {
            errors.push(FieldError::required(format!("{place}.hostPath.path"), ""));
        }
        if volume["persistentVolumeClaim"].is_object()
            && text(&volume["persistentVolumeClaim"], "claimName").is_empty()
        {
            let field = format!("{place}.persistentVolumeClaim.claimName");
            errors.push(FieldError::required(field, ""));
        }
    }
    known
}

fn container(one: &Value, place: &str, volumes: &BTreeSet<String>, errors: &mut Vec<FieldError>) {
    if text(one, "image").is_empty() {
        errors.push(FieldError::required(format!("{place}.image"), ""));
    }
    ports(one, place, errors);
    variables(one, place, errors);
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
    }
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
    resources(&one["resources"], &format!("{place}.resources"), errors);
}

fn ports(one: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let mut seen = BTreeSet::new();
    for (index, found) in items(one, "ports").iter().enumerate() {
        let field = |name: &str| format!("{place}.ports[{index}].{name}");
        let name = text(found, "name");
        if !name.is_empty() {
            if let Some(problem) = port_name_problem(name) {
                errors.push(FieldError::invalid(field("name"), &json!(name), problem));
            } else if !seen.insert(name) {
                errors.push(FieldError::duplicate(field("name"), &json!(name)));
            }
        }
        if found["containerPort"] == 0 {
            errors.push(FieldError::required(field("containerPort"), ""));
        } else {
            port(&found["containerPort"], field("containerPort"), errors);
        }
        protocol(&found["protocol"], field("protocol"), errors);
    }
}

/// What is wrong with the name of a port.
pub(super) fn port_name_problem(name: &str) -> Option<&'static str> {
    let bytes = name.as_bytes();
    if bytes.len() > 15 {
        return Some("must be no more than 15 characters");
    }
    let fits = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    if !bytes.iter().all(fits) {
        return Some("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
    }
    if !bytes.iter().any(u8::is_ascii_lowercase) {
        return Some("must contain at least one letter (a-z)");
    }
    if name.contains("--") {
        return Some("must not contain consecutive hyphens");
    }
    let ends = name.starts_with('-') || name.ends_with('-');
    ends.then_some("must not begin or end with a hyphen")
}

fn variables(one: &Value, place: &str, errors: &mut Vec<FieldError>) {
    for (index, variable) in items(one, "env").iter().enumerate() {
        let field = |name: &str| format!("{place}.env[{index}].{name}");
        let name = text(variable, "name");
        if name.is_empty() {
            errors.push(FieldError::required(field("name"), ""));
        } else if !name
            .bytes()
            .all(|byte| (0x20..0x7f).contains(&byte) && byte != b'=')
        {
            let problem = "a valid environment variable name must consist only of printable ASCII \
                           characters other than '='";
            errors.push(FieldError::invalid(field("name"), &json!(name), problem));
        }
        if variable.get("valueFrom").is_some() && !text(variable, "value").is_empty() {
            let problem = "may not be specified when `value` is not empty";
            errors.push(FieldError::invalid(field("valueFrom"), &json!(""), problem));
        }
    }
}

fn probe(found: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let handlers = ["exec", "httpGet", "tcpSocket", "grpc"];
    let given: Vec<&&str> = handlers
        .iter()
        .filter(|name| found.get(**name).is_some())
        .collect();
    if given.is_empty() {
        errors.push(FieldError::required(place, "must specify a handler type"));
    }
    for extra in given.iter().skip(1) {
        let field = format!("{place}.{extra}");
        errors.push(FieldError::forbidden(
            field,
            "may not specify more than 1 handler type",
        ));
    }
    for handler in ["httpGet", "tcpSocket"] {
        if let Some(number) = found.get(handler).map(|handler| &handler["port"])
            && number.is_number()
        {
            port(number, format!("{place}.{handler}.port"), errors);
        }
    }
    for name in [
        "initialDelaySeconds",
        "timeoutSeconds",
        "periodSeconds",
        "successThreshold",
        "failureThreshold",
    ] {
        not_negative(&found[name], format!("{place}.{name}"), errors);
    }
}

fn resources(found: &Value, place: &str, errors: &mut Vec<FieldError>) {
    let amount = |value: &Value| value.as_str().and_then(Quantity::parse);
    for (name, value) in found["requests"].as_object().into_iter().flatten() {
        let limit = &found["limits"][name];
        if let (Some(wanted), Some(most)) = (amount(value), amount(limit))
            && wanted.nanos > most.nanos
        {
            let most = most.canonical();
            let problem = format!("must be less than or equal to {name} limit of {most}");
            errors.push(FieldError::invalid(
                format!("{place}.requests"),
                value,
                &problem,
            ));
        }
    }
    for list in ["limits", "requests"] {
        for (name, value) in found[list].as_object().into_iter().flatten() {
            if amount(value).is_some_and(|amount| amount.nanos < 0) {
                errors.push(FieldError::invalid(
                    format!("{place}.{list}[{name}]"),
                    value,
                    "must be greater than or equal to 0",
                ));
            }
        }
    }
}
