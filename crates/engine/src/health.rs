//! How a Stack's objects are doing, all of them together. It must not know what waits for it.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_assess::health::{Health, Surroundings, Verdict, deciding_class, judge_within};
use holdfast_model::Value;
use holdfast_model::lookup::Lookup;
use holdfast_model::object::{Key, LiveObject};
use holdfast_model::operation::{Judgement, Operation, Stage};
use holdfast_model::plan::{Plan, Step, Verb, Why};
use holdfast_model::time::Time;
use holdfast_target::{Found, Snapshot, Target};

use crate::state::{Explained, StackState};

/// How the objects of a Stack are doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthReport {
    /// Objects that do not work or not yet, worst first, with what is known of why.
    pub unhealthy: Vec<(Key, Health, String)>,
    /// Objects that do not run on purpose, with what is known of why. They hold nothing up.
    pub suspended: Vec<(Key, String)>,
    /// How many objects work.
    pub healthy: usize,
}

impl HealthReport {
    /// The worst that any object is.
    pub fn worst(&self) -> Health {
        self.unhealthy
            .iter()
            .map(|(_, health, _)| *health)
            .max()
            .unwrap_or(Health::Healthy)
    }
}

fn verdict(live: &LiveObject, snapshot: &Snapshot) -> Verdict {
    let deferred_classes = &snapshot.deferred_classes;
    let surroundings = Surroundings { deferred_classes };
    judge_within(&live.key.key.kind, &live.value.unpack(), surroundings)
}

/// Finds out which storage classes bind their claims at the first use, where claims wait whose health
/// depends on it. A class that cannot be asked for counts as one that binds at once.
pub(crate) async fn look_round(snapshot: &mut Snapshot, target: &dyn Target) {
    let claims = snapshot.live.values();
    let claims = claims.filter(|live| live.key.key.kind.is("", "PersistentVolumeClaim"));
    let classes: BTreeSet<String> = claims
        .filter_map(|live| {
            let claim = live.value.unpack();
            deciding_class(&live.key.key.kind, &claim).map(str::to_owned)
        })
        .collect();
    for name in classes {
        let question = Lookup {
            api_version: "storage.k8s.io/v1".to_owned(),
            kind: "StorageClass".to_owned(),
            namespace: String::new(),
            name: name.clone(),
        };
        match target.look_up(&question).await {
            Ok(Found::Object(class)) => {
                let mode = class.get("volumeBindingMode").and_then(Value::as_str);
                if mode == Some("WaitForFirstConsumer") {
                    snapshot.deferred_classes.insert(name);
                }
            }
            Ok(_) => {}
            Err(failure) => {
                tracing::debug!(class = name, %failure, "A storage class could not be read.");
            }
        }
    }
}

/// Judges every object that is wanted.
pub(crate) fn report(plan: &Plan, snapshot: &Snapshot) -> HealthReport {
    let mut report = HealthReport::default();
    for step in plan.steps.iter().filter(|step| step.desired.is_some()) {
        let key = &step.key.key;
        // A hook is judged while it runs, and may be gone afterwards.
        if matches!(step.why, Why::Hook { .. } | Why::Stranger) {
            continue;
        }
        if step.why == Why::Ended {
            report.healthy += 1;
            continue;
        }
        match snapshot.live.get(key) {
            None => {
                let message = "it is not there".to_owned();
                report
                    .unhealthy
                    .push((key.clone(), Health::Missing, message));
            }
            Some(live) => {
                let verdict = verdict(live, snapshot);
                match verdict.health {
                    Health::Healthy => report.healthy += 1,
                    Health::Suspended => report.suspended.push((key.clone(), verdict.message)),
                    health => report
                        .unhealthy
                        .push((key.clone(), health, verdict.message)),
                }
            }
        }
    }
    report
        .unhealthy
        .sort_by(|left, right| (right.1, &left.0).cmp(&(left.1, &right.0)));
    report
}

