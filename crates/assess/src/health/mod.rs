//! Health of a live object: conditions in the manner of kstatus for every kind, and a file a kind
//! for the built-in ones whose status says more. It must not know what waits for it.
//!
//! What does not run on purpose is [`Health::Suspended`], as in Argo CD: it is neither healthy, since
//! nothing has shown that it works, nor on its way, since nothing will change by itself.

use std::collections::BTreeSet;
use std::fmt;

use holdfast_model::Value;
use holdfast_model::object::GroupKind;

mod conditions;
mod cron_job;
mod custom_resource_definition;
mod daemon_set;
mod deployment;
mod job;
mod persistent_volume_claim;
mod pod;
mod pod_disruption_budget;
mod replica_set;
mod service;
mod stateful_set;
#[cfg(test)]
mod tests;

/// How an object is doing, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How it is doing.
    pub health: Health,
    /// Why, for people; empty when all is well.
    pub message: String,
}

/// How an object is doing. Worse is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// It works.
    Healthy,
    /// It does not run, because somebody wants it so, or because nobody uses it yet.
    Suspended,
    /// It is on its way.
    Progressing,
    /// It is being deleted.
    Terminating,
    /// It is not there.
    Missing,
    /// It does not work, and will not by itself.
    Degraded,
}

impl fmt::Display for Health {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Healthy => "Healthy",
            Self::Suspended => "Suspended",
            Self::Progressing => "Progressing",
            Self::Terminating => "Terminating",
            Self::Missing => "Missing",
            Self::Degraded => "Degraded",
        })
    }
}

impl Verdict {
    /// It works.
    pub fn healthy() -> Self {
        Self {
            health: Health::Healthy,
            message: String::new(),
        }
    }

    /// It does not run, on purpose.
    pub fn suspended(message: impl Into<String>) -> Self {
        Self {
            health: Health::Suspended,
            message: message.into(),
        }
    }

    /// It is on its way.
    pub fn progressing(message: impl Into<String>) -> Self {
        Self {
            health: Health::Progressing,
            message: message.into(),
        }
    }

    /// It does not work.
    pub fn degraded(message: impl Into<String>) -> Self {
        Self {
            health: Health::Degraded,
            message: message.into(),
        }
    }
}

/// What other objects say that a verdict depends on.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The storage classes that bind a claim when its first pod is scheduled.
    pub deferred_classes: &'a BTreeSet<String>,
}

/// The storage class on whose binding mode the health of a live object depends.
pub fn deciding_class<'a>(kind: &GroupKind, live: &'a Value) -> Option<&'a str> {
    kind.is("", "PersistentVolumeClaim")
        .then(|| persistent_volume_claim::undecided(live))?
}

/// Judges a live object of a kind from itself alone.
pub fn judge(kind: &GroupKind, live: &Value) -> Verdict {
    let deferred_classes = &BTreeSet::new();
    judge_within(kind, live, Surroundings { deferred_classes })
}

/// Judges a live object of a kind.
pub fn judge_within(kind: &GroupKind, live: &Value, surroundings: Surroundings<'_>) -> Verdict {
    if live
        .pointer("/metadata/deletionTimestamp")
        .is_some_and(|time| !time.is_null())
    {
        return Verdict {
            health: Health::Terminating,
            message: terminating_message(live),
        };
    }
    // Built-in kinds with such a field have rules of their own.
    let is_built_in = matches!(kind.group.as_str(), "apps" | "batch");
    if let Some(verdict) = conditions::suspended(live).filter(|_| !is_built_in) {
        return verdict;
    }
    if let Some(verdict) = conditions::observed(live) {
        return verdict;
    }
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("apps", "Deployment") => deployment::judge(live),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => replica_set::judge(live),
        ("apps", "StatefulSet") => stateful_set::judge(live),
        ("apps", "DaemonSet") => daemon_set::judge(live),
        ("batch", "Job") => job::judge(live),
        ("batch", "CronJob") => cron_job::judge(live),
        ("", "Pod") => pod::judge(live),
        ("", "Service") => service::judge(live),
        ("", "PersistentVolumeClaim") => {
            persistent_volume_claim::judge(live, surroundings.deferred_classes)
        }
        ("policy", "PodDisruptionBudget") => pod_disruption_budget::judge(live),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            custom_resource_definition::judge(live)
        }
        _ => conditions::judge(live),
    }
}

fn terminating_message(live: &Value) -> String {
    let finalizers = live
        .pointer("/metadata/finalizers")
        .and_then(Value::as_array);
    let names: Vec<&str> = finalizers
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if names.is_empty() {
        "being deleted".to_owned()
    } else {
        format!("being deleted; waits for {}", names.join(", "))
    }
}

/// Whether a field of the object is `true`.
fn is_true(live: &Value, pointer: &str) -> bool {
    live.pointer(pointer) == Some(&Value::Bool(true))
}

/// A number in the status or spec; `default` when it is absent.
fn number(live: &Value, pointer: &str, default: i64) -> i64 {
    live.pointer(pointer)
        .and_then(Value::as_i64)
        .unwrap_or(default)
}
