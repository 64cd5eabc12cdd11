//! Folds what a look came to into a status, and into what is remembered. It must not act.

use holdfast_assess::health::Health;
use holdfast_model::digest::Digest;
use holdfast_model::object::{Key, Origin};
use holdfast_model::operation::{Class, End, Outcome};
use holdfast_model::pin::Pin;
use holdfast_model::plan::{Plan, Step, Why, counted};
use holdfast_model::stack::{Stack, StackKey};
use holdfast_model::status::{
    Condition, HISTORY_LIMIT, PROBLEM_LIMIT, Past, PastEnd, Pending, Problem, Reason, Status,
    Truth, UnderWay,
};
use holdfast_plan::summary;

use crate::backoff::backoff;
use crate::happened;
use crate::health::HealthReport;
use crate::look::{Course, Look};
use crate::pin;
use crate::state::{Failed, Render, StackState};

mod halted;

pub(crate) use halted::halted;

/// Remembers an operation that has ended.
pub(crate) fn remember(state: &mut StackState, stack: &Stack, render: &Render, outcome: &Outcome) {
    remember_as(state, stack, Some(render.digest), outcome);
}

/// As [`remember`], with the digest of what the revision renders to, where that is known.
pub(crate) fn remember_as(
    state: &mut StackState,
    stack: &Stack,
    rendered: Option<Digest>,
    outcome: &Outcome,
) {
    let succeeded = outcome.end == End::Succeeded;
    if succeeded && outcome.held.is_empty() {
        state.applied = Some(outcome.revision.clone());
        state.rendered = rendered;
    }
    let changed = outcome.changed().next().is_some();
    if changed || !succeeded {
        let before = tried_before(state, rendered, outcome);
        let attempts = before.map_or(1, |past| past.attempts.saturating_add(1));
        if before.is_some() {
            state.history.remove(0);
        }
        state.history.insert(
            0,
            Past {
                revision: outcome.revision.clone(),
                end: PastEnd::Operation(outcome.end),
                at: outcome.ended,
                summary: story(outcome),
                rendered,
                attempts,
            },
        );
        state.history.truncate(HISTORY_LIMIT);
    }
    state.failed = (!succeeded).then(|| rest(state, stack, outcome));
}

/// The newest line of the history, where it tells that the same was tried and failed: trying again
/// is no line of its own.
fn tried_before<'a>(
    state: &'a StackState,
    rendered: Option<Digest>,
    outcome: &Outcome,
) -> Option<&'a Past> {
    let past = state.history.first()?;
    let has_failed = matches!(past.end, PastEnd::Operation(end) if end != End::Succeeded);
    let is_same = rendered.is_some()
        && past.rendered == rendered
        && past.revision.has_commits_of(&outcome.revision);
    (has_failed && is_same).then_some(past)
}

/// When a failed operation is tried again: at once where the object may now be replaced, after a
/// growing pause where time may help, and else not before something changes.
fn rest(state: &StackState, stack: &Stack, outcome: &Outcome) -> Failed {
    let before = state
        .failed
        .as_ref()
        .filter(|failed| failed.plan == outcome.plan && failed.generation == stack.generation);
    let attempts = before.map_or(0, |failed| failed.attempts) + 1;
    let failures = outcome.failed.iter().map(|(_, _, failure)| failure);
    let mut failures = failures.chain(&outcome.trouble);
    let may_help = outcome.end == End::TimedOut
        || outcome.end != End::Terminated
            && failures.any(|failure| {
                failure.class != Class::Terminal
                    || (failure.reason == "Immutable" && stack.sync.replace)
            });
    // Rights are given elsewhere, and nobody says when.
    let mut refused = outcome.failed.iter();
    let is_forbidden = refused.any(|(_, _, failure)| failure.reason == "Forbidden");
    let may_come = outcome.end == End::Failed && is_forbidden;
    let is_tried = may_help && attempts <= stack.sync.retries;
    Failed {
        plan: outcome.plan,
        outcome: outcome.clone(),
        attempts,
        next: (is_tried || may_come).then(|| outcome.ended + backoff(attempts)),
        generation: stack.generation,
    }
}

/// What was done and why, in a line: the counts, and the reasons where they are few.
pub(crate) fn story(outcome: &Outcome) -> String {
    let mut text = summary(outcome);
    let drift: Vec<String> = outcome
        .changed()
        .filter(|done| done.is_drift() || done.is_rotation())
        .take(3)
        .map(|done| format!("{}: {}", done.key, done.why))
        .collect();
    if !drift.is_empty() {
        text = format!("{text} ({})", drift.join("; "));
    }
    text
}

