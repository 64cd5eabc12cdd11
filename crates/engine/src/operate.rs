//! Carries an operation out: performs the effects that `advance` asks for and feeds back what
//! happened, until the operation ends or waits for health. It must not decide anything.

use std::collections::{BTreeMap, VecDeque};

use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use holdfast_assess::diff::learn;
use holdfast_assess::fit::misfits;
use holdfast_model::applyset;
use holdfast_model::object::{Key, Object};
use holdfast_model::operation::{
    Answer, Changed, Class, Effect, Event, Failure, Operation, Outcome, Stage,
};
use holdfast_model::plan::{Plan, Step, Verb, Why};
use holdfast_model::stack::Stack;
use holdfast_model::time::Time;
use holdfast_plan::{MANAGER, advance, body, outcome};
use holdfast_target::{Request, Snapshot, Target};

use crate::control::ControlPlane;
use crate::health;
use crate::state::StackState;

/// Where an operation is carried out.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    pub(crate) stack: &'a Stack,
    pub(crate) plane: &'a dyn ControlPlane,
    pub(crate) target: &'a dyn Target,
    pub(crate) clock: &'a (dyn Fn() -> Time + Send + Sync),
}

/// How many effects of one operation are under way at once: what each of them sends and is answered
/// is held only so long. A target has its own limit for all Stacks, which is lower.
const AT_ONCE: usize = 32;

/// How far an operation has come.
pub(crate) enum Progress {
    /// It is over.
    Ended(Outcome),
    /// It waits for health; the Stack is woken when that changes.
    Waiting(Operation),
}

/// What an effect came to.
enum Done {
    Event(Event),
    Step(usize, Result<Answer, Failure>),
}

/// Carries an operation on from an event.
pub(crate) async fn operate(
    site: Site<'_>,
    state: &mut StackState,
    snapshot: &mut Snapshot,
    operation: Operation,
    event: Event,
) -> Progress {
    let (mut operation, effects) = advance(operation, event, (site.clock)());
    let mut under_way: FuturesUnordered<BoxFuture<'_, Done>> = FuturesUnordered::new();
    let mut due = VecDeque::from(effects);
    loop {
        while under_way.len() < AT_ONCE
            && let Some(effect) = due.pop_front()
        {
            match effect {
                Effect::Close => {
                    close(site, state, snapshot, &operation).await;
                    return Progress::Ended(outcome(&operation, (site.clock)()));
                }
                Effect::Remove(step) => {
                    remove_hook(site, snapshot, &operation.plan.steps[step]).await;
                }
                Effect::Record => {
                    let result = record(site, state, &operation).await;
                    under_way.push(Box::pin(async { Done::Event(Event::Recorded(result)) }));
                }
                Effect::Judge(next) => {
                    let judged = health::judgement(&operation.plan.steps[..next], snapshot);
                    under_way.push(Box::pin(async { Done::Event(Event::Judged(judged)) }));
                }
                Effect::Check(step) => {
                    let request = request(site.stack, &operation.plan.steps[step]);
                    under_way.push(Box::pin(async move {
                        let result = site.target.check(&request).await;
                        Done::Event(Event::Checked { step, result })
                    }));
                }
                Effect::Perform(step) => {
                    let request = request(site.stack, &operation.plan.steps[step]);
                    under_way.push(Box::pin(async move {
                        Done::Step(step, site.target.perform(&request).await)
                    }));
                }
            }
        }
        let Some(done) = under_way.next().await else {
            return Progress::Waiting(operation);
        };
        let event = match done {
            Done::Event(Event::Checked { step, result }) => Event::Checked {
                step,
                result: checked(&operation.plan, step, result),
            },
            Done::Event(event) => event,
            Done::Step(step, answer) => {
                let result = take(state, snapshot, &operation.plan.steps[step], answer);
                Event::StepEnded { step, result }
            }
        };
        let effects;
        (operation, effects) = advance(operation, event, (site.clock)());
        due.extend(effects);
    }
}

/// What the server said of a step before anything is applied. What it cannot be asked about yet,
/// since the plan itself brings its kind or namespace, has to fit its schema instead.
fn checked(plan: &Plan, step: usize, result: Result<(), Failure>) -> Result<(), Failure> {
    let waits = matches!(&result, Err(failure) if failure.class == Class::Waiting);
    let desired = plan.steps.get(step).and_then(|step| step.desired.as_ref());
    let Some(desired) = desired.filter(|_| waits) else {
        return result;
    };
    let brought = plan.steps.iter().filter_map(|step| step.desired.as_ref());
    let definitions = brought.filter(|object| {
        let kind = &object.key().kind;
        kind.is("apiextensions.k8s.io", "CustomResourceDefinition")
    });
    match misfits(desired, definitions.map(Object::value)) {
        Some(misfits) if !misfits.is_empty() => Err(Failure {
            class: Class::Terminal,
            reason: "Invalid",
            message: format!("it does not fit its schema: {}", misfits.join("; ")),
            hint: Some("the server could not be asked yet; correct the file".to_owned()),
        }),
        found => {
            let judged = if found.is_some() {
                "fits its schema"
            } else {
                "has no schema that is known"
            };
            tracing::info!(
                key = %desired.key(),
                "The server cannot be asked about an object yet, which {judged}."
            );
            result
        }
    }
}

