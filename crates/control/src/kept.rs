//! Texts that are kept by name in one Secret or ConfigMap, as they change. It must not know what they are for.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use holdfast_model::Value;
use holdfast_model::base64;
use holdfast_model::percent::encode;
use http::Method;
use kube::Client;
use kube::api::WatchEvent;
use serde_json::json;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tracing::{debug, warn};

use crate::plane::{ATTEMPTS, Plane, others_write};
use crate::rest::{self, Call, Error, ErrorKind, JSON};

/// Texts by name.
pub type Texts = BTreeMap<String, String>;

/// What is kept as of a version of the API server's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The texts; none where there is no such object.
    pub texts: Option<Texts>,
    version: Option<u64>,
}

impl Held {
    fn of(texts: Option<Texts>, version: &str) -> Self {
        Self {
            texts,
            version: version.parse().ok(),
        }
    }

    /// Whether this was there before something else that is known: a watch comes later than an answer.
    pub fn is_before(&self, other: &Self) -> bool {
        matches!((self.version, other.version), (Some(own), Some(other)) if own < other)
    }
}

/// Which object texts are kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
}

/// Where texts are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shelf {
    /// In what.
    pub holder: Holder,
    /// The namespace.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Shelf {
    fn folder(&self) -> String {
        let kind = match self.holder {
            Holder::Secret => "secrets",
            Holder::ConfigMap => "configmaps",
        };
        format!("/api/v1/namespaces/{}/{kind}", encode(&self.namespace))
    }

    fn path(&self) -> String {
        format!("{}/{}", self.folder(), encode(&self.name))
    }

    fn action(&self, verb: &str) -> String {
        let kind = match self.holder {
            Holder::Secret => "Secret",
            Holder::ConfigMap => "ConfigMap",
        };
        format!("{verb} {kind} {}/{}", self.namespace, self.name)
    }

    fn held(&self, object: &Value) -> Held {
        Held::of(Some(self.texts(object)), version_of(object))
    }

    fn texts(&self, object: &Value) -> Texts {
        let data = object.get("data").and_then(Value::as_object);
        let data = data.into_iter().flatten();
        let texts = data.filter_map(|(name, text)| {
            let text = text.as_str()?;
            let text = match self.holder {
                Holder::Secret => String::from_utf8(base64::decode(text)?).ok()?,
                Holder::ConfigMap => text.to_owned(),
            };
            Some((name.clone(), text))
        });
        texts.collect()
    }

    /// The object with other texts; all else of it stays.
    fn written(&self, before: Option<Value>, texts: &Texts) -> Value {
        let mut object = before.unwrap_or_else(|| {
            let kind = match self.holder {
                Holder::Secret => "Secret",
                Holder::ConfigMap => "ConfigMap",
            };
            json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": self.name}})
        });
        let data = texts.iter().map(|(name, text)| {
            let text = match self.holder {
                Holder::Secret => base64::encode(text.as_bytes()),
                Holder::ConfigMap => text.clone(),
            };
            (name.clone(), Value::from(text))
        });
        object["data"] = Value::Object(data.collect());
        object
    }
}

impl Plane {
    /// What is kept; none where there is no such object.
    ///
    /// # Errors
    /// When the API cannot be asked.
    pub async fn kept(&self, shelf: &Shelf) -> Result<Option<Texts>, Error> {
        match rest::get(&self.client, &shelf.action("read"), shelf.path()).await {
            Ok(object) => Ok(Some(shelf.texts(&object))),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Changes what is kept, anew where somebody else wrote in between; what is kept then. What stays as it is
    /// is not written.
    ///
    /// # Errors
    /// When the API does not take it.
    pub async fn edit_kept(
        &self,
        shelf: &Shelf,
        edit: impl Fn(&mut Texts) + Send,
    ) -> Result<Held, Error> {
        let action = shelf.action("write");
        for _ in 0..ATTEMPTS {
            let before = match rest::get(&self.client, &action, shelf.path()).await {
                Ok(object) => Some(object),
                Err(error) if error.kind == ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            let held = before.as_ref().map(|object| shelf.held(object));
            let held = held.unwrap_or_default();
            let known = held.texts.clone().unwrap_or_default();
            let mut texts = known.clone();
            edit(&mut texts);
            if texts == known {
                return Ok(held);
            }
            let (method, path) = match before {
                Some(_) => (Method::PUT, shelf.path()),
                None => (Method::POST, shelf.folder()),
            };
            let body = shelf.written(before, &texts);
            let call = Call {
                method,
                path,
                content_type: JSON,
                body: Some(&body),
            };
            match rest::send(&self.client, &action, call).await {
                Ok(object) => return Ok(shelf.held(&object)),
                Err(error) if matches!(error.kind, ErrorKind::Conflict | ErrorKind::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Err(others_write(action))
    }

    /// Tells what is kept, and whenever that changes, for as long as the receiver is there.
    pub fn follow_kept(&self, shelf: Shelf) -> Receiver<Held> {
        let (sender, receiver) = channel(16);
        tokio::spawn(follow(self.client.clone(), shelf, sender));
        receiver
    }
}

async fn follow(client: Client, shelf: Shelf, sender: Sender<Held>) {
    let only = encode(&format!("metadata.name={}", shelf.name));
    let path = format!("{}?fieldSelector={only}", shelf.folder());
    let action = shelf.action("follow");
    let mut pause = Duration::from_millis(200);
    while !sender.is_closed() {
        match rest::list(&client, &action, &path).await {
            Ok((items, version)) => {
                pause = Duration::from_millis(200);
                let texts = items.first().map(|object| shelf.texts(object));
                if sender.send(Held::of(texts, &version)).await.is_err() {
                    return;
                }
                let from = (path.as_str(), version);
                if let Err(error) = watch(&client, &shelf, from, &sender).await {
                    debug!(%error, "It is listed again.");
                }
            }
            Err(error) => {
                warn!(%error, "What is kept could not be read.");
                pause = (pause * 2).min(Duration::from_secs(15));
            }
        }
        // Also after a watch that ended at once.
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = sender.closed() => return,
        }
    }
}

/// Follows until the watch ends, or nobody listens.
async fn watch(
    client: &Client,
    shelf: &Shelf,
    (path, version): (&str, String),
    sender: &Sender<Held>,
) -> Result<(), Error> {
    let events = rest::follow(client, &shelf.action("follow"), path, &version).await?;
    let mut events = std::pin::pin!(events);
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            () = sender.closed() => return Ok(()),
        };
        let held = match event {
            None => return Ok(()),
            Some(event) => match event? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => shelf.held(&object),
                WatchEvent::Deleted(object) => Held::of(None, version_of(&object)),
                WatchEvent::Bookmark(_) => continue,
                WatchEvent::Error(_) => return Ok(()),
            },
        };
        if sender.send(held).await.is_err() {
            return Ok(());
        }
    }
}

fn version_of(object: &Value) -> &str {
    let version = object.pointer("/metadata/resourceVersion");
    version.and_then(Value::as_str).unwrap_or_default()
}
