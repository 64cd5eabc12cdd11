//! Pairs of objects that differ in one place, in Git or by a hand on the cluster: what the differ says
//! that an apply would change is held against what an API server says that it changes.
//!
//! ```text
//! Git:     apply A ──▶ live; Git has B:                does applying B change live?
//! by hand: apply A, edit in one place ──▶ live;        does applying A change live?
//! ```
//! The server is asked by a dry run of what Holdfast sends, and by one of the file as it stands, as
//! `kubectl apply --server-side --force-conflicts --field-manager=holdfast` sends it.

mod mutate;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use holdfast_assess::theirs;
use holdfast_kinds::{Typing, fold_string_data};
use holdfast_model::digest::Digest;
use holdfast_model::object::{LiveObject, Manager, ManagerOperation, Object, Origin};
use holdfast_model::packed::Packed;
use holdfast_plan::{Sending, body, changes};
use http::{Method, Request};
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

pub use mutate::{Mutant, mutants};

const OBJECTS: &str = include_str!("objects.yaml");
const APPLY: &str = "application/apply-patch+yaml";
const OURS: &str = "fieldManager=holdfast&force=true";
/// How often a pair is played again because a controller writes to the object.
const ATTEMPTS: usize = 20;

/// What a server said of a pair, and what the differ says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What the server makes of it.
    pub server: Server,
    /// What the differ predicts; `None` where it would ask the server.
    pub predicted: Option<Vec<String>>,
    /// Where the server makes another object of what Holdfast sends than of the file as it stands.
    pub apart: Vec<String>,
}

/// What a server makes of an apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Server {
    /// It refuses it.
    Refuses,
    /// Nothing would change.
    Same,
    /// This would be the object, by a digest of what does not differ from run to run.
    Changes(Digest),
}

impl Server {
    /// A word for the record.
    pub fn word(&self) -> String {
        match self {
            Self::Refuses => "refuses".to_owned(),
            Self::Same => "same".to_owned(),
            Self::Changes(digest) => digest.to_string(),
        }
    }
}

impl Verdict {
    /// Whether the differ says what the server says: an apply that changes nothing or is refused is
    /// never taken for the other.
    pub fn is_right(&self) -> bool {
        match (&self.server, &self.predicted) {
            (_, None) => true,
            (Server::Same, Some(found)) => found.is_empty(),
            (Server::Changes(_) | Server::Refuses, Some(found)) => !found.is_empty(),
        }
    }
}

/// A server that pairs are played on.
pub struct Side {
    client: Client,
    /// A number that no object of this server has in its name yet.
    next: u32,
}

/// The objects that pairs are made of.
///
/// # Errors
/// When the file cannot be read.
pub fn bases() -> anyhow::Result<Vec<Value>> {
    let limits = holdfast_yaml::Limits::strict();
    let documents = OBJECTS.split("\n---\n");
    let values = documents.map(|text| holdfast_yaml::read_value(text, &limits));
    Ok(values.collect::<Result<_, _>>()?)
}

/// What a base is called in the record: its kind, and where another base has the same, its version too.
fn word(base: &Value) -> String {
    let text = |name: &str| base[name].as_str().unwrap_or_default().to_owned();
    match text("apiVersion").as_str() {
        version @ ("autoscaling/v1" | "events.k8s.io/v1") => {
            format!("{} of {version}", text("kind"))
        }
        _ => text("kind"),
    }
}

fn typing(value: &Value) -> anyhow::Result<Typing> {
    let object = object(value)?;
    let (kind, version) = (&object.key().kind, object.version());
    if let Some(typing) = Typing::built_in(&kind.group, version, &kind.kind) {
        return Ok(typing);
    }
    let definition = crate::ownership::definition()?;
    let kinds = holdfast_schema::kinds_of_crd(&definition)?;
    let custom = kinds.into_iter().find(|found| found.kind.kind == kind.kind);
    let custom = custom.with_context(|| format!("no definition of {kind}"))?;
    Ok(Typing::Custom(std::sync::Arc::new(custom)))
}

fn object(value: &Value) -> anyhow::Result<Object> {
    Ok(Object::new(value.clone(), Origin::default())?)
}

