//! Follows the objects that people write: lists them once, then watches, and lists again when the API has
//! forgotten where the watch was. It must not know what they ask for.

use std::collections::HashSet;
use std::time::Duration;

use futures::StreamExt;
use holdfast_api::native::{stack, tenant};
use holdfast_model::Value;
use holdfast_model::percent::encode;
use holdfast_model::stack::StackKey;
use holdfast_model::tenant::Tenant;
use kube::Client;
use kube::api::WatchEvent;
use tokio::sync::mpsc::Sender;
use tracing::{debug, warn};

use crate::rest::{self, ErrorKind};

/// Something that happened to a Stack.
#[derive(Clone, Debug)]
pub enum StackChange {
    /// It is there, as it is written now.
    Present(Box<stack::ReadStack>, Value),
    /// It is gone.
    Gone(StackKey),
    /// Everything that was there has been told.
    Listed,
    /// The API does not answer: what happens from now on is not heard.
    Unheard,
    /// It answers again, and what happened meanwhile follows.
    Heard,
}

/// Something that happened to a Tenant.
#[derive(Clone, Debug)]
pub enum TenantChange {
    /// It is there, as it is written now.
    Present(Box<Tenant>),
    /// The one of this name is gone.
    Gone(String),
    /// Everything that was there has been said; nothing is there where the API has no Tenants.
    Listed,
    /// They may not be listed.
    Refused,
}

/// Something that happened to objects of a kind.
pub(crate) enum Change {
    Present(Value),
    Gone(Name),
    Listed,
    /// The API has no such kind.
    Missing,
    /// It may not be listed.
    Refused,
    Unheard,
    Heard,
}

/// Namespace and name of an object.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    namespace: String,
    name: String,
}

impl Name {
    fn of(object: &Value) -> Self {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str);
        Self {
            namespace: text("/metadata/namespace").unwrap_or_default().to_owned(),
            name: text("/metadata/name").unwrap_or_default().to_owned(),
        }
    }
}

impl StackChange {
    pub(crate) fn of(change: Change) -> Option<Self> {
        Some(match change {
            Change::Present(object) => Self::Present(Box::new(stack::read(&object)), object),
            Change::Gone(Name { namespace, name }) => Self::Gone(StackKey { namespace, name }),
            Change::Listed => Self::Listed,
            Change::Missing | Change::Refused | Change::Unheard => Self::Unheard,
            Change::Heard => Self::Heard,
        })
    }
}

impl TenantChange {
    pub(crate) fn of(change: Change) -> Option<Self> {
        Some(match change {
            Change::Present(object) => Self::Present(Box::new(tenant::read(&object))),
            Change::Gone(Name { name, .. }) => Self::Gone(name),
            Change::Listed | Change::Missing => Self::Listed,
            Change::Refused => Self::Refused,
            // What was known last counts until more is heard.
            Change::Unheard | Change::Heard => return None,
        })
    }
}

/// Where Tenants are.
pub(crate) const TENANTS: &str = "/apis/holdfast.dev/v1alpha1/tenants";

/// What is followed, and who hears of it.
pub(crate) struct Following<T> {
    /// What is followed, such as `Stacks`.
    pub(crate) what: &'static str,
    /// Where it is listed.
    pub(crate) path: String,
    /// What is said of a change; nothing where nobody needs to hear of it.
    pub(crate) make: fn(Change) -> Option<T>,
    /// Who hears of it.
    pub(crate) changes: Sender<T>,
}

/// Where Stacks are: those of one namespace, or all.
pub(crate) fn path(namespace: Option<&str>) -> String {
    match namespace {
        Some(namespace) => {
            let namespace = encode(namespace);
            format!("/apis/holdfast.dev/v1alpha1/namespaces/{namespace}/stacks")
        }
        None => "/apis/holdfast.dev/v1alpha1/stacks".to_owned(),
    }
}

impl<T> Following<T> {
    fn action(&self) -> String {
        format!("follow {}", self.what)
    }

    async fn say(&self, change: Change) -> Result<(), tokio::sync::mpsc::error::SendError<T>> {
        match (self.make)(change) {
            Some(change) => self.changes.send(change).await,
            None => Ok(()),
        }
    }

    async fn say_present(&self, object: Value) -> Name {
        let name = Name::of(&object);
        let _ = self.say(Change::Present(object)).await;
        name
    }
}

/// Follows objects for as long as somebody listens.
pub(crate) async fn objects<T>(client: Client, following: Following<T>) {
    let mut known: HashSet<Name> = HashSet::new();
    let mut pause = Duration::from_millis(200);
    let action = following.action();
    loop {
        match rest::list(&client, &action, &following.path).await {
            Ok((items, version)) => {
                pause = Duration::from_millis(200);
                let mut present = HashSet::new();
                for item in items {
                    present.insert(following.say_present(item).await);
                }
                for gone in known.difference(&present) {
                    let _ = following.say(Change::Gone(gone.clone())).await;
                }
                known = present;
                if following.say(Change::Listed).await.is_err() {
                    return;
                }
                follow(&client, &following, &mut known, version).await;
            }
            Err(error) => {
                let (hint, change) = match error.kind {
                    ErrorKind::NotFound => ("apply the output of `holdfast crds`", Change::Missing),
                    ErrorKind::Refused => (
                        "allow the engine to get, list and watch them",
                        Change::Refused,
                    ),
                    _ => ("", Change::Unheard),
                };
                warn!(%error, hint, "{} could not be listed.", following.what);
                let _ = following.say(change).await;
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(15));
            }
        }
        if following.changes.is_closed() {
            return;
        }
    }
}

/// Follows until the API has forgotten where we were, or nobody listens.
async fn follow<T>(
    client: &Client,
    following: &Following<T>,
    known: &mut HashSet<Name>,
    mut version: String,
) {
    let mut pause = Duration::from_millis(200);
    let mut hears = true;
    let (action, what) = (following.action(), following.what);
    while !following.changes.is_closed() {
        let events = match rest::follow(client, &action, &following.path, &version).await {
            Ok(events) => {
                if !std::mem::replace(&mut hears, true) {
                    let _ = following.say(Change::Heard).await;
                }
                events
            }
            Err(error) if error.kind == ErrorKind::Gone => return,
            Err(error) => {
                debug!(%error, "{what} could not be followed.");
                if std::mem::replace(&mut hears, false) {
                    let _ = following.say(Change::Unheard).await;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(15));
                continue;
            }
        };
        futures::pin_mut!(events);
        while let Some(event) = events.next().await {
            pause = Duration::from_millis(200);
            match event {
                Ok(WatchEvent::Added(item) | WatchEvent::Modified(item)) => {
                    version = version_of(&item);
                    known.insert(following.say_present(item).await);
                }
                Ok(WatchEvent::Deleted(item)) => {
                    version = version_of(&item);
                    let name = Name::of(&item);
                    known.remove(&name);
                    let _ = following.say(Change::Gone(name)).await;
                }
                Ok(WatchEvent::Bookmark(mark)) => version = mark.metadata.resource_version,
                Ok(WatchEvent::Error(status)) if status.code == 410 => return,
                Ok(WatchEvent::Error(status)) => {
                    debug!(message = status.message, "The watch of {what} was refused.");
                    break;
                }
                Err(error) => {
                    debug!(%error, "The watch of {what} broke off.");
                    break;
                }
            }
        }
        // A connection that ends at once, again and again, is not to become a storm.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn version_of(item: &Value) -> String {
    let version = item
        .pointer("/metadata/resourceVersion")
        .and_then(Value::as_str);
    version.unwrap_or_default().to_owned()
}
