//! Masks what differs from run to run. It must not know what was asked.

use regex::Regex;
use serde_json::{Value, json};

/// The value with uids, versions, times, addresses and generated names masked.
pub fn mask(value: &Value, namespace: &str) -> Value {
    let patterns = [
        (
            r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            "UID",
        ),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "TIME"),
        // An age in a table: how long a slow machine took is no difference.
        (r"^\d{1,3}s$", "0s"),
        // Nor how long ago something was that was on a day which a script names.
        (r"^\d{2,5}d$", "DAYS"),
        (r"\((\d+[a-z]+)+ ago\)", "(AGE ago)"),
        // A port of the nodes in a table.
        (r"\b\d+:\d{5}/(TCP|UDP|SCTP)\b", "PORT/$1"),
        (r"\b10\.96\.\d+\.\d+\b", "ADDRESS"),
        // How objects of a schema are called in messages about its rules.
        (r"selfType\d+", "selfType"),
        // A name that was generated, in a message.
        (r"\bgen-[a-z0-9]{5}\b", "gen-NAME"),
        // In an answer that is YAML.
        (r#"resourceVersion: "\d+""#, "resourceVersion: VERSION"),
        (r"in precondition: \d+", "in precondition: VERSION"),
        (r"in object meta: \d+", "in object meta: VERSION"),
        (
            r"too old resource version: \d+ \(\d+\)",
            "too old resource version",
        ),
        (r"in record \(\d+\)", "in record (VERSION)"),
        (
            r"Too large resource version: \d+, current: \d+",
            "Too large resource version",
        ),
    ];
    let patterns: Vec<(Regex, &str)> = patterns
        .iter()
        .filter_map(|(pattern, mask)| Some((Regex::new(pattern).ok()?, *mask)))
        .collect();
    visit(value, namespace, &patterns)
}

fn visit(value: &Value, namespace: &str, patterns: &[(Regex, &str)]) -> Value {
    match value {
        Value::String(text) => {
            let mut text = text.replace(namespace, "NAMESPACE");
            for (pattern, mask) in patterns {
                text = pattern.replace_all(&text, *mask).into_owned();
            }
            json!(text)
        }
        Value::Array(items) => {
            let items = items.iter().map(|item| visit(item, namespace, patterns));
            Value::Array(items.collect())
        }
        Value::Object(fields) => {
            let generated = fields.get("generateName").and_then(Value::as_str);
            let masked = fields.iter().map(|(name, value)| {
                let masked = match name.as_str() {
                    "resourceVersion" if value != "" => json!("VERSION"),
                    "continue" => json!("TOKEN"),
                    "nodePort" | "healthCheckNodePort" => json!("PORT"),
                    "serverAddress" => json!("ADDRESS"),
                    // Texts of the Kubernetes documentation, which are not repeated here.
                    "columnDefinitions" => columns(value),
                    "name" if generated.is_some() => json!("GENERATED"),
                    "labels" if generated.is_some() => labels(&visit(value, namespace, patterns)),
                    // The order in which causes are found is not promised.
                    "causes" => sorted(&visit(value, namespace, patterns)),
                    // Nor that in which the rules of somebody are.
                    "resourceRules" | "nonResourceRules" => {
                        sorted(&visit(value, namespace, patterns))
                    }
                    "managedFields" => sorted(&visit(value, namespace, patterns)),
                    _ => visit(value, namespace, patterns),
                };
                (name.clone(), masked)
            });
            Value::Object(masked.collect())
        }
        value => value.clone(),
    }
}

/// Labels of an object whose name was generated, one of which may repeat it.
fn labels(labels: &Value) -> Value {
    let mut labels = labels.clone();
    if let Some(label) = labels.get_mut("kubernetes.io/metadata.name") {
        *label = json!("GENERATED");
    }
    labels
}

fn sorted(value: &Value) -> Value {
    let mut items = value.as_array().cloned().unwrap_or_default();
    items.sort_by_key(Value::to_string);
    Value::Array(items)
}

fn columns(value: &Value) -> Value {
    let mut columns = value.clone();
    for column in columns.as_array_mut().into_iter().flatten() {
        column["description"] = json!("TEXT");
    }
    columns
}
