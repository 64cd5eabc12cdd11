//! Follows Stacks: lists them once, then watches, and lists again when the API has forgotten where
//! the watch was. It must not know what a Stack asks for.

use std::collections::HashSet;
use std::time::Duration;

use futures::StreamExt;
use holdfast_api::native::stack::{ReadStack, read};
use holdfast_model::Value;
use holdfast_model::percent::encode;
use holdfast_model::stack::StackKey;
use kube::Client;
use kube::api::WatchEvent;
use tokio::sync::mpsc::Sender;
use tracing::{debug, warn};

use crate::rest::{self, ErrorKind};

/// Something that happened to a Stack.
#[derive(Clone, Debug)]
pub enum StackChange {
    /// It is there, as it is written now.
    Present(Box<ReadStack>, Value),
    /// It is gone.
    Gone(StackKey),
    /// Everything that was there has been told.
    Listed,
    /// The API does not answer: what happens from now on is not heard.
    Unheard,
    /// It answers again, and what happened meanwhile follows.
    Heard,
}

const ACTION: &str = "follow Stacks";

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

/// Tells of the Stacks at a path for as long as somebody listens.
pub(crate) async fn stacks(client: Client, path: String, changes: Sender<StackChange>) {
    let mut known: HashSet<StackKey> = HashSet::new();
    let mut pause = Duration::from_millis(200);
    loop {
        match rest::list(&client, ACTION, &path).await {
            Ok((items, version)) => {
                pause = Duration::from_millis(200);
                let mut present = HashSet::new();
                for item in items {
                    present.insert(tell(&changes, item).await);
                }
                for gone in known.difference(&present) {
                    let _ = changes.send(StackChange::Gone(gone.clone())).await;
                }
                known = present;
                if changes.send(StackChange::Listed).await.is_err() {
                    return;
                }
                follow(&client, &path, &changes, &mut known, version).await;
            }
            Err(error) => {
                let missing = error.kind == ErrorKind::NotFound;
                let hint = if missing {
                    "apply the output of `holdfast crds`"
                } else {
                    ""
                };
                warn!(%error, hint, "Stacks could not be listed.");
                let _ = changes.send(StackChange::Unheard).await;
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(15));
            }
        }
        if changes.is_closed() {
            return;
        }
    }
}

/// Follows until the API has forgotten where we were, or nobody listens.
async fn follow(
    client: &Client,
    path: &str,
    changes: &Sender<StackChange>,
    known: &mut HashSet<StackKey>,
    mut version: String,
) {
    let mut pause = Duration::from_millis(200);
    let mut hears = true;
    while !changes.is_closed() {
        let events = match rest::follow(client, ACTION, path, &version).await {
            Ok(events) => {
                if !std::mem::replace(&mut hears, true) {
                    let _ = changes.send(StackChange::Heard).await;
                }
                events
            }
            Err(error) if error.kind == ErrorKind::Gone => return,
            Err(error) => {
                debug!(%error, "Stacks could not be followed.");
                if std::mem::replace(&mut hears, false) {
                    let _ = changes.send(StackChange::Unheard).await;
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
                    known.insert(tell(changes, item).await);
                }
                Ok(WatchEvent::Deleted(item)) => {
                    version = version_of(&item);
                    let key = read(&item).stack.key;
                    known.remove(&key);
                    let _ = changes.send(StackChange::Gone(key)).await;
                }
                Ok(WatchEvent::Bookmark(mark)) => version = mark.metadata.resource_version,
                Ok(WatchEvent::Error(status)) if status.code == 410 => return,
                Ok(WatchEvent::Error(status)) => {
                    debug!(message = status.message, "The watch of Stacks was refused.");
                    break;
                }
                Err(error) => {
                    debug!(%error, "The watch of Stacks broke off.");
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

async fn tell(changes: &Sender<StackChange>, item: Value) -> StackKey {
    let stack = read(&item);
    let key = stack.stack.key.clone();
    let _ = changes
        .send(StackChange::Present(Box::new(stack), item))
        .await;
    key
}
