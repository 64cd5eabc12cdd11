//! [`KubeTarget`]: the parts put together behind the `Target` trait. It must not know how requests
//! are made.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use holdfast_kinds::Typings;
use holdfast_model::lookup::Lookup;
use holdfast_model::object::{GroupKind, LiveObject, VersionedKey};
use holdfast_model::operation::{Answer, Failure};
use holdfast_model::stack::{ClusterId, StackKey};
use holdfast_target::{
    BoxFuture, Capabilities, Found, LastLines, Listener, LogLimits, Request, Scope, Snapshot,
    Target,
};
use kube::Client;
use tokio::sync::watch::{Receiver, channel};
use tokio::sync::{Notify, Semaphore};

use crate::discovery::{Discovery, Extent, Resource};
use crate::request::{Api, Call, Limits};
use crate::store::{Known, Store};
use crate::typings::KnownTypings;
use crate::watch::{self, Progress};
use crate::{apply, explain, failure, last_lines, lookup};

/// A Kubernetes cluster. Clones share everything.
#[derive(Clone)]
pub struct KubeTarget {
    shared: Arc<Shared>,
    actor: Actor,
}

/// What is done in somebody's name: with what the target shares, by requests of that user.
#[derive(Clone)]
pub(crate) struct Actor {
    shared: Arc<Shared>,
    pub(crate) api: Api,
}

impl Deref for Actor {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.shared
    }
}

/// What the target and its watches share.
pub(crate) struct Shared {
    pub(crate) api: Api,
    pub(crate) discovery: Discovery,
    pub(crate) store: Store,
    pub(crate) typings: KnownTypings,
    pub(crate) listener: Listener,
    pub(crate) permits: Semaphore,
    watches: Mutex<HashMap<Extent, Watching>>,
    /// Resources that may not be watched in the whole cluster.
    narrowed: Mutex<HashSet<Arc<Resource>>>,
}

/// A watch that is under way.
#[derive(Clone)]
struct Watching {
    progress: Receiver<Progress>,
    /// Lets it try again at once.
    again: Arc<Notify>,
}

impl KubeTarget {
    /// A cluster behind a client; `listener` is told of changes of managed objects.
    pub fn new(client: Client, limits: Limits, listener: Listener) -> Self {
        let shared = Shared {
            api: Api {
                client,
                limits,
                user: None,
            },
            discovery: Discovery::default(),
            store: Store::default(),
            typings: KnownTypings::default(),
            listener,
            permits: Semaphore::new(limits.concurrency),
            watches: Mutex::default(),
            narrowed: Mutex::default(),
        };
        let shared = Arc::new(shared);
        let actor = Actor {
            api: shared.api.clone(),
            shared: Arc::clone(&shared),
        };
        Self { shared, actor }
    }

    /// The objects of these keys as they are now, asked for one by one: for a look that is not
    /// going to be followed by others.
    ///
    /// # Errors
    /// When the cluster cannot be asked.
    pub async fn read(&self, keys: &[VersionedKey]) -> Result<Snapshot, Failure> {
        let shared = &self.shared;
        let reads = keys.iter().map(|key| async move {
            let permit = shared.permits.acquire().await;
            let _permit = permit.map_err(|_| failure::unreachable("the target is closed"))?;
            let api = &shared.api;
            let found = shared
                .discovery
                .find_any(api, &key.key.kind, &key.version)
                .await?;
            match found {
                Some(resource) => Ok((shared.read(&resource, key).await?, Some(resource))),
                None => Ok((None, None)),
            }
        });
        let mut snapshot = Snapshot::default();
        let mut resources = HashSet::new();
        for (key, found) in keys.iter().zip(join_all(reads).await) {
            let (live, resource) = found?;
            resources.extend(resource);
            if let Some(live) = live {
                snapshot.live.insert(key.key.clone(), live);
            }
        }
        snapshot.typings = shared.typings_of(resources.iter()).await;
        Ok(snapshot)
    }
}

