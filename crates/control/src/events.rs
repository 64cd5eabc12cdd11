//! Events about Stacks: what happens again is one Event with a count, also after the engine was started
//! anew. It must not decide what is worth an Event.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_model::Value;
use holdfast_model::digest::Hasher;
use holdfast_model::percent::encode;
use holdfast_model::stack::{StackKey, StackUid};
use holdfast_model::time::Time;
use http::Method;
use serde_json::json;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use crate::outbox::{EventLosses, Fate, Next, Trouble, Waiting};
use crate::plane::Plane;
use crate::rest::{self, Call, Error, ErrorKind, JSON, MERGE_PATCH};

/// The most Events of which the count is known without asking.
const KEPT: usize = 4096;
/// The most bytes of an Event's message; the newer form of the API takes no more than 1,024.
const MESSAGE: usize = 1_000;
/// The longest part of a Stack's name in the name of an Event.
const NAME: usize = 200;
/// How long a Stack waits for an Event of its own to be written before it goes on.
const ATTEMPT: Duration = Duration::from_secs(10);

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

/// An Event as it is sent, which may be later than it has happened.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    stack: StackKey,
    reason: String,
    message: String,
    now: Time,
    body: Value,
}

impl Sent {
    fn events(&self) -> String {
        format!(
            "/api/v1/namespaces/{}/events",
            encode(&self.stack.namespace)
        )
    }
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

    /// The message, cut between two characters where it is too long.
    fn message(&self) -> String {
        let end = self.message.floor_char_boundary(MESSAGE);
        self.message[..end].to_owned()
    }

    fn sent(&self, name: &str) -> Sent {
        Sent {
            stack: self.stack.clone(),
            reason: self.reason.to_owned(),
            message: self.message(),
            now: self.now,
            body: self.body(name),
        }
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
    /// Writes an Event, or counts it where it is there already. What the server does not take waits for
    /// [`Plane::write_waiting_events`], as does what happens while the server does not answer. An Event is
    /// for people, never a record: it is lost where the process ends before.
    pub async fn write_event(&self, record: &EventRecord<'_>) {
        let name = record.name();
        let sent = record.sent(&name);
        let path = format!("{}/{}", sent.events(), encode(&name));
        let waiting = Waiting::new(sent, Instant::now());
        let is_shut = self.lock().outbox.is_shut(&path, Instant::now());
        if is_shut {
            self.put_event(path, waiting);
            return;
        }
        self.try_event(path, waiting).await;
    }

    /// Writes the Events that the server has not taken, as soon as it does, until the future is dropped.
    pub async fn write_waiting_events(&self) {
        loop {
            let added = self.added.notified();
            let next = self.lock().outbox.next(Instant::now());
            match next {
                Next::Try(path, waiting) => self.try_event(path, waiting).await,
                Next::At(at) => {
                    let _ = tokio::time::timeout_at(at, added).await;
                }
                Next::Nothing => added.await,
            }
        }
    }

    /// How many Events are still to be written, and how many never were.
    pub fn event_losses(&self) -> EventLosses {
        self.lock().outbox.losses()
    }

    async fn try_event(&self, path: String, waiting: Waiting<Sent>) {
        let send = self.send_event(&path, &waiting);
        let answer = tokio::time::timeout(ATTEMPT, send).await;
        let error = match answer {
            Ok(Ok(())) => {
                let mut shared = self.lock();
                shared.outbox.answered();
                if waiting.tries > 0 && shared.outbox.losses().waiting == 0 {
                    info!("The API server has taken the Events that waited.");
                }
                return;
            }
            Ok(Err(error)) => error,
            Err(_) => Error {
                action: action(&waiting.event),
                message: format!("no answer within {} s", ATTEMPT.as_secs()),
                kind: ErrorKind::Unreachable,
            },
        };
        self.put_event_off(path, waiting, &error);
    }

    fn put_event(&self, path: String, waiting: Waiting<Sent>) {
        let gives_way = self.lock().outbox.put(path, waiting);
        self.added.notify_one();
        if let Some(gone) = gives_way {
            say_lost(&gone, "too many others wait");
        }
    }

    /// An Event was not taken: it is tried again, or lost where that is of no use.
    fn put_event_off(&self, path: String, waiting: Waiting<Sent>, error: &Error) {
        let event = waiting.event.clone();
        // Its namespace is gone, and nobody could read it.
        if error.kind == ErrorKind::NotFound {
            let mut shared = self.lock();
            shared.outbox.answered();
            shared.outbox.give_up();
            drop(shared);
            return say_lost(&event, &error.message);
        }
        let trouble = match error.kind {
            ErrorKind::Unreachable => Trouble::Away,
            _ => Trouble::Refused,
        };
        let mut shared = self.lock();
        let is_first = shared.outbox.losses().waiting == 0 && waiting.tries == 0;
        let (fate, gives_way) = shared
            .outbox
            .put_off(path, waiting, trouble, Instant::now());
        drop(shared);
        self.added.notify_one();
        if let Some(gone) = gives_way {
            say_lost(&gone, "too many others wait");
        }
        match fate {
            Fate::Lost => say_lost(&event, &error.message),
            Fate::Waits if is_first => warn!(
                stack = %event.stack, %error,
                "The API server does not take an Event; it is tried again, with those that follow."
            ),
            Fate::Waits => debug!(stack = %event.stack, %error, "An Event waits."),
        }
    }

    async fn send_event(&self, path: &str, waiting: &Waiting<Sent>) -> Result<(), Error> {
        let (event, times) = (&waiting.event, waiting.times);
        let action = action(event);
        let known = self.lock().events.get(path).copied();
        if let Some(count) = known {
            match self.count(&action, path, event, count + times).await {
                // It has gone, as all Events do after a while.
                Err(error) if error.kind == ErrorKind::NotFound => {}
                counted => return counted,
            }
        }
        let mut body = event.body.clone();
        body["count"] = times.into();
        let call = Call {
            method: Method::POST,
            path: event.events(),
            content_type: JSON,
            body: Some(&body),
        };
        match rest::send(&self.client, &action, call).await {
            Ok(_) => {
                self.note_count(path.to_owned(), times);
                Ok(())
            }
            Err(error) if error.kind == ErrorKind::Conflict => {
                let found = rest::get(&self.client, &action, path.to_owned()).await?;
                let count = found.get("count").and_then(Value::as_u64).unwrap_or(1);
                // An answer that did not come may have been one of success.
                let is_this = waiting.tries > 0
                    && ["count", "firstTimestamp", "lastTimestamp", "message"]
                        .iter()
                        .all(|field| found.get(field) == body.get(field));
                if is_this {
                    self.note_count(path.to_owned(), count);
                    return Ok(());
                }
                // It is from before the engine was started.
                self.count(&action, path, event, count + times).await
            }
            Err(error) => Err(error),
        }
    }

    async fn count(&self, action: &str, path: &str, event: &Sent, count: u64) -> Result<(), Error> {
        let patch = json!({
            "count": count,
            "lastTimestamp": event.now.to_string(),
            "message": event.message,
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

fn action(event: &Sent) -> String {
    format!("write an Event of {}", event.stack)
}

/// What was to be said is said here at least.
fn say_lost(event: &Sent, why: &str) {
    warn!(
        stack = %event.stack, reason = event.reason, why,
        "An Event is lost: {}", event.message
    );
}
