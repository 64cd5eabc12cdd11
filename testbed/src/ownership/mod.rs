//! Random writes by several managers, played against API servers that have to answer alike: the same
//! objects, owners of fields and refusals.

mod generate;
mod kinds;
mod record;

use std::collections::BTreeMap;

use anyhow::Context as _;
use holdfast_merge::merge_patch;
use http::{Method, Request};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Map, Value, json};

pub use generate::{Sequence, Step};
pub use record::{read, write};

use crate::cluster::RealCluster;
use kinds::DEFINITION;

/// One server, and what it knows of the objects of a sequence.
struct Side {
    client: Client,
    namespace: String,
    /// The object as it was last answered.
    last: Value,
}

/// How a server answered each step of a sequence, with what differs from run to run masked.
///
/// # Errors
/// When the server cannot be reached, or the namespace cannot be made.
pub async fn play(
    client: &Client,
    namespace: &str,
    sequence: &Sequence,
) -> anyhow::Result<Vec<Value>> {
    let mut side = Side {
        client: client.clone(),
        namespace: namespace.to_owned(),
        last: Value::Null,
    };
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    let (code, answer) = side
        .send(
            Method::POST,
            "/api/v1/namespaces",
            "application/json",
            &object,
        )
        .await?;
    anyhow::ensure!(
        code == 201,
        "the namespace {namespace} is not made: {answer}"
    );
    let mut answers = Vec::new();
    for step in &sequence.steps {
        let (code, answer) = side.step(sequence, step).await?;
        let masked = mask(&answer, namespace);
        if code < 300 && step.method != Method::DELETE {
            side.last = answer;
        }
        answers.push(json!({"code": code, "answer": masked}));
    }
    Ok(answers)
}

/// The definition of the custom kind.
///
/// # Errors
/// When it cannot be read.
pub fn definition() -> anyhow::Result<Value> {
    Ok(holdfast_yaml::read_value(
        DEFINITION,
        &holdfast_yaml::Limits::strict(),
    )?)
}

/// Prepares a server for sequences: the custom kind is served.
///
/// # Errors
/// When it is not.
pub async fn prepare(client: &Client) -> anyhow::Result<()> {
    let api = crate::api::Api {
        client: client.clone(),
    };
    let definition = definition()?;
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    api.create(path, &definition).await?;
    let list = format!("{}/widgets", kinds::WIDGETS);
    api.wait(&list, "served", |list| list.is_some()).await?;
    Ok(())
}

/// A real API server for sequences, without controllers, which would write too.
///
/// # Errors
/// When it does not come up.
pub async fn real() -> anyhow::Result<RealCluster> {
    let cluster = RealCluster::start_bare().await?;
    prepare(&cluster.client).await?;
    Ok(cluster)
}

/// An embedded API server for one sequence.
///
/// # Errors
/// When it does not take the definition.
pub async fn embedded() -> anyhow::Result<Client> {
    let cluster = holdfast_cluster::Cluster::new(holdfast_cluster::Options::default());
    let client = Client::new(cluster.service(), "default");
    prepare(&client).await?;
    Ok(client)
}

/// Where the embedded server answers a sequence otherwise than expected: the step, and how.
///
/// # Errors
/// When the embedded server cannot be made.
pub async fn differs(
    sequence: &Sequence,
    expected: &[Value],
) -> anyhow::Result<Option<(usize, Vec<String>)>> {
    let found = play(&embedded().await?, "sequence-0", sequence).await?;
    let known = expected.iter().position(leaves_null);
    let comparable = known.unwrap_or(expected.len());
    let mut both = expected.iter().zip(&found).take(comparable).enumerate();
    Ok(both.find_map(|(index, (expected, found))| {
        let lines = holdfast_conformance::differences(expected, found);
        (!lines.is_empty()).then_some((index, lines))
    }))
}

/// Whether the real server refuses what its own merge has left as null: a map or a list of a custom
/// kind that one manager still owns when another lets go of the last thing in it.
///
/// FIXME: the embedded server takes it away instead. What follows cannot be compared.
fn leaves_null(answer: &Value) -> bool {
    let message = answer.pointer("/answer/message").and_then(Value::as_str);
    message.is_some_and(|message| message.contains("must be of type") && message.contains("null"))
}