impl Shared {
    fn watches(&self) -> MutexGuard<'_, HashMap<Extent, Watching>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn narrowed(&self) -> MutexGuard<'_, HashSet<Arc<Resource>>> {
        self.narrowed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the watch of an extent if nobody is interested in it or a wider one shows it; whether it
    /// ended. A wider one that is only being tried may be refused.
    pub(crate) fn end_watch(&self, extent: &Extent) -> bool {
        let mut watches = self.watches();
        let whole = watches.get(&Extent::whole(&extent.resource));
        let is_shown =
            whole.is_some_and(|whole| matches!(*whole.progress.borrow(), Progress::Synced));
        if extent.namespace.is_some() && is_shown {
            watches.remove(extent);
            return true;
        }
        if self.store.has_interest(extent) {
            return false;
        }
        watches.remove(extent);
        self.store.clear(extent);
        true
    }

    /// Ends the watch of a whole cluster that is not allowed. What is known stays until it is listed
    /// again, namespace by namespace.
    pub(crate) fn narrow(&self, extent: &Extent) {
        self.narrowed().insert(Arc::clone(&extent.resource));
        self.watches().remove(extent);
    }

    fn watch(self: &Arc<Self>, extent: Extent) -> Watching {
        let mut watches = self.watches();
        let entry = watches.entry(extent.clone());
        entry
            .or_insert_with(|| {
                let (sender, progress) = channel(Progress::Listing);
                let again = Arc::<Notify>::default();
                let signal = Arc::clone(&again);
                let follow = watch::follow(Arc::downgrade(self), extent, sender, signal);
                tokio::spawn(follow);
                Watching { progress, again }
            })
            .clone()
    }

    /// Waits until the store shows what is there.
    async fn synced(&self, watching: Watching) -> Result<(), Failure> {
        let Watching {
            mut progress,
            again,
        } = watching;
        // What was refused may be allowed by now; a server that does not answer is not waited for.
        let refused = match &*progress.borrow_and_update() {
            Progress::Failed(failure) => failure.reason == "Forbidden",
            _ => false,
        };
        if refused {
            again.notify_one();
        }
        let settled = async {
            if refused {
                progress.changed().await?;
            }
            let settled = |progress: &Progress| !matches!(progress, Progress::Listing);
            progress.wait_for(settled).await
        };
        match tokio::time::timeout(Duration::from_secs(60), settled).await {
            Ok(Ok(settled)) => match &*settled {
                Progress::Failed(failure) => Err(failure.clone()),
                _ => Ok(()),
            },
            Ok(Err(_)) => Err(failure::unreachable("a watch ended")),
            Err(_) => Err(failure::unreachable("objects were not listed within 60 s")),
        }
    }

    /// Waits until the store shows what there is of a resource in these namespaces: by a watch of the
    /// whole cluster, or of each of them where no more is allowed.
    async fn cover(
        self: &Arc<Self>,
        resource: &Arc<Resource>,
        namespaces: BTreeSet<&str>,
    ) -> Result<(), Failure> {
        if !self.narrowed().contains(resource) {
            match self.synced(self.watch(Extent::whole(resource))).await {
                Err(failure) if failure.reason == "Forbidden" && resource.namespaced => {}
                result => return result,
            }
        }
        let extents = namespaces
            .into_iter()
            .map(|namespace| self.synced(self.watch(Extent::within(resource, namespace))));
        for result in join_all(extents).await {
            if let Err(failure) = result {
                // What may be listed can have changed: the next look begins with the whole cluster.
                self.narrowed().remove(resource);
                return Err(failure);
            }
        }
        Ok(())
    }

    async fn observe(
        self: &Arc<Self>,
        owner: &StackKey,
        keys: &[VersionedKey],
    ) -> Result<Snapshot, Failure> {
        let mut resources: BTreeMap<VersionedKey, Arc<Resource>> = BTreeMap::new();
        for key in keys {
            let found = self
                .discovery
                .find_any(&self.api, &key.key.kind, &key.version)
                .await?;
            if let Some(resource) = found {
                resources.insert(key.clone(), resource);
            }
        }
        self.store.set_interest(owner, resources.clone());
        let mut watched: HashMap<&Arc<Resource>, BTreeSet<&str>> = HashMap::new();
        for (key, resource) in &resources {
            let namespaces = watched.entry(resource).or_default();
            namespaces.extend(key.key.namespace.as_deref());
        }
        let waits = watched
            .iter()
            .map(|(resource, namespaces)| self.cover(resource, namespaces.clone()));
        for result in join_all(waits).await {
            result?;
        }
        let mut snapshot = Snapshot {
            typings: self.typings_of(watched.keys().copied()).await,
            ..Snapshot::default()
        };
        for (key, resource) in resources {
            let live = match self.store.get(&resource, &key.key) {
                Known::Absent => continue,
                Known::Full(live) => Some(*live),
                Known::Unread => self.read(&resource, &key).await?,
            };
            if let Some(live) = live {
                snapshot.live.insert(key.key, live);
            }
        }
        Ok(snapshot)
    }

    async fn typings_of<'a>(
        &self,
        resources: impl Iterator<Item = &'a Arc<Resource>>,
    ) -> Arc<Typings> {
        let found = resources.map(|resource| self.typings.find(&self.api, resource));
        let mut typings = Typings::default();
        for typing in join_all(found).await.into_iter().flatten() {
            typings.insert(typing);
        }
        Arc::new(typings)
    }

