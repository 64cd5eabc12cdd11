//! Checks of objects that only hold data, rules or claims. It must not know workloads.

use holdfast_model::Value;
use serde_json::json;

use super::immutable;
use crate::error::FieldError;
use crate::names;
use crate::rules::{items, text};

/// The most bytes that the data of a ConfigMap or Secret may have together.
const MAX_DATA: usize = 1024 * 1024;

pub(super) fn config_map(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    if let Some(old) = old {
        kept_immutable(new, old, &["data", "binaryData"], errors);
    }
    data_keys(new, &["data", "binaryData"], errors);
    for key in new["binaryData"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key)
    {
        if new["data"].get(key).is_some() {
            let field = format!("data[{key}]");
            errors.push(FieldError::invalid(
                field,
                &json!(key),
                "duplicate of key present in binaryData",
            ));
        }
    }
}

fn data_keys(value: &Value, fields: &[&str], errors: &mut Vec<FieldError>) {
    let mut size = 0;
    for field in fields {
        for (key, text) in value[*field].as_object().into_iter().flatten() {
            if let Some(problem) = names::config_key_problem(key) {
                errors.push(FieldError::invalid(
                    format!("{field}[{key}]"),
                    &json!(key),
                    &problem,
                ));
            }
            size += text.as_str().map_or(0, str::len);
        }
    }
    if size > MAX_DATA {
        errors.push(FieldError::too_long("", MAX_DATA));
    }
}

/// What was declared immutable stays so, and so does what it covers.
fn kept_immutable(new: &Value, old: &Value, fields: &[&str], errors: &mut Vec<FieldError>) {
    if old["immutable"] != true {
        return;
    }
    let message = "field is immutable when `immutable` is set";
    if new["immutable"] != true {
        errors.push(FieldError::forbidden("immutable", message));
    }
    for field in fields {
        if new[*field] != old[*field] {
            errors.push(FieldError::forbidden(*field, message));
        }
    }
}

pub(super) fn secret(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    if let Some(old) = old {
        immutable("type", &new["type"], &old["type"], errors);
        kept_immutable(new, old, &["data"], errors);
    }
    data_keys(new, &["data"], errors);
    let required: &[&str] = match text(new, "type") {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        _ => &[],
    };
    for key in required {
        if new["data"].get(*key).is_none() {
            errors.push(FieldError::required(format!("data[{key}]"), ""));
        }
    }
}

pub(super) fn claim(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    const MODES: [&str; 4] = [
        "ReadOnlyMany",
        "ReadWriteMany",
        "ReadWriteOnce",
        "ReadWriteOncePod",
    ];
    let spec = &new["spec"];
    if items(spec, "accessModes").is_empty() {
        errors.push(FieldError::required(
            "spec.accessModes",
            "at least 1 access mode is required",
        ));
    }
    for mode in items(spec, "accessModes") {
        if !MODES.contains(&mode.as_str().unwrap_or("")) {
            errors.push(FieldError::unsupported("spec.accessModes", mode, &MODES));
        }
    }
    if spec["resources"]["requests"].get("storage").is_none() {
        errors.push(FieldError::required("spec.resources[storage]", ""));
    }
    let Some(old) = old else { return };
    let fixed = |value: &Value| {
        let mut spec = value["spec"].clone();
        if let Some(fields) = spec.as_object_mut() {
            fields.remove("resources");
            fields.remove("volumeAttributesClassName");
            // What is set when the claim is bound may be set once.
            for name in ["volumeName", "storageClassName"] {
                if old["spec"].get(name).is_none() {
                    fields.remove(name);
                }
            }
        }
        spec
    };
    if fixed(new) != fixed(old) {
        errors.push(FieldError::forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and \
             volumeAttributesClassName for bound claims",
        ));
    }
}

pub(super) fn budget(new: &Value, errors: &mut Vec<FieldError>) {
    let spec = &new["spec"];
    if spec.get("minAvailable").is_some() && spec.get("maxUnavailable").is_some() {
        errors.push(FieldError::invalid(
            "spec",
            spec,
            "minAvailable and maxUnavailable cannot be both set",
        ));
    }
}

pub(super) fn role(new: &Value, errors: &mut Vec<FieldError>) {
    for (index, rule) in items(new, "rules").iter().enumerate() {
        let field = |name: &str| format!("rules[{index}].{name}");
        if !items(rule, "nonResourceURLs").is_empty() {
            continue;
        }
        if items(rule, "apiGroups").is_empty() {
            let detail = "resource rules must supply at least one api group";
            errors.push(FieldError::required(field("apiGroups"), detail));
        }
        if items(rule, "resources").is_empty() {
            let detail = "resource rules must supply at least one resource";
            errors.push(FieldError::required(field("resources"), detail));
        }
    }
    for (index, rule) in items(new, "rules").iter().enumerate() {
        if items(rule, "verbs").is_empty() {
            errors.push(FieldError::required(format!("rules[{index}].verbs"), ""));
        }
    }
}

pub(super) fn binding(new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    let reference = &new["roleRef"];
    if let Some(old) = old {
        immutable("roleRef", reference, &old["roleRef"], errors);
    }
    let kinds = ["Role", "ClusterRole"];
    if !kinds.contains(&text(reference, "kind")) {
        errors.push(FieldError::unsupported(
            "roleRef.kind",
            &json!(text(reference, "kind")),
            &kinds,
        ));
    }
    let kinds = ["ServiceAccount", "User", "Group"];
    for (index, subject) in items(new, "subjects").iter().enumerate() {
        if !kinds.contains(&text(subject, "kind")) {
            errors.push(FieldError::unsupported(
                format!("subjects[{index}].kind"),
                &subject["kind"],
                &kinds,
            ));
        }
        if text(subject, "name").is_empty() {
            errors.push(FieldError::required(format!("subjects[{index}].name"), ""));
        }
    }
    if text(reference, "name").is_empty() {
        errors.push(FieldError::required("roleRef.name", ""));
    }
}
