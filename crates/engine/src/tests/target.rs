//! A cluster in memory, and what ends the engine at an effect.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use holdfast_model::Value;
use holdfast_model::lookup::Lookup;
use holdfast_model::object::{
    GroupKind, Key, LiveObject, Manager, ManagerOperation, Object, Origin, VersionedKey,
};
use holdfast_model::operation::{Answer, Changed, Class, Failure};
use holdfast_model::packed::Packed;
use holdfast_model::plan::Verb;
use holdfast_model::stack::{ClusterId, StackKey};
use holdfast_target::{
    BoxFuture, Capabilities, Found, LastLines, Listener, LogLimits, Request, Scope, Snapshot,
    Target,
};

use super::world::lock;

/// Lets so many effects happen; the next one happens and is never answered, as when the process ends
/// just then. Nothing happens after it.
#[derive(Default)]
pub(super) struct Fuse {
    pub(super) left: Mutex<Option<usize>>,
    pub(super) burnt: tokio::sync::Notify,
}

impl Fuse {
    pub(super) async fn pass<T>(&self, effect: impl FnOnce() -> T) -> T {
        let left = {
            let mut left = lock(&self.left);
            let before = *left;
            if let Some(left) = &mut *left {
                *left = left.saturating_sub(1);
            }
            before
        };
        match left {
            Some(0) => std::future::pending().await,
            Some(1) => {
                effect();
                self.burnt.notify_one();
                std::future::pending().await
            }
            _ => effect(),
        }
    }
}

/// A cluster in memory.
pub(super) struct FakeTarget {
    pub(super) fuse: Arc<Fuse>,
    pub(super) objects: Mutex<BTreeMap<Key, LiveObject>>,
    /// What happened, a line an effect: `apply NAME`, `delete NAME`.
    pub(super) effects: Arc<Mutex<Vec<String>>>,
    pub(super) name: &'static str,
    pub(super) number: AtomicU64,
    /// Whether it answers.
    pub(super) is_up: Mutex<bool>,
    pub(super) asked: AtomicU64,
    /// In whose name something was done, or could have been.
    pub(super) users: Mutex<BTreeSet<String>>,
    /// What it says to whatever is applied, where it refuses that.
    pub(super) refuses: Mutex<Option<Failure>>,
    /// What the parts of objects that do not work say.
    pub(super) says: Mutex<Vec<String>>,
    /// What their containers have logged.
    pub(super) wrote: Mutex<Option<LastLines>>,
    /// What a lookup finds.
    pub(super) looks_up: Mutex<Result<Found, Failure>>,
    /// Who hears of changes.
    pub(super) listener: Mutex<Option<Listener>>,
}

/// Writes the fields of an object over those of another one, so many levels deep.
fn overlay(value: &mut Value, written: Value, depth: usize) {
    match (value.as_object_mut(), written) {
        (Some(value), Value::Object(written)) if depth > 0 => {
            for (name, written) in written {
                let depth = if name == "metadata" { depth - 1 } else { 0 };
                overlay(value.entry(name).or_insert(Value::Null), written, depth);
            }
        }
        (_, written) => *value = written,
    }
}

pub(super) fn down() -> Failure {
    Failure {
        class: Class::Transient,
        reason: "Unreachable",
        message: "it is down".to_owned(),
        hint: None,
    }
}

impl FakeTarget {
    /// An object as it is; with its uid.
    pub(super) fn get(
        &self,
        kind: &str,
        namespace: Option<&str>,
        name: &str,
    ) -> Option<LiveObject> {
        let group = if kind == "Deployment" { "apps" } else { "" };
        let key = Key::new(&GroupKind::new(group, kind), namespace, name);
        lock(&self.objects).get(&key).cloned()
    }

    /// The object of a name, whatever its kind.
    pub(super) fn named(&self, name: &str) -> Option<LiveObject> {
        let objects = lock(&self.objects);
        let mut all = objects.iter();
        let found = all.find(|(key, _)| &*key.name == name);
        found.map(|(_, live)| live.clone())
    }

    /// The names of the ConfigMaps of a namespace.
    pub(super) fn configs(&self, namespace: &str) -> Vec<String> {
        let objects = lock(&self.objects);
        let configs = objects.keys().filter(|key| {
            key.kind.kind == "ConfigMap" && key.namespace.as_deref() == Some(namespace)
        });
        configs.map(|key| key.name.to_string()).collect()
    }

    /// Puts an object there as somebody else does.
    pub(super) fn put(&self, text: &str, manager: &str, operation: ManagerOperation) {
        let value: Value = text.parse().expect("it is JSON");
        let object = Object::new(value.clone(), Origin::default()).expect("it is an object");
        self.store(&object.versioned_key(), value, manager, operation);
    }

    /// Makes an object anew in place of another one.
    pub(super) fn replace(&self, text: &str, manager: &str, operation: ManagerOperation) {
        let value: Value = text.parse().expect("it is JSON");
        let object = Object::new(value, Origin::default()).expect("it is an object");
        lock(&self.objects).remove(object.key());
        self.put(text, manager, operation);
    }

