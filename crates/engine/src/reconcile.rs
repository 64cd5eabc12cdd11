//! One look at a Stack, from its intent to what came of it. This is the product, top to bottom;
//! what a step does is in the module that it calls, what a person is told is in `fold`.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use holdfast_model::object::{Key, LiveObject, Object, VersionedKey};
use holdfast_model::operation::{Class, Event, Failure, Outcome, Recording};
use holdfast_model::plan::{Plan, Why};
use holdfast_model::revision::Revision;
use holdfast_model::stack::{ClusterId, Stack};
use holdfast_model::status::{Problem, Reason};
use holdfast_plan::{Inputs, Passing, begin, plan};
use holdfast_target::{Snapshot, Target};
use tracing::{Instrument as _, debug_span};

use crate::awaiting;
use crate::control::Intent;
use crate::depend;
use crate::engine::Shared;
use crate::fold;
use crate::health::{self, HealthReport};
use crate::leave::{self, Leaving};
use crate::locate::{Located, applied, in_place, locate};
use crate::moving::{arrive, has_arrived, leave_others, notice_change};
use crate::operate::{self, Progress, Site};
use crate::place::{PlaceError, kinds, place};
use crate::resume;
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
    /// What came of leaving other clusters.
    pub(crate) leaving: Vec<Leaving>,
}

impl Look {
    /// A look at which there was nothing to do.
    pub(crate) fn nothing(stack: &Stack, revision: Revision) -> Self {
        Self {
            plan: Plan {
                stack: stack.key.clone(),
                uid: stack.uid.clone(),
                cluster: ClusterId::of_target(&stack.destination.target),
                revision: revision.clone(),
                steps: Vec::new(),
            },
            revision,
            health: HealthReport::default(),
            course: Course::Resting,
            is_pinned: false,
            behind: None,
            leaving: Vec::new(),
        }
    }

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
    /// A target that cannot be asked, and when to ask it again.
    pub(crate) fn of_target(problem: Problem, again: Duration) -> Self {
        Self {
            reason: Reason::TargetFailed,
            message: problem.message.clone(),
            problems: vec![problem],
            again: Some(again),
            kept: None,
        }
    }

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
    /// As to reach it, but nothing new is applied before other Stacks are ready.
    Hold,
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
    notice_change(engine, &intent.stack, state);
    let stack = accept(intent)?;
    let mut unready = depend::unready(engine, stack);
    if let Some(halt) = unready.take_if(|_| depend::is_bare(state)) {
        return Err(halt);
    }
    let target = engine
        .target(&stack.destination.target)
        .await
        .map_err(unreachable)?;
    arrive(engine, stack, state).await.map_err(unreachable)?;
    let located = locate(engine, stack, state).instrument(debug_span!("render"));
    match located.await {
        Ok(located) => {
            state.is_stale = false;
            let purpose = match unready {
                None => Purpose::Reach,
                Some(_) => Purpose::Hold,
            };
            let aim = Aim { located, purpose };
            let mut look = pursue(engine, &*target, stack, state, aim).await?;
            if let Some(mut halt) = unready.filter(|halt| depend::holds_up(halt, &look)) {
                halt.kept = Some(Box::new(look));
                return Err(halt);
            }
            if !state.inventory.left.is_empty() && has_arrived(&look) {
                look.leaving = leave_others(engine, stack, state, &look).await;
            }
            Ok(look)
        }
        Err(mut halt) => {
            if unready.is_some() {
                // What it depends on may be what it could not be rendered without.
                state.refused = None;
            }
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
        Purpose::Reach | Purpose::Hold => settle(state, stack, &render, &plan, &course),
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
        leaving: Vec::new(),
    })
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
    state: &mut StackState,
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
pub(crate) fn draw(
    engine: &Shared,
    stack: &Stack,
    state: &mut StackState,
    revision: &Revision,
    desired: &[Object],
    snapshot: &Snapshot,
    answers: &BTreeMap<Key, LiveObject>,
) -> Plan {
    let cluster = state.cluster(stack);
    let keys: BTreeSet<Key> = desired.iter().map(|object| object.key().clone()).collect();
    let claimed = engine.claims.want(&stack.key, &cluster, keys.iter());
    engine.awaiting.say(stack);
    let passing = pass_on(engine, stack, state, desired);
    let owned = state.inventory.entries.keys();
    let unwanted = owned.filter(|key| !keys.contains(*key));
    let within = leave::within(engine, &stack.key, &cluster, (unwanted, snapshot));
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
        passing: &passing,
        within: &within,
    })
}

/// What becomes of objects that are not wanted any more, where other Stacks have, want or may want
/// them.
fn pass_on(
    engine: &Shared,
    stack: &Stack,
    state: &mut StackState,
    desired: &[Object],
) -> BTreeMap<Key, Passing> {
    let cluster = state.cluster(stack);
    let wanted: HashSet<&Key> = desired.iter().map(Object::key).collect();
    let owned = state.inventory.entries.keys();
    let unwanted: Vec<Key> = owned.filter(|key| !wanted.contains(key)).cloned().collect();
    let mut passing = engine.claims.pass_on(&stack.key, &cluster, unwanted.iter());
    engine.wake_takers(&passing);
    awaiting::hold_back(engine, stack, state, &cluster, (&unwanted, &mut passing));
    passing
}

/// Carries a plan out, or an operation on that waits for health.
#[expect(
    clippy::too_many_arguments,
    reason = "where, for whom, and the two things it changes"
)]
pub(crate) async fn carry_out(
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
    let waiting = state.operation.take();
    let (operation, event) = match waiting {
        Some(operation) if resume::is_current(&operation, stack, &plan) => {
            let judged = health::settled(&operation, snapshot);
            (operation, Event::Judged(judged))
        }
        _ if is_resting(engine, stack, state, &plan) => return Course::Resting,
        _ if !is_asked(stack, state, &plan) => return Course::Unasked,
        // What the operation that is given up has done stands: it is no part of the plan any more.
        given_up => {
            let ran = given_up.map(|operation| resume::hooks_of(&operation, &plan));
            let records = if operate::joins(state, &plan) {
                Recording::Needed
            } else {
                Recording::Unneeded
            };
            let (mode, timeout) = (stack.sync.mode, stack.sync.timeout);
            let mut operation = begin(plan, mode, records, engine.now(), timeout);
            resume::keep_hooks(&mut operation, &ran.unwrap_or_default());
            (operation, Event::Begin)
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
        fold::remember(state, stack, render, outcome);
    }
}

pub(crate) fn unreachable(failure: Failure) -> Halt {
    // Even what is refused for good may be allowed later, and nobody tells.
    let again = match failure.class {
        Class::Terminal => Duration::from_secs(60),
        _ => Duration::from_secs(5),
    };
    let problem = Problem {
        reason: failure.reason.to_owned(),
        object: None,
        origin: None,
        message: failure.message,
        hint: failure.hint,
    };
    Halt::of_target(problem, again)
}
