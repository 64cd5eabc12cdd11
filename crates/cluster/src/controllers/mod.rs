//! The controllers whose work a GitOps engine has to see. They run as one task that follows the
//! store's log and writes through the same requests as everybody else.
//!
//! ```text
//! change ─notice─▶ tasks (a set) ─perform─▶ requests ─▶ changes ...
//! timer  ────────────▲
//! ```
//! They must not know who made a change.

mod aggregation;
mod api;
mod claims;
mod cron_jobs;
mod daemon_sets;
mod dependents;
mod deployments;
mod desk;
mod garbage;
mod indexes;
mod jobs;
mod namespaces;
mod pods;
mod replica_sets;
mod services;
mod simulation;
mod stateful_sets;
mod volumes;

use std::sync::Arc;
use std::time::Duration;

use desk::{Controllers, Task};
use holdfast_admit::labels::{labels_match, of_label_selector};
use holdfast_admit::{ObjectName, ResourceId};
use holdfast_kinds::{items, text};
use holdfast_model::Value;
use tokio::time::{Instant, sleep_until};

use crate::state::State;
use crate::store::{Change, ChangeKind};

pub use simulation::Simulation;

/// How long a controller waits before it asks again for what a policy has refused.
const UNTIL_ADMITTED: Duration = Duration::from_secs(2);

/// Runs the controllers until the future is dropped.
pub(crate) async fn run(state: Arc<State>, simulation: Simulation) {
    let mut signal = state.store().signal();
    let mut controllers = Controllers::new(state, simulation);
    controllers.make_nodes();
    controllers.make_class();
    loop {
        signal.mark_unchanged();
        while controllers.step() {
            // Others may want the thread between two rounds.
            tokio::task::yield_now().await;
        }
        let next = controllers.timers.keys().next().copied();
        let far = Instant::now() + Duration::from_secs(3600);
        tokio::select! {
            changed = signal.changed() => if changed.is_err() { return },
            () = sleep_until(next.unwrap_or(far)) => {}
        }
    }
}

impl Controllers {
    /// Does what is due; whether there was anything.
    fn step(&mut self) -> bool {
        let changes = self.state.store().changes_anywhere(&mut self.seen);
        for (resource, change) in &changes {
            self.notice(resource, change);
        }
        let now = Instant::now();
        while let Some(entry) = self.timers.first_entry() {
            if *entry.key() > now {
                break;
            }
            self.tasks.append(&mut entry.remove());
        }
        let tasks = std::mem::take(&mut self.tasks);
        let any = !tasks.is_empty() || !changes.is_empty();
        for task in tasks {
            self.perform(&task);
            if self.is_denied.take() {
                // Nothing says when the policy lets it in.
                self.after(UNTIL_ADMITTED, task);
            }
        }
        any
    }

    fn perform(&mut self, task: &Task) {
        match task {
            Task::Aggregation => self.aggregate(),
            Task::Namespace(name) => self.namespace(name),
            Task::Garbage(uid) => self.collect(uid),
            Task::Deployment(name) => self.deployment(name),
            Task::ReplicaSet(name) => self.replica_set(name),
            Task::StatefulSet(name) => self.stateful_set(name),
            Task::DaemonSet(name) => self.daemon_set(name),
            Task::Job(name) => self.job(name),
            Task::CronJob(name) => self.cron_job(name),
            Task::Claim(name) => self.claim(name),
            Task::Volume(name) => self.volume(name),
            Task::Pod(name) => self.pod(name),
            Task::Service(name) => self.service(name),
            Task::Budget(name) => self.budget(name),
        }
    }

    /// Finds out what a change makes worth a look.
    fn notice(&mut self, resource: &ResourceId, change: &Change) {
        let value = change.object.value();
        let name = change.object.name.clone();
        let gone = change.kind == ChangeKind::Deleted;
        self.track(resource, &name, &value, gone);
        let own = match (&*resource.group, &*resource.plural) {
            ("", "namespaces") => Some(Task::Namespace(name.name.clone())),
            ("", "pods") => {
                self.notice_pod(&name, &value, gone);
                Some(Task::Pod(name.clone()))
            }
            ("", "services") => Some(Task::Service(name.clone())),
            ("", "persistentvolumeclaims") => {
                self.notice_claim(&name);
                Some(Task::Claim(name.clone()))
            }
            ("", "persistentvolumes") => {
                // One that is somebody's concerns no claim that waits.
                if value["spec"]["claimRef"].get("uid").is_none() {
                    self.notice_storage();
                }
                Some(Task::Volume(name.clone()))
            }
            ("storage.k8s.io", "storageclasses") => {
                self.notice_storage();
                None
            }
            ("rbac.authorization.k8s.io", "clusterroles") => Some(Task::Aggregation),
            ("apps", "deployments") => Some(Task::Deployment(name.clone())),
            ("apps", "replicasets") => Some(Task::ReplicaSet(name.clone())),
            ("apps", "statefulsets") => Some(Task::StatefulSet(name.clone())),
            ("apps", "daemonsets") => Some(Task::DaemonSet(name.clone())),
            ("batch", "jobs") => Some(Task::Job(name.clone())),
            ("batch", "cronjobs") => Some(Task::CronJob(name.clone())),
            ("policy", "poddisruptionbudgets") => Some(Task::Budget(name.clone())),
            _ => None,
        };
        self.tasks.extend(own);
        self.tasks.extend(owner_task(&name.namespace, &value));
        if gone {
            let home = self.state.store().get(
                &ResourceId::new("", "namespaces"),
                &ObjectName {
                    namespace: String::new(),
                    name: name.namespace.clone(),
                },
            );
            if home.is_some() {
                self.tasks.insert(Task::Namespace(name.namespace));
            }
        }
    }

    /// A pod matters to the services and budgets of its namespace, and to its node's daemons.
    fn notice_pod(&mut self, name: &ObjectName, pod: &Value, gone: bool) {
        if gone {
            self.pods.remove(text(&pod["metadata"], "uid"));
        }
        for (group, plural) in [("", "services"), ("policy", "poddisruptionbudgets")] {
            let resource = ResourceId::new(group, plural);
            let page = self
                .state
                .store()
                .list(&resource, Some(&name.namespace), None);
            for stored in page.map(|page| page.objects).unwrap_or_default() {
                let object = stored.value();
                let selector = if plural == "services" {
                    services::selector(&object)
                } else {
                    of_label_selector(&object["spec"]["selector"])
                };
                let covers = selector
                    .is_some_and(|selector| labels_match(&selector, pod["metadata"].get("labels")));
                if covers {
                    self.tasks.insert(if plural == "services" {
                        Task::Service(stored.name.clone())
                    } else {
                        Task::Budget(stored.name.clone())
                    });
                }
            }
        }
    }
}

/// The controller of an object is worth a look when the object changes.
fn owner_task(namespace: &str, value: &Value) -> Option<Task> {
    let owners = items(&value["metadata"], "ownerReferences");
    let owner = owners
        .iter()
        .find(|owner| owner.get("controller") == Some(&Value::Bool(true)))?;
    let name = ObjectName {
        namespace: namespace.to_owned(),
        name: text(owner, "name").to_owned(),
    };
    match text(owner, "kind") {
        "Deployment" => Some(Task::Deployment(name)),
        "ReplicaSet" => Some(Task::ReplicaSet(name)),
        "StatefulSet" => Some(Task::StatefulSet(name)),
        "DaemonSet" => Some(Task::DaemonSet(name)),
        "Job" => Some(Task::Job(name)),
        "CronJob" => Some(Task::CronJob(name)),
        _ => None,
    }
}
