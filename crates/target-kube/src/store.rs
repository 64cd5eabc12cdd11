//! What is known of a cluster's objects, compactly: objects that a Stack manages packed and with
//! their owners' field sets shared, all others as a name. It must not know how it is filled.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_model::Value;
use holdfast_model::object::{Key, LiveObject, Manager, ManagerOperation, VersionedKey};
use holdfast_model::packed::Packed;
use holdfast_model::stack::StackKey;
use serde_json::Map;

use crate::discovery::{Extent, Resource};

/// Namespace and name within one resource.
type Name = (Option<Box<str>>, Box<str>);

/// An object that some Stack manages, or wants to.
struct Managed {
    known: Known,
    /// One as a rule.
    stacks: Box<[Arc<StackKey>]>,
}

#[derive(Default)]
struct Kind {
    managed: HashMap<Key, Managed>,
    /// Objects that nobody manages; they are only known to be there.
    others: HashSet<Name>,
}

#[derive(Default)]
struct Inner {
    kinds: HashMap<Arc<Resource>, Kind>,
    common: Common,
    interests: HashMap<StackKey, BTreeMap<VersionedKey, Arc<Resource>>>,
}

/// How many moments are remembered.
const MOMENTS: usize = 64;

/// Field sets and words that many objects share.
#[derive(Default)]
struct Common {
    fields: HashSet<Packed>,
    words: HashSet<Arc<str>>,
    /// Moments that were met lately: what is applied together is written in the same second.
    moments: HashSet<Arc<str>>,
    /// At how many field sets those are let go that no object has any more.
    room: usize,
}

/// What is known of the objects of one cluster.
#[derive(Default)]
pub(crate) struct Store {
    inner: Mutex<Inner>,
}

/// What the store knows of an object.
#[derive(Clone)]
pub(crate) enum Known {
    /// It is not there.
    Absent,
    /// It is there, and must be asked for.
    Unread,
    /// It is there.
    Full(Box<LiveObject>),
}

impl Store {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes which objects a Stack manages, and forgets those that it managed before.
    pub(crate) fn set_interest(
        &self,
        stack: &StackKey,
        keys: BTreeMap<VersionedKey, Arc<Resource>>,
    ) {
        let mut inner = self.lock();
        let before = inner.interests.remove(stack).unwrap_or_default();
        for (key, resource) in before.iter().filter(|(key, _)| !keys.contains_key(key)) {
            if let Some(kind) = inner.kinds.get_mut(resource) {
                kind.lose_interest(&key.key, stack);
            }
        }
        let shared = Arc::new(stack.clone());
        for (key, resource) in keys.iter().filter(|(key, _)| !before.contains_key(key)) {
            let kind = inner.kinds.entry(Arc::clone(resource)).or_default();
            kind.gain_interest(&key.key, &shared);
        }
        if !keys.is_empty() {
            inner.interests.insert(stack.clone(), keys);
        }
    }

    /// Whether some Stack manages an object.
    pub(crate) fn is_managed(&self, resource: &Resource, key: &Key) -> bool {
        let inner = self.lock();
        let kind = inner.kinds.get(resource);
        kind.is_some_and(|kind| kind.managed.contains_key(key))
    }

    /// What is known of an object.
    pub(crate) fn get(&self, resource: &Resource, key: &Key) -> Known {
        let inner = self.lock();
        let Some(kind) = inner.kinds.get(resource) else {
            return Known::Absent;
        };
        match kind.managed.get(key) {
            Some(managed) => managed.known.clone(),
            None if kind.others.contains(&name_of(key)) => Known::Unread,
            None => Known::Absent,
        }
    }

    /// Notes that an object is there that nobody manages, whatever it holds.
    pub(crate) fn see(&self, resource: &Arc<Resource>, key: &Key) {
        let mut inner = self.lock();
        let kind = inner.kinds.entry(Arc::clone(resource)).or_default();
        match kind.managed.get_mut(key) {
            Some(managed) if matches!(managed.known, Known::Absent) => {
                managed.known = Known::Unread;
            }
            Some(_) => {}
            None => {
                kind.others.insert(name_of(key));
            }
        }
    }

