//! Events about Stacks: what happens again is one Event with a count, also after the engine was started
//! anew. It must not decide what is worth an Event.

use std::collections::BTreeMap;

use holdfast_model::Value;
use holdfast_model::digest::Hasher;
use holdfast_model::percent::encode;
use holdfast_model::stack::{StackKey, StackUid};
use holdfast_model::time::Time;
use http::Method;
use serde_json::json;

use crate::plane::Plane;
use crate::rest::{self, Call, Error, ErrorKind, JSON, MERGE_PATCH};

/// The most Events of which the count is known without asking.
const KEPT: usize = 4096;
/// The longest message of an Event; the API takes no more.
const MESSAGE: usize = 1_000;
/// The longest part of a Stack's name in the name of an Event.
const NAME: usize = 200;

/// How often Events have happened, by their path.
pub(crate) type Counts = BTreeMap<String, u64>;

/// An Event about a Stack.
#[derive(Clone, Debug)]
pub struct EventRecord<'a> {
    /// The Stack.
    pub stack: &'a StackKey,
    /// Its id.
    pub uid: &'a StackUid,
    /// A stable CamelCase word.
    pub reason: &'a str,
    /// What happened.
    pub message: &'a str,
    /// What makes two of them one that has happened again.
    pub identity: &'a str,
    /// Whether somebody should act.
    pub is_warning: bool,
    /// When.
    pub now: Time,
}

impl EventRecord<'_> {
    /// The same for what is the same.
    fn name(&self) -> String {
        let mut hasher = Hasher::new("event");
        hasher.field(self.uid.0.as_bytes());
        hasher.field(self.identity.as_bytes());
        let stack: String = self.stack.name.chars().take(NAME).collect();
        format!("{stack}.{}", hasher.finish().short())
    }

    fn message(&self) -> String {
        self.message.chars().take(MESSAGE).collect()
    }

    fn body(&self, name: &str) -> Value {
        let time = self.now.to_string();
        json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": self.stack.namespace},
            "involvedObject": {
                "apiVersion": "holdfast.dev/v1alpha1",
                "kind": "Stack",
                "namespace": self.stack.namespace,
                "name": self.stack.name,
                "uid": self.uid.0,
            },
            "type": if self.is_warning { "Warning" } else { "Normal" },
            "reason": self.reason,
            "message": self.message(),
            "source": {"component": "holdfast"},
            "reportingComponent": "holdfast.dev/engine",
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
        })
    }
}

impl Plane {
    /// Writes an Event, or counts it where it is there already. It may be lost: an Event is for people,
    /// never a record.
    ///
    /// # Errors
    /// When the API cannot be asked or refuses.
    pub async fn write_event(&self, record: &EventRecord<'_>) -> Result<(), Error> {
        let name = record.name();
        let events = format!(
            "/api/v1/namespaces/{}/events",
            encode(&record.stack.namespace)
        );
        let path = format!("{events}/{}", encode(&name));
        let action = format!("write an Event of {}", record.stack);
        let known = self.lock().events.get(&path).copied();
        if let Some(count) = known {
            match self.count(&action, &path, record, count + 1).await {
                // It has gone, as all Events do after a while.
                Err(error) if error.kind == ErrorKind::NotFound => {}
                counted => return counted,
            }
        }
        let body = record.body(&name);
        let call = Call {
            method: Method::POST,
            path: events,
            content_type: JSON,
            body: Some(&body),
        };
        match rest::send(&self.client, &action, call).await {
            Ok(_) => {
                self.note_count(path, 1);
                Ok(())
            }
            // It is from before the engine was started.
            Err(error) if error.kind == ErrorKind::Conflict => {
                let event = rest::get(&self.client, &action, path.clone()).await?;
                let count = event.get("count").and_then(Value::as_u64).unwrap_or(1);
                self.count(&action, &path, record, count + 1).await
            }
            Err(error) => Err(error),
        }
    }

    async fn count(
        &self,
        action: &str,
        path: &str,
        record: &EventRecord<'_>,
        count: u64,
    ) -> Result<(), Error> {
        let patch = json!({
            "count": count,
            "lastTimestamp": record.now.to_string(),
            "message": record.message(),
        });
        let call = Call {
            method: Method::PATCH,
            path: path.to_owned(),
            content_type: MERGE_PATCH,
            body: Some(&patch),
        };
        rest::send(&self.client, action, call).await?;
        self.note_count(path.to_owned(), count);
        Ok(())
    }

    fn note_count(&self, path: String, count: u64) {
        let mut shared = self.lock();
        if shared.events.len() >= KEPT && !shared.events.contains_key(&path) {
            // The counts are asked for again.
            shared.events.clear();
        }
        shared.events.insert(path, count);
    }
}
