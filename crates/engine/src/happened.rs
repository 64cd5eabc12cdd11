//! What has happened to a Stack, found out from what a reconciliation came to. It must not act, and
//! says nothing itself.

use holdfast_assess::health::Health;
use holdfast_model::event::{Blame, StackEvent};
use holdfast_model::object::Key;
use holdfast_model::operation::{Done, End, Failure, Outcome};
use holdfast_model::plan::{Plan, Step, Verb, Why};
use holdfast_model::stack::Stack;
use holdfast_model::status::{Problem, Reason, Status, Truth};
use holdfast_model::time::Time;
use holdfast_plan::summary;

use crate::fold::{origin, story};
use crate::leave::Leaving;
use crate::look::{Course, Halt, Look};
use crate::state::StackState;

/// The most objects of one kind of failure of which there are events of their own.
const OBJECTS: usize = 5;

/// What a reconciliation did.
pub(crate) fn done(stack: &Stack, look: &Look) -> Vec<StackEvent> {
    let mut events = Vec::new();
    if let Course::Ended(outcome) = &look.course {
        events.extend(ended(look, outcome));
        events.extend(not_ours(&look.plan));
    }
    let tried = look
        .leaving
        .iter()
        .filter_map(|leaving| leaving.tried.as_ref().ok());
    for (plan, outcome) in tried {
        events.extend(not_ours(plan));
        if !outcome.done.is_empty() {
            events.push(StackEvent::Moved {
                message: format!(
                    "everything is on target {} now; {} on cluster {}",
                    stack.destination.target,
                    summary(outcome),
                    plan.cluster
                ),
                has_failed: outcome.end != End::Succeeded,
            });
        }
    }
    events.extend(abandoned(&look.leaving));
    events
}

/// What an operation came to; nothing where nothing was done.
fn ended(look: &Look, outcome: &Outcome) -> Option<StackEvent> {
    let revision = look.revision.clone();
    if outcome.end != End::Succeeded {
        return Some(failed(look, outcome));
    }
    let first = outcome.changed().next()?;
    let summary = story(outcome);
    // What Git changed is the news where both happened.
    if outcome.changed().all(Done::is_drift) {
        return Some(StackEvent::DriftHealed {
            revision,
            object: first.key.clone(),
            summary,
            objects: outcome.changed().count(),
        });
    }
    Some(match look.health.worst() {
        Health::Healthy => StackEvent::Synced { revision, summary },
        _ => StackEvent::Applied { revision, summary },
    })
}

/// The failure of an operation: that of a hook, where nothing else failed before it.
pub(crate) fn failed(look: &Look, outcome: &Outcome) -> StackEvent {
    let revision = look.revision.clone();
    let failure = first_failure(&look.plan, outcome);
    let object = failure.object.as_ref();
    match object.is_some_and(|key| is_hook(&look.plan, key)) {
        true => StackEvent::HookFailed { revision, failure },
        false => StackEvent::SyncFailed {
            revision,
            summary: story(outcome),
            failure,
        },
    }
}

/// What failed first in an operation, with its file and what to do.
pub(crate) fn first_failure(plan: &Plan, outcome: &Outcome) -> Blame {
    let unhealthy = outcome.unhealthy.as_ref().map(|(_, key)| key);
    let trouble = outcome.trouble.as_ref().map(|failure| (unhealthy, failure));
    let failed = outcome.failed.first();
    let first = failed
        .map(|(_, key, failure)| (Some(key), failure))
        .or(trouble);
    match first {
        Some((object, failure)) => blame(plan, object, failure),
        None => Blame::whole(ending(outcome.end), None),
    }
}

fn is_hook(plan: &Plan, key: &Key) -> bool {
    let mut steps = plan.steps.iter();
    let is_hook = |why: &Why| matches!(why, Why::Hook { .. } | Why::Stranger);
    steps.any(|step| step.key.key == *key && (step.verb == Verb::Run || is_hook(&step.why)))
}

fn ending(end: End) -> &'static str {
    match end {
        End::TimedOut => "it took too long",
        End::Terminated => "it was terminated; holdfast sync goes on with it",
        End::Failed | End::Succeeded => "it failed",
    }
}

fn blame(plan: &Plan, key: Option<&Key>, failure: &Failure) -> Blame {
    Blame {
        object: key.cloned(),
        origin: key.and_then(|key| origin(plan, key)),
        message: failure.message.clone(),
        hint: failure.hint.clone(),
    }
}

fn of_step(step: &Step, message: String) -> Blame {
    Blame {
        object: Some(step.key.key.clone()),
        origin: step.desired.as_ref().map(|desired| desired.origin.clone()),
        message,
        hint: None,
    }
}

fn not_ours(plan: &Plan) -> impl Iterator<Item = StackEvent> {
    let steps = plan.steps.iter().filter(|step| step.why == Why::NotOurs);
    steps.map(|step| StackEvent::NotOurs(of_step(step, step.why.to_string())))
}