/// What other clusters mean for whether the target has what Git says.
fn left_elsewhere(look: &Look) -> Option<Condition> {
    let leaving = look.leaving.iter().find(|leaving| leaving.remaining > 0)?;
    let (place, count) = (&leaving.place, leaving.remaining);
    let (holds, reason, message) = match &leaving.tried {
        Err(failure) => (
            Truth::False,
            Reason::TargetFailed,
            format!(
                "{} still on {place}: {}",
                counted(count, "object"),
                failure.message
            ),
        ),
        Ok((_, outcome)) => match outcome.failed.first() {
            Some((_, key, failure)) => {
                let message = format!("{key} is still on {place}: {failure}");
                (Truth::False, Reason::ApplyFailed, message)
            }
            None if outcome.done.is_empty() => return None,
            None => {
                let message = format!("{} still to go from {place}", counted(count, "object"));
                (Truth::Unknown, Reason::Progressing, message)
            }
        },
    };
    Some(Condition {
        holds,
        reason,
        message,
    })
}

/// The status of a Stack that was reconciled.
pub(crate) fn status(stack: &Stack, state: &StackState, look: &Look) -> Status {
    let mut status = base(stack, state);
    status.problems = problems(state, look);
    status.pending = pending(look);
    status.synced = synced(state, look, status.pending.as_ref());
    status.healthy = healthy(look);
    status.ready = ready(&status, look);
    status.passing_to = passing_to(&status, look);
    status
}

/// The Stacks that take over what is not wanted here any more, where only that is left to be done.
fn passing_to(status: &Status, look: &Look) -> Vec<StackKey> {
    let is_done = matches!(look.course, Course::Ended(_))
        && status.synced.reason == Reason::Progressing
        && status.healthy.holds == Truth::True;
    let steps = look.plan.steps.iter().filter(|_| is_done);
    let takers = steps.filter_map(|step| match &step.why {
        Why::HandingOver { to } => Some(to.clone()),
        _ => None,
    });
    takers.collect()
}

/// What is wrong with a Stack that was reconciled, worst first.
fn problems(state: &StackState, look: &Look) -> Vec<Problem> {
    let mut problems = failures(state, look);
    if let Some(behind) = &look.behind {
        problems.extend(behind.problems.iter().cloned());
    }
    problems.extend(left_alone(state, &look.plan));
    problems.extend(
        look.health
            .unhealthy
            .iter()
            .filter(|(_, health, _)| *health == Health::Degraded)
            .map(|(key, health, message)| Problem {
                reason: health.to_string(),
                object: Some(key.clone()),
                origin: origin(&look.plan, key),
                message: message.clone(),
                hint: None,
            }),
    );
    problems.truncate(PROBLEM_LIMIT);
    problems
}

fn base(stack: &Stack, state: &StackState) -> Status {
    Status {
        generation: stack.generation,
        applied: state.applied.clone(),
        attempted: state.attempted.clone(),
        rendered: state.rendered,
        inventory: (state.inventory.len(), state.inventory.digest()),
        followed: state.followed.clone(),
        pin: state.pin.clone(),
        handled: state.handled.clone(),
        refreshed: state.refreshed.clone(),
        history: state.history.clone(),
        worked: state.worked.clone(),
        source: state.source.condition(state),
        approval: state.approval,
        operation: state.operation.as_ref().map(|operation| UnderWay {
            revision: operation.plan.revision.clone(),
            started: operation.started,
            deadline: operation.deadline,
        }),
        terminated: state.terminated.clone(),
        retry: state.failed.as_ref().and_then(|failed| failed.next),
        left: state
            .rivals
            .list(|key, desired| state.applied_objects.get(key) == Some(desired)),
        ..Status::default()
    }
}

