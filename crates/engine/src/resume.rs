//! Whether an operation that waits is still what is wanted, and what of it stands when it is not.
//! It must not carry anything out.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_model::digest::Digest;
use holdfast_model::object::{Key, Object};
use holdfast_model::operation::{Changed, Operation, Stage, StepState};
use holdfast_model::plan::{Phase, Plan, Step, Verb, Why};
use holdfast_model::stack::Stack;
use holdfast_model::status::UnderWay;
use holdfast_model::time::Time;

use crate::state::StackState;

/// Whether an operation that waits does what the plan that is drawn now would do. The plan is drawn
/// against what is live, so what the operation has done already is no longer part of it; drift of
/// what is done is healed when the operation has ended.
pub(crate) fn is_current(operation: &Operation, stack: &Stack, plan: &Plan) -> bool {
    let begun = &operation.plan;
    let is_settling = matches!(operation.stage, Stage::Settling { .. });
    is_settling
        && begun.cluster == plan.cluster
        && begun.revision == plan.revision
        && operation.mode == stack.sync.mode
        && operation.timeout == stack.sync.timeout
        && wanted(begun) == wanted(plan)
        && steps_agree(operation, plan)
}

/// Whether an operation waits that does what the plan that is made now would do.
pub(crate) fn is_going_on(state: &StackState, stack: &Stack, plan: &Plan) -> bool {
    let operation = state.operation.as_ref();
    operation.is_some_and(|operation| is_current(operation, stack, plan))
}

/// Hooks that have run, or run, in an operation that is given up for another plan of the same
/// revision: they are not run twice.
pub(crate) fn hooks_of(operation: &Operation, plan: &Plan) -> Hooks {
    if operation.plan.revision != plan.revision {
        return BTreeMap::new();
    }
    let steps = operation.plan.steps.iter().zip(&operation.steps);
    steps
        .filter(|(step, state)| is_hook_done(step, state))
        .filter_map(|(step, _)| Some((hook(step), step.desired.as_ref()?.digest())))
        .collect()
}

/// Hooks by their keys and the phases that they run in, with the digest of what ran: one of two events
/// runs in each of their phases.
pub(crate) type Hooks = BTreeMap<(Key, Phase), Digest>;

fn hook(step: &Step) -> (Key, Phase) {
    (step.key.key.clone(), step.slot.phase)
}

/// Has the hooks of an earlier operation count as done in one that begins.
pub(crate) fn keep_hooks(operation: &mut Operation, ran: &Hooks) {
    let steps = operation.plan.steps.iter().zip(&mut operation.steps);
    for (step, state) in steps {
        let digest = step.desired.as_ref().map(Object::digest);
        let has_run = digest.is_some() && ran.get(&hook(step)).copied() == digest;
        if step.verb == Verb::Run && *state == StepState::Waiting && has_run {
            *state = StepState::Done {
                changed: Changed::No,
            };
        }
    }
}

/// Has an operation end when the one that waited before a restart was to end, where it is for the same
/// revision. What has waited while no engine was there gets a little time to be seen.
pub(crate) fn keep_deadline(operation: &mut Operation, before: Option<UnderWay>, now: Time) {
    let Some(before) = before else { return };
    let is_same = before.revision == operation.plan.revision
        && before.deadline == before.started + operation.timeout
        && before.deadline < operation.deadline;
    if is_same {
        let deadline = before.deadline.max(now + GRACE.min(operation.timeout));
        operation.started = before.started;
        operation.deadline = deadline;
    }
}

/// The least time that an operation gets after a restart.
const GRACE: Duration = Duration::from_secs(30);

fn is_hook_done(step: &Step, state: &StepState) -> bool {
    step.verb == Verb::Run && matches!(state, StepState::Done { .. })
}

/// The objects that a plan wants, with their contents.
fn wanted(plan: &Plan) -> BTreeMap<&Key, Digest> {
    let steps = plan.steps.iter();
    let wanted = steps.filter_map(|step| Some((&step.key.key, step.desired.as_ref()?.digest())));
    wanted.collect()
}

fn steps_agree(operation: &Operation, plan: &Plan) -> bool {
    let now: BTreeMap<&Key, &Step> = plan
        .steps
        .iter()
        .map(|step| (&step.key.key, step))
        .collect();
    let begun = operation.plan.steps.iter().zip(&operation.steps);
    let mut known = BTreeMap::new();
    for (step, state) in begun {
        let key = &step.key.key;
        known.insert(key, ());
        if !agrees(step, state, now.get(key).copied()) {
            return false;
        }
    }
    plan.changes().all(|step| known.contains_key(&step.key.key))
}

/// Whether a step of the operation is still what would be done about its object.
fn agrees(step: &Step, state: &StepState, now: Option<&Step>) -> bool {
    match state {
        StepState::Waiting | StepState::Held => {}
        // What was left as it is by choice, and would now be changed: the choice is another one.
        StepState::Done { .. } if step.verb == Verb::Keep => {
            return !is_by_choice(&step.why) || now.is_none_or(|now| now.verb == Verb::Keep);
        }
        _ => return true,
    }
    let Some(now) = now else {
        return step.verb == Verb::Delete;
    };
    let is_same = match step.verb {
        Verb::Delete => now.verb == Verb::Delete || now.why == Why::AlreadyGone,
        Verb::Run => now.verb == Verb::Run,
        _ => match now.verb {
            Verb::Delete | Verb::Run => false,
            Verb::Keep => !is_by_choice(&now.why),
            Verb::Create | Verb::Update | Verb::Replace => true,
        },
    };
    is_same && (!now.is_change() || step.gate == now.gate)
}

/// Whether an object is left as it is by somebody's choice, and not because it is as it should be.
fn is_by_choice(why: &Why) -> bool {
    !matches!(
        why,
        Why::Unchanged | Why::Going | Why::AlreadyGone | Why::Ended
    )
}
