//! The cluster itself: what there is from the start, and the door to it.
//! It must not know HTTP connections.

use std::fmt;
use std::future::Future;
use std::path::Path;
use std::sync::Arc;

use http::Method;
use serde_json::json;

use crate::call::User;
use crate::clock::{Clock, machine_time};
use crate::controllers::{self, Simulation};
use crate::identity::Identity;
use crate::service::ApiService;
use crate::state::State;
use crate::storage::{Journal, Loaded, OpenError, Opened};
use crate::store::Store;
use crate::{access, rest};

/// Whose name the API server itself writes under.
const SELF: &str = "kube-apiserver";

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
    state: Arc<State>,
    simulation: Simulation,
}

impl Cluster {
    /// A new cluster with the namespaces and roles that every cluster has. No thread is started.
    pub fn new(options: Options) -> Self {
        let cluster = Self::with_store(Store::new(), options);
        bootstrap(&cluster.state);
        cluster
    }

    fn with_store(store: Store, options: Options) -> Self {
        let clock = options.clock.unwrap_or_else(|| Arc::new(machine_time));
        Self {
            state: Arc::new(State::new(store, clock, rest::answer)),
            simulation: options.simulation,
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
        cluster.state.recall();
        let state = Arc::downgrade(&cluster.state);
        cluster.state.store().when_taken_back(move || {
            if let Some(state) = state.upgrade() {
                state.recall();
            }
        });
        bootstrap(&cluster.state);
        Ok(cluster)
    }

    /// Waits until everything up to now is on the disk, where there is one.
    ///
    /// # Errors
    /// What the disk said, when it takes nothing.
    pub async fn settled(&self) -> Result<(), String> {
        let store = self.state.store();
        let failures = store.failures().unwrap_or_else(|(failures, _)| failures);
        store.settled_since(failures).await
    }

    /// The API as a service, for a client that may do everything.
    pub fn service(&self) -> ApiService {
        ApiService::new(self.state.clone(), Identity::Fixed(User::admin()))
    }

    /// Runs the controllers until the future is dropped.
    pub fn run_controllers(&self) -> impl Future<Output = ()> + Send + use<> {
        controllers::run(self.state.clone(), self.simulation.clone())
    }

    pub(crate) fn state(&self) -> &Arc<State> {
        &self.state
    }
}

/// Makes what every cluster has from the start.
fn bootstrap(state: &State) {
    for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}
        });
        state.ask(SELF, Method::POST, "/api/v1/namespaces", &namespace);
    }
    for (name, value, description) in holdfast_admit::SYSTEM_CLASSES {
        let class = json!({
            "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass",
            "metadata": {"name": name}, "value": value, "description": description,
        });
        let path = "/apis/scheduling.k8s.io/v1/priorityclasses";
        state.ask(SELF, Method::POST, path, &class);
    }
    for (plural, object) in access::first_roles() {
        let path = format!("/apis/rbac.authorization.k8s.io/v1/{plural}");
        state.ask(SELF, Method::POST, &path, &object);
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Cluster(revision {})",
            self.state.store().revision()
        )
    }
}
