//! What is told and remembered of pins: that one has begun or ended is a line of the history and an
//! Event, and what was gone back from is not where the next rollback goes. It must not decide whether
//! a pin holds.

use holdfast_model::deed::Action;
use holdfast_model::event::StackEvent;
use holdfast_model::pin::{Pin, PinEnd, RolledBack};
use holdfast_model::revision::Revision;
use holdfast_model::status::{Followed, HISTORY_LIMIT, Past, PastEnd, WORKED_LIMIT, Worked};
use holdfast_model::time::Time;

use crate::state::StackState;

/// Notes the pin that a Stack has now; what is new about it is told.
pub(crate) fn note(state: &mut StackState, pin: Option<&Pin>, now: Time) {
    if state.pin.as_ref() == pin {
        return;
    }
    let before = std::mem::replace(&mut state.pin, pin.cloned());
    match (before, pin) {
        (before, Some(pin)) => begin(state, before.as_ref(), pin, now),
        (Some(before), None) => end(state, &before, now),
        (None, None) => {}
    }
}

fn begin(state: &mut StackState, before: Option<&Pin>, pin: &Pin, now: Time) {
    if let Some(rendered) = pin.from.as_ref().and_then(RolledBack::rendered) {
        leave(state, |worked| worked.rendered == rendered, now);
    }
    if let Some(before) = before {
        let place = |pin: &Pin| {
            let mut all = state.worked.iter();
            all.position(|worked| worked.revision.has_commits_of(&pin.revision))
        };
        // Whoever goes forward again has found nothing wrong with where they were.
        let is_forward = matches!((place(before), place(pin)), (Some(old), Some(new)) if new < old);
        if !is_forward {
            let is_held = |worked: &Worked| worked.revision.has_commits_of(&before.revision);
            leave(state, is_held, now);
        }
    }
    let from = match &pin.from {
        Some(RolledBack::Revision(from, _)) => format!(" from {from}"),
        _ => String::new(),
    };
    tell(
        state,
        PastEnd::Pinned,
        &pin.revision,
        format!(
            "rolled back to {}{from}{}",
            pin.revision,
            circumstances(pin)
        ),
        now,
    );
}

fn end(state: &mut StackState, pin: &Pin, now: Time) {
    let cause = cause(pin, state.followed.as_ref(), now);
    let followed = state.followed.as_ref().map(|followed| &followed.revision);
    let revision = followed.unwrap_or(&pin.revision).clone();
    let resumed = state.deeds.get(&Action::Resume);
    let resumed =
        resumed.filter(|deed| cause == PinEnd::Resumed && deed.of == pin.revision.commit.0);
    let by = resumed.map(|deed| format!(" {deed}")).unwrap_or_default();
    let message = format!(
        "the pin to {}{} ended: {cause}{by}; Git is at {revision}",
        pin.revision,
        circumstances(pin),
    );
    tell(state, PastEnd::Unpinned, &revision, message, now);
}

/// Why a pin is no longer there. It is found out again where an engine ended in between.
fn cause(pin: &Pin, followed: Option<&Followed>, now: Time) -> PinEnd {
    if pin.is_expired(now) {
        return PinEnd::Expired;
    }
    let (Some(from), Some(followed)) = (&pin.from, followed) else {
        return PinEnd::Resumed;
    };
    let is_same_commit = match from {
        RolledBack::Digest(_) => false,
        RolledBack::Revision(from, _) => from.has_commits_of(&followed.revision),
    };
    match (from.rendered(), followed.rendered) {
        (Some(before), Some(now)) if before != now && !is_same_commit => PinEnd::Newer,
        (None, Some(_)) if !is_same_commit => PinEnd::Newer,
        _ => PinEnd::Resumed,
    }
}

/// By whom, since when, until when and why, as far as it is known.
pub(crate) fn circumstances(pin: &Pin) -> String {
    let parts = [
        pin.by.as_ref().map(|by| format!(" by {by}")),
        pin.since.map(|since| format!(" since {since}")),
        pin.expires.map(|expires| format!(" until {expires}")),
        pin.reason.as_ref().map(|reason| format!(" ({reason})")),
    ];
    parts.into_iter().flatten().collect()
}

fn leave(state: &mut StackState, which: impl Fn(&Worked) -> bool, now: Time) {
    for worked in state.worked.iter_mut().filter(|worked| which(worked)) {
        worked.left.get_or_insert(now);
    }
}

/// An Event and a line of the history.
pub(crate) fn tell(
    state: &mut StackState,
    end: PastEnd,
    revision: &Revision,
    summary: String,
    now: Time,
) {
    let message = summary.clone();
    state.news.push(match end {
        PastEnd::Pinned => StackEvent::RolledBack { message },
        PastEnd::Suspended => StackEvent::Suspended { message },
        PastEnd::Resumed => StackEvent::Resumed { message },
        _ => StackEvent::PinEnded { message },
    });
    let line = Past {
        revision: revision.clone(),
        end,
        at: now,
        summary,
        rendered: None,
        attempts: 1,
    };
    state.history.insert(0, line);
    state.history.truncate(HISTORY_LIMIT);
}

/// Remembers that what Git is at has become healthy. What a pin holds is no news: it stays where it
/// is in the list, so that the next rollback goes further back and not forth.
pub(crate) fn note_healthy(state: &mut StackState, revision: &Revision, now: Time) {
    let (None, Some(rendered)) = (&state.pin, state.rendered) else {
        return;
    };
    let known = state.worked.first_mut();
    if let Some(known) = known.filter(|known| known.rendered == rendered && known.left.is_none()) {
        // Another commit may render to the same.
        known.revision.clone_from(revision);
        return;
    }
    state.worked.retain(|worked| worked.rendered != rendered);
    let worked = Worked {
        revision: revision.clone(),
        rendered,
        at: now,
        left: None,
    };
    state.worked.insert(0, worked);
    state.worked.truncate(WORKED_LIMIT);
}
