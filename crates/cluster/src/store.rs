//! Objects in memory, with a revision that only grows and a log of changes that watches read.
//!
//! Objects are kept as the JSON bytes that are sent, so that lists and watches copy and never
//! parse. It must not know what an object means: only its name, labels and revision.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use holdfast_admit::{ObjectName, ResourceId};
use holdfast_model::Value;
use tokio::sync::watch;

use crate::storage::{Journal, Loaded, OpenError, Opened, Progress, Record};
use crate::stored::stamped;

pub(crate) use crate::stored::Stored;

/// The changes that a resource's log keeps; a watch that is further behind starts again.
const LOG_LIMIT: usize = 4096;

/// How a change came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChangeKind {
    Added,
    Modified,
    Deleted,
}

/// One entry of a resource's log.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) kind: ChangeKind,
    /// The object after the change; for a deletion its last state, with the deletion's revision.
    pub(crate) object: Arc<Stored>,
    /// The object before the change.
    pub(crate) previous: Option<Arc<Stored>>,
}

/// What a write expects to find.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Expected {
    /// Nothing of this name.
    Absent,
    /// The object at this revision.
    Revision(u64),
}

/// The write found something else than it expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is one already.
    Exists,
    /// It has changed since.
    Changed,
    /// It is gone.
    Gone,
}

/// A page of a list, all of one revision.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) revision: u64,
    pub(crate) objects: Vec<Arc<Stored>>,
}

/// The revision asked for is no longer known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooOld {
    /// The revision that was asked for.
    pub(crate) asked: u64,
    /// The oldest one that is known.
    pub(crate) oldest: u64,
}

#[derive(Default)]
struct Collection {
    objects: BTreeMap<ObjectName, Arc<Stored>>,
    log: VecDeque<Change>,
    /// Changes at or before this revision are no longer in the log.
    forgotten: u64,
    signal: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    revision: u64,
    /// Where changes go on their way to the disk.
    journal: Option<Journal>,
    /// Whether the disk takes nothing at present; then nothing is changed.
    is_stuck: bool,
    /// Told of every write.
    signal: watch::Sender<u64>,
    collections: HashMap<ResourceId, Collection>,
}

/// All objects of a cluster.
#[derive(Clone, Default)]
pub(crate) struct Store {
    shared: Arc<Shared>,
}

/// What the thread that writes the disk sees of the objects.
#[derive(Default)]
pub(crate) struct Shared {
    inner: Mutex<Inner>,
    /// Told when changes have been taken back, before any is made again.
    taken_back: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is made by one assignment at its end, so a panic elsewhere leaves no
        // half-made state behind.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The revision of the last write.
    pub(crate) fn revision(&self) -> u64 {
        self.lock().revision
    }

    /// Takes back changes that cannot be written, and those that wait behind them, latest first.
    /// No further one is made before [`Shared::resume`]. Watches of what was changed start again.
    pub(crate) fn take_back(
        &self,
        mut unwritten: Vec<Record>,
        waiting: &Receiver<Record>,
        tell: impl FnOnce(),
    ) {
        let mut inner = self.lock();
        // Changes are sent under this lock, so that these are all.
        unwritten.extend(waiting.try_iter());
        inner.is_stuck = true;
        let revision = inner.revision;
        for record in unwritten.into_iter().rev() {
            let collection = inner.collections.entry(record.resource).or_default();
            match record.previous {
                Some(previous) => collection.objects.insert(record.name, previous),
                None => collection.objects.remove(&record.name),
            };
            collection.forget(revision);
        }
        inner.signal.send_replace(revision);
        tell();
        drop(inner);
        if let Some(taken_back) = self.taken_back.get() {
            taken_back();
        }
    }