impl Side {
    /// A server that has the custom kind, with a namespace and an account for pods.
    ///
    /// # Errors
    /// When the server does not take them.
    pub async fn new(client: Client) -> anyhow::Result<Self> {
        let side = Self { client, next: 0 };
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "pairs"}});
        side.post("/api/v1/namespaces", &namespace).await?;
        let account =
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}});
        side.post("/api/v1/namespaces/pairs/serviceaccounts", &account)
            .await?;
        let class = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": "high"}, "value": 5});
        side.post("/apis/scheduling.k8s.io/v1/priorityclasses", &class)
            .await?;
        Ok(side)
    }

    async fn post(&self, path: &str, object: &Value) -> anyhow::Result<()> {
        let (code, answer) = self
            .send(Method::POST, path, "application/json", object)
            .await?;
        anyhow::ensure!(code == 201 || code == 409, "{path}: {code} {answer}");
        Ok(())
    }

    /// Plays every pair of a base; the verdict of each by its name.
    ///
    /// # Errors
    /// When the server cannot be reached or refuses the base itself.
    pub async fn play(&mut self, base: &Value) -> anyhow::Result<BTreeMap<String, Verdict>> {
        let typing = typing(base)?;
        let kind = word(base);
        let mut verdicts = BTreeMap::new();
        let (before, live) = self.apply_new(base, &typing).await?;
        for mutant in mutants(&before) {
            let name = format!("{kind} git {}", mutant.name);
            let verdict = self.judge(&mutant.value, &live, &typing).await;
            verdicts.insert(name.clone(), verdict.context(name)?);
        }
        for mutant in mutants(base) {
            let name = format!("{kind} hand {}", mutant.name);
            let verdict = self.play_by_hand(base, &mutant, &typing).await;
            if let Some(verdict) = verdict.context(name.clone())? {
                verdicts.insert(name, verdict);
            }
        }
        Ok(verdicts)
    }

    /// The verdict of a base that was edited in the place of a mutant; `None` where the server refuses
    /// that.
    async fn play_by_hand(
        &mut self,
        base: &Value,
        mutant: &Mutant,
        typing: &Typing,
    ) -> anyhow::Result<Option<Verdict>> {
        let (wanted, live) = self.apply_new(base, typing).await?;
        let Some(edited) = self.edit(&live, mutant, base).await? else {
            return Ok(None);
        };
        Ok(Some(self.judge(&wanted, &edited, typing).await?))
    }

    /// Applies a base under a name of its own; the base with that name, and what the server made.
    async fn apply_new(&mut self, base: &Value, typing: &Typing) -> anyhow::Result<(Value, Value)> {
        self.next += 1;
        let mut base = base.clone();
        name_anew(&mut base, self.next);
        if typing.kind().namespaced {
            base["metadata"]["namespace"] = json!("pairs");
        }
        let sent = sent(&base, None, typing)?;
        let path = format!("{}?{OURS}", path(&base, typing));
        let (code, live) = self.send(Method::PATCH, &path, APPLY, &sent).await?;
        anyhow::ensure!(code == 201, "{path}: {code} {live}");
        Ok((base, live))
    }

    /// Edits a live object in the place of a mutant; `None` where the server refuses that.
    async fn edit(
        &self,
        live: &Value,
        mutant: &Mutant,
        base: &Value,
    ) -> anyhow::Result<Option<Value>> {
        let typing = typing(base)?;
        let path = path(live, &typing);
        let mut live = live.clone();
        for _ in 0..ATTEMPTS {
            let mut edited = live.clone();
            carry(base, &mutant.value, &mut edited);
            let edit = format!("{path}?fieldManager=kubectl-edit");
            let (code, answer) = self
                .send(Method::PUT, &edit, "application/json", &edited)
                .await?;
            if code != 409 {
                return Ok((code == 200).then_some(answer));
            }
            // A controller has written its status meanwhile.
            let before = live["metadata"]["resourceVersion"].clone();
            live = self.get(&path).await?;
            if live["metadata"]["resourceVersion"] == before {
                return Ok(None);
            }
        }
        anyhow::bail!("{path} does not come to rest")
    }

    async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let none = Value::Null;
        let (code, live) = self
            .send(Method::GET, path, "application/json", &none)
            .await?;
        anyhow::ensure!(code == 200, "{path}: {code} {live}");
        Ok(live)
    }

    /// What the server and the differ say of an apply, to an object that nobody else writes to meanwhile.
    async fn judge(
        &self,
        wanted: &Value,
        live: &Value,
        typing: &Typing,
    ) -> anyhow::Result<Verdict> {
        let path = path(live, typing);
        let mut live = live.clone();
        for _ in 0..ATTEMPTS {
            let verdict = self.judge_once(wanted, &live, typing).await?;
            if verdict.server == Server::Same {
                return Ok(verdict);
            }
            let now = self.get(&path).await?;
            if now["metadata"]["resourceVersion"] == live["metadata"]["resourceVersion"] {
                return Ok(verdict);
            }
            live = now;
        }
        anyhow::bail!("{path} does not come to rest")
    }

    async fn judge_once(
        &self,
        wanted: &Value,
        live: &Value,
        typing: &Typing,
    ) -> anyhow::Result<Verdict> {
        let path = format!("{}?{OURS}&dryRun=All", path(live, typing));
        let current = live_object(live)?;
        let sent = sent(wanted, Some(&current), typing)?;
        let (code, answer) = self.send(Method::PATCH, &path, APPLY, &sent).await?;
        let mut plain = wanted.clone();
        plain["metadata"]["uid"] = live["metadata"]["uid"].clone();
        let (plain_code, plainly) = self.send(Method::PATCH, &path, APPLY, &plain).await?;
        let server = match code {
            200 if steady(&answer) == steady(live) => Server::Same,
            200 => Server::Changes(Digest::of_value(&content(&answer))),
            400.. => Server::Refuses,
            code => anyhow::bail!("{path}: {code} {answer}"),
        };
        let apart = match (code, plain_code) {
            (200, 200) => holdfast_conformance::differences(&content(&plainly), &content(&answer)),
            _ => Vec::new(),
        };
        let wanted = object(wanted)?;
        let left = left(&wanted);
        let sending = Sending {
            live: Some(&current),
            left: &left,
            part_of: None,
            typing: Some(typing),
        };
        let found = changes(&wanted, &current, sending, None);
        Ok(Verdict {
            server,
            predicted: found.map(|found| found.into_iter().map(|one| one.path).collect()),
            apart,
        })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: &Value,
    ) -> anyhow::Result<(u16, Value)> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content_type)
            .body(Body::from(serde_json::to_vec(body)?))?;
        let answer = self.client.send(request).await?;
        let code = answer.status().as_u16();
        let bytes = answer.into_body().collect().await?.to_bytes();
        Ok((code, serde_json::from_slice(&bytes)?))
    }
}

