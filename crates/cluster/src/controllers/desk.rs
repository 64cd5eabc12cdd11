//! What the one task that all controllers are has before it. It must not know how anything is done.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use holdfast_admit::{ObjectName, ResourceId};
use tokio::time::Instant;

use super::dependents::Dependents;
use super::simulation::Simulation;
use crate::state::State;

/// What the node knows about a pod that it runs.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) started: Instant,
    pub(super) ending: Option<Instant>,
    pub(super) restarts: u32,
    /// When the containers start again after a crash.
    pub(super) again: Option<Instant>,
}

/// Something to look at again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Task {
    Aggregation,
    Namespace(String),
    Garbage(String),
    Deployment(ObjectName),
    ReplicaSet(ObjectName),
    StatefulSet(ObjectName),
    DaemonSet(ObjectName),
    Job(ObjectName),
    CronJob(ObjectName),
    Claim(ObjectName),
    Volume(ObjectName),
    Pod(ObjectName),
    Service(ObjectName),
    Budget(ObjectName),
}

/// The state of the one task that all controllers are.
pub(super) struct Controllers {
    pub(super) state: Arc<State>,
    pub(super) simulation: Simulation,
    pub(super) seen: HashMap<ResourceId, u64>,
    pub(super) tasks: BTreeSet<Task>,
    pub(super) timers: BTreeMap<Instant, BTreeSet<Task>>,
    pub(super) dependents: Dependents,
    pub(super) pods: HashMap<String, Run>,
    /// Whether an admission policy has refused what the task at hand has asked for.
    pub(super) is_denied: Cell<bool>,
}

impl Controllers {
    pub(super) fn new(state: Arc<State>, simulation: Simulation) -> Self {
        Self {
            state,
            simulation,
            seen: HashMap::new(),
            tasks: BTreeSet::new(),
            timers: BTreeMap::new(),
            dependents: Dependents::default(),
            pods: HashMap::new(),
            is_denied: Cell::new(false),
        }
    }

    /// Looks at something again after a while.
    pub(super) fn after(&mut self, delay: Duration, task: Task) {
        let due = self.timers.entry(Instant::now() + delay);
        due.or_default().insert(task);
    }
}