/// A step of a Stack's plan as the target is asked for it.
pub fn request(stack: &Stack, step: &Step) -> Request {
    let key = &step.key.key;
    let ignored = stack.ignored(key);
    // A hook belongs to no set: it is no part of what is kept.
    let part_of = (step.verb != Verb::Run).then(|| applyset::id(&stack.key));
    let body = step
        .desired
        .as_ref()
        .map(|desired| body(desired, step.live.as_ref(), &ignored, part_of.as_deref()));
    Request {
        verb: step.verb,
        key: step.key.clone(),
        body,
        live: step.live.clone(),
    }
}

/// Deletes a hook that has ended. Where that fails it stays until it runs anew or is pruned.
async fn remove_hook(site: Site<'_>, snapshot: &mut Snapshot, step: &Step) {
    let key = &step.key.key;
    let request = Request {
        verb: Verb::Delete,
        key: step.key.clone(),
        body: None,
        live: snapshot.live.get(key).cloned(),
    };
    match site.target.perform(&request).await {
        Ok(_) => {
            snapshot.live.remove(key);
        }
        Err(failure) => {
            tracing::warn!(stack = %site.stack.key, %key, %failure, "A hook could not be deleted.");
        }
    }
}

/// Takes up what a target answered to a step.
fn take(
    state: &mut StackState,
    snapshot: &mut Snapshot,
    step: &Step,
    answer: Result<Answer, Failure>,
) -> Result<Changed, Failure> {
    let key = step.key.key.clone();
    match answer {
        Ok(Answer::Applied(live, changed)) => {
            if let Some(desired) = &step.desired {
                state.applied_objects.insert(key.clone(), desired.digest());
                state
                    .learned
                    .insert(key.clone(), learn(desired, &live, MANAGER));
            }
            if matches!(step.why, Why::Drift { .. }) && changed == Changed::Yes {
                state.rivals.note(step);
            }
            state.immutable.remove(&key);
            snapshot.live.insert(key, *live);
            Ok(changed)
        }
        Ok(Answer::Gone) => {
            snapshot.live.remove(&key);
            state.applied_objects.remove(&key);
            Ok(Changed::Yes)
        }
        Ok(Answer::Going) => Ok(Changed::Yes),
        Err(failure) => {
            if failure.reason == "Immutable" {
                state.immutable.insert(key);
            }
            Err(failure)
        }
    }
}

/// Makes the inventory durable that the operation may lead to.
async fn record(
    site: Site<'_>,
    state: &mut StackState,
    operation: &Operation,
) -> Result<(), Failure> {
    let Some(before) = state.inventory.before(&operation.plan) else {
        return Ok(());
    };
    site.plane
        .save_inventory(&site.stack.key, &site.stack.uid, &before)
        .await?;
    state.inventory = before;
    Ok(())
}

/// Makes the inventory durable that the operation has led to. Where that fails the larger one
/// stands, and the next operation makes it smaller.
async fn close(site: Site<'_>, state: &mut StackState, snapshot: &Snapshot, operation: &Operation) {
    debug_assert!(matches!(operation.stage, Stage::Ended(_)));
    let after = state
        .inventory
        .after(operation, |key| !snapshot.live.contains_key(key));
    let known: BTreeMap<&Key, ()> = after.entries.keys().map(|key| (key, ())).collect();
    state.learned.retain(|key, _| known.contains_key(key));
    if after == state.inventory {
        return;
    }
    let saved = site
        .plane
        .save_inventory(&site.stack.key, &site.stack.uid, &after)
        .await;
    match saved {
        Ok(()) => state.inventory = after,
        Err(error) => {
            tracing::warn!(stack = %site.stack.key, %error, "The inventory could not be written.");
        }
    }
}

/// Whether keys join the inventory, so that it is written first.
pub(crate) fn joins(state: &StackState, plan: &Plan) -> bool {
    state.inventory.before(plan).is_some()
}

/// Whether a step is a change that a person has to be asked about where the Stack is not synced
/// automatically.
pub(crate) fn is_new(step: &Step) -> bool {
    let drifted = matches!(step.why, Why::Drift { .. });
    step.verb != Verb::Keep && !drifted
}
