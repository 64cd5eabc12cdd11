//! Carries an operation out: performs the effects that `advance` asks for and feeds back what
//! happened, until the operation ends or waits for health. It must not decide anything.

use std::collections::{BTreeMap, VecDeque};

use futures::future::{BoxFuture, join_all};
use futures::stream::{FuturesUnordered, StreamExt};
use holdfast_assess::fit::misfits;
use holdfast_assess::health::{Health, judge};
use holdfast_kinds::Typings;
use holdfast_model::applyset;
use holdfast_model::digest::Digest;
use holdfast_model::inventory::Inventory;
use holdfast_model::object::{Key, LiveObject, Object};
use holdfast_model::operation::{
    Answer, Changed, Class, Effect, End, Event, Failure, Judgement, Operation, Outcome, Stage,
    StepState,
};
use holdfast_model::packed::Packed;
use holdfast_model::plan::{Plan, Step, Verb, Why};
use holdfast_model::stack::Stack;
use holdfast_model::time::Time;
use holdfast_plan::{Sending, Settled, advance, body, hook_phases, learn, outcome};
use holdfast_target::{Request, Snapshot, Target};

use crate::engine::Shared;
use crate::masking::discreet;
use crate::ports::{Ledger, Unsaved};
use crate::state::StackState;
use crate::{health, last_words};

/// Where an operation is carried out.
#[derive(Clone, Copy)]
pub(crate) struct Site<'a> {
    pub(crate) stack: &'a Stack,
    pub(crate) ledger: &'a dyn Ledger,
    pub(crate) target: &'a dyn Target,
    pub(crate) clock: &'a (dyn Fn() -> Time + Send + Sync),
    /// Whether somebody wants the operation ended.
    pub(crate) is_terminated: &'a (dyn Fn() -> bool + Send + Sync),
}

