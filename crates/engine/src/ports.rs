//! The ports of the engine: what outlasts it, what people read, and the ways to targets. It must not know
//! what is behind them.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_model::digest::Digest;
use holdfast_model::event::StackEvent;
use holdfast_model::inventory::Inventory;
use holdfast_model::operation::Failure;
use holdfast_model::pin::Pin;
use holdfast_model::stack::{SecretReference, Stack, StackKey, StackUid, TargetName};
use holdfast_model::status::{Remembered, Status};
use holdfast_source::Credentials;
use holdfast_target::{BoxFuture, Listener, Target};
use zeroize::Zeroizing;

/// A Stack as somebody wants it, with what is remembered of it from before.
#[derive(Clone, Debug)]
pub struct Intent {
    /// The Stack, resolved.
    pub stack: Arc<Stack>,
    /// What is wrong with it; a Stack with problems is not acted on.
    pub problems: Vec<String>,
    /// What its status says.
    pub remembered: Remembered,
}

/// What came of taking a pin away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unpinned {
    /// It is no longer there.
    Gone,
    /// Another one is written in its place.
    Replaced,
}

/// Why an inventory is not durable.
#[derive(Clone, Debug)]
pub enum Unsaved {
    /// It could not be written.
    Failed(Failure),
    /// Somebody else has written it since it was last read or written here, as an engine does whose
    /// last write arrived late. Nothing was written; this is what is there.
    Changed(Box<Inventory>),
}

/// What has to outlast the engine: what Stacks own, and that they stay until it is dealt with. What it
/// has confirmed, no crash loses, and it confirms nothing over what another engine has written.
pub trait Ledger: Send + Sync {
    /// Makes an inventory durable.
    fn save_inventory<'a>(
        &'a self,
        stack: &'a StackKey,
        uid: &'a StackUid,
        inventory: &'a Inventory,
    ) -> BoxFuture<'a, Result<(), Unsaved>>;

    /// Sees to it that a Stack is not gone before its objects are.
    fn hold<'a>(&'a self, stack: &'a StackKey) -> BoxFuture<'a, Result<(), Failure>>;

    /// Lets a Stack go whose objects are dealt with.
    fn release<'a>(&'a self, stack: &'a StackKey) -> BoxFuture<'a, Result<(), Failure>>;

    /// Takes a pin that has ended away from its Stack, as long as it is still the one that is written
    /// there. When this answers that it is not, somebody has written another one.
    fn unpin<'a>(
        &'a self,
        stack: &'a StackKey,
        pin: &'a Pin,
    ) -> BoxFuture<'a, Result<Unpinned, Failure>>;

    /// Takes the confirmation of a plan away from its Stack, as long as it is still the one that is
    /// written there.
    fn unapprove<'a>(
        &'a self,
        stack: &'a StackKey,
        plan: Digest,
    ) -> BoxFuture<'a, Result<(), Failure>>;
}

/// How many events nobody can read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// Those that are still to be shown.
    pub waiting: u64,
    /// Those that never will be.
    pub lost: u64,
}

/// Where people and programs read what Stacks are and what happens to them.
pub trait Reporter: Send + Sync {
    /// Shows a status.
    fn publish<'a>(
        &'a self,
        stack: &'a StackKey,
        status: &'a Status,
    ) -> BoxFuture<'a, Result<(), Failure>>;

    /// Shows that something has happened to a Stack; what has happened before is counted. What cannot be
    /// shown at once is shown later, as far as it can be.
    fn notify<'a>(&'a self, stack: &'a Stack, event: &'a StackEvent) -> BoxFuture<'a, ()>;

    /// What was to be shown by [`Reporter::notify`] and is not.
    fn unread(&self) -> Unread {
        Unread::default()
    }
}

/// The entries of a Secret by their names, zeroed when they are dropped.
pub type Entries = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// A token of a ServiceAccount, zeroed when it is dropped.
pub type AccountToken = Zeroizing<String>;

/// The ways to targets, and what repositories and registries want to know of who reads them.
pub trait Connections: Send + Sync {
    /// The credentials in a Secret.
    fn credentials<'a>(
        &'a self,
        secret: &'a SecretReference,
    ) -> BoxFuture<'a, Result<Credentials, Failure>>;

    /// All entries of a Secret.
    fn entries<'a>(
        &'a self,
        secret: &'a SecretReference,
    ) -> BoxFuture<'a, Result<Entries, Failure>>;

    /// A token that the control plane's cluster issues for a ServiceAccount, for somebody who has it
    /// reviewed there.
    fn account_token<'a>(
        &'a self,
        namespace: &'a str,
        account: &'a str,
        audience: Option<&'a str>,
    ) -> BoxFuture<'a, Result<AccountToken, Failure>>;

    /// A target by its name; `listener` is told of changes on it. Asked once a target, until it
    /// answers.
    fn target<'a>(
        &'a self,
        name: &'a TargetName,
        listener: Listener,
    ) -> BoxFuture<'a, Result<Arc<dyn Target>, Failure>>;
}

/// All that an engine reaches beside repositories. Clones share everything.
#[derive(Clone)]
pub struct Ports {
    /// What outlasts the engine.
    pub ledger: Arc<dyn Ledger>,
    /// What people and programs read.
    pub reporter: Arc<dyn Reporter>,
    /// The ways to targets.
    pub connections: Arc<dyn Connections>,
}

impl Ports {
    /// All ports of one control plane.
    pub fn of<P: Ledger + Reporter + Connections + 'static>(plane: &Arc<P>) -> Self {
        Self {
            ledger: Arc::clone(plane) as Arc<dyn Ledger>,
            reporter: Arc::clone(plane) as Arc<dyn Reporter>,
            connections: Arc::clone(plane) as Arc<dyn Connections>,
        }
    }
}
