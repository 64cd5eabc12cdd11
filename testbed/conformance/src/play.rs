//! Plays a script. It must not know what the answers should be.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use holdfast_yaml::{Limits, read_value};
use http::request::Builder;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use crate::policies::{self, outcome};
use crate::{home, mask};

const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
/// How often a step that may be retried is retried, 50 ms apart.
const RETRIES: usize = 200;

/// A script and its steps.
#[derive(Clone, Debug)]
pub struct Script {
    /// The file's name without its ending.
    pub name: String,
    /// The steps.
    pub steps: Vec<Value>,
}

/// All scripts, by name.
pub fn read_scripts() -> Result<Vec<Script>> {
    let mut scripts = Vec::new();
    for entry in std::fs::read_dir(home().join("scripts"))? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let text = std::fs::read_to_string(&path)?;
        let value = read_value(&text, &Limits::strict())
            .with_context(|| format!("reading {}", path.display()))?;
        let steps = value
            .as_array()
            .cloned()
            .context("a script is a list of steps")?;
        scripts.push(Script {
            name: name.into_owned(),
            steps,
        });
    }
    scripts.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(scripts)
}

/// Plays a script and gives a masked answer for each step.
pub async fn play(client: &Client, script: &Script) -> Result<Vec<Value>> {
    // A name of its own for each run: without controllers a namespace never ends.
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let short = script.name.replace('_', "-");
    let namespace = format!("c-{short}-{}", since.as_millis());
    let mut saved = BTreeMap::from([("{ns}".to_owned(), namespace.clone())]);
    let home = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}
    });
    let create = json!({"POST": "/api/v1/namespaces", "body": home});
    let (code, _) = send(client, &create, &saved).await?;
    if code != 201 {
        bail!("the namespace {namespace} could not be made: {code}");
    }
    let mut answers = Vec::new();
    for step in &script.steps {
        let step = &written_out(step);
        let (code, body) = send(client, step, &saved).await?;
        if let Some(name) = step.get("save").and_then(Value::as_str) {
            let metadata = &body["metadata"];
            for (field, short) in [
                ("resourceVersion", "rv"),
                ("uid", "uid"),
                ("continue", "continue"),
                ("name", "name"),
            ] {
                let value = metadata[field].as_str().unwrap_or("").to_owned();
                saved.insert(format!("{{{name}.{short}}}"), value);
            }
        }
        let body = match step.get("outcome") {
            Some(_) => outcome(&body),
            None => body,
        };
        answers.push(json!({"code": code, "body": mask(&body, &namespace)}));
    }
    let delete = json!({"DELETE": "/api/v1/namespaces/{ns}"});
    send(client, &delete, &saved).await?;
    Ok(answers)
}

/// A step that is a definition with rules as the request that it stands for; others as they are.
fn written_out(step: &Value) -> Value {
    if let Some(request) = policies::written_out(step) {
        return request;
    }
    let Some(schema) = step.get("define") else {
        return step.clone();
    };
    let rules = |name: &str| {
        let rules = step.get(name).and_then(Value::as_array);
        let rules = rules.into_iter().flatten().map(|rule| match rule {
            Value::String(rule) => json!({"rule": rule}),
            rule => rule.clone(),
        });
        rules.collect::<Vec<Value>>()
    };
    let mut schema = schema.clone();
    schema["x-kubernetes-validations"] = json!(rules("rules"));
    let mut root = json!({"type": "object", "properties": {"spec": schema}});
    root["x-kubernetes-validations"] = json!(rules("root"));
    json!({
        "POST": "/apis/apiextensions.k8s.io/v1/customresourcedefinitions?dryRun=All",
        "accept": "partial",
        "body": {
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "things.{ns}.example.com"},
            "spec": {
                "group": "{ns}.example.com", "scope": "Namespaced",
                "names": {"plural": "things", "kind": "Thing"},
                "versions": [{
                    "name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": root},
                }],
            },
        },
    })
}

fn filled(text: &str, saved: &BTreeMap<String, String>) -> String {
    let mut text = text.to_owned();
    for (name, value) in saved {
        text = text.replace(name, value);
    }
    text
}

async fn send(
    client: &Client,
    step: &Value,
    saved: &BTreeMap<String, String>,
) -> Result<(u16, Value)> {
    let retry = step.get("retry").unwrap_or(&Value::Null);
    let is_retried = |code: u16| match retry {
        Value::Array(codes) => codes.iter().any(|retried| *retried == code),
        retried => *retried == code,
    };
    for _ in 0..RETRIES {
        let (code, body) = send_once(client, step, saved).await?;
        if !is_retried(code) {
            return Ok((code, body));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("still {retry} after many tries: {step}")
}

/// The headers of a step in the name of somebody else.
fn acting_as(mut request: Builder, step: &Value, saved: &BTreeMap<String, String>) -> Builder {
    if let Some(user) = step.get("user").and_then(Value::as_str) {
        request = request.header("impersonate-user", filled(user, saved));
    }
    let groups = step.get("groups").and_then(Value::as_array);
    for group in groups.into_iter().flatten() {
        request = request.header("impersonate-group", group.as_str().unwrap_or(""));
    }
    request
}

async fn send_once(
    client: &Client,
    step: &Value,
    saved: &BTreeMap<String, String>,
) -> Result<(u16, Value)> {
    let method = METHODS.iter().find(|method| step.get(**method).is_some());
    let method = method.with_context(|| format!("no request in {step}"))?;
    let path = filled(step[*method].as_str().unwrap_or(""), saved);
    let text = |name: &str| step.get(name).and_then(Value::as_str).unwrap_or("");
    let media = match text("as") {
        "" => "application/json",
        "merge" => "application/merge-patch+json",
        "json" => "application/json-patch+json",
        "strategic" => "application/strategic-merge-patch+json",
        "apply" => "application/apply-patch+yaml",
        other => other,
    };
    let accept = match text("accept") {
        "" => "application/json",
        "table" => "application/json;as=Table;g=meta.k8s.io;v=v1",
        "partial" => "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
        "partials" => "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1",
        other => other,
    };
    let body = match step.get("body") {
        None => Vec::new(),
        Some(Value::String(text)) => filled(text, saved).into_bytes(),
        Some(value) => filled(&value.to_string(), saved).into_bytes(),
    };
    let agent = step
        .get("agent")
        .and_then(Value::as_str)
        .unwrap_or("conformance");
    let mut request = Request::builder()
        .method(Method::from_bytes(method.as_bytes())?)
        .uri(path)
        .header("content-type", media)
        .header("accept", accept)
        .header("user-agent", agent);
    request = acting_as(request, step, saved);
    let response = client.send(request.body(Body::from(body))?).await?;
    let code = response.status().as_u16();
    let warnings: Vec<Value> = response
        .headers()
        .get_all("warning")
        .iter()
        .filter_map(|value| Some(json!(value.to_str().ok()?)))
        .collect();
    let bytes = response.into_body().collect().await?.to_bytes();
    let mut value = read_body(&bytes);
    if !warnings.is_empty() && value.is_object() {
        value["(warnings)"] = json!(warnings);
    }
    Ok((code, value))
}

/// One document, or the events of a watch, or a text.
fn read_body(bytes: &[u8]) -> Value {
    if let Ok(value) = serde_json::from_slice(bytes) {
        return value;
    }
    let text = String::from_utf8_lossy(bytes);
    let lines: Option<Vec<Value>> = text
        .lines()
        .map(|line| serde_json::from_str(line).ok())
        .collect();
    match lines {
        Some(lines) => Value::Array(lines),
        None => json!(text),
    }
}
