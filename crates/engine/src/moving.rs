//! Where a Stack goes: what it begins with there, what it leaves behind when everything has arrived,
//! and what it removes when it goes altogether. It must not decide what is wanted.

use std::collections::BTreeSet;

use holdfast_assess::health::Health;
use holdfast_model::event::StackEvent;
use holdfast_model::object::Key;
use holdfast_model::operation::{End, Failure, Outcome};
use holdfast_model::plan::Why;
use holdfast_model::revision::Revision;
use holdfast_model::stack::{Deletion, Place, Stack};

use crate::carry_out::carry_out;
use crate::engine::Shared;
use crate::happened;
use crate::leave::{self, Departure, Leaving, leave};
use crate::look::{Course, Halt, Look, unreachable};
use crate::operate;
use crate::others::others;
use crate::ports::Intent;
use crate::propose::{Known, Question, desired_keys, propose};
use crate::state::StackState;

/// A Stack that is resumed, or goes elsewhere, begins with what is newest: what was known before may
/// name objects that its owner has dropped meanwhile, and that are somebody else's where it goes.
pub(crate) fn notice_change(engine: &Shared, stack: &Stack, state: &mut StackState) {
    let now = (stack.destination.clone(), stack.suspended);
    let before = state.seen.replace(now.clone());
    if before.is_some_and(|before| before != now) && !stack.suspended {
        ask_anew(engine, stack, state);
    }
}

fn ask_anew(engine: &Shared, stack: &Stack, state: &mut StackState) {
    engine.repositories.poke(stack);
    state.is_stale = true;
}

/// Takes up where the Stack goes now. An inventory from before clusters were named is written anew
/// at once: the next time that it is read the Stack may go elsewhere.
pub(crate) async fn arrive(
    engine: &Shared,
    stack: &Stack,
    state: &mut StackState,
) -> Result<(), Failure> {
    let destination = &stack.destination;
    let place = engine
        .place(&destination.target, &destination.namespace)
        .await?;
    let is_unnamed = state.inventory.place.is_none() && !state.inventory.is_empty();
    if state.go_to(place) {
        ask_anew(engine, stack, state);
    }
    if is_unnamed {
        operate::save_anew(engine, stack, state).await;
    }
    Ok(())
}

/// Whether everything that is wanted is there, and works.
pub(crate) fn has_arrived(look: &Look) -> bool {
    let has_ended = |outcome: &Outcome| outcome.end == End::Succeeded;
    let ended = matches!(&look.course, Course::Ended(outcome) if has_ended(outcome));
    ended && look.health.worst() == Health::Healthy
}

/// Removes what is on other clusters now that everything has arrived on this one.
pub(crate) async fn leave_others(
    engine: &Shared,
    stack: &Stack,
    state: &mut StackState,
    look: &Look,
) -> Vec<Leaving> {
    let wanted = look.plan.steps.iter().filter(|step| step.desired.is_some());
    let ours = wanted.filter(|step| !matches!(step.why, Why::Claimed { .. }));
    let arrived: BTreeSet<Key> = ours.map(|step| step.key.key.clone()).collect();
    let departure = Departure {
        stack,
        revision: &look.revision,
        arrived: &arrived,
    };
    leave(engine, state, departure).await
}

/// What has come of removing a Stack's objects.
pub(crate) enum Removal {
    /// Nothing is left, or nothing that can be removed; what is to be said of that.
    Over(Vec<StackEvent>),
    /// Some are still there.
    Going(Box<Look>),
}

/// Looks at a Stack that is being deleted.
pub(crate) async fn remove(
    engine: &Shared,
    intent: &Intent,
    state: &mut StackState,
) -> Result<Removal, Halt> {
    let stack = &intent.stack;
    if stack.deletion == Deletion::Orphan || state.inventory.is_empty() {
        return Ok(Removal::Over(gone(stack, &[])));
    }
    if let Err(failure) = arrive(engine, stack, state).await {
        // What it has may be elsewhere than where it was to go to.
        let place = state.inventory.place.as_ref();
        let is_elsewhere = place.is_some_and(|place| place.target != stack.destination.target);
        if !is_elsewhere && !leave::is_gone(&failure) {
            return Err(unreachable(failure));
        }
        let unnamed = Place {
            cluster: None,
            target: stack.destination.target.clone(),
            namespace: stack.destination.namespace.clone(),
        };
        state.inventory.place.get_or_insert(unnamed);
        state.inventory.leave();
    }
    let revision = state.applied.clone().unwrap_or_default();
    let look = match state.inventory.entries.is_empty() {
        true => None,
        false => Some(remove_here(engine, stack, state, &revision).await?),
    };
    let departure = Departure {
        stack,
        revision: &revision,
        arrived: &BTreeSet::new(),
    };
    let leaving = leave(engine, state, departure).await;
    if state.inventory.is_empty() {
        return Ok(Removal::Over(gone(stack, &leaving)));
    }
    let look = look.unwrap_or_else(|| Look::nothing(stack, revision));
    Ok(Removal::Going(Box::new(Look { leaving, ..look })))
}

/// What is said of a Stack that goes.
fn gone(stack: &Stack, leaving: &[Leaving]) -> Vec<StackEvent> {
    let mut events = happened::abandoned(leaving);
    let message = match (stack.deletion, events.is_empty()) {
        (Deletion::Orphan, _) => "the Stack is deleted, and its objects stay",
        (_, true) => "the Stack and its objects are deleted",
        (_, false) => "the Stack is deleted, and what it could not reach stays",
    };
    let message = message.to_owned();
    events.push(StackEvent::Deleted { message });
    events
}

/// Removes what the Stack has on the cluster that it goes to.
async fn remove_here(
    engine: &Shared,
    stack: &Stack,
    state: &mut StackState,
    revision: &Revision,
) -> Result<Look, Halt> {
    let target = engine.target(&stack.destination.target);
    let target = target.await.map_err(unreachable)?;
    let keys = desired_keys(&[], state.inventory.keys());
    let mut snapshot = target
        .observe(&stack.key, &keys)
        .await
        .map_err(unreachable)?;
    let question = Question {
        stack,
        revision,
        desired: &[],
        snapshot: &snapshot,
    };
    let others = others(engine, state, question);
    let known = Known::of(state, &[], engine.now());
    let plan = propose(&*target, question, &known, &others).await;
    let course = carry_out(engine, &*target, stack, state, plan.clone(), &mut snapshot).await?;
    Ok(Look {
        plan,
        course,
        ..Look::nothing(stack, revision.clone())
    })
}