/// Objects that stay where nothing leads to any more.
pub(crate) fn abandoned(leaving: &[Leaving]) -> Vec<StackEvent> {
    let given_up = leaving.iter().filter_map(|leaving| {
        let failure = leaving.tried.as_ref().err()?;
        (leaving.remaining == 0).then_some((&leaving.place, failure))
    });
    let events = given_up.map(|(place, failure)| {
        let message = format!("what is on {place} stays there: {}", failure.message);
        StackEvent::LeftBehind(Blame::whole(message, None))
    });
    events.collect()
}

/// What stands, and somebody should hear of, after a reconciliation.
pub(crate) fn standing(
    stack: &Stack,
    state: &StackState,
    look: &Result<Look, Halt>,
    status: &Status,
    now: Time,
) -> Vec<StackEvent> {
    let mut events = Vec::new();
    let (look, halt) = match look {
        Ok(look) => (Some(look), look.behind.as_deref()),
        Err(halt) => (halt.kept.as_deref(), Some(halt)),
    };
    let is_overdue = status.ready.holds != Truth::True || state.source.is_overdue(stack, now);
    events.extend(halt.and_then(|halt| of_halt(state, halt, is_overdue)));
    match look {
        Some(look) => events.extend(in_place(look)),
        None => events.extend(state.journal.unseen().cloned()),
    }
    if let Some(pending) = &status.pending {
        let plan = pending.plan;
        events.push(match status.synced.reason {
            Reason::OutOfSync => StackEvent::OutOfSync {
                plan,
                message: status.synced.message.clone(),
            },
            _ => StackEvent::ConfirmationNeeded {
                plan,
                message: format!(
                    "{}: {}; to confirm: holdfast approve {} {plan}",
                    pending.reason, pending.summary, stack.key.name
                ),
            },
        });
    }
    if status.synced.reason == Reason::TargetFailed {
        let message = status.synced.message.clone();
        events.push(StackEvent::TargetFailed(Blame::whole(message, None)));
    }
    events
}

fn of_halt(state: &StackState, halt: &Halt, is_overdue: bool) -> Option<StackEvent> {
    let first: Option<&Problem> = halt.problems.first();
    let blame = Blame {
        object: first.and_then(|problem| problem.object.clone()),
        origin: first.and_then(|problem| problem.origin.clone()),
        message: halt.message.clone(),
        hint: first.and_then(|problem| problem.hint.clone()),
    };
    Some(match halt.reason {
        Reason::SourceFailed if is_overdue => StackEvent::SourceFailed {
            since: state.source.trouble.as_ref()?.since,
            failure: blame,
        },
        Reason::RenderFailed => StackEvent::RenderFailed(blame),
        Reason::InvalidSpec => StackEvent::SpecInvalid(blame),
        Reason::NotPermitted => StackEvent::NotPermitted(blame),
        Reason::DependencyCycle => StackEvent::DependencyCycle(blame),
        Reason::TargetFailed => StackEvent::TargetFailed(blame),
        // A pin that has ended could not be taken away.
        Reason::Pinned => StackEvent::ControlPlaneFailed(blame),
        _ => return None,
    })
}

/// What is wrong with what is in place: objects that do not work, and what is left as it is.
fn in_place(look: &Look) -> Vec<StackEvent> {
    let unhealthy = look.health.unhealthy.iter();
    let degraded = unhealthy.filter(|(_, health, _)| *health == Health::Degraded);
    let degraded = degraded.take(OBJECTS).map(|(key, _, message)| {
        StackEvent::HealthDegraded(Blame {
            object: Some(key.clone()),
            origin: origin(&look.plan, key),
            message: message.clone(),
            hint: None,
        })
    });
    let is_left = |why: &Why| {
        matches!(
            why,
            Why::Rival { .. } | Why::Claimed { .. } | Why::StillHolds { .. }
        )
    };
    let left = look.plan.steps.iter().filter(|step| is_left(&step.why));
    let left = left
        .take(OBJECTS)
        .map(|step| StackEvent::LeftAlone(of_step(step, step.why.to_string())));
    degraded.chain(left).collect()
}

/// What is over, of what stood before.
pub(crate) fn recovered(over: &[StackEvent], status: &Status) -> Vec<StackEvent> {
    let mut events = Vec::new();
    for event in over {
        match event {
            StackEvent::SourceFailed { since, .. } if status.source.holds == Truth::True => {
                events.push(StackEvent::SourceRecovered { since: *since });
            }
            _ => {}
        }
    }
    let was_ill = over
        .iter()
        .any(|event| matches!(event, StackEvent::HealthDegraded(_)));
    if let Some(revision) = &status.applied
        && was_ill
        && status.healthy.holds == Truth::True
    {
        let revision = revision.clone();
        events.push(StackEvent::HealthRecovered { revision });
    }
    events
}
