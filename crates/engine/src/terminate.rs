//! Operations that a person ends: what came of them, and that they are not tried again by themselves. It
//! must not depend on sources or targets, which may be what an operation hangs on.

use holdfast_model::deed::Action;
use holdfast_model::event::StackEvent;
use holdfast_model::operation::{End, Event, Operation, Outcome};
use holdfast_model::plan::Plan;
use holdfast_model::revision::Revision;
use holdfast_model::stack::Stack;
use holdfast_model::status::Terminated;
use holdfast_plan::{advance, outcome, summary};

use crate::engine::Shared;
use crate::fold;
use crate::operate;
use crate::state::StackState;

/// The request to end what is under way that was not followed yet.
pub(crate) fn wanted<'a>(stack: &'a Stack, handled: Option<&Terminated>) -> Option<&'a String> {
    let handled = handled.map(|handled| &handled.request);
    stack
        .terminate
        .as_ref()
        .filter(|wanted| Some(*wanted) != handled)
}

/// Ends an operation that waits, or that would be tried again, where somebody has asked for that since
/// the Stack was last reconciled.
pub(crate) async fn hear(engine: &Shared, stack: &Stack, state: &mut StackState) {
    let Some(request) = wanted(stack, state.terminated.as_ref()) else {
        return;
    };
    let ended = match state.operation.take() {
        Some(operation) => Some(end(engine, stack, state, operation).await),
        None => stop_trying(state).or_else(|| resting(stack, state)),
    };
    state.terminated = Some(Terminated {
        request: request.clone(),
        revision: ended,
        generation: stack.generation,
    });
    state.handled = stack.requested.clone().or(state.handled.take());
}

/// Ends an operation that waits: nothing of it is under way. The revision that it was for.
async fn end(
    engine: &Shared,
    stack: &Stack,
    state: &mut StackState,
    operation: Operation,
) -> Revision {
    let (operation, _) = advance(operation, Event::Terminate, engine.now());
    operate::close(&*engine.ports.ledger, stack, state, &operation, |_| false).await;
    let outcome = outcome(&operation, engine.now());
    let revision = outcome.revision.clone();
    state.attempted = Some(revision.clone());
    let render = state.renders.iter().find(|it| it.revision == revision);
    let rendered = render.map(|render| render.digest);
    fold::remember_as(state, stack, rendered, &outcome);
    sign(stack, state, &outcome);
    let message = format!("{revision}: {}; {}", summary(&outcome), by_whom(stack));
    state.news.push(StackEvent::Terminated { message });
    revision
}

/// What has failed is not tried again. The revision that it was for, where something would have been.
fn stop_trying(state: &mut StackState) -> Option<Revision> {
    let failed = state.failed.as_mut()?;
    let is_tried = failed.next.take().is_some();
    let is_ended = failed.outcome.end == End::Terminated;
    (is_tried || is_ended).then(|| failed.outcome.revision.clone())
}

/// The revision that somebody has ended before, where it is not tried again by itself.
fn resting(stack: &Stack, state: &StackState) -> Option<Revision> {
    let terminated = state.terminated.as_ref();
    let stands = terminated.filter(|terminated| terminated.generation == stack.generation)?;
    stands.revision.clone()
}

/// Whether a plan is for a revision whose operation somebody has ended, and nobody has asked for it
/// since then or has changed the Stack.
pub(crate) fn rests(stack: &Stack, state: &StackState, plan: &Plan) -> bool {
    state.terminated.as_ref().is_some_and(|terminated| {
        terminated.revision.as_ref() == Some(&plan.revision)
            && terminated.generation == stack.generation
            && stack.requested == state.handled
    })
}

/// That somebody has ended it; who and why, where that is known.
fn by_whom(stack: &Stack) -> String {
    let deed = stack.deeds.get(&Action::Terminate);
    match deed.filter(|deed| stack.terminate.as_ref() == Some(&deed.of)) {
        Some(deed) => format!("terminated {deed}"),
        None => "terminated".to_owned(),
    }
}

/// Says in the line of the history of an operation that somebody has ended it.
pub(crate) fn sign(stack: &Stack, state: &mut StackState, outcome: &Outcome) {
    if outcome.end != End::Terminated {
        return;
    }
    let line = state.history.first_mut();
    if let Some(line) = line.filter(|line| line.at == outcome.ended) {
        line.summary = format!("{}; {}", line.summary, by_whom(stack));
    }
}
