//! Seals a Secret as `kubeseal` does.

use holdfast_go::base64;
use holdfast_model::Value;
use holdfast_yaml::to_yaml;
use serde_json::{Map, json};
use zeroize::Zeroizing;

use super::open::{erase, read_one};
use super::{API_VERSION, Certificate, SCOPES, Scope, hybrid, is_sealed};
use crate::error::Error;

/// Annotations in which tools keep a copy of the whole object, values and all.
const COPIES: [&str; 2] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "kubecfg.ksonnet.io/last-applied-configuration",
];

/// What a cluster writes into metadata, which nobody has to seal.
const OF_THE_CLUSTER: [&str; 6] = [
    "creationTimestamp",
    "managedFields",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// The SealedSecret of a Secret, both as YAML. Without a scope it is the one that its annotations say.
///
/// # Errors
/// That it is no Secret, lacks a name or namespace which its scope needs, or holds what is no value.
pub fn seal(text: &str, certificate: &Certificate, scope: Option<Scope>) -> Result<String, Error> {
    let mut secret = read_one(text)?;
    let sealed = seal_object(&secret, certificate, scope);
    erase(&mut secret);
    Ok(to_yaml(&sealed?))
}

fn form(problem: &str) -> Error {
    Error::Form {
        problem: problem.to_owned(),
    }
}

fn seal_object(
    secret: &Value,
    certificate: &Certificate,
    scope: Option<Scope>,
) -> Result<Value, Error> {
    if is_sealed(secret) {
        return Err(Error::AlreadySealed);
    }
    if secret["apiVersion"] != "v1" || secret["kind"] != "Secret" {
        return Err(form("what is to be sealed is no Secret of version v1"));
    }
    let scope = scope.unwrap_or_else(|| Scope::of(secret));
    let part = |name: &str| secret["metadata"][name].as_str().unwrap_or_default();
    let (name, namespace) = (part("name"), part("namespace"));
    if scope == Scope::Strict && name.is_empty() {
        return Err(form(
            "the Secret has no name, which is sealed along with its values",
        ));
    }
    if scope != Scope::ClusterWide && namespace.is_empty() {
        return Err(form(
            "the Secret has no namespace, which is sealed along with its values; write it down, or \
             seal for the whole cluster",
        ));
    }
    let label = scope.label(namespace, name);
    let mut data = Map::new();
    for (key, clear) in values(secret)? {
        let sealed = hybrid::seal(&clear, &label, certificate)?;
        data.insert(key, Value::String(base64::encode(&sealed)));
    }
    let mut template = secret["metadata"].as_object().cloned().unwrap_or_default();
    template.retain(|key, _| !OF_THE_CLUSTER.contains(&key.as_str()));
    if let Some(annotations) = template
        .get_mut("annotations")
        .and_then(Value::as_object_mut)
    {
        annotations.retain(|key, _| !COPIES.contains(&key.as_str()));
        annotations.retain(|key, _| SCOPES.iter().all(|(name, _)| name != key));
    }
    let mut metadata = Map::new();
    for part in ["name", "namespace"] {
        if let Some(value) = template.get(part) {
            metadata.insert(part.to_owned(), value.clone());
        }
    }
    if let Some((annotation, _)) = SCOPES.iter().find(|(_, said)| *said == scope) {
        metadata.insert("annotations".to_owned(), json!({ *annotation: "true" }));
        let mut annotations = template.remove("annotations").unwrap_or_else(|| json!({}));
        annotations[*annotation] = json!("true");
        template.insert("annotations".to_owned(), annotations);
    }
    let mut template = json!({ "metadata": template });
    for field in ["type", "immutable"] {
        if !secret[field].is_null() {
            template[field] = secret[field].clone();
        }
    }
    Ok(json!({
        "apiVersion": API_VERSION,
        "kind": "SealedSecret",
        "metadata": metadata,
        "spec": { "encryptedData": data, "template": template },
    }))
}

type Values = Vec<(String, Zeroizing<Vec<u8>>)>;

/// The values of a Secret; `stringData` wins over `data`.
fn values(secret: &Value) -> Result<Values, Error> {
    let mut values = Values::new();
    for field in ["data", "stringData"] {
        let entries = match &secret[field] {
            Value::Null => continue,
            Value::Object(entries) => entries,
            _ => return Err(form(&format!("`{field}` of the Secret is no mapping"))),
        };
        for (key, value) in entries {
            let wrong = || form(&format!("`{field}.{key}` of the Secret is no value of one"));
            let text = value.as_str().ok_or_else(wrong)?;
            let clear = match field {
                "data" => base64::decode(text.as_bytes()).map_err(|_| wrong())?,
                _ => text.as_bytes().to_vec(),
            };
            values.retain(|(known, _)| known != key);
            values.push((key.clone(), Zeroizing::new(clear)));
        }
    }
    Ok(values)
}