    /// Makes changes again, after `revision`, which is on the disk. Everybody looks anew, since
    /// nothing that was wished for in between was done.
    pub(crate) fn resume(&self, revision: u64, tell: impl FnOnce()) {
        let mut inner = self.lock();
        inner.is_stuck = false;
        inner.revision = revision;
        for collection in inner.collections.values_mut() {
            collection.forget(revision);
        }
        tell();
        inner.signal.send_replace(revision);
    }
}

/// A place in a resource's log.
pub(crate) struct Cursor {
    resource: ResourceId,
    /// The last revision that was seen.
    pub(crate) revision: u64,
    signal: watch::Receiver<u64>,
}

impl Store {
    /// An empty store. Revisions start at 1, as a client takes 0 for "any".
    pub(crate) fn new() -> Self {
        let store = Self::default();
        store.lock().revision = 1;
        store
    }

    /// A store of what a file holds, that keeps the file up to date.
    ///
    /// # Errors
    /// When the thread that writes cannot be started.
    pub(crate) fn restored(opened: Opened, loaded: Loaded) -> Result<Self, OpenError> {
        let store = Self::new();
        let journal = Journal::start(opened, Arc::downgrade(&store.shared))?;
        {
            let mut inner = store.lock();
            inner.revision = loaded.revision.max(1);
            for (resource, stored) in loaded.objects {
                let collection = inner.collections.entry(resource).or_default();
                // What happened before is not in the log: watches from then start again.
                collection.forgotten = loaded.revision;
                collection
                    .objects
                    .insert(stored.name.clone(), Arc::new(stored));
            }
            inner.journal = Some(journal);
        }
        Ok(store)
    }

    /// Tells whenever changes have been taken back, once.
    pub(crate) fn when_taken_back(&self, tell: impl Fn() + Send + Sync + 'static) {
        let is_first = self.shared.taken_back.set(Box::new(tell)).is_ok();
        debug_assert!(is_first, "there is one who waits for it");
    }

    /// How far the disk is; nothing when there is none.
    pub(crate) fn progress(&self) -> Option<watch::Receiver<Progress>> {
        self.lock().journal.as_ref().map(Journal::progress)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.shared.lock()
    }

    /// The revision of the last write.
    pub(crate) fn revision(&self) -> u64 {
        self.shared.revision()
    }

    pub(crate) fn get(&self, resource: &ResourceId, name: &ObjectName) -> Option<Arc<Stored>> {
        self.lock()
            .collections
            .get(resource)?
            .objects
            .get(name)
            .cloned()
    }

    /// Writes an object and stamps the new revision into its metadata.
    pub(crate) fn put(
        &self,
        resource: &ResourceId,
        name: &ObjectName,
        expected: Expected,
        value: &mut Value,
    ) -> Result<Arc<Stored>, Refused> {
        let mut inner = self.lock();
        if inner.is_stuck {
            // Whoever asked is told of the disk in place of this.
            return Err(Refused::Changed);
        }
        let revision = inner.revision + 1;
        let collection = inner.collections.entry(resource.clone()).or_default();
        let previous = collection.objects.get(name).cloned();
        match (expected, &previous) {
            (Expected::Absent, Some(_)) => return Err(Refused::Exists),
            (Expected::Revision(_), None) => return Err(Refused::Gone),
            (Expected::Revision(wanted), Some(found)) if found.revision != wanted => {
                return Err(Refused::Changed);
            }
            _ => {}
        }
        let stored = Arc::new(stamped(name, revision, value));
        let kind = match previous {
            Some(_) => ChangeKind::Modified,
            None => ChangeKind::Added,
        };
        collection.objects.insert(name.clone(), stored.clone());
        collection.record(Change {
            kind,
            object: stored.clone(),
            previous: previous.clone(),
        });
        inner.revision = revision;
        inner.journal(resource, name, Some(&stored), previous);
        inner.signal.send_replace(revision);
        Ok(stored)
    }