    /// Takes an object in unless a newer state of it is known; the object, and whether that was
    /// news. Of one that nobody manages it is only noted that it is there.
    pub(crate) fn put(
        &self,
        resource: &Arc<Resource>,
        key: &Key,
        value: Value,
    ) -> (LiveObject, bool) {
        let mut inner = self.lock();
        let Inner { kinds, common, .. } = &mut *inner;
        let kind = kinds.entry(Arc::clone(resource)).or_default();
        // One name for whoever wants the object and for what is known of it.
        let same = kind.managed.get_key_value(key);
        let key = same.map_or(key, |(key, _)| key).clone();
        let live = common.take_in(resource, &key, value);
        let news = match kind.managed.get_mut(&key) {
            None => kind.others.insert(name_of(&key)),
            Some(managed) => match &managed.known {
                Known::Full(known) if !is_newer(&live.resource_version(), known) => false,
                _ => {
                    managed.known = Known::Full(Box::new(live.clone()));
                    true
                }
            },
        };
        (live, news)
    }

    /// Notes that an object is gone; whether that was news. A deletion that is older than what is
    /// known is of an object that has been made again since.
    pub(crate) fn remove(&self, resource: &Resource, key: &Key, version: Option<&str>) -> bool {
        let mut inner = self.lock();
        let Some(kind) = inner.kinds.get_mut(resource) else {
            return false;
        };
        let Some(managed) = kind.managed.get_mut(key) else {
            return kind.others.remove(&name_of(key));
        };
        let stale = match (&managed.known, version) {
            (Known::Absent, _) => true,
            (Known::Full(known), Some(version)) => {
                !is_newer(version, known) && version != known.resource_version()
            }
            _ => false,
        };
        if !stale {
            managed.known = Known::Absent;
        }
        !stale
    }

    /// The keys of all objects of an extent that are there.
    pub(crate) fn keys(&self, extent: &Extent) -> Vec<Key> {
        let inner = self.lock();
        let Some(kind) = inner.kinds.get(&extent.resource) else {
            return Vec::new();
        };
        let managed = kind.managed.iter();
        let managed = managed
            .filter(|(key, _)| extent.holds(key.namespace.as_deref()))
            .filter(|(_, managed)| !matches!(managed.known, Known::Absent))
            .map(|(key, _)| key.clone());
        let others = kind.others.iter();
        let others = others
            .filter(|(namespace, _)| extent.holds(namespace.as_deref()))
            .map(|(namespace, name)| {
                Key::new(&extent.resource.kind, namespace.as_deref(), &**name)
            });
        managed.chain(others).collect()
    }

    /// The keys of an extent that some Stack manages.
    pub(crate) fn managed(&self, extent: &Extent) -> Vec<Key> {
        let inner = self.lock();
        let kind = inner.kinds.get(&extent.resource);
        let keys = kind.into_iter().flat_map(|kind| kind.managed.keys());
        keys.filter(|key| extent.holds(key.namespace.as_deref()))
            .cloned()
            .collect()
    }

    /// Whether any Stack manages objects of an extent.
    pub(crate) fn has_interest(&self, extent: &Extent) -> bool {
        let inner = self.lock();
        let kind = inner.kinds.get(&extent.resource);
        let mut keys = kind.into_iter().flat_map(|kind| kind.managed.keys());
        keys.any(|key| extent.holds(key.namespace.as_deref()))
    }

    /// Forgets all objects of an extent.
    pub(crate) fn clear(&self, extent: &Extent) {
        let mut inner = self.lock();
        let Some(kind) = inner.kinds.get_mut(&extent.resource) else {
            return;
        };
        kind.others
            .retain(|(namespace, _)| !extent.holds(namespace.as_deref()));
        kind.others.shrink_to_fit();
        for (key, managed) in &mut kind.managed {
            if extent.holds(key.namespace.as_deref()) {
                managed.known = Known::Absent;
            }
        }
        if kind.managed.is_empty() && kind.others.is_empty() {
            inner.kinds.remove(&extent.resource);
        }
    }
}