/// What failed in the last operation, as long as it stands.
fn failures(state: &StackState, look: &Look) -> Vec<Problem> {
    let outcome = match &look.course {
        Course::Ended(outcome) => outcome,
        Course::Resting => match &state.failed {
            Some(failed) => &failed.outcome,
            None => return Vec::new(),
        },
        _ => return Vec::new(),
    };
    let steps = outcome
        .failed
        .iter()
        .map(|(_, key, failure)| (Some(key), failure));
    let unhealthy = outcome.unhealthy.as_ref().map(|(_, key)| key);
    let trouble = outcome.trouble.iter().map(|failure| (unhealthy, failure));
    steps
        .chain(trouble)
        .map(|(key, failure)| Problem {
            reason: failure.reason.to_owned(),
            object: key.cloned(),
            origin: key.and_then(|key| origin(&look.plan, key)),
            message: failure.message.clone(),
            hint: failure.hint.clone(),
        })
        .collect()
}

/// What is wanted and is not done, on purpose.
fn left_alone(state: &StackState, plan: &Plan) -> Vec<Problem> {
    plan.steps
        .iter()
        .filter_map(|step| {
            let (reason, hint) = match &step.why {
                Why::Claimed { .. } => ("Claimed", "let one of the two Stacks name it"),
                Why::Rival { .. } => (
                    "Contended",
                    "list the field under spec.ignore, or stop the other writer and take it back with \
                     holdfast sync --take-back",
                ),
                Why::StillHolds { .. } => {
                    ("StillHolds", "let Git drop what is in it, or name it again")
                }
                Why::HealOff { .. } => ("Drifted", "set spec.sync.heal to put it back"),
                _ => return None,
            };
            Some(Problem {
                reason: reason.to_owned(),
                object: Some(step.key.key.clone()),
                origin: step.desired.as_ref().map(|desired| desired.origin.clone()),
                message: format!("{}{}", step.why, since(state, step)),
                hint: Some(hint.to_owned()),
            })
        })
        .collect()
}

/// Since when a field is left to another writer.
fn since(state: &StackState, step: &Step) -> String {
    let Why::Rival { fields, .. } = &step.why else {
        return String::new();
    };
    let all = fields.iter();
    let since = all.filter_map(|field| state.rivals.since(&step.key.key, field));
    let since = since.min();
    since.map_or_else(String::new, |since| format!(" since {since}"))
}

pub(crate) fn origin(plan: &Plan, key: &Key) -> Option<Origin> {
    let step = plan.steps.iter().find(|step| step.key.key == *key)?;
    step.desired.as_ref().map(|desired| desired.origin.clone())
}

fn pending(look: &Look) -> Option<Pending> {
    let left = look
        .leaving
        .iter()
        .filter_map(|leaving| leaving.tried.as_ref().ok());
    let mut plans = std::iter::once(&look.plan).chain(left.map(|(plan, _)| plan));
    let held = plans.find_map(|plan| Some((plan, plan.held_digest()?)));
    if let Some((plan, digest)) = held {
        let held = || {
            plan.changes()
                .filter_map(|step| step.gate.as_ref().map(|gate| (step, gate)))
        };
        let names: Vec<String> = held()
            .take(5)
            .map(|(step, _)| format!("{} {}", step.verb, step.key.key))
            .collect();
        let rest = held().count().saturating_sub(names.len());
        let more = if rest > 0 {
            format!(" and {rest} more")
        } else {
            String::new()
        };
        return Some(Pending {
            plan: digest,
            summary: format!("{}{more}", names.join(", ")),
            reason: held()
                .next()
                .map(|(_, gate)| gate.to_string())
                .unwrap_or_default(),
        });
    }
    if !matches!(look.course, Course::Unasked) {
        return None;
    }
    Some(Pending {
        plan: look.plan.digest(),
        summary: counted(look.plan.changes().count(), "change"),
        reason: "this Stack is synced only when a person asks".to_owned(),
    })
}