    /// Removes an object; the answer is its last state with the revision of the removal.
    pub(crate) fn remove(
        &self,
        resource: &ResourceId,
        name: &ObjectName,
        expected: u64,
    ) -> Result<Arc<Stored>, Refused> {
        let mut inner = self.lock();
        if inner.is_stuck {
            return Err(Refused::Changed);
        }
        let revision = inner.revision + 1;
        let collection = inner.collections.entry(resource.clone()).or_default();
        let previous = collection.objects.get(name).cloned().ok_or(Refused::Gone)?;
        if previous.revision != expected {
            return Err(Refused::Changed);
        }
        let mut value = previous.value();
        let stored = Arc::new(stamped(name, revision, &mut value));
        collection.objects.remove(name);
        collection.record(Change {
            kind: ChangeKind::Deleted,
            object: stored.clone(),
            previous: Some(previous.clone()),
        });
        inner.revision = revision;
        inner.journal(resource, name, None, Some(previous));
        inner.signal.send_replace(revision);
        Ok(stored)
    }

    /// The objects of a resource, sorted by name, now or at an earlier revision.
    pub(crate) fn list(
        &self,
        resource: &ResourceId,
        namespace: Option<&str>,
        at: Option<u64>,
    ) -> Result<Page, TooOld> {
        let inner = self.lock();
        let revision = at.unwrap_or(inner.revision);
        let Some(collection) = inner.collections.get(resource) else {
            return Ok(Page {
                revision,
                objects: Vec::new(),
            });
        };
        let mut objects: BTreeMap<ObjectName, Arc<Stored>> = BTreeMap::new();
        let found: Vec<Arc<Stored>> = collection.range(namespace).cloned().collect();
        if revision >= inner.revision {
            return Ok(Page {
                revision,
                objects: found,
            });
        }
        if revision < collection.forgotten {
            return Err(TooOld {
                asked: revision,
                oldest: collection.forgotten,
            });
        }
        objects.extend(
            found
                .into_iter()
                .map(|stored| (stored.name.clone(), stored)),
        );
        // Undo what has happened since, latest first.
        let since = collection.log.iter().rev();
        for change in since.take_while(|change| change.object.revision > revision) {
            let name = &change.object.name;
            if namespace.is_some_and(|wanted| wanted != name.namespace) {
                continue;
            }
            match &change.previous {
                Some(previous) => objects.insert(name.clone(), previous.clone()),
                None => objects.remove(name),
            };
        }
        Ok(Page {
            revision,
            objects: objects.into_values().collect(),
        })
    }

    /// The objects of a resource, of a namespace or of all of them.
    pub(crate) fn values(&self, resource: &ResourceId, namespace: Option<&str>) -> Vec<Value> {
        let page = self.list(resource, namespace, None);
        let objects = page.map(|page| page.objects).unwrap_or_default();
        objects.iter().map(|stored| stored.value()).collect()
    }

    /// A place in the log after `revision`.
    pub(crate) fn follow(&self, resource: &ResourceId, revision: u64) -> Result<Cursor, TooOld> {
        let mut inner = self.lock();
        let collection = inner.collections.entry(resource.clone()).or_default();
        if revision < collection.forgotten {
            return Err(TooOld {
                asked: revision,
                oldest: collection.forgotten,
            });
        }
        Ok(Cursor {
            resource: resource.clone(),
            revision,
            signal: collection.signal.subscribe(),
        })
    }

    /// The changes since the cursor, which moves on.
    pub(crate) fn changes(&self, cursor: &mut Cursor) -> Result<Vec<Change>, TooOld> {
        let inner = self.lock();
        cursor.signal.mark_unchanged();
        let Some(collection) = inner.collections.get(&cursor.resource) else {
            return Ok(Vec::new());
        };
        if cursor.revision < collection.forgotten {
            return Err(TooOld {
                asked: cursor.revision,
                oldest: collection.forgotten,
            });
        }
        let start = collection
            .log
            .partition_point(|change| change.object.revision <= cursor.revision);
        let found: Vec<Change> = collection.log.range(start..).cloned().collect();
        // Nothing of this resource can still come at or before the present revision.
        cursor.revision = inner.revision.max(cursor.revision);
        Ok(found)
    }