impl Kind {
    fn gain_interest(&mut self, key: &Key, stack: &Arc<StackKey>) {
        let others = &mut self.others;
        let managed = self.managed.entry(key.clone()).or_insert_with(|| Managed {
            known: if others.remove(&name_of(key)) {
                Known::Unread
            } else {
                Known::Absent
            },
            stacks: Box::default(),
        });
        let stacks = managed.stacks.iter().chain([stack]);
        managed.stacks = stacks.cloned().collect();
    }

    fn lose_interest(&mut self, key: &Key, stack: &StackKey) {
        let Some(managed) = self.managed.get_mut(key) else {
            return;
        };
        let others = managed.stacks.iter().filter(|other| ***other != *stack);
        managed.stacks = others.cloned().collect();
        if !managed.stacks.is_empty() {
            return;
        }
        let is_there = !matches!(managed.known, Known::Absent);
        self.managed.remove(key);
        if is_there {
            self.others.insert(name_of(key));
        }
    }
}

/// Resource versions of one resource are comparable numbers (KEP-5504); where a server writes
/// something else, the newest arrival counts.
fn is_newer(version: &str, known: &LiveObject) -> bool {
    let known = known.resource_version();
    match (version.parse::<u64>(), known.parse::<u64>()) {
        (Ok(new), Ok(old)) => new > old,
        _ => version != known,
    }
}

fn name_of(key: &Key) -> Name {
    let namespace = key.namespace.as_deref().map(Box::from);
    (namespace, Box::from(&*key.name))
}

impl Common {
    /// An object as a server sent it, with what others have too shared with them.
    fn take_in(&mut self, resource: &Resource, key: &Key, mut value: Value) -> LiveObject {
        let managers = self.take_managers(&mut value);
        LiveObject {
            key: VersionedKey {
                key: key.clone(),
                version: self.word(&resource.version),
            },
            managers,
            value: Packed::new(&value).squeezed(),
        }
    }

    fn take_managers(&mut self, value: &mut Value) -> Arc<[Manager]> {
        let metadata = value.get_mut("metadata").and_then(Value::as_object_mut);
        let Some(Value::Array(items)) =
            metadata.and_then(|metadata| metadata.remove("managedFields"))
        else {
            return Arc::default();
        };
        let managers = items.iter().map(|item| {
            let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
            let none = Value::Object(Map::new());
            Manager {
                name: self.word(text("manager")),
                operation: match text("operation") {
                    "Apply" => ManagerOperation::Apply,
                    _ => ManagerOperation::Update,
                },
                api_version: self.word(text("apiVersion")),
                subresource: self.word(text("subresource")),
                time: self.moment(text("time")),
                fields: self.fields(Packed::new(item.get("fieldsV1").unwrap_or(&none))),
            }
        });
        managers.collect()
    }

    fn word(&mut self, text: &str) -> Arc<str> {
        if let Some(word) = self.words.get(text) {
            return Arc::clone(word);
        }
        let word: Arc<str> = text.into();
        self.words.insert(Arc::clone(&word));
        word
    }

    fn moment(&mut self, text: &str) -> Arc<str> {
        if let Some(moment) = self.moments.get(text) {
            return Arc::clone(moment);
        }
        if self.moments.len() >= MOMENTS {
            self.moments.clear();
        }
        let moment: Arc<str> = text.into();
        self.moments.insert(Arc::clone(&moment));
        moment
    }

    fn fields(&mut self, fields: Packed) -> Packed {
        if let Some(known) = self.fields.get(&fields) {
            return known.clone();
        }
        if self.fields.len() >= self.room {
            self.fields.retain(Packed::is_shared);
            self.room = 2 * self.fields.len().max(512);
        }
        self.fields.insert(fields.clone());
        fields
    }
}

/// An object as a server sent it, outside of any store.
pub(crate) fn live_object(resource: &Resource, key: &Key, value: Value) -> LiveObject {
    Common::default().take_in(resource, key, value)
}