    /// What becomes of an object when somebody writes it: what is not written stays, and so does who
    /// wrote it.
    fn written(
        &self,
        key: &VersionedKey,
        written: Value,
        manager: &str,
        operation: ManagerOperation,
    ) -> LiveObject {
        let objects = lock(&self.objects);
        let before = objects.get(&key.key);
        let uid = before.map_or_else(
            || format!("{}-{}", self.name, self.number.load(Ordering::Relaxed)),
            LiveObject::uid,
        );
        let mut managers = before
            .map(|live| live.managers.to_vec())
            .unwrap_or_default();
        let is_known = |known: &Manager| (&*known.name, known.operation) == (manager, operation);
        if !managers.iter().any(is_known) {
            managers.push(Manager {
                name: manager.into(),
                operation,
                api_version: "v1".into(),
                subresource: "".into(),
                time: "".into(),
                fields: Packed::new(&Value::Object(Default::default())),
            });
        }
        let mut value = before.map(|live| live.value.unpack()).unwrap_or_default();
        overlay(&mut value, written, 2);
        if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.insert("uid".to_owned(), uid.into());
        }
        LiveObject {
            key: key.clone(),
            value: Packed::new(&value),
            managers: managers.into(),
        }
    }

    fn store(
        &self,
        key: &VersionedKey,
        written: Value,
        manager: &str,
        operation: ManagerOperation,
    ) -> LiveObject {
        let mut live = self.written(key, written, manager, operation);
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let mut value = live.value.unpack();
        value["metadata"]["resourceVersion"] = number.to_string().into();
        live.value = Packed::new(&value);
        lock(&self.objects).insert(key.key.clone(), live.clone());
        live
    }

    /// Notes what the engine does. As on a cluster, nobody is told: what was answered is known already when
    /// the watch brings it.
    fn note(&self, verb: &str, key: &Key) {
        lock(&self.effects).push(format!("{}: {verb} {}", self.name, key.name));
    }

    /// How often it was asked anything.
    pub(super) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Has it answer, or not.
    pub(super) fn set_up(&self, is_up: bool) {
        *lock(&self.is_up) = is_up;
    }

    fn answer(&self) -> Result<(), Failure> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if *lock(&self.is_up) {
            Ok(())
        } else {
            Err(down())
        }
    }
}

impl Target for FakeTarget {
    fn acting_as(self: Arc<Self>, user: &str) -> Arc<dyn Target> {
        lock(&self.users).insert(user.to_owned());
        self
    }

    fn scopes<'a>(
        &'a self,
        kinds: &'a BTreeSet<GroupKind>,
    ) -> BoxFuture<'a, Result<BTreeMap<GroupKind, Scope>, Failure>> {
        Box::pin(async move {
            self.answer()?;
            let scope = |kind: &GroupKind| match kind.kind.as_str() {
                "Namespace" | "CustomResourceDefinition" => Scope::Cluster,
                _ => Scope::Namespaced,
            };
            Ok(kinds
                .iter()
                .map(|kind| (kind.clone(), scope(kind)))
                .collect())
        })
    }

    fn capabilities(&self) -> BoxFuture<'_, Result<Capabilities, Failure>> {
        Box::pin(async { Ok(Capabilities::default()) })
    }

    fn identity(&self) -> BoxFuture<'_, Result<Option<ClusterId>, Failure>> {
        Box::pin(async {
            self.answer()?;
            Ok(Some(ClusterId(self.name.to_owned())))
        })
    }

    fn observe<'a>(
        &'a self,
        _owner: &'a StackKey,
        keys: &'a [VersionedKey],
    ) -> BoxFuture<'a, Result<Snapshot, Failure>> {
        Box::pin(async move {
            self.answer()?;
            let objects = lock(&self.objects);
            let live = keys.iter().filter_map(|key| {
                let live = objects.get(&key.key)?;
                Some((key.key.clone(), live.clone()))
            });
            Ok(Snapshot {
                live: live.collect(),
                ..Snapshot::default()
            })
        })
    }

    fn dry_run<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<LiveObject, Failure>> {
        Box::pin(async move {
            self.answer()?;
            let value = request
                .body
                .as_ref()
                .map(Packed::unpack)
                .unwrap_or_default();
            Ok(self.written(&request.key, value, "holdfast", ManagerOperation::Apply))
        })
    }

    fn check<'a>(&'a self, _request: &'a Request) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(async { Ok(()) })
    }

    fn perform<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Answer, Failure>> {
        Box::pin(async move {
            self.answer()?;
            if let Some(failure) = &*lock(&self.refuses) {
                return Err(failure.clone());
            }
            self.fuse.pass(|| self.do_as_asked(request)).await
        })
    }

    fn look_up<'a>(&'a self, _question: &'a Lookup) -> BoxFuture<'a, Result<Found, Failure>> {
        Box::pin(async { lock(&self.looks_up).clone() })
    }

    fn explain<'a>(&'a self, _object: &'a LiveObject) -> BoxFuture<'a, Vec<String>> {
        Box::pin(async { lock(&self.says).clone() })
    }

    fn last_lines<'a>(
        &'a self,
        _object: &'a LiveObject,
        _limits: LogLimits,
    ) -> BoxFuture<'a, Option<LastLines>> {
        Box::pin(async { lock(&self.wrote).clone() })
    }
}

impl FakeTarget {
    fn do_as_asked(&self, request: &Request) -> Result<Answer, Failure> {
        let key = &request.key.key;
        if matches!(request.verb, Verb::Delete | Verb::Replace | Verb::Run) {
            let removed = lock(&self.objects).remove(key);
            if removed.is_some() {
                self.note("delete", key);
            }
        }
        if request.verb == Verb::Delete {
            return Ok(Answer::Gone);
        }
        let value = request.body.as_ref().map(Packed::unpack);
        let value = value.expect("what is applied has a body");
        let live = self.store(&request.key, value, "holdfast", ManagerOperation::Apply);
        self.note("apply", key);
        Ok(Answer::Applied(Box::new(live), Changed::Yes))
    }
}