    /// Tells of every write.
    pub(crate) fn signal(&self) -> watch::Receiver<u64> {
        self.lock().signal.subscribe()
    }

    /// What has changed anywhere since the revisions that are given for each resource, which move
    /// on. What has been forgotten since is told as if it had just been added.
    pub(crate) fn changes_anywhere(
        &self,
        seen: &mut HashMap<ResourceId, u64>,
    ) -> Vec<(ResourceId, Change)> {
        let inner = self.lock();
        let mut found = Vec::new();
        for (resource, collection) in &inner.collections {
            let since = seen.insert(resource.clone(), inner.revision).unwrap_or(0);
            if since < collection.forgotten || since == 0 {
                found.extend(collection.objects.values().map(|stored| {
                    let change = Change {
                        kind: ChangeKind::Added,
                        object: stored.clone(),
                        previous: None,
                    };
                    (resource.clone(), change)
                }));
                continue;
            }
            let start = collection
                .log
                .partition_point(|change| change.object.revision <= since);
            let changes = collection.log.range(start..);
            found.extend(changes.map(|change| (resource.clone(), change.clone())));
        }
        found.sort_by_key(|(_, change)| change.object.revision);
        found
    }

    /// Every object of every resource of a namespace, for its termination.
    pub(crate) fn names_in(&self, namespace: &str) -> Vec<(ResourceId, ObjectName)> {
        let inner = self.lock();
        let mut found = Vec::new();
        for (resource, collection) in &inner.collections {
            let objects = collection.range(Some(namespace));
            found.extend(objects.map(|stored| (resource.clone(), stored.name.clone())));
        }
        found.sort();
        found
    }

    /// How many objects a resource has.
    pub(crate) fn count(&self, resource: &ResourceId) -> usize {
        let inner = self.lock();
        let collection = inner.collections.get(resource);
        collection.map_or(0, |collection| collection.objects.len())
    }
}

impl Inner {
    fn journal(
        &self,
        resource: &ResourceId,
        name: &ObjectName,
        stored: Option<&Arc<Stored>>,
        previous: Option<Arc<Stored>>,
    ) {
        if let Some(journal) = &self.journal {
            journal.send(Record {
                resource: resource.clone(),
                name: name.clone(),
                stored: stored.cloned(),
                previous,
                revision: self.revision,
            });
        }
    }
}

impl Collection {
    fn range(&self, namespace: Option<&str>) -> impl Iterator<Item = &Arc<Stored>> {
        let start = match namespace {
            Some(namespace) => Bound::Included(ObjectName {
                namespace: namespace.to_owned(),
                name: String::new(),
            }),
            None => Bound::Unbounded,
        };
        let wanted = namespace.map(str::to_owned);
        self.objects
            .range((start, Bound::Unbounded))
            .map(|(_, stored)| stored)
            .take_while(move |stored| {
                let namespace = &stored.name.namespace;
                wanted.as_ref().is_none_or(|wanted| wanted == namespace)
            })
    }

    fn record(&mut self, change: Change) {
        let revision = change.object.revision;
        self.log.push_back(change);
        if self.log.len() > LOG_LIMIT
            && let Some(oldest) = self.log.pop_front()
        {
            self.forgotten = oldest.object.revision;
        }
        self.signal.send_replace(revision);
    }
}

impl Collection {
    /// Forgets what has happened up to now: watches start again.
    fn forget(&mut self, revision: u64) {
        self.log.clear();
        self.forgotten = revision;
        self.signal.send_replace(revision);
    }
}

impl Cursor {
    /// Waits until something may have changed.
    pub(crate) async fn changed(&mut self) {
        if self.signal.changed().await.is_err() {
            // The store is gone; nothing will change again.
            std::future::pending::<()>().await;
        }
    }
}
