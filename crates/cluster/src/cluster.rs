//! The cluster itself: what there is from the start, and the door to it.
//! It must not know HTTP connections.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use holdfast_admit::ResourceId;
use holdfast_model::Value;
use holdfast_model::time::Time;
use http::{HeaderMap, HeaderValue, Method};
use serde_json::json;

use crate::body::Reply;
use crate::call::{Call, Query, User};
use crate::controllers::Simulation;
use crate::identity::Tokens;
use crate::registry::Registry;
use crate::service::{ApiService, Identity};
use crate::storage::{Journal, Loaded, OpenError, Opened};
use crate::store::Store;

/// What tells the time; tests bring their own.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// How a cluster is made.
#[derive(Clone, Default)]
pub struct Options {
    /// What tells the time; the machine's clock when left out.
    pub clock: Option<Clock>,
    /// How pods are simulated.
    pub simulation: Simulation,
}

impl fmt::Debug for Options {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Options").finish_non_exhaustive()
    }
}

/// A Kubernetes API server in memory. Clones are the same cluster.
#[derive(Clone)]
pub struct Cluster {
    inner: Arc<Inner>,
}

struct Inner {
    store: Store,
    registry: Registry,
    clock: Clock,
    simulation: Simulation,
    tokens: Tokens,
    /// Held while a Service is given addresses and ports, until it is stored.
    allocating: Mutex<()>,
}

impl Cluster {
    /// A new cluster with the namespaces and roles that every cluster has. No thread is started.
    pub fn new(options: Options) -> Self {
        let cluster = Self::with_store(Store::new(), options);
        cluster.bootstrap();
        cluster
    }

    fn with_store(store: Store, options: Options) -> Self {
        let clock = options.clock.unwrap_or_else(|| Arc::new(machine_time));
        Self {
            inner: Arc::new(Inner {
                store,
                registry: Registry::default(),
                clock,
                simulation: options.simulation,
                tokens: Tokens::default(),
                allocating: Mutex::new(()),
            }),
        }
    }

    /// A cluster that lives in a file, which is made when it is not there. See
    /// [`crate::OpenError`] for what can be wrong; `storage` says what is promised.
    ///
    /// # Errors
    /// [`OpenError`] when the file cannot be used.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        let (opened, loaded) = Journal::open(path)?;
        Self::of_file(opened, loaded, options)
    }

    /// A cluster of what a file holds.
    pub(crate) fn of_file(
        opened: Opened,
        loaded: Loaded,
        options: Options,
    ) -> Result<Self, OpenError> {
        let store = Store::restored(opened, loaded)?;
        let cluster = Self::with_store(store, options);
        cluster.recall_definitions();
        cluster.recall_tokens();
        let inner = Arc::downgrade(&cluster.inner);
        cluster.store().when_taken_back(move || {
            if let Some(inner) = inner.upgrade() {
                let cluster = Self { inner };
                cluster.recall_definitions();
                cluster.recall_tokens();
            }
        });
        cluster.bootstrap();
        Ok(cluster)
    }

    /// Serves the kinds that the stored definitions define, and no others.
    fn recall_definitions(&self) {
        let definitions = ResourceId::new("apiextensions.k8s.io", "customresourcedefinitions");
        let page = self.store().list(&definitions, None, None);
        let stored = page.map(|page| page.objects).unwrap_or_default();
        let names: BTreeSet<&str> = stored.iter().map(|stored| &*stored.name.name).collect();
        self.registry().keep(&names);
        for stored in &stored {
            self.registry().define(&stored.value());
        }
    }

    /// Waits until everything up to now is on the disk, where there is one.
    ///
    /// # Errors
    /// What the disk said, when it takes nothing.
    pub async fn settled(&self) -> Result<(), String> {
        let failures = self.failures().unwrap_or_else(|(failures, _)| failures);
        self.settled_since(failures).await
    }

    /// How often changes have been taken back.
    ///
    /// # Errors
    /// The same, with what the disk said, when it takes nothing at present.
    pub(crate) fn failures(&self) -> Result<u64, (u64, String)> {
        let Some(progress) = self.store().progress() else {
            return Ok(0);
        };
        let progress = progress.borrow();
        match &progress.problem {
            Some(problem) => Err((progress.failures, problem.clone())),
            None => Ok(progress.failures),
        }
    }

    /// Waits until everything up to now is on the disk, if nothing has been taken back since
    /// changes had been taken back that many times.
    ///
    /// # Errors
    /// What the disk said.
    pub(crate) async fn settled_since(&self, failures: u64) -> Result<(), String> {
        let Some(mut progress) = self.store().progress() else {
            return Ok(());
        };
        let wanted = self.store().revision();
        let reached = progress.wait_for(|progress| {
            progress.revision >= wanted
                || progress.failures != failures
                || progress.problem.is_some()
        });
        let Ok(reached) = reached.await else {
            return Err("the writer has stopped".to_owned());
        };
        match &reached.problem {
            Some(problem) => Err(problem.clone()),
            None if reached.failures != failures => {
                Err("the disk took nothing for a while".to_owned())
            }
            None => Ok(()),
        }
    }

    /// The API as a service, for a client that may do everything.
    pub fn service(&self) -> ApiService {
        ApiService::new(self.clone(), Identity::Fixed(User::admin()))
    }

    pub(crate) fn store(&self) -> &Store {
        &self.inner.store
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.inner.registry
    }

    pub(crate) fn simulation(&self) -> &Simulation {
        &self.inner.simulation
    }

    pub(crate) fn tokens(&self) -> &Tokens {
        &self.inner.tokens
    }

    /// Waits until nobody else is given addresses and ports.
    pub(crate) fn allocating(&self) -> MutexGuard<'_, ()> {
        let locked = self.inner.allocating.lock();
        locked.unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn now(&self) -> Time {
        (self.inner.clock)()
    }

    /// Answers a request.
    pub(crate) fn answer(&self, call: &Call) -> Reply {
        crate::rest::answer(self, call)
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
            user: User::admin(),
            choice: OnceLock::new(),
        };
        let reply = self.answer(&call);
        let bytes = reply.whole().cloned().unwrap_or_default();
        Answer {
            code: reply.code,
            value: serde_json::from_slice(&bytes).unwrap_or_default(),
        }
    }

    fn bootstrap(&self) {
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            let namespace = json!({
                "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}
            });
            self.ask(
                "kube-apiserver",
                Method::POST,
                "/api/v1/namespaces",
                &namespace,
            );
        }
        for (name, value, description) in holdfast_admit::SYSTEM_CLASSES {
            let class = json!({
                "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
                "metadata": {"name": name}, "value": value, "description": description,
            });
            let path = "/apis/scheduling.k8s.io/v1/priorityclasses";
            self.ask("kube-apiserver", Method::POST, path, &class);
        }
        for (plural, object) in crate::access::first_roles() {
            let path = format!("/apis/rbac.authorization.k8s.io/v1/{plural}");
            self.ask("kube-apiserver", Method::POST, &path, &object);
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Cluster(revision {})", self.store().revision())
    }
}

/// What came of a request of the cluster's own.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) value: Value,
}

impl Answer {
    /// The value, unless the request was refused.
    pub(crate) fn ok(self) -> Option<Value> {
        (self.code < 300).then_some(self.value)
    }
}

fn machine_time() -> Time {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