/// Gives a base the name of a number, in the form that its kind wants.
fn name_anew(base: &mut Value, number: u32) {
    let group = format!("p{number}.example.org");
    let name = match base["kind"].as_str().unwrap_or_default() {
        "CustomResourceDefinition" => format!("things.{group}"),
        "APIService" => format!("v1.{group}"),
        "IPAddress" => format!("10.{}.{}.1", number / 256, number % 256),
        _ => format!("p{number}"),
    };
    if let Some(place) = base.pointer_mut("/spec/group") {
        *place = json!(group);
    }
    base["metadata"]["name"] = json!(name);
}

/// Writes into `live` what a mutant has otherwise than its base, place by place.
fn carry(base: &Value, mutant: &Value, live: &mut Value) {
    match (base, mutant, live) {
        (Value::Object(before), Value::Object(after), Value::Object(live)) => {
            for name in before.keys().filter(|name| !after.contains_key(*name)) {
                live.remove(name);
            }
            for (name, value) in after {
                match (before.get(name), live.get_mut(name)) {
                    (Some(old), _) if old == value => {}
                    (Some(old), Some(place)) => carry(old, value, place),
                    _ => drop(live.insert(name.clone(), value.clone())),
                }
            }
        }
        (Value::Array(before), Value::Array(after), Value::Array(live))
            if before.len() == after.len() && before.len() == live.len() =>
        {
            let is_turned = before.iter().rev().eq(after) && before.len() > 1;
            if is_turned {
                live.reverse();
                return;
            }
            for ((old, new), place) in before.iter().zip(after).zip(live) {
                if old != new {
                    carry(old, new, place);
                }
            }
        }
        (_, new, place) => *place = new.clone(),
    }
}

