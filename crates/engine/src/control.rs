//! What the engine asks of whoever holds the control plane's objects. It must not know how they
//! are stored.

use std::sync::Arc;

use holdfast_model::event::StackEvent;
use holdfast_model::inventory::Inventory;
use holdfast_model::operation::Failure;
use holdfast_model::pin::Pin;
use holdfast_model::stack::{SecretReference, Stack, StackKey, StackUid, TargetName};
use holdfast_model::status::{Remembered, Status};
use holdfast_source::Credentials;
use holdfast_target::{BoxFuture, Listener, Target};

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

/// The control plane's objects, as far as the engine needs them.
pub trait ControlPlane: Send + Sync {
    /// Makes an inventory durable. When this returns, no crash can lose it.
    fn save_inventory<'a>(
        &'a self,
        stack: &'a StackKey,
        uid: &'a StackUid,
        inventory: &'a Inventory,
    ) -> BoxFuture<'a, Result<(), Failure>>;

    /// Shows a status.
    fn publish<'a>(
        &'a self,
        stack: &'a StackKey,
        status: &'a Status,
    ) -> BoxFuture<'a, Result<(), Failure>>;

    /// Shows that something has happened to a Stack; what has happened before is counted. It may be lost.
    fn notify<'a>(&'a self, stack: &'a Stack, event: &'a StackEvent) -> BoxFuture<'a, ()>;

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

    /// The credentials in a Secret.
    fn credentials<'a>(
        &'a self,
        secret: &'a SecretReference,
    ) -> BoxFuture<'a, Result<Credentials, Failure>>;

    /// A target by its name; `listener` is told of changes on it. Asked once a target, until it
    /// answers.
    fn target<'a>(
        &'a self,
        name: &'a TargetName,
        listener: Listener,
    ) -> BoxFuture<'a, Result<Arc<dyn Target>, Failure>>;
}
