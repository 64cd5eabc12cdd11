//! The status of a Stack whose reconciliation ended early: what is in place is kept meanwhile, and what
//! is said of it is still so. It must not act.

use holdfast_model::stack::Stack;
use holdfast_model::status::{Condition, PROBLEM_LIMIT, Reason, Status, Truth};
use holdfast_model::time::Time;

use super::{base, healthy, problems, ready, synced};
use crate::look::{Course, Halt, Look, Purpose};
use crate::source;
use crate::state::StackState;

/// The status of a Stack that could not be reconciled to the end. What was last known of its objects
/// stands.
pub(crate) fn halted(stack: &Stack, state: &StackState, halt: &Halt, now: Time) -> Status {
    let mut status = base(stack, state);
    if let Some((published, _)) = &state.published {
        status.healthy = published.healthy.clone();
        status.synced = published.synced.clone();
    }
    if let Some(kept) = &halt.kept {
        status.healthy = healthy(kept);
    }
    let condition = Condition {
        holds: match halt.reason {
            Reason::Pending => Truth::Unknown,
            _ => Truth::False,
        },
        reason: halt.reason,
        message: halt.message.clone(),
    };
    if matches!(
        halt.reason,
        Reason::SourceFailed | Reason::RenderFailed | Reason::InvalidSpec | Reason::NotPermitted
    ) {
        status.synced = condition.clone();
    }
    status.problems.clone_from(&halt.problems);
    status.ready = match halt.reason {
        Reason::SourceFailed => match &halt.kept {
            None => rolling(stack, state, now),
            Some(kept) if kept.purpose == Purpose::Finish => going_on(state, kept, &mut status),
            Some(kept) => unread(stack, state, kept, &mut status),
        }
        .unwrap_or(condition),
        _ => condition,
    };
    status.problems.truncate(PROBLEM_LIMIT);
    status
}

/// Whether a Stack is ready whose source cannot be read: it is as ready as what is in place, where that
/// is what was last seen in Git. Nothing where that is not so, or is not known.
fn unread(
    stack: &Stack,
    state: &StackState,
    kept: &Look,
    status: &mut Status,
) -> Option<Condition> {
    if !source::is_last_seen(stack, state) {
        return None;
    }
    let in_place = as_it_is(state, kept)?;
    let trouble = state.source.sentence();
    // Nobody can say what Git has by now.
    status.synced = Condition {
        holds: Truth::Unknown,
        reason: Reason::SourceFailed,
        message: trouble.clone(),
    };
    status.problems.extend(problems(state, kept));
    Some(Condition {
        message: format!("{}; {trouble}", in_place.message),
        ..in_place
    })
}

/// How an operation is doing that goes on although its source cannot be read; nothing where none does.
fn going_on(state: &StackState, kept: &Look, status: &mut Status) -> Option<Condition> {
    if matches!(kept.course, Course::Unasked) {
        return None;
    }
    let in_place = as_it_is(state, kept)?;
    let synced = synced(state, kept, None);
    let trouble = state.source.sentence();
    let words = |condition: Condition| Condition {
        message: format!("{}; {trouble}", condition.message),
        ..condition
    };
    status.synced = match synced.holds {
        // Nobody can say what Git has by now.
        Truth::True => Condition {
            holds: Truth::Unknown,
            reason: Reason::SourceFailed,
            message: trouble.clone(),
        },
        _ => words(synced),
    };
    status.problems.extend(problems(state, kept));
    Some(words(in_place))
}

/// A rollout that is under way waits for its source; it is shown as failed only after a while.
fn rolling(stack: &Stack, state: &StackState, now: Time) -> Option<Condition> {
    let (published, _) = state.published.as_ref()?;
    let is_recent = !state.source.is_overdue(stack, now);
    let is_rolling = state.operation.is_some() && published.ready.reason == Reason::Progressing;
    (is_rolling && is_recent).then(|| published.ready.clone())
}

/// Whether what is in place is whole and works; nothing where something of it is new.
fn as_it_is(state: &StackState, kept: &Look) -> Option<Condition> {
    let mut status = Status {
        synced: synced(state, kept, None),
        healthy: healthy(kept),
        ..Status::default()
    };
    if status.synced.reason == Reason::OutOfSync {
        return None;
    }
    status.pin.clone_from(&state.pin);
    Some(ready(&status, kept))
}