/// How many effects of one operation are under way at once: what each of them sends and is answered
/// is held only so long. A target has its own limit for all Stacks, which is lower.
pub(crate) const AT_ONCE: usize = 32;

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
    let event = with_words(site, snapshot, &operation, event).await;
    let mut under_way: FuturesUnordered<BoxFuture<'_, Done>> = FuturesUnordered::new();
    let mut due = VecDeque::new();
    let mut operation = go_on(site, operation, event, &mut due);
    loop {
        operation = end_if_wanted(site, operation, &mut due);
        while under_way.len() < AT_ONCE
            && let Some(effect) = due.pop_front()
        {
            match effect {
                Effect::Close => {
                    let is_gone = |key: &Key| !snapshot.live.contains_key(key);
                    close(site.ledger, site.stack, state, &operation, is_gone).await;
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
                    let step_of = &operation.plan.steps[step];
                    let request = request(site.stack, step_of, &snapshot.typings);
                    under_way.push(Box::pin(async move {
                        let result = site.target.check(&request).await;
                        Done::Event(Event::Checked { step, result })
                    }));
                }
                Effect::Perform(step) => {
                    let request = request_now(site.stack, &operation.plan.steps[step], snapshot);
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
            Done::Event(event) => with_words(site, snapshot, &operation, event).await,
            Done::Step(step, answer) => {
                let result = take(site, (state, snapshot), &operation.plan.steps[step], answer);
                Event::StepEnded { step, result }
            }
        };
        operation = go_on(site, operation, event, &mut due);
    }
}

/// Moves an operation by an event; what follows from that is due.
fn go_on(
    site: Site<'_>,
    operation: Operation,
    event: Event,
    due: &mut VecDeque<Effect>,
) -> Operation {
    let (operation, effects) = advance(operation, event, (site.clock)());
    due.extend(effects);
    operation
}

/// Ends an operation where somebody wants that: what was due and is not under way yet is not begun.
fn end_if_wanted(
    site: Site<'_>,
    mut operation: Operation,
    due: &mut VecDeque<Effect>,
) -> Operation {
    if operation.ending.is_some() || !(site.is_terminated)() {
        return operation;
    }
    due.retain(|effect| match effect {
        Effect::Perform(step) => {
            operation.steps[*step] = StepState::NotBegun;
            false
        }
        _ => true,
    });
    go_on(site, operation, Event::Terminate, due)
}

/// Adds to the failure of a hook what its pods said: what remains of it may be deleted next.
async fn with_words(
    site: Site<'_>,
    snapshot: &Snapshot,
    operation: &Operation,
    event: Event,
) -> Event {
    let Event::Judged(Judgement::Failed { step, message }) = event else {
        return event;
    };
    let hook = operation.plan.steps.get(step);
    let hook = hook.filter(|step| step.verb == Verb::Run);
    let said = match hook.and_then(|hook| snapshot.live.get(&hook.key.key)) {
        Some(live) => last_words::of_hook(site, snapshot, &operation.plan, live).await,
        None => String::new(),
    };
    let message = format!("{message}{said}");
    Event::Judged(Judgement::Failed { step, message })
}

/// What the server said of a step before anything is applied. What it cannot be asked about yet,
/// since the plan itself brings its kind or namespace, has to fit its schema instead.
pub(crate) fn checked(
    plan: &Plan,
    step: usize,
    result: Result<(), Failure>,
) -> Result<(), Failure> {
    let checked = fits(plan, step, result);
    checked.map_err(|failure| match plan.steps.get(step) {
        Some(step) => discreet(step, failure),
        None => failure,
    })
}

fn fits(plan: &Plan, step: usize, result: Result<(), Failure>) -> Result<(), Failure> {
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

/// A step as the target is asked for it now: a hook of two events has run since the plan was made, and
/// is made anew.
fn request_now(stack: &Stack, step: &Step, snapshot: &Snapshot) -> Request {
    let mut request = request(stack, step, &snapshot.typings);
    if step.verb == Verb::Run {
        let newest = snapshot.live.get(&step.key.key).cloned();
        request.live = newest.or(request.live);
    }
    request
}

/// A step of a Stack's plan as the target is asked for it.
pub fn request(stack: &Stack, step: &Step, typings: &Typings) -> Request {
    // A hook belongs to no set: it is no part of what is kept.
    let part_of = (step.verb != Verb::Run).then(|| applyset::id(&stack.key));
    let sending = Sending {
        live: step.live.as_ref(),
        left: &step.left,
        part_of: part_of.as_deref(),
        typing: typings.get(&step.key).map(|typing| &**typing),
    };
    let desired = step.desired.as_ref();
    Request {
        verb: step.verb,
        key: step.key.clone(),
        body: desired.map(|desired| Packed::new(&body(desired, sending))),
        live: step.live.clone(),
    }
}

/// What the server says of objects of which nobody else can say what an apply would change. What it
/// refuses is left out: the apply itself says why.
pub(crate) async fn ask(
    target: &dyn Target,
    stack: &Stack,
    plan: &Plan,
    typings: &Typings,
) -> BTreeMap<Key, LiveObject> {
    let unknown = plan
        .steps
        .iter()
        .filter(|step| matches!(step.why, Why::Unpredicted { .. }));
    let requests: Vec<Request> = unknown.map(|step| request(stack, step, typings)).collect();
    let mut answers = BTreeMap::new();
    for some in requests.chunks(AT_ONCE) {
        let asked = some.iter().map(|request| target.dry_run(request));
        for (request, answer) in some.iter().zip(join_all(asked).await) {
            if let Ok(live) = answer {
                answers.insert(request.key.key.clone(), live);
            }
        }
    }
    answers
}

/// Writes down which Jobs have ended that go some time after: they are not run again when they are
/// gone. Where that cannot be written it is tried again when the Stack is next looked at.
pub(crate) async fn note_ended(
    engine: &Shared,
    stack: &Stack,
    state: &mut StackState,
    plan: &Plan,
    snapshot: &Snapshot,
) {
    let ended = plan.steps.iter().filter_map(|step| {
        let desired = step.desired.as_ref()?;
        let key = &step.key.key;
        if !key.kind.is("batch", "Job") || !hook_phases(desired, false).is_empty() {
            return None;
        }
        let is_known = state.inventory.hooks.get(key) == Some(&desired.digest());
        let is_ours = state.applied_objects.get(key) == Some(&desired.digest());
        if is_known || !is_ours || !goes_when_it_has_ended(desired) {
            return None;
        }
        let live = snapshot.live.get(key)?;
        let verdict = judge(&key.kind, &live.value.unpack());
        (verdict.health == Health::Healthy).then(|| (key.clone(), desired.digest()))
    });
    let ended: Vec<(Key, Digest)> = ended.collect();
    if ended.is_empty() {
        return;
    }
    let mut inventory = state.inventory.clone();
    inventory.hooks.extend(ended);
    if let Err(error) = save(&*engine.ports.ledger, stack, state, inventory).await {
        tracing::warn!(stack = %stack.key, %error, "The inventory could not be written.");
    }
}

fn goes_when_it_has_ended(job: &Object) -> bool {
    let value = job.value();
    let ttl = value.pointer("/spec/ttlSecondsAfterFinished");
    ttl.is_some_and(|ttl| !ttl.is_null())
}

/// Deletes a hook that has ended. Where that fails it stays until it runs anew or is pruned.
async fn remove_hook(site: Site<'_>, snapshot: &mut Snapshot, step: &Step) {
    let key = &step.key.key;
    if !snapshot.live.contains_key(key) {
        return;
    }
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
    site: Site<'_>,
    (state, snapshot): (&mut StackState, &mut Snapshot),
    step: &Step,
    answer: Result<Answer, Failure>,
) -> Result<Changed, Failure> {
    let key = step.key.key.clone();
    if !matches!(answer, Ok(Answer::Applied(_, Changed::No)) | Err(_)) {
        state.written.insert(key.clone());
    }
    match answer.map_err(|failure| discreet(step, failure)) {
        Ok(Answer::Applied(live, changed)) => {
            if let Some(desired) = &step.desired {
                let part_of = applyset::id(&site.stack.key);
                let sending = Sending {
                    live: Some(&live),
                    left: &step.left,
                    part_of: Some(&part_of),
                    typing: snapshot.typings.get(&step.key).map(|typing| &**typing),
                };
                let learned = learn(desired, &live, sending);
                state.applied_objects.insert(key.clone(), desired.digest());
                state.learned.insert(key.clone(), learned);
                let settled = Settled::of(desired, &live, site.stack.generation);
                state.settled.insert(key.clone(), settled);
            }
            if matches!(step.why, Why::Drift { .. }) && changed == Changed::Yes {
                state.rivals.note(step, (site.clock)());
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
    save(site.ledger, site.stack, state, before).await
}

/// Makes the inventory durable that the operation has led to. Where that fails the larger one
/// stands, and the next operation makes it smaller.
pub(crate) async fn close(
    ledger: &dyn Ledger,
    stack: &Stack,
    state: &mut StackState,
    operation: &Operation,
    is_gone: impl Fn(&Key) -> bool,
) {
    debug_assert!(matches!(operation.stage, Stage::Ended(_)));
    let mut after = state.inventory.after(operation, is_gone);
    if operation.stage == Stage::Ended(End::Succeeded) {
        after.settle_in(&stack.destination.namespace, &operation.plan);
    }
    let known: BTreeMap<&Key, ()> = after.entries.keys().map(|key| (key, ())).collect();
    state.learned.retain(|key, _| known.contains_key(key));
    state.settled.retain(|key, _| known.contains_key(key));
    if after == state.inventory {
        return;
    }
    match save(ledger, stack, state, after.clone()).await {
        Ok(()) => {}
        // Nothing can be written into a namespace that goes, and its inventories go with it.
        Err(error) if stack.deleting => {
            tracing::debug!(stack = %stack.key, %error, "The inventory is not written.");
            state.inventory = after;
        }
        Err(error) => {
            tracing::warn!(stack = %stack.key, %error, "The inventory could not be written.");
        }
    }
}

/// Makes an inventory durable, and then the Stack's. Where somebody else has written it meanwhile, what
/// is there is the Stack's too: that a key is in it leads to nothing worse than that it is looked at.
pub(crate) async fn save(
    ledger: &dyn Ledger,
    stack: &Stack,
    state: &mut StackState,
    inventory: Inventory,
) -> Result<(), Failure> {
    let saved = ledger
        .save_inventory(&stack.key, &stack.uid, &inventory)
        .await;
    state.is_unsaved = saved.is_err();
    match saved {
        Ok(()) => {
            state.inventory = inventory;
            Ok(())
        }
        Err(Unsaved::Failed(failure)) => Err(failure),
        Err(Unsaved::Changed(found)) => {
            state.inventory.join(*found);
            Err(Failure {
                class: Class::Transient,
                reason: "Conflict",
                message: format!(
                    "the inventory of Stack {} was written by somebody else since it was last read",
                    stack.key
                ),
                hint: Some(
                    "it is taken up as it is now, and the plan is made anew; if this goes on, two \
                     engines are at work: see that each namespace of Stacks has one"
                        .to_owned(),
                ),
            })
        }
    }
}

/// Makes the inventory durable as it is now. Where that fails the larger one stands, and is made smaller
/// the next time.
pub(crate) async fn save_anew(engine: &Shared, stack: &Stack, state: &mut StackState) {
    let inventory = state.inventory.clone();
    if let Err(error) = save(&*engine.ports.ledger, stack, state, inventory).await {
        tracing::warn!(stack = %stack.key, %error, "The inventory could not be written.");
    }
}

/// Whether keys join the inventory, so that it is written first.
pub(crate) fn joins(state: &StackState, plan: &Plan) -> bool {
    state.inventory.before(plan).is_some()
}

/// Whether a step is a change that a person has to be asked about where the Stack is not synced
/// automatically.
pub fn is_new(step: &Step) -> bool {
    let drifted = matches!(
        step.why,
        Why::Drift { .. } | Why::Unpredicted { drifted: true }
    );
    step.verb != Verb::Keep && !drifted
}
