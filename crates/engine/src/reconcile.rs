//! One look at a Stack, from its intent to what came of it. This is the product, top to bottom;
//! what a step does is in the module that it calls, what a person is told is in `fold`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::object::{Key, LiveObject, Object, VersionedKey};
use holdfast_model::operation::{Class, Event, Failure, Operation, Outcome, Recording};
use holdfast_model::plan::{Plan, Why};
use holdfast_model::revision::Revision;
use holdfast_model::stack::{Deletion, Stack};
use holdfast_model::status::{Problem, Reason, Truth};
use holdfast_plan::{Inputs, begin, plan};
use holdfast_target::{Snapshot, Target};
use tracing::{Instrument as _, debug_span};

use crate::control::Intent;
use crate::engine::Shared;
use crate::health::{self, HealthReport};
use crate::locate::{Located, applied, in_place, locate};
use crate::operate::{self, Progress, Site};
use crate::place::{PlaceError, kinds, place};
use crate::state::{Placed, Render, StackState};

/// What a look came to.
pub(crate) struct Look {
    pub(crate) revision: Revision,
    pub(crate) plan: Plan,
    pub(crate) health: HealthReport,
    pub(crate) course: Course,
    pub(crate) is_pinned: bool,
    /// Why what Git is at could not be had although a pin holds meanwhile.
    pub(crate) behind: Option<Box<Halt>>,
}

impl Look {
    /// What the Stack wants and what it had: the keys of its plan.
    pub(crate) fn keys(&self) -> BTreeSet<&Key> {
        self.plan.steps.iter().map(|step| &step.key.key).collect()
    }
}

/// What was done about a plan.
pub(crate) enum Course {
    /// It was carried out.
    Ended(Box<Outcome>),
    /// It waits until these are healthy, or have run to their end.
    Waiting(Vec<Key>),
    /// It failed before, and its time to be tried again has not come.
    Resting,
    /// A person has to ask for it.
    Unasked,
}

/// Why a look ended early.
pub(crate) struct Halt {
    pub(crate) reason: Reason,
    pub(crate) message: String,
    pub(crate) problems: Vec<Problem>,
    /// When another look is worth taking although nothing has changed.
    pub(crate) again: Option<Duration>,
    /// The look at what is in place, which is kept meanwhile.
    pub(crate) kept: Option<Box<Look>>,
}

impl Halt {
    /// A look that waits for news that will wake the Stack.
    pub(crate) fn pending(message: impl Into<String>) -> Self {
        Self {
            reason: Reason::Pending,
            message: message.into(),
            problems: Vec::new(),
            again: None,
            kept: None,
        }
    }
}

/// What a look is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// To come to what is wanted.
    Reach,
    /// To keep what is in place while what is wanted cannot be had: drift is put back, and nothing
    /// else is done.
    Keep,
}

/// Which render a look is at.
struct Aim {
    located: Located,
    purpose: Purpose,
}

/// Looks at a Stack that is to be kept equal to Git.
pub(crate) async fn reconcile(
    engine: &Shared,
    intent: &Intent,
    state: &mut StackState,
) -> Result<Look, Halt> {
    let stack = accept(intent)?;
    depend(engine, stack)?;
    let target = engine
        .target(&stack.destination.target)
        .await
        .map_err(unreachable)?;
    let located = locate(engine, stack, state).instrument(debug_span!("render"));
    match located.await {
        Ok(located) => {
            let aim = Aim {
                located,
                purpose: Purpose::Reach,
            };
            pursue(engine, &*target, stack, state, aim).await
        }
        Err(mut halt) => {
            halt.kept = keep(engine, &*target, stack, state, halt.reason)
                .await
                .map(Box::new);
            Err(halt)
        }
    }
}

/// Keeps what is in place although the source, or what it renders to, cannot be had; `None` where
/// that is not known, or cannot be looked at either.
async fn keep(
    engine: &Shared,
    target: &dyn Target,
    stack: &Stack,
    state: &mut StackState,
    reason: Reason,
) -> Option<Look> {
    let is_of_git = matches!(
        reason,
        Reason::SourceFailed | Reason::RenderFailed | Reason::Pending
    );
    // An operation that waits is for another revision.
    if !is_of_git || state.operation.is_some() {
        return None;
    }
    // After a start the local copy of the repository has what was applied.
    let render = match in_place(stack, state) {
        None if reason == Reason::SourceFailed => applied(engine, stack, state).await?,
        render => render?,
    };
    let applied = state.applied.clone();
    let located = Located {
        revision: applied.unwrap_or_else(|| render.revision.clone()),
        render,
        is_pinned: false,
        behind: None,
    };
    let aim = Aim {
        located,
        purpose: Purpose::Keep,
    };
    pursue(engine, target, stack, state, aim).await.ok()
}

