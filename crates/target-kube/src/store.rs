//! What is known of a cluster's objects, compactly: objects that a Stack manages as JSON bytes with
//! their owners' field sets shared, all others as a name. It must not know how it is filled.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_model::Value;
use holdfast_model::object::{Key, LiveObject, Manager, ManagerOperation, VersionedKey};
use holdfast_model::stack::StackKey;
use serde_json::Map;

use crate::discovery::Resource;

/// Namespace and name within one resource.
pub(crate) type Name = (Option<String>, String);

/// An object of one resource.
#[derive(Debug)]
enum Entry {
    /// Nobody manages it; it is only known to be there.
    Seen,
    /// Somebody manages it.
    Full(Box<Compact>),
}

/// An object as bytes.
#[derive(Debug)]
struct Compact {
    uid: Box<str>,
    resource_version: Box<str>,
    json: Box<[u8]>,
    managers: Box<[CompactManager]>,
}

#[derive(Debug)]
struct CompactManager {
    name: Arc<str>,
    operation: ManagerOperation,
    subresource: Arc<str>,
    time: Box<str>,
    fields: Arc<[u8]>,
}

#[derive(Default)]
struct Kind {
    objects: HashMap<Name, Entry>,
    /// Stacks that manage an object, by its name.
    interest: HashMap<Name, HashSet<StackKey>>,
}

#[derive(Default)]
struct Inner {
    kinds: HashMap<Resource, Kind>,
    /// Field sets and words that many objects share.
    shared: HashSet<Arc<[u8]>>,
    words: HashSet<Arc<str>>,
    owners: HashMap<StackKey, BTreeMap<VersionedKey, Resource>>,
}

/// What is known of the objects of one cluster.
#[derive(Default)]
pub(crate) struct Store {
    inner: Mutex<Inner>,
}

/// What the store knows of an object.
pub(crate) enum Known {
    /// It is not there.
    Absent,
    /// It is there, and must be asked for.
    Unread,
    /// It is there.
    Full(LiveObject),
}

impl Store {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes which objects a Stack manages, and forgets those that it managed before.
    pub(crate) fn set_interest(&self, owner: &StackKey, keys: BTreeMap<VersionedKey, Resource>) {
        let mut inner = self.lock();
        let before = inner.owners.remove(owner).unwrap_or_default();
        for (key, resource) in before.iter().filter(|(key, _)| !keys.contains_key(key)) {
            if let Some(kind) = inner.kinds.get_mut(resource) {
                kind.lose_interest(&name_of(&key.key), owner);
            }
        }
        for (key, resource) in keys.iter().filter(|(key, _)| !before.contains_key(key)) {
            let kind = inner.kinds.entry(resource.clone()).or_default();
            kind.interest
                .entry(name_of(&key.key))
                .or_default()
                .insert(owner.clone());
        }
        if !keys.is_empty() {
            inner.owners.insert(owner.clone(), keys);
        }
    }

    /// Whether some Stack manages an object.
    pub(crate) fn is_managed(&self, resource: &Resource, name: &Name) -> bool {
        let inner = self.lock();
        inner
            .kinds
            .get(resource)
            .is_some_and(|kind| kind.interest.contains_key(name))
    }

    /// What is known of an object.
    pub(crate) fn get(&self, resource: &Resource, name: &Name) -> Known {
        let inner = self.lock();
        match inner
            .kinds
            .get(resource)
            .and_then(|kind| kind.objects.get(name))
        {
            None => Known::Absent,
            Some(Entry::Seen) => Known::Unread,
            Some(Entry::Full(compact)) => Known::Full(compact.expand(resource, name)),
        }
    }

    /// Notes that an object is there, whatever it holds.
    pub(crate) fn see(&self, resource: &Resource, name: Name) {
        let mut inner = self.lock();
        let kind = inner.kinds.entry(resource.clone()).or_default();
        kind.objects.entry(name).or_insert(Entry::Seen);
    }

    /// Takes an object in unless a newer state of it is known; whether that was news.
    pub(crate) fn put(&self, resource: &Resource, name: Name, value: Value) -> bool {
        let mut inner = self.lock();
        let Inner {
            kinds,
            shared,
            words,
            ..
        } = &mut *inner;
        let compact = Compact::new(value, shared, words);
        let kind = kinds.entry(resource.clone()).or_default();
        match kind.objects.get(&name) {
            Some(Entry::Full(known)) if !is_newer(&compact.resource_version, known) => false,
            _ => {
                kind.objects.insert(name, Entry::Full(Box::new(compact)));
                true
            }
        }
    }

    /// Notes that an object is gone; whether that was news. A deletion that is older than what is
    /// known is of an object that has been made again since.
    pub(crate) fn remove(&self, resource: &Resource, name: &Name, version: Option<&str>) -> bool {
        let mut inner = self.lock();
        let Some(kind) = inner.kinds.get_mut(resource) else {
            return false;
        };
        let stale = match (kind.objects.get(name), version) {
            (Some(Entry::Full(known)), Some(version)) => {
                !is_newer(version, known) && version != &*known.resource_version
            }
            _ => false,
        };
        !stale && kind.objects.remove(name).is_some()
    }

