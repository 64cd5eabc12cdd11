//! What a cluster consists of: objects, kinds, tokens and a clock; and requests in the name of its
//! own parts. It must not know how requests are answered: who does that comes in when it is made.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use holdfast_admit::ResourceId;
use holdfast_kinds::text;
use holdfast_model::Value;
use holdfast_model::time::Time;
use http::{HeaderMap, HeaderValue, Method};

use crate::body::Reply;
use crate::call::{Call, Query, User};
use crate::clock::Clock;
use crate::identity::Tokens;
use crate::policies::Policies;
use crate::registry::Registry;
use crate::store::Store;

/// What answers requests.
type Answering = fn(&State, &Call) -> Reply;

/// The parts of a cluster.
pub(crate) struct State {
    store: Store,
    registry: Registry,
    tokens: Tokens,
    policies: Policies,
    clock: Clock,
    answering: Answering,
    /// Held while a Service is given addresses and ports, until it is stored.
    allocating: Mutex<()>,
}

impl State {
    /// A cluster of these objects, in which the kinds and tokens among them are not known yet.
    pub(crate) fn new(store: Store, clock: Clock, answering: Answering) -> Self {
        Self {
            store,
            registry: Registry::default(),
            tokens: Tokens::default(),
            policies: Policies::default(),
            clock,
            answering,
            allocating: Mutex::new(()),
        }
    }

    /// Knows the kinds and the tokens that are stored, and no others.
    pub(crate) fn recall(&self) {
        let definitions = ResourceId::new("apiextensions.k8s.io", "customresourcedefinitions");
        let stored = self.store.values(&definitions, None);
        let name = |definition: &Value| text(&definition["metadata"], "name").to_owned();
        let names: BTreeSet<String> = stored.iter().map(name).collect();
        self.registry.keep(&names);
        for definition in &stored {
            self.registry.define(definition);
        }
        self.tokens.recall(&self.store);
        self.policies.forget();
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    pub(crate) fn policies(&self) -> &Policies {
        &self.policies
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Waits until nobody else is given addresses and ports.
    pub(crate) fn allocating(&self) -> MutexGuard<'_, ()> {
        let locked = self.allocating.lock();
        locked.unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Time {
        (self.clock)()
    }

    /// Answers a request.
    pub(crate) fn answer(&self, call: &Call) -> Reply {
        (self.answering)(self, call)
    }

    /// A request of the cluster's own, in the name of one of its parts.
    pub(crate) fn ask(&self, part: &str, method: Method, path: &str, body: &Value) -> Answer {
        let media = if method == Method::PATCH {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        self.send(part, (method, media), path, body)
    }

    /// Applies fields in the name of one of its parts, which takes them from whoever has them.
    pub(crate) fn apply(&self, part: &str, path: &str, body: &Value) -> Answer {
        let path = format!("{path}?fieldManager={part}&force=true");
        let how = (Method::PATCH, "application/apply-patch+yaml");
        self.send(part, how, &path, body)
    }

    fn send(&self, part: &str, how: (Method, &'static str), path: &str, body: &Value) -> Answer {
        let (method, media) = how;
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let mut headers = HeaderMap::new();
        if let Ok(agent) = HeaderValue::from_str(part) {
            headers.insert("user-agent", agent);
        }
        headers.insert("content-type", HeaderValue::from_static(media));
        let call = Call {
            method,
            path: path.to_owned(),
            query: Query::read(query),
            headers,
            body: if body.is_null() {
                Bytes::new()
            } else {
                Bytes::from(body.to_string())
            },
            user: User::part(part),
            choice: OnceLock::new(),
        };
        let reply = self.answer(&call);
        let bytes = reply.whole().cloned().unwrap_or_default();
        Answer {
            code: reply.code,
            value: serde_json::from_slice(&bytes).unwrap_or_default(),
        }
    }
}

/// What came of a request of the cluster's own.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) value: Value,
}

impl Answer {
    /// Whether an admission policy has refused the request.
    pub(crate) fn is_denied(&self) -> bool {
        let said = text(&self.value, "message");
        self.code >= 400 && said.contains("ValidatingAdmissionPolicy '")
    }

    /// The value, unless the request was refused.
    pub(crate) fn ok(self) -> Option<Value> {
        (self.code < 300).then_some(self.value)
    }
}