/// From a render to what came of it.
async fn pursue(
    engine: &Shared,
    target: &dyn Target,
    stack: &Stack,
    state: &mut StackState,
    aim: Aim,
) -> Result<Look, Halt> {
    let Located {
        render,
        revision,
        is_pinned,
        behind,
    } = aim.located;
    let desired = arrange(target, stack, state, &render).await?;
    state.remember_applied(render.digest, &desired);
    state.take_back(stack);
    let keys = desired_keys(&desired, state.inventory.keys());
    let mut snapshot = target
        .observe(&stack.key, &keys)
        .await
        .map_err(unreachable)?;
    health::look_round(&mut snapshot, target).await;
    let plan = forecast(engine, target, stack, state, &revision, &desired, &snapshot).await;
    state.note_settled(stack, &plan);
    let may_act = aim.purpose == Purpose::Reach || !plan.changes().any(operate::is_new);
    let course = if may_act {
        carry_out(engine, target, stack, state, plan.clone(), &mut snapshot).await
    } else {
        Course::Unasked
    };
    match aim.purpose {
        Purpose::Reach => settle(state, stack, &render, &plan, &course),
        Purpose::Keep => remember(state, stack, &render, &course),
    }
    operate::note_ended(engine, stack, state, &plan, &snapshot).await;
    let mut health = health::report(&plan, &snapshot);
    let explained = health::explain(&mut health, state, &snapshot, target, engine.now());
    explained.instrument(debug_span!("explain")).await;
    Ok(Look {
        revision,
        plan,
        health,
        course,
        is_pinned,
        behind,
    })
}

/// Looks at a Stack that is being deleted; `None` when nothing of it is left.
pub(crate) async fn remove(
    engine: &Shared,
    intent: &Intent,
    state: &mut StackState,
) -> Result<Option<Look>, Halt> {
    let stack = &intent.stack;
    if stack.deletion == Deletion::Orphan || state.inventory.entries.is_empty() {
        return Ok(None);
    }
    let target = engine
        .target(&stack.destination.target)
        .await
        .map_err(unreachable)?;
    let keys = desired_keys(&[], state.inventory.keys());
    let mut snapshot = target
        .observe(&stack.key, &keys)
        .await
        .map_err(unreachable)?;
    let revision = state.applied.clone().unwrap_or_default();
    let plan = draw(
        engine,
        stack,
        state,
        &revision,
        &[],
        &snapshot,
        &BTreeMap::new(),
    );
    let course = carry_out(engine, &*target, stack, state, plan.clone(), &mut snapshot).await;
    if state.inventory.entries.is_empty() {
        return Ok(None);
    }
    Ok(Some(Look {
        revision,
        health: HealthReport::default(),
        plan,
        course,
        is_pinned: false,
        behind: None,
    }))
}

fn accept(intent: &Intent) -> Result<&Stack, Halt> {
    if !intent.problems.is_empty() {
        let problems = intent.problems.iter().map(|message| Problem {
            reason: Reason::InvalidSpec.to_string(),
            object: None,
            origin: None,
            message: message.clone(),
            hint: None,
        });
        return Err(Halt {
            reason: Reason::InvalidSpec,
            message: intent.problems.join("; "),
            problems: problems.collect(),
            again: None,
            kept: None,
        });
    }
    if intent.stack.suspended {
        return Err(Halt {
            reason: Reason::Suspended,
            message: "nothing is applied until spec.suspend is false".to_owned(),
            problems: Vec::new(),
            again: None,
            kept: None,
        });
    }
    Ok(&intent.stack)
}

/// Other Stacks that must be ready first. The Stack is woken when they change.
fn depend(engine: &Shared, stack: &Stack) -> Result<(), Halt> {
    let unready: Vec<String> = stack
        .depends_on
        .iter()
        .filter(|key| {
            let status = engine.status(key);
            status.is_none_or(|status| status.ready.holds != Truth::True)
        })
        .map(ToString::to_string)
        .collect();
    if unready.is_empty() {
        return Ok(());
    }
    Err(Halt {
        reason: Reason::DependencyNotReady,
        message: format!("waits for {}", unready.join(", ")),
        problems: Vec::new(),
        again: None,
        kept: None,
    })
}

