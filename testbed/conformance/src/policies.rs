//! Steps about admission policies, written out as the requests that they stand for. It must not know
//! who answers.

use serde_json::{Value, json};

const GROUP: &str = "admissionregistration.k8s.io";

/// A step as the request that it stands for; nothing for one that is a request itself.
pub(crate) fn written_out(step: &Value) -> Option<Value> {
    let name = |word: &str| step.get(word).and_then(Value::as_str);
    let (request, name) = if let Some(name) = name("policy") {
        (policy(name, &step["spec"]), name)
    } else if let Some(name) = name("bind") {
        (binding(name, step), name)
    } else if let Some(name) = name("made") {
        (object(name, step), name)
    } else {
        return None;
    };
    let mut request = request;
    for option in ["user", "groups", "retry", "agent"] {
        if let Some(found) = step.get(option) {
            request[option] = found.clone();
        }
    }
    request["outcome"] = json!(true);
    request["of"] = json!(name);
    Some(request)
}

/// A policy about ConfigMaps that have its name as their label, unless it says otherwise.
fn policy(name: &str, spec: &Value) -> Value {
    let mut spec = spec.clone();
    let constraints = &mut spec["matchConstraints"];
    if constraints.is_null() {
        *constraints = json!({});
    }
    let defaults = [
        (
            "resourceRules",
            json!([{
                "apiGroups": [""], "apiVersions": ["*"], "operations": ["*"],
                "resources": ["configmaps"],
            }]),
        ),
        (
            "namespaceSelector",
            json!({"matchLabels": {"kubernetes.io/metadata.name": "{ns}"}}),
        ),
        ("objectSelector", json!({"matchLabels": {"case": name}})),
    ];
    for (field, default) in defaults {
        if constraints.get(field).is_none() {
            constraints[field] = default;
        }
    }
    json!({
        "POST": format!("/apis/{GROUP}/v1/validatingadmissionpolicies"),
        "body": {
            "apiVersion": format!("{GROUP}/v1"), "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": format!("{name}.{{ns}}"), "labels": {"home": "{ns}"}},
            "spec": spec,
        },
    })
}

/// A binding of the policy of the same name, or of the one that the step names.
fn binding(name: &str, step: &Value) -> Value {
    let mut spec = json!({"validationActions": ["Deny"]});
    let of = step.get("of").and_then(Value::as_str).unwrap_or(name);
    spec["policyName"] = json!(format!("{of}.{{ns}}"));
    for (field, value) in step["spec"].as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    json!({
        "POST": format!("/apis/{GROUP}/v1/validatingadmissionpolicybindings"),
        "body": {
            "apiVersion": format!("{GROUP}/v1"), "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": format!("{name}.{{ns}}"), "labels": {"home": "{ns}"}},
            "spec": spec,
        },
    })
}

/// A ConfigMap that is not made, but asked for as if it were.
fn object(name: &str, step: &Value) -> Value {
    let mut body = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"case": name}},
    });
    for (field, value) in step["body"].as_object().into_iter().flatten() {
        match (field.as_str(), value) {
            ("metadata", Value::Object(fields)) => {
                for (field, value) in fields {
                    body["metadata"][field] = value.clone();
                }
            }
            _ => body[field] = value.clone(),
        }
    }
    json!({"POST": "/api/v1/namespaces/{ns}/configmaps?dryRun=All", "body": body})
}

/// What came of a request, without the object that was answered.
pub(crate) fn outcome(body: &Value) -> Value {
    let mut outcome = json!({});
    for field in ["reason", "message", "details", "(warnings)"] {
        if let Some(found) = body.get(field) {
            outcome[field] = found.clone();
        }
    }
    outcome
}
