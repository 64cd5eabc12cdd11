//! Who has asked for what: an Event when it is taken up, and a word in the history. It must not decide
//! whether anything is done.

use holdfast_model::deed::{Action, Deed};
use holdfast_model::event::StackEvent;
use holdfast_model::operation::{End, Outcome};
use holdfast_model::stack::Stack;
use holdfast_model::status::{Past, PastEnd};
use holdfast_model::time::Time;

use crate::pin::tell;
use crate::state::StackState;

/// The most people who are named beside one operation.
const MOST: usize = 4;

/// Takes up what people have asked for since the Stack was last reconciled.
pub(crate) fn hear(stack: &Stack, state: &mut StackState, now: Time) {
    state.deeds.clone_from(&stack.deeds);
    hear_of_suspension(stack, state, now);
    if let Some(request) = stack.requested.as_ref().filter(|_| state.is_asked(stack))
        && state.heard.as_ref() != Some(request)
    {
        state.heard = Some(request.clone());
        if let Some(deed) = deed(stack, Action::Sync, request) {
            let words = format!("asked for {deed}");
            let message = format!("a sync was {words}");
            note(state, StackEvent::SyncRequested { message }, words);
        }
    }
    if stack.approved.is_none() {
        state.approval = None;
    }
    if let Some(digest) = stack.approved.filter(|_| stack.approved != state.approval) {
        state.approval = stack.approved;
        if let Some(deed) = deed(stack, Action::Approve, &digest.to_string()) {
            let words = format!("approved {deed}");
            let message = format!("plan {digest} was {words}");
            note(state, StackEvent::Approved { message }, words);
        }
    }
}

/// Who has asked for just this, where that is known.
fn deed<'a>(stack: &'a Stack, action: Action, of: &str) -> Option<&'a Deed> {
    let deed = stack.deeds.get(&action)?;
    (deed.of == of).then_some(deed)
}

fn note(state: &mut StackState, event: StackEvent, words: String) {
    state.news.push(event);
    if state.asked_by.len() < MOST && !state.asked_by.contains(&words) {
        state.asked_by.push(words);
    }
}

/// Whether the Stack was suspended when that was last told of.
fn was_suspended(history: &[Past]) -> bool {
    let mut ends = history.iter().map(|past| past.end);
    let told = ends.find(|end| matches!(end, PastEnd::Suspended | PastEnd::Resumed));
    told == Some(PastEnd::Suspended)
}

fn hear_of_suspension(stack: &Stack, state: &mut StackState, now: Time) {
    if was_suspended(&state.history) == stack.suspended {
        return;
    }
    let (end, word, action) = match stack.suspended {
        true => (PastEnd::Suspended, "suspended", Action::Suspend),
        false => (PastEnd::Resumed, "resumed", Action::Resume),
    };
    let by = deed(stack, action, "suspend").map(|deed| format!(" {deed}"));
    let revision = state.applied.clone().unwrap_or_default();
    let summary = format!("{word}{}", by.unwrap_or_default());
    tell(state, end, &revision, summary, now);
}

/// Why nothing is applied, and who said so.
pub(crate) fn suspension(stack: &Stack) -> String {
    let by = deed(stack, Action::Suspend, "suspend");
    let by = by.map(|deed| format!("suspended {deed}; "));
    let by = by.unwrap_or_default();
    format!("{by}nothing is applied until spec.suspend is false")
}

/// Names those who asked for an operation in its line of the history.
pub(crate) fn sign(state: &mut StackState, outcome: &Outcome) {
    if state.asked_by.is_empty() {
        return;
    }
    let line = state.history.first_mut();
    let line =
        line.filter(|past| past.at == outcome.ended && matches!(past.end, PastEnd::Operation(_)));
    if let Some(line) = line {
        let words = state.asked_by.join("; ");
        line.summary = format!("{}; {words}", line.summary);
    }
    if outcome.end == End::Succeeded {
        state.asked_by.clear();
    }
}