/// What the health of the steps before a slot means for that slot.
pub(crate) fn judgement(steps: &[Step], snapshot: &Snapshot) -> Judgement {
    let mut waiting = false;
    for (index, step) in steps
        .iter()
        .enumerate()
        .filter(|(_, step)| step.desired.is_some())
    {
        let key = &step.key.key;
        if step.verb == Verb::Keep && matches!(step.why, Why::Hook { .. }) {
            continue;
        }
        let Some(live) = snapshot.live.get(key) else {
            // A failed step may have left nothing behind; it is told of as failed.
            continue;
        };
        let verdict = verdict(live, snapshot);
        match verdict.health {
            Health::Healthy => {}
            // A hook has to run to its end; what else does not run on purpose holds nothing up.
            Health::Suspended if !matches!(step.why, Why::Hook { .. }) => {}
            Health::Degraded => {
                return Judgement::Failed {
                    step: index,
                    message: verdict.message,
                };
            }
            _ => waiting = true,
        }
    }
    if waiting {
        Judgement::Waiting
    } else {
        Judgement::Healthy
    }
}

/// What the health of the steps that an operation waits for means for its next slot.
pub(crate) fn settled(operation: &Operation, snapshot: &Snapshot) -> Judgement {
    match operation.stage {
        Stage::Settling { next } => judgement(&operation.plan.steps[..next], snapshot),
        _ => Judgement::Waiting,
    }
}

/// What an operation waits for: steps that are done and not healthy yet.
pub(crate) fn awaited(operation: &Operation, snapshot: &Snapshot) -> Vec<Key> {
    let Stage::Settling { next } = operation.stage else {
        return Vec::new();
    };
    let unsettled = |step: &&Step| {
        matches!(
            judgement(std::slice::from_ref(*step), snapshot),
            Judgement::Waiting
        )
    };
    let done = operation.plan.steps[..next].iter();
    done.filter(unsettled)
        .map(|step| step.key.key.clone())
        .collect()
}

/// Adds what the parts of unhealthy objects say. They are asked again after a growing pause.
pub(crate) async fn explain(
    report: &mut HealthReport,
    state: &mut StackState,
    snapshot: &Snapshot,
    target: &dyn Target,
    now: Time,
) {
    let unhealthy = &report.unhealthy;
    state
        .explained
        .retain(|key, _| unhealthy.iter().any(|(other, ..)| other == key));
    for (key, health, message) in &mut report.unhealthy {
        let Some(live) = snapshot.live.get(key) else {
            continue;
        };
        if !matches!(health, Health::Progressing | Health::Degraded) {
            continue;
        }
        let said = said(state, key, live, target, now).await;
        if !said.is_empty() {
            *message = format!("{message}; {}", said.join("; "));
            *health = Health::Degraded;
        }
    }
    report
        .unhealthy
        .sort_by(|left, right| (right.1, &left.0).cmp(&(left.1, &right.0)));
}

/// How long after the first look, and then after each answer, parts are asked (again): most
/// workloads come up within the first pause, and then nobody is asked at all.
fn pause(times: u32) -> Duration {
    Duration::from_secs(2 << times.min(4))
}

/// When a look is worth taking again, as long as something is unhealthy.
pub(crate) fn next_look(state: &StackState) -> Option<Duration> {
    state
        .explained
        .values()
        .map(|known| pause(known.times))
        .min()
}

async fn said(
    state: &mut StackState,
    key: &Key,
    live: &LiveObject,
    target: &dyn Target,
    now: Time,
) -> Vec<String> {
    let Some(known) = state.explained.get_mut(key) else {
        let first = Explained {
            at: now,
            times: 0,
            said: Vec::new(),
        };
        state.explained.insert(key.clone(), first);
        return Vec::new();
    };
    if now.since(known.at) >= pause(known.times) {
        known.said = target.explain(live).await;
        known.at = now;
        known.times += 1;
    }
    known.said.clone()
}