    /// The names of all objects of a resource.
    pub(crate) fn names(&self, resource: &Resource) -> Vec<Name> {
        let inner = self.lock();
        let objects = inner
            .kinds
            .get(resource)
            .map(|kind| kind.objects.keys().cloned());
        objects.into_iter().flatten().collect()
    }

    /// Whether any Stack manages objects of a resource.
    pub(crate) fn has_interest(&self, resource: &Resource) -> bool {
        let inner = self.lock();
        inner
            .kinds
            .get(resource)
            .is_some_and(|kind| !kind.interest.is_empty())
    }

    /// Forgets all objects of a resource.
    pub(crate) fn clear(&self, resource: &Resource) {
        if let Some(kind) = self.lock().kinds.get_mut(resource) {
            kind.objects = HashMap::new();
        }
    }
}

impl Kind {
    fn lose_interest(&mut self, name: &Name, owner: &StackKey) {
        let Some(owners) = self.interest.get_mut(name) else {
            return;
        };
        owners.remove(owner);
        if owners.is_empty() {
            self.interest.remove(name);
            if let Some(entry) = self.objects.get_mut(name) {
                *entry = Entry::Seen;
            }
        }
    }
}

/// Resource versions of one resource are comparable numbers (KEP-5504); where a server writes
/// something else, the newest arrival counts.
fn is_newer(version: &str, known: &Compact) -> bool {
    match (
        version.parse::<u64>(),
        known.resource_version.parse::<u64>(),
    ) {
        (Ok(new), Ok(old)) => new > old,
        _ => version != &*known.resource_version,
    }
}

/// Namespace and name of a key.
pub(crate) fn name_of(key: &Key) -> Name {
    (key.namespace.clone(), key.name.clone())
}

impl Compact {
    fn new(
        mut value: Value,
        shared: &mut HashSet<Arc<[u8]>>,
        words: &mut HashSet<Arc<str>>,
    ) -> Self {
        let managers = take_managers(&mut value, shared, words);
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).unwrap_or("");
        Self {
            uid: text("/metadata/uid").into(),
            resource_version: text("/metadata/resourceVersion").into(),
            managers,
            json: serde_json::to_vec(&value).unwrap_or_default().into(),
        }
    }

    fn expand(&self, resource: &Resource, name: &Name) -> LiveObject {
        let managers = self.managers.iter().map(|manager| Manager {
            name: manager.name.to_string(),
            operation: manager.operation,
            subresource: manager.subresource.to_string(),
            time: manager.time.to_string(),
            fields: Arc::new(serde_json::from_slice(&manager.fields).unwrap_or(Value::Null)),
        });
        LiveObject {
            key: VersionedKey {
                key: Key {
                    kind: resource.kind.clone(),
                    namespace: name.0.clone(),
                    name: name.1.clone(),
                },
                version: resource.version.clone(),
            },
            uid: self.uid.to_string(),
            resource_version: self.resource_version.to_string(),
            value: Arc::new(serde_json::from_slice(&self.json).unwrap_or(Value::Null)),
            managers: managers.collect(),
        }
    }
}

fn take_managers(
    value: &mut Value,
    shared: &mut HashSet<Arc<[u8]>>,
    words: &mut HashSet<Arc<str>>,
) -> Box<[CompactManager]> {
    let metadata = value.get_mut("metadata").and_then(Value::as_object_mut);
    let Some(Value::Array(items)) = metadata.and_then(|metadata| metadata.remove("managedFields"))
    else {
        return Box::default();
    };
    let mut word = |text: &str| -> Arc<str> {
        if let Some(word) = words.get(text) {
            return Arc::clone(word);
        }
        let word: Arc<str> = text.into();
        words.insert(Arc::clone(&word));
        word
    };
    let mut managers = Vec::with_capacity(items.len());
    for item in &items {
        let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
        let fields = item
            .get("fieldsV1")
            .cloned()
            .unwrap_or(Value::Object(Map::new()));
        let fields = serde_json::to_vec(&fields).unwrap_or_default();
        let fields = match shared.get(fields.as_slice()) {
            Some(known) => Arc::clone(known),
            None => {
                let fields: Arc<[u8]> = fields.into();
                shared.insert(Arc::clone(&fields));
                fields
            }
        };
        managers.push(CompactManager {
            name: word(text("manager")),
            operation: match text("operation") {
                "Apply" => ManagerOperation::Apply,
                _ => ManagerOperation::Update,
            },
            subresource: word(text("subresource")),
            time: text("time").into(),
            fields,
        });
    }
    managers.into()
}

/// An object as a server sent it, outside of any store.
pub(crate) fn live_object(resource: &Resource, name: &Name, value: Value) -> LiveObject {
    let compact = Compact::new(value, &mut HashSet::new(), &mut HashSet::new());
    compact.expand(resource, name)
}
