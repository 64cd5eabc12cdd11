//! Checks of objects that only hold data or rules. It must not know workloads.

use holdfast_go::json;
use holdfast_kinds::{items, text};
use holdfast_model::{FieldError, Value, base64};
use serde_json::json;

use super::fields::{immutable, named, one_of};
use crate::names;

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
        "kubernetes.io/basic-auth" if !has_any(new, &["username", "password"]) => {
            &["username", "password"]
        }
        _ => &[],
    };
    for key in required {
        let field = format!("data[{key}]");
        match new["data"].get(*key).and_then(Value::as_str) {
            None => errors.push(FieldError::required(field, "")),
            Some(content) if key.starts_with(".docker") => docker(content, field, errors),
            Some(_) => {}
        }
    }
    let account = "kubernetes.io/service-account.name";
    if text(new, "type") == "kubernetes.io/service-account-token"
        && text(&new["metadata"]["annotations"], account).is_empty()
    {
        let field = format!("metadata.annotations[{account}]");
        errors.push(FieldError::required(field, ""));
    }
}

/// The registries of a docker configuration are an object; nothing of it is told.
fn docker(content: &str, field: String, errors: &mut Vec<FieldError>) {
    let Some(content) = base64::decode(content) else {
        return;
    };
    let problem = json::problem(&content).or_else(|| match json::kind(&content) {
        "object" | "null" => None,
        kind => Some(format!(
            "json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
        )),
    });
    if let Some(problem) = problem {
        let shown = json!("<secret contents redacted>");
        errors.push(FieldError::invalid(field, &shown, &problem));
    }
}

fn has_any(secret: &Value, keys: &[&str]) -> bool {
    keys.iter().any(|key| secret["data"].get(*key).is_some())
}

pub(super) fn role(new: &Value, is_namespaced: bool, errors: &mut Vec<FieldError>) {
    for (index, rule) in items(new, "rules").iter().enumerate() {
        rule_errors(rule, index, is_namespaced, errors);
    }
    for (index, rule) in items(new, "rules").iter().enumerate() {
        if items(rule, "verbs").is_empty() {
            errors.push(FieldError::required(format!("rules[{index}].verbs"), ""));
        }
    }
    let aggregation = &new["aggregationRule"];
    if aggregation.is_object() && items(aggregation, "clusterRoleSelectors").is_empty() {
        errors.push(FieldError::required(
            "aggregationRule.clusterRoleSelectors",
            "at least one clusterRoleSelector required if aggregationRule is non-nil",
        ));
    }
}

fn rule_errors(rule: &Value, index: usize, is_namespaced: bool, errors: &mut Vec<FieldError>) {
    let field = |name: &str| format!("rules[{index}].{name}");
    if !items(rule, "nonResourceURLs").is_empty() {
        let names_resources =
            !items(rule, "apiGroups").is_empty() || !items(rule, "resources").is_empty();
        let problem = if is_namespaced {
            "namespaced rules cannot apply to non-resource URLs"
        } else if names_resources {
            "rules cannot apply to both regular resources and non-resource URLs"
        } else {
            return;
        };
        let paths = &rule["nonResourceURLs"];
        errors.push(FieldError::invalid(
            field("nonResourceURLs"),
            paths,
            problem,
        ));
        return;
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

pub(super) fn binding(
    new: &Value,
    old: Option<&Value>,
    is_namespaced: bool,
    errors: &mut Vec<FieldError>,
) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    let reference = &new["roleRef"];
    if let Some(old) = old
        && *reference != old["roleRef"]
    {
        let shown = json!({
            "APIGroup": text(reference, "apiGroup"), "Kind": text(reference, "kind"),
            "Name": text(reference, "name"),
        });
        errors.push(FieldError::invalid("roleRef", &shown, "field is immutable"));
    }
    one_of(&reference["apiGroup"], "roleRef.apiGroup", &[GROUP], errors);
    let kinds: &[&str] = if is_namespaced {
        &["Role", "ClusterRole"]
    } else {
        &["ClusterRole"]
    };
    if !kinds.contains(&text(reference, "kind")) {
        let kind = json!(text(reference, "kind"));
        errors.push(FieldError::unsupported("roleRef.kind", &kind, kinds));
    }
    let name = &reference["name"];
    named(name, "roleRef.name", names::path_segment_problem, errors);
    let kinds = ["ServiceAccount", "User", "Group"];
    for (index, subject) in items(new, "subjects").iter().enumerate() {
        let field = |name: &str| format!("subjects[{index}].{name}");
        let kind = text(subject, "kind");
        if text(subject, "name").is_empty() {
            errors.push(FieldError::required(field("name"), ""));
        }
        if !kinds.contains(&kind) {
            errors.push(FieldError::unsupported(
                field("kind"),
                &subject["kind"],
                &kinds,
            ));
        } else if kind == "ServiceAccount" {
            let problem = names::dns_subdomain_problem;
            named(&subject["name"], &field("name"), problem, errors);
        } else {
            one_of(&subject["apiGroup"], &field("apiGroup"), &[GROUP], errors);
        }
    }
    if text(reference, "name").is_empty() {
        errors.push(FieldError::required("roleRef.name", ""));
    }
}