/// Puts the rendered objects where the Stack wants them.
async fn arrange(
    target: &dyn Target,
    stack: &Stack,
    state: &mut StackState,
    render: &Arc<Render>,
) -> Result<Arc<[Object]>, Halt> {
    let objects = &render.rendered.objects;
    let namespace = &stack.destination.namespace;
    let scopes = target.scopes(&kinds(objects)).await.map_err(unreachable)?;
    let same = |placed: &&Placed| {
        Arc::ptr_eq(&placed.render, render)
            && placed.scopes == scopes
            && placed.namespace == *namespace
    };
    if let Some(placed) = state.placed.as_ref().filter(same) {
        return Ok(Arc::clone(&placed.objects));
    }
    let objects: Arc<[Object]> = place(objects, &scopes, namespace)
        .map_err(written_twice)?
        .into();
    state.placed = Some(Placed {
        render: Arc::clone(render),
        scopes,
        namespace: namespace.clone(),
        objects: Arc::clone(&objects),
    });
    Ok(objects)
}

fn written_twice(twice: Vec<PlaceError>) -> Halt {
    let problems: Vec<Problem> = twice
        .into_iter()
        .map(|error| Problem {
            reason: "WrittenTwice".to_owned(),
            origin: Some(error.second.clone()),
            message: error.to_string(),
            object: Some(error.key),
            hint: Some("keep one of them".to_owned()),
        })
        .collect();
    Halt {
        reason: Reason::RenderFailed,
        message: problems[0].message.clone(),
        problems,
        again: None,
        kept: None,
    }
}

/// The keys of desired objects and of an inventory, each once.
pub fn desired_keys(
    desired: &[Object],
    owned: impl Iterator<Item = VersionedKey>,
) -> Vec<VersionedKey> {
    let wanted = desired.iter().map(Object::versioned_key);
    // Where both name an object, the version counts in which it is wanted.
    let by_key: BTreeMap<_, _> = owned
        .chain(wanted)
        .map(|key| (key.key.clone(), key))
        .collect();
    by_key.into_values().collect()
}

/// The plan, for which the server is asked about what cannot be predicted.
#[expect(
    clippy::too_many_arguments,
    reason = "the inputs of a plan, each of another origin"
)]
async fn forecast(
    engine: &Shared,
    target: &dyn Target,
    stack: &Stack,
    state: &StackState,
    revision: &Revision,
    desired: &[Object],
    snapshot: &Snapshot,
) -> Plan {
    let mut answers = BTreeMap::new();
    let plan = draw(engine, stack, state, revision, desired, snapshot, &answers);
    answers = operate::ask(target, stack, &plan, &snapshot.typings).await;
    if answers.is_empty() {
        return plan;
    }
    draw(engine, stack, state, revision, desired, snapshot, &answers)
}

#[expect(
    clippy::too_many_arguments,
    reason = "the inputs of a plan, each of another origin"
)]
fn draw(
    engine: &Shared,
    stack: &Stack,
    state: &StackState,
    revision: &Revision,
    desired: &[Object],
    snapshot: &Snapshot,
    answers: &BTreeMap<Key, LiveObject>,
) -> Plan {
    let target = &stack.destination.target;
    let keys: Vec<_> = desired.iter().map(|object| object.key().clone()).collect();
    let claimed = engine.claims.take(&stack.key, target, keys.iter());
    let digests: BTreeMap<_, _> = desired
        .iter()
        .map(|object| (object.key(), object.digest()))
        .collect();
    let rivals = state
        .rivals
        .left_alone(engine.now(), |key, digest| digests.get(key) == Some(digest));
    plan(Inputs {
        stack,
        revision,
        // The render is asked for in the same way.
        is_install: state.applied.is_none(),
        desired,
        live: &snapshot.live,
        typings: &snapshot.typings,
        answers,
        settled: &state.settled,
        inventory: &state.inventory,
        applied: &state.applied_objects,
        learned: &state.learned,
        rivals: &rivals,
        immutable: &state.immutable,
        claimed: &claimed,
    })
}

