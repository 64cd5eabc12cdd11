//! Finds out what a Stack owns, and what controllers have made for it. It must not know how that is shown.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_assess::health::judge;
use holdfast_engine::desired_keys;
use holdfast_model::Value;
use holdfast_model::lookup::Lookup;
use holdfast_model::object::{GroupKind, Key, Object};
use holdfast_model::plan::{Phase, Slot};
use holdfast_plan::slot;
use holdfast_target::{Found, Target as _};

use crate::cli::api::{Api, items, text};
use crate::cli::plan::failed;
use crate::cli::progress::waiting_for;
use crate::cli::rendering::Rendering;
use crate::cli::sources::LocalSources;
use crate::cli::subject::Subject;

/// Kinds that controllers make for what people write, as deep as they go.
const MADE: [(&str, &str); 5] = [
    ("apps/v1", "ReplicaSet"),
    ("batch/v1", "Job"),
    ("v1", "Pod"),
    ("v1", "PersistentVolumeClaim"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
];
/// The most objects that are shown below one another.
const DEPTH: usize = 8;

/// What a Stack owns, and what was made for it.
pub(in crate::cli) struct Tree {
    pub(in crate::cli) subject: Subject,
    pub(in crate::cli) nodes: Vec<Node>,
    /// What cannot be known.
    pub(in crate::cli) notes: Vec<String>,
}

/// An object, and what was made for it.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Node {
    pub(in crate::cli) key: Key,
    pub(in crate::cli) health: String,
    pub(in crate::cli) message: String,
    pub(in crate::cli) wave: Option<i32>,
    /// File and line.
    pub(in crate::cli) origin: Option<String>,
    pub(in crate::cli) children: Vec<Node>,
}

/// Grows the tree of a Stack.
pub(in crate::cli) async fn grow(api: &Api, name: &str) -> anyhow::Result<Tree> {
    let _waiting = waiting_for(format!("reads what {name} owns"));
    let rendering = Rendering::begin(api).await;
    let subject = Subject::read(api, &rendering.plane, name).await?;
    let mut notes = Vec::new();
    let written = written(&rendering, &subject).await.unwrap_or_else(|error| {
        notes.push(format!("files and waves are not known: {error:#}"));
        BTreeMap::new()
    });
    rendering.end().await;
    let keys = desired_keys(&[], subject.inventory.keys());
    let snapshot = subject.target.read(&keys).await.map_err(failed)?;
    let namespaces: BTreeSet<&str> = snapshot
        .live
        .keys()
        .filter_map(|key| key.namespace.as_deref())
        .collect();
    let made = made(&subject, &namespaces, &mut notes).await;
    let mut roots: Vec<(Slot, Node)> = Vec::new();
    for versioned in &keys {
        let key = &versioned.key;
        let object = written.get(key);
        let place = object.map(|object| slot(object, Phase::Sync));
        let live = snapshot.live.get(key).map(|live| live.value.unpack());
        let mut node = node(key, live.as_ref(), &made, 0);
        node.wave = place.map(|place| place.wave);
        node.origin = object.map(|object| object.origin.to_string());
        let last = Slot {
            phase: Phase::PostSync,
            wave: i32::MAX,
            rank: u16::MAX,
        };
        roots.push((place.unwrap_or(last), node));
    }
    roots.sort_by(|left, right| (left.0, &left.1.key).cmp(&(right.0, &right.1.key)));
    Ok(Tree {
        nodes: roots.into_iter().map(|(_, node)| node).collect(),
        subject,
        notes,
    })
}

/// The objects that were applied as they are written, by key.
async fn written(
    rendering: &Rendering,
    subject: &Subject,
) -> anyhow::Result<BTreeMap<Key, Object>> {
    let Some(applied) = &subject.known.applied else {
        return Ok(BTreeMap::new());
    };
    let local = LocalSources::default();
    let of = subject.rendered_for(&local);
    let rendered = subject.as_kept(rendering, of, applied).await?;
    let objects = subject.place(&rendered.objects).await?.into_iter();
    Ok(objects
        .map(|object| (object.key().clone(), object))
        .collect())
}

/// What others have made, by the uid of what it was made for.
type Made = BTreeMap<String, Vec<(Key, Value)>>;

async fn made(subject: &Subject, namespaces: &BTreeSet<&str>, notes: &mut Vec<String>) -> Made {
    let mut made = Made::new();
    for namespace in namespaces {
        for (version, kind) in MADE {
            let question = Lookup {
                api_version: version.to_owned(),
                kind: kind.to_owned(),
                namespace: (*namespace).to_owned(),
                name: String::new(),
            };
            match subject.target.look_up(&question).await {
                Ok(Found::Object(list)) => {
                    for object in items(&list, "/items") {
                        take(&mut made, &question.group_kind(), object);
                    }
                }
                Ok(_) => {}
                Err(failure) => notes.push(format!(
                    "{kind} objects of namespace {namespace} are not shown: {}",
                    failure.message
                )),
            }
        }
    }
    made
}

fn take(made: &mut Made, kind: &GroupKind, object: &Value) {
    let key = Key::new(
        kind,
        Some(text(object, "/metadata/namespace")),
        text(object, "/metadata/name"),
    );
    for owner in items(object, "/metadata/ownerReferences") {
        let children = made.entry(text(owner, "/uid").to_owned()).or_default();
        children.push((key.clone(), object.clone()));
    }
}

fn node(key: &Key, live: Option<&Value>, made: &Made, depth: usize) -> Node {
    let Some(live) = live else {
        return Node {
            key: key.clone(),
            health: "Missing".to_owned(),
            message: "it is not there".to_owned(),
            wave: None,
            origin: None,
            children: Vec::new(),
        };
    };
    let verdict = judge(&key.kind, live);
    let children = made.get(text(live, "/metadata/uid")).into_iter().flatten();
    let children = children
        .filter(|(_, child)| depth < DEPTH && !is_retired(child))
        .map(|(key, child)| node(key, Some(child), made, depth + 1));
    Node {
        key: key.clone(),
        health: verdict.health.to_string(),
        message: verdict.message,
        wave: None,
        origin: None,
        children: children.collect(),
    }
}

/// Whether it is a ReplicaSet of an earlier rollout, which is kept for a way back and has no pods.
fn is_retired(object: &Value) -> bool {
    let count = |pointer: &str| object.pointer(pointer).and_then(Value::as_i64);
    count("/spec/replicas") == Some(0) && count("/status/replicas").unwrap_or(0) == 0
}