/// Plays a sequence on both servers; where they differ, the shortest sequence that was found that
/// still does, and how.
///
/// # Errors
/// When a server cannot be reached.
pub async fn check(real: &Client, sequence: &Sequence) -> anyhow::Result<Option<String>> {
    let Some((index, mut lines)) = compared(real, sequence, 0).await? else {
        return Ok(None);
    };
    let mut shortest = sequence.clone();
    shortest.steps.truncate(index + 1);
    let mut attempt = 0;
    let mut dropped = shortest.steps.len() - 1;
    while dropped > 0 {
        dropped -= 1;
        attempt += 1;
        let mut shorter = shortest.clone();
        shorter.steps.remove(dropped);
        if let Some((index, found)) = compared(real, &shorter, attempt).await? {
            shorter.steps.truncate(index + 1);
            dropped = dropped.min(shorter.steps.len() - 1);
            (shortest, lines) = (shorter, found);
        }
    }
    let steps: Vec<String> = shortest
        .steps
        .iter()
        .map(|step| format!("  {step}"))
        .collect();
    Ok(Some(format!(
        "seed {}: the last of these is answered otherwise:\n{}\n{}",
        sequence.seed,
        steps.join("\n"),
        lines.join("\n")
    )))
}

async fn compared(
    real: &Client,
    sequence: &Sequence,
    attempt: usize,
) -> anyhow::Result<Option<(usize, Vec<String>)>> {
    // A name of its own for each: without controllers a namespace never ends.
    let namespace = format!("sequence-{}-{attempt}", sequence.seed);
    let expected = play(real, &namespace, sequence).await?;
    differs(sequence, &expected).await
}

impl Side {
    async fn step(&self, sequence: &Sequence, step: &Step) -> anyhow::Result<(u16, Value)> {
        let path = sequence.kind.path(&self.namespace, step.is_status);
        let path = format!("{path}{}", step.query());
        if step.method != Method::PUT {
            return self
                .send(step.method.clone(), &path, step.media, &step.body)
                .await;
        }
        // An update says what there was, with a change.
        let mut object = self.last.clone();
        merge_patch::apply(&mut object, &step.body);
        self.send(Method::PUT, &path, "application/json", &object)
            .await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        media: &str,
        body: &Value,
    ) -> anyhow::Result<(u16, Value)> {
        let body = match body {
            Value::Null => Vec::new(),
            body => serde_json::to_vec(body)?,
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", media)
            .header("accept", "application/json")
            .body(Body::from(body))?;
        let response = self.client.send(request).await?;
        let code = response.status().as_u16();
        let bytes = response.into_body().collect().await?.to_bytes();
        let value = serde_json::from_slice(&bytes).with_context(|| path.to_owned())?;
        Ok((code, value))
    }
}

/// An answer without what differs from run to run, its owners of fields by who they are.
fn mask(answer: &Value, namespace: &str) -> Value {
    let mut masked = answer.clone();
    if let Some(metadata) = masked.get_mut("metadata").and_then(Value::as_object_mut) {
        for name in ["uid", "resourceVersion", "creationTimestamp", "namespace"] {
            metadata.remove(name);
        }
        let managers = metadata.remove("managedFields");
        metadata.insert("owners".to_owned(), owners(managers.as_ref()));
    }
    if let Some(spec) = masked.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("clusterIP");
        spec.remove("clusterIPs");
    }
    if masked.get("kind").and_then(Value::as_str) == Some("Status") {
        masked = refusal(&masked);
    }
    let text = masked.to_string().replace(namespace, "NAMESPACE");
    serde_json::from_str(&text).unwrap_or(masked)
}

fn owners(managers: Option<&Value>) -> Value {
    let mut owners = Map::new();
    let managers = managers.and_then(Value::as_array);
    for manager in managers.into_iter().flatten() {
        let text = |name: &str| manager.get(name).and_then(Value::as_str).unwrap_or("-");
        let key = ["manager", "operation", "subresource", "apiVersion"].map(text);
        let fields = manager.get("fieldsV1").cloned().unwrap_or_default();
        owners.insert(key.join(" "), fields);
    }
    Value::Object(owners)
}

/// What a refusal says; the order of its causes is not promised.
fn refusal(status: &Value) -> Value {
    let causes = status.pointer("/details/causes").and_then(Value::as_array);
    let causes: BTreeMap<String, &Value> = causes
        .into_iter()
        .flatten()
        .map(|cause| (cause.to_string(), cause))
        .collect();
    let message = status.get("message").and_then(Value::as_str);
    json!({
        "reason": status.get("reason").unwrap_or(&json!("none")),
        "message": message.map(sorted).unwrap_or_default(),
        "causes": causes.into_values().collect::<Vec<_>>(),
    })
}

/// A message with the fields of each manager in the order of their texts. Keys with numbers are
/// sorted by number on the real server.
fn sorted(message: &str) -> String {
    let mut lines: Vec<&str> = message.lines().collect();
    for group in lines.chunk_by_mut(|left, right| left.starts_with("- ") == right.starts_with("- "))
    {
        if group.first().is_some_and(|line| line.starts_with("- ")) {
            group.sort_unstable();
        }
    }
    lines.join("\n")
}
