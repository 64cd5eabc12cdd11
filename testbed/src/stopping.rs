//! Stops an engine after its k-th effect: wraps the seams through which it acts, counts, and lets
//! the k-th effect happen without ever answering, as a process does that dies just then.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use holdfast_engine::{Connections, Ledger, Ports, Reporter, Unpinned, Unread, Unsaved};
use holdfast_model::digest::Digest;
use holdfast_model::event::StackEvent;
use holdfast_model::inventory::Inventory;
use holdfast_model::lookup::Lookup;
use holdfast_model::object::{GroupKind, LiveObject, VersionedKey};
use holdfast_model::operation::{Answer, Failure};
use holdfast_model::pin::Pin;
use holdfast_model::stack::{ClusterId, SecretReference, Stack, StackKey, StackUid, TargetName};
use holdfast_model::status::Status;
use holdfast_target::{
    BoxFuture, Capabilities, Found, LastLines, Listener, LogLimits, Request, Scope, Snapshot,
    Target,
};
use holdfast_target_kube::{KubeTarget, Limits};
use kube::Client;
use tokio::sync::Notify;

/// Counts effects down.
pub struct Fuse {
    left: AtomicUsize,
    stopped: Notify,
}

impl Fuse {
    /// Lets so many effects answer, and stops at the next one.
    pub fn new(effects: usize) -> Arc<Self> {
        Arc::new(Self {
            left: AtomicUsize::new(effects),
            stopped: Notify::new(),
        })
    }

    /// Waits until the engine was stopped.
    pub async fn stopped(&self) {
        self.stopped.notified().await;
    }

    /// Performs an effect; from the k-th on nothing answers and nothing more happens.
    async fn effect<T>(&self, effect: impl Future<Output = T>) -> T {
        let before = self
            .left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                Some(left.saturating_sub(1))
            })
            .unwrap_or_default();
        match before {
            0 => std::future::pending().await,
            1 => {
                let _ = effect.await;
                self.stopped.notify_one();
                std::future::pending().await
            }
            _ => effect.await,
        }
    }
}

/// A control plane behind a fuse.
pub struct StoppingPlane {
    /// The one that acts.
    pub inner: Ports,
    /// What stops it.
    pub fuse: Arc<Fuse>,
    /// Clusters that are targets of these names, without a Target and its Secret.
    pub clusters: BTreeMap<TargetName, Client>,
}

impl Ledger for StoppingPlane {
    fn save_inventory<'a>(
        &'a self,
        stack: &'a StackKey,
        uid: &'a StackUid,
        inventory: &'a Inventory,
    ) -> BoxFuture<'a, Result<(), Unsaved>> {
        Box::pin(
            self.fuse
                .effect(self.inner.ledger.save_inventory(stack, uid, inventory)),
        )
    }

    fn hold<'a>(&'a self, stack: &'a StackKey) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.fuse.effect(self.inner.ledger.hold(stack)))
    }

    fn release<'a>(&'a self, stack: &'a StackKey) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.fuse.effect(self.inner.ledger.release(stack)))
    }

    fn unpin<'a>(
        &'a self,
        stack: &'a StackKey,
        pin: &'a Pin,
    ) -> BoxFuture<'a, Result<Unpinned, Failure>> {
        Box::pin(self.fuse.effect(self.inner.ledger.unpin(stack, pin)))
    }

    fn unapprove<'a>(
        &'a self,
        stack: &'a StackKey,
        plan: Digest,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.fuse.effect(self.inner.ledger.unapprove(stack, plan)))
    }
}

impl Reporter for StoppingPlane {
    fn publish<'a>(
        &'a self,
        stack: &'a StackKey,
        status: &'a Status,
    ) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.fuse.effect(self.inner.reporter.publish(stack, status)))
    }

    fn notify<'a>(&'a self, stack: &'a Stack, event: &'a StackEvent) -> BoxFuture<'a, ()> {
        Box::pin(self.fuse.effect(self.inner.reporter.notify(stack, event)))
    }

    fn unread(&self) -> Unread {
        self.inner.reporter.unread()
    }
}

impl Connections for StoppingPlane {
    fn credentials<'a>(
        &'a self,
        secret: &'a SecretReference,
    ) -> BoxFuture<'a, Result<holdfast_source::Credentials, Failure>> {
        self.inner.connections.credentials(secret)
    }

    fn entries<'a>(
        &'a self,
        secret: &'a SecretReference,
    ) -> BoxFuture<'a, Result<holdfast_engine::Entries, Failure>> {
        self.inner.connections.entries(secret)
    }

    fn account_token<'a>(
        &'a self,
        namespace: &'a str,
        account: &'a str,
        audience: Option<&'a str>,
    ) -> BoxFuture<'a, Result<holdfast_engine::AccountToken, Failure>> {
        let connections = &self.inner.connections;
        connections.account_token(namespace, account, audience)
    }

    fn target<'a>(
        &'a self,
        name: &'a TargetName,
        listener: Listener,
    ) -> BoxFuture<'a, Result<Arc<dyn Target>, Failure>> {
        Box::pin(async move {
            let inner: Arc<dyn Target> = match self.clusters.get(name) {
                None => self.inner.connections.target(name, listener).await?,
                Some(client) => {
                    let client = client.clone();
                    Arc::new(KubeTarget::new(client, Limits::default(), listener))
                }
            };
            let fuse = Arc::clone(&self.fuse);
            let target: Arc<dyn Target> = Arc::new(StoppingTarget { inner, fuse });
            Ok(target)
        })
    }
}

struct StoppingTarget {
    inner: Arc<dyn Target>,
    fuse: Arc<Fuse>,
}

impl Target for StoppingTarget {
    fn acting_as(self: Arc<Self>, user: &str) -> Arc<dyn Target> {
        let inner = Arc::clone(&self.inner).acting_as(user);
        let fuse = Arc::clone(&self.fuse);
        Arc::new(Self { inner, fuse })
    }

    fn scopes<'a>(
        &'a self,
        kinds: &'a BTreeSet<GroupKind>,
    ) -> BoxFuture<'a, Result<BTreeMap<GroupKind, Scope>, Failure>> {
        self.inner.scopes(kinds)
    }

    fn capabilities(&self) -> BoxFuture<'_, Result<Capabilities, Failure>> {
        self.inner.capabilities()
    }

    fn identity(&self) -> BoxFuture<'_, Result<Option<ClusterId>, Failure>> {
        self.inner.identity()
    }

    fn observe<'a>(
        &'a self,
        owner: &'a StackKey,
        keys: &'a [VersionedKey],
    ) -> BoxFuture<'a, Result<Snapshot, Failure>> {
        self.inner.observe(owner, keys)
    }

    fn look_up<'a>(&'a self, question: &'a Lookup) -> BoxFuture<'a, Result<Found, Failure>> {
        self.inner.look_up(question)
    }

    fn check<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<(), Failure>> {
        Box::pin(self.fuse.effect(self.inner.check(request)))
    }

    fn dry_run<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<LiveObject, Failure>> {
        self.inner.dry_run(request)
    }

    fn perform<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Answer, Failure>> {
        Box::pin(self.fuse.effect(self.inner.perform(request)))
    }

    fn explain<'a>(&'a self, object: &'a LiveObject) -> BoxFuture<'a, Vec<String>> {
        self.inner.explain(object)
    }

    fn last_lines<'a>(
        &'a self,
        object: &'a LiveObject,
        limits: LogLimits,
    ) -> BoxFuture<'a, Option<LastLines>> {
        self.inner.last_lines(object, limits)
    }
}