    /// Asks the server for an object and takes it into the store.
    pub(crate) async fn read(
        &self,
        resource: &Arc<Resource>,
        key: &VersionedKey,
    ) -> Result<Option<LiveObject>, Failure> {
        let names = &key.key;
        let call = Call::get(resource.object(names.namespace.as_deref(), &names.name));
        let bytes = match self.api.call(&call, &resource.kind).await {
            Ok(bytes) => bytes,
            Err(failure) if failure.reason == "NotFound" => {
                self.store.remove(resource, names, None);
                return Ok(None);
            }
            Err(failure) => return Err(failure),
        };
        let value: holdfast_model::Value = serde_json::from_slice(&bytes)
            .map_err(|error| failure::unreadable("an object could not be read", &error))?;
        let (live, _) = self.store.put(resource, names, value);
        Ok(Some(live))
    }

    async fn capabilities(&self) -> Result<Capabilities, Failure> {
        let kind = GroupKind::new("", "Info");
        let bytes = self
            .api
            .call(&Call::get("/version".to_owned()), &kind)
            .await?;
        let value: holdfast_model::Value = serde_json::from_slice(&bytes)
            .map_err(|error| failure::unreadable("the version could not be read", &error))?;
        let version = value
            .get("gitVersion")
            .and_then(holdfast_model::Value::as_str);
        Ok(Capabilities {
            version: version.unwrap_or_default().to_owned(),
            api_versions: self.discovery.api_versions(&self.api).await?,
        })
    }

    async fn identity(&self) -> Result<Option<ClusterId>, Failure> {
        let call = Call::get("/api/v1/namespaces/kube-system".to_owned());
        let bytes = match self.api.call(&call, &GroupKind::new("", "Namespace")).await {
            Ok(bytes) => bytes,
            Err(failure) if matches!(failure.reason, "Forbidden" | "NotFound") => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let value: holdfast_model::Value = serde_json::from_slice(&bytes)
            .map_err(|error| failure::unreadable("a namespace could not be read", &error))?;
        let uid = value.pointer("/metadata/uid");
        let uid = uid.and_then(holdfast_model::Value::as_str);
        Ok(uid.map(|uid| ClusterId(uid.to_owned())))
    }

    async fn scopes(
        &self,
        kinds: &BTreeSet<GroupKind>,
    ) -> Result<BTreeMap<GroupKind, Scope>, Failure> {
        let mut scopes = BTreeMap::new();
        for kind in kinds {
            if let Some(resource) = self.discovery.find_any(&self.api, kind, "").await? {
                let scope = if resource.namespaced {
                    Scope::Namespaced
                } else {
                    Scope::Cluster
                };
                scopes.insert(kind.clone(), scope);
            }
        }
        Ok(scopes)
    }
}

impl Target for KubeTarget {
    fn acting_as(self: Arc<Self>, user: &str) -> Arc<dyn Target> {
        let shared = Arc::clone(&self.shared);
        let api = Api {
            user: Some(user.into()),
            ..shared.api.clone()
        };
        let actor = Actor {
            shared: Arc::clone(&shared),
            api,
        };
        Arc::new(Self { shared, actor })
    }

    fn scopes<'a>(
        &'a self,
        kinds: &'a BTreeSet<GroupKind>,
    ) -> BoxFuture<'a, Result<BTreeMap<GroupKind, Scope>, Failure>> {
        Box::pin(self.shared.scopes(kinds))
    }

    fn capabilities(&self) -> BoxFuture<'_, Result<Capabilities, Failure>> {
        Box::pin(self.shared.capabilities())
    }

    fn identity(&self) -> BoxFuture<'_, Result<Option<ClusterId>, Failure>> {
        Box::pin(self.shared.identity())
    }

    fn observe<'a>(
        &'a self,
        owner: &'a StackKey,
        keys: &'a [VersionedKey],
    ) -> BoxFuture<'a, Result<Snapshot, Failure>> {
        Box::pin(self.shared.observe(owner, keys))
    }

    fn check<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(apply::check(&self.actor, request))
    }

    fn dry_run<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<LiveObject, Failure>> {
        Box::pin(apply::dry_run(&self.actor, request))
    }

    fn perform<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Answer, Failure>> {
        Box::pin(apply::perform(&self.actor, request))
    }

    fn look_up<'a>(&'a self, question: &'a Lookup) -> BoxFuture<'a, Result<Found, Failure>> {
        Box::pin(lookup::look_up(&self.actor, question))
    }

    fn explain<'a>(&'a self, object: &'a LiveObject) -> BoxFuture<'a, Vec<String>> {
        Box::pin(explain::explain(&self.actor, object))
    }

    fn last_lines<'a>(
        &'a self,
        object: &'a LiveObject,
        limits: LogLimits,
    ) -> BoxFuture<'a, Option<LastLines>> {
        Box::pin(async move {
            let read = last_lines::read(&self.actor, object, limits);
            tokio::time::timeout(limits.time, read).await.ok().flatten()
        })
    }
}