/// Carries a plan out, or an operation on that waits for health.
#[expect(
    clippy::too_many_arguments,
    reason = "where, for whom, and the two things it changes"
)]
async fn carry_out(
    engine: &Shared,
    target: &dyn Target,
    stack: &Stack,
    state: &mut StackState,
    plan: Plan,
    snapshot: &mut Snapshot,
) -> Course {
    let site = Site {
        stack,
        plane: &*engine.plane,
        target,
        clock: &*engine.clock,
    };
    let (operation, event) = match resume(state, &plan, snapshot) {
        Some(resumed) => resumed,
        None if is_resting(engine, stack, state, &plan) => return Course::Resting,
        None if !is_asked(stack, state, &plan) => return Course::Unasked,
        None => {
            let records = if operate::joins(state, &plan) {
                Recording::Needed
            } else {
                Recording::Unneeded
            };
            let (mode, timeout) = (stack.sync.mode, stack.sync.timeout);
            (
                begin(plan, mode, records, engine.now(), timeout),
                Event::Begin,
            )
        }
    };
    match operate::operate(site, state, snapshot, operation, event).await {
        Progress::Ended(outcome) => Course::Ended(Box::new(outcome)),
        Progress::Waiting(operation) => {
            let awaited = health::awaited(&operation, snapshot);
            state.operation = Some(operation);
            Course::Waiting(awaited)
        }
    }
}

/// An operation that waits is carried on as long as its revision is still the one that is wanted;
/// else it ends here, and what it has done stands in the plan that replaces it.
fn resume(state: &mut StackState, plan: &Plan, snapshot: &Snapshot) -> Option<(Operation, Event)> {
    let operation = state.operation.take()?;
    if operation.plan.revision != plan.revision {
        return None;
    }
    let holdfast_model::operation::Stage::Settling { next } = operation.stage else {
        return None;
    };
    let judged = health::judgement(&operation.plan.steps[..next], snapshot);
    Some((operation, Event::Judged(judged)))
}

/// Whether this plan has just failed and its time to be tried again has not come.
fn is_resting(engine: &Shared, stack: &Stack, state: &StackState, plan: &Plan) -> bool {
    let now = engine.now();
    state.failed.as_ref().is_some_and(|failed| {
        failed.plan == plan.digest()
            && failed.generation == stack.generation
            && stack.requested == state.handled
            && failed.next.is_none_or(|next| now < next)
    })
}

/// Whether a plan may be carried out unasked: what a person asked for, as by a rollback, drift, or
/// anything where the Stack is synced automatically.
fn is_asked(stack: &Stack, state: &StackState, plan: &Plan) -> bool {
    let approved = stack.approved.is_some() && stack.approved == Some(plan.digest());
    stack.sync.automatic
        || state.is_asked(stack)
        || approved
        || state.pin.is_some()
        || stack.deleting
        || !plan.changes().any(operate::is_new)
}

/// Remembers what came of a look.
fn settle(state: &mut StackState, stack: &Stack, render: &Render, plan: &Plan, course: &Course) {
    if matches!(course, Course::Unasked) {
        return;
    }
    state.handled = stack.requested.clone().or(state.handled.take());
    state.attempted = Some(plan.revision.clone());
    remember(state, stack, render, course);
    if !matches!(course, Course::Ended(_)) {
        return;
    }
    // What was found as it should be counts as applied too.
    for step in plan.steps.iter().filter(|step| step.why == Why::Unchanged) {
        if let Some(desired) = &step.desired {
            state
                .applied_objects
                .insert(step.key.key.clone(), desired.digest());
        }
    }
}

fn remember(state: &mut StackState, stack: &Stack, render: &Render, course: &Course) {
    if let Course::Ended(outcome) = course {
        crate::fold::remember(state, stack, render, outcome);
    }
}

pub(crate) fn unreachable(failure: Failure) -> Halt {
    // Even what is refused for good may be allowed later, and nobody tells.
    let again = match failure.class {
        Class::Terminal => Duration::from_secs(60),
        _ => Duration::from_secs(5),
    };
    Halt {
        reason: Reason::TargetFailed,
        message: failure.message.clone(),
        problems: vec![Problem {
            reason: failure.reason.to_owned(),
            object: None,
            origin: None,
            message: failure.message,
            hint: failure.hint,
        }],
        again: Some(again),
        kept: None,
    }
}
