//! The `Target` trait: what the engine asks of anything that objects are applied to, and what it
//! is answered.
//!
//! It must not know Kubernetes clients, nor why a step is taken.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use holdfast_kinds::Typings;
use holdfast_model::Value;
use holdfast_model::lookup::Lookup;
use holdfast_model::object::{GroupKind, Key, LiveObject, VersionedKey};
use holdfast_model::operation::{Answer, Failure};
use holdfast_model::packed::Packed;
use holdfast_model::plan::Verb;
use holdfast_model::stack::{ClusterId, StackKey};

/// A future in a box, since the engine holds targets of several sorts.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Something that objects are applied to.
///
/// Guarantees of every implementation: a snapshot read after a step was answered shows what the
/// answer said or something newer; failures hold no values of sensitive fields.
pub trait Target: Send + Sync {
    /// The same target, for what is done there in the name of a user that its own access rules know, such
    /// as `system:serviceaccount:NAMESPACE:NAME`: steps, questions about steps, lookups and logs. What is
    /// observed is observed as before.
    fn acting_as(self: Arc<Self>, user: &str) -> Arc<dyn Target>;

    /// Where the objects of these kinds live. A kind that the target does not have is left out.
    fn scopes<'a>(
        &'a self,
        kinds: &'a BTreeSet<GroupKind>,
    ) -> BoxFuture<'a, Result<BTreeMap<GroupKind, Scope>, Failure>>;

    /// What the target is now, for renderers that ask.
    fn capabilities(&self) -> BoxFuture<'_, Result<Capabilities, Failure>>;

    /// The identity that the cluster has of itself, whatever leads to it; `None` where it may not be
    /// asked for that.
    fn identity(&self) -> BoxFuture<'_, Result<Option<ClusterId>, Failure>>;

    /// The objects of these keys as they are, and from now on a call of the listener whenever one
    /// of them changes, until `owner` observes other keys or none.
    fn observe<'a>(
        &'a self,
        owner: &'a StackKey,
        keys: &'a [VersionedKey],
    ) -> BoxFuture<'a, Result<Snapshot, Failure>>;

    /// Whether the server would take this step. A failure of class `Waiting` means that it cannot
    /// be asked yet.
    fn check<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<(), Failure>>;

    /// What the server says that a step would make of an object. Nothing is changed.
    fn dry_run<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<LiveObject, Failure>>;

    /// Carries a step out.
    fn perform<'a>(&'a self, request: &'a Request) -> BoxFuture<'a, Result<Answer, Failure>>;

    /// What a chart looks up while it is rendered.
    fn look_up<'a>(&'a self, question: &'a Lookup) -> BoxFuture<'a, Result<Found, Failure>>;

    /// What the parts of an object that does not work say about it, such as the containers of a
    /// Deployment's pods; none where nothing more is known.
    fn explain<'a>(&'a self, object: &'a LiveObject) -> BoxFuture<'a, Vec<String>>;

    /// The newest lines that a failed container of an object has logged, as they are; `None` where
    /// the target keeps no logs, does not show them, or does not answer within the limit. They may
    /// hold anything, values of Secrets too.
    fn last_lines<'a>(
        &'a self,
        object: &'a LiveObject,
        limits: LogLimits,
    ) -> BoxFuture<'a, Option<LastLines>>;
}

/// Called with the keys that changed. It must return at once.
pub type Listener = Arc<dyn Fn(&Key) + Send + Sync>;

/// Where objects of a kind live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In a namespace.
    Namespaced,
    /// In the whole cluster.
    Cluster,
}

/// What a target is, for renderers that ask.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// The Kubernetes version, such as `v1.37.2`.
    pub version: String,
    /// Group versions, and group versions with a kind, such as `apps/v1/Deployment`.
    pub api_versions: Vec<String>,
}

/// What a lookup found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The target does not have the API version.
    NoVersion,
    /// No such object, or no such kind in the version.
    Nothing,
    /// The object, or the list where no name was given.
    Object(Value),
}

/// How much of a log is read, and how long that may take.
#[derive(Clone, Copy, Debug)]
pub struct LogLimits {
    /// The most lines.
    pub lines: u32,
    /// The most bytes.
    pub bytes: u32,
    /// The time for all requests together.
    pub time: Duration,
}

/// The newest lines of one container's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastLines {
    /// The name of the pod.
    pub pod: String,
    /// The name of the container.
    pub container: String,
    /// The lines, as they are.
    pub text: String,
}

/// Objects as they are.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// By key; what is absent is not there.
    pub live: BTreeMap<Key, LiveObject>,
    /// What is known of the kinds of the objects that were asked for.
    pub typings: Arc<Typings>,
    /// The storage classes of claims in `live` that bind them when their first pod is scheduled.
    /// Whoever judges health fills it in.
    pub deferred_classes: BTreeSet<String>,
}

/// A step as a target is asked for it.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is done.
    pub verb: Verb,
    /// To which object.
    pub key: VersionedKey,
    /// What is sent; `None` for a delete.
    pub body: Option<Packed>,
    /// The object as the plan saw it: an update or delete is of this very object, never of one
    /// that was made in its place since.
    pub live: Option<LiveObject>,
}
