//! How a Stack's objects are doing, all of them together. It must not know what waits for it.

use std::time::Duration;

use holdfast_assess::health::{Health, judge};
use holdfast_model::object::{Key, LiveObject};
use holdfast_model::operation::{Judgement, Operation, Stage};
use holdfast_model::plan::{Plan, Step, Verb, Why};
use holdfast_model::time::Time;
use holdfast_target::{Snapshot, Target};

use crate::state::{Explained, StackState};

/// How the objects of a Stack are doing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthReport {
    /// Objects that do not work or not yet, worst first, with what is known of why.
    pub unhealthy: Vec<(Key, Health, String)>,
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

/// Judges every object that is wanted.
pub(crate) fn report(plan: &Plan, snapshot: &Snapshot) -> HealthReport {
    let mut report = HealthReport::default();
    for step in plan.steps.iter().filter(|step| step.desired.is_some()) {
        let key = &step.key.key;
        // A hook is judged while it runs, and may be gone afterwards.
        if matches!(step.why, Why::Hook { .. }) {
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
                let verdict = judge(&key.kind, &live.value.unpack());
                match verdict.health {
                    Health::Healthy => report.healthy += 1,
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
        let verdict = judge(&key.kind, &live.value.unpack());
        match verdict.health {
            Health::Healthy => {}
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