fn synced(state: &StackState, look: &Look, pending: Option<&Pending>) -> Condition {
    let condition = |holds: Truth, reason: Reason, message: String| Condition {
        holds,
        reason,
        message,
    };
    let failed = |outcome: &Outcome| {
        let reason = match outcome.end {
            End::TimedOut => Reason::TimedOut,
            End::Terminated => Reason::Terminated,
            _ => Reason::ApplyFailed,
        };
        let first = happened::first_failure(&look.plan, outcome);
        condition(
            Truth::False,
            reason,
            format!("{}; {first}", summary(outcome)),
        )
    };
    match (&look.course, &state.failed) {
        (Course::Ended(outcome), _) if outcome.end != End::Succeeded => return failed(outcome),
        (Course::Resting, Some(resting)) => return failed(&resting.outcome),
        (Course::Resting, None) => {
            return condition(Truth::False, Reason::Terminated, terminated(look));
        }
        (Course::Waiting(on), _) => {
            let waits = names(on);
            let message = format!("{}: the next wave waits for {waits}", look.revision);
            return condition(Truth::Unknown, Reason::Progressing, message);
        }
        (Course::Unasked, _) => {
            let changes = look.plan.changes().count();
            let changes = counted(changes, "change");
            let message = format!("{} brings {changes}; sync to apply", look.revision);
            return condition(Truth::False, Reason::OutOfSync, message);
        }
        _ => {}
    }
    if let Some(pending) = pending {
        let message = format!("{}: {} ({})", pending.reason, pending.summary, pending.plan);
        return condition(Truth::False, Reason::ConfirmationNeeded, message);
    }
    let drifted = look.plan.steps.iter().find(|step| {
        matches!(
            step.why,
            Why::HealOff { .. } | Why::Rival { .. } | Why::Claimed { .. } | Why::StillHolds { .. }
        )
    });
    if let Some(step) = drifted {
        let message = format!("{}: {}", step.key.key, step.why);
        return condition(Truth::False, Reason::Drifted, message);
    }
    let is_passing = |why: &Why| matches!(why, Why::HandingOver { .. } | Why::Awaited { .. });
    if let Some(step) = look.plan.steps.iter().find(|step| is_passing(&step.why)) {
        let message = format!("{}: {}", step.key.key, step.why);
        return condition(Truth::Unknown, Reason::Progressing, message);
    }
    let elsewhere = left_elsewhere(look);
    elsewhere
        .unwrap_or_else(|| condition(Truth::True, Reason::Succeeded, look.revision.to_string()))
}

/// What is said of an operation that was ended before the engine was started.
fn terminated(look: &Look) -> String {
    format!(
        "{} was terminated, and is not tried again before somebody asks for a sync or changes something",
        look.revision
    )
}

fn names(keys: &[Key]) -> String {
    let mut names: Vec<String> = keys.iter().take(3).map(ToString::to_string).collect();
    if keys.len() > names.len() {
        names.push(format!("{} more", keys.len() - names.len()));
    }
    names.join(", ")
}

fn healthy(look: &Look) -> Condition {
    let (holds, reason) = match look.health.worst() {
        Health::Healthy | Health::Suspended => (Truth::True, Reason::Succeeded),
        Health::Degraded => (Truth::False, Reason::Degraded),
        Health::Missing | Health::Progressing | Health::Terminating => {
            (Truth::Unknown, Reason::Progressing)
        }
    };
    let message = match look.health.unhealthy.first() {
        None => working(&look.health),
        Some((key, _, message)) => format!("{key}: {message}"),
    };
    Condition {
        holds,
        reason,
        message,
    }
}

/// How many objects work, and what does not run on purpose.
fn working(report: &HealthReport) -> String {
    let healthy = format!("{} healthy", counted(report.healthy, "object"));
    let Some((key, message)) = report.suspended.first() else {
        return healthy;
    };
    let more = match report.suspended.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    format!("{healthy}; suspended on purpose: {key}: {message}{more}")
}

fn ready(status: &Status, look: &Look) -> Condition {
    // What cannot be removed from a cluster that is away takes nothing from what is in place here.
    let is_elsewhere = status.synced.reason == Reason::TargetFailed;
    if status.synced.holds != Truth::True && !is_elsewhere {
        return status.synced.clone();
    }
    if status.healthy.holds != Truth::True {
        return status.healthy.clone();
    }
    match status.pin.as_ref().filter(|_| look.is_pinned) {
        None => Condition {
            holds: Truth::True,
            reason: Reason::Succeeded,
            message: format!("{} is in place", look.revision),
        },
        Some(held) => Condition {
            holds: Truth::True,
            reason: Reason::Pinned,
            message: pinned(status, look, held),
        },
    }
}

/// What holds a Stack back, and from what.
fn pinned(status: &Status, look: &Look, held: &Pin) -> String {
    let circumstances = pin::circumstances(held);
    let git = match (&look.behind, &status.followed) {
        (Some(behind), _) if behind.reason == Reason::Pending => String::new(),
        (Some(behind), _) => format!(", while what Git is at cannot be had: {}", behind.message),
        (None, Some(followed)) => format!(", while Git is at {}", followed.revision),
        (None, None) => String::new(),
    };
    format!("pinned to {}{circumstances}{git}", look.revision)
}