fn left(object: &Object) -> Vec<String> {
    theirs::left_alone(&object.key().kind, object, false)
}

/// What Holdfast sends.
fn sent(wanted: &Value, live: Option<&LiveObject>, typing: &Typing) -> anyhow::Result<Value> {
    let object = object(wanted)?;
    let left = left(&object);
    let sending = Sending {
        live,
        left: &left,
        part_of: None,
        typing: Some(typing),
    };
    let mut sent = body(&object, sending);
    if let Some(live) = live {
        sent["metadata"]["uid"] = json!(live.uid());
    }
    Ok(sent)
}

fn path(value: &Value, typing: &Typing) -> String {
    let kind = typing.kind();
    let root = match kind.group.as_str() {
        "" => format!("/api/{}", kind.version),
        group => format!("/apis/{group}/{}", kind.version),
    };
    let name = value["metadata"]["name"].as_str().unwrap_or_default();
    let plural = &kind.plural;
    if kind.namespaced {
        format!("{root}/namespaces/pairs/{plural}/{name}")
    } else {
        format!("{root}/{plural}/{name}")
    }
}

fn live_object(value: &Value) -> anyhow::Result<LiveObject> {
    let mut value = value.clone();
    let metadata = value.get_mut("metadata").and_then(Value::as_object_mut);
    let entries = metadata.and_then(|metadata| metadata.remove("managedFields"));
    let entries = entries.as_ref().and_then(Value::as_array);
    let managers = entries.into_iter().flatten().map(|entry| {
        let text = |name: &str| entry[name].as_str().unwrap_or_default();
        Manager {
            name: text("manager").into(),
            operation: match text("operation") {
                "Apply" => ManagerOperation::Apply,
                _ => ManagerOperation::Update,
            },
            api_version: text("apiVersion").into(),
            subresource: text("subresource").into(),
            time: text("time").into(),
            fields: Packed::new(&entry["fieldsV1"]),
        }
    });
    Ok(LiveObject {
        key: object(&value)?.versioned_key(),
        value: Packed::new(&value),
        managers: managers.collect(),
    })
}

/// An answer without what another run of the same request changes; who owns what counts.
fn steady(answer: &Value) -> Value {
    let mut value = answer.clone();
    for name in ["resourceVersion", "generation"] {
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove(name);
        }
    }
    let entries = value.pointer_mut("/metadata/managedFields");
    for entry in entries.and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(fields) = entry.as_object_mut() {
            fields.remove("time");
        }
    }
    value
}

/// What an object says, without names and what differs from server to server.
fn content(answer: &Value) -> Value {
    let mut value = steady(answer);
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        for name in [
            "uid",
            "creationTimestamp",
            "managedFields",
            "name",
            "namespace",
        ] {
            metadata.remove(name);
        }
        if let Some(labels) = metadata.get_mut("labels").and_then(Value::as_object_mut) {
            labels.remove("kubernetes.io/metadata.name");
        }
    }
    for pointer in ["/spec/clusterIP", "/spec/clusterIPs", "/status"] {
        let (parent, name) = pointer.rsplit_once('/').unwrap_or_default();
        if let Some(Value::Object(fields)) = value.pointer_mut(parent) {
            fields.remove(name);
        }
    }
    fold_string_data(&mut value);
    value
}

fn record_path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pairs.txt")
}

/// What the real server said of each pair, by its name.
///
/// # Errors
/// When the record is not there.
pub fn read() -> anyhow::Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(record_path()).context("no recorded pairs")?;
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    Ok(lines
        .map(|(name, word)| (name.to_owned(), word.to_owned()))
        .collect())
}

/// Keeps what the real server said of each pair, by its name.
///
/// # Errors
/// When it cannot be written.
pub fn write(record: &BTreeMap<String, String>) -> anyhow::Result<()> {
    let lines = record
        .iter()
        .map(|(name, word)| format!("{name}\t{word}\n"));
    Ok(std::fs::write(record_path(), lines.collect::<String>())?)
}
