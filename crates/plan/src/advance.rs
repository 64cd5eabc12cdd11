//! Carries a plan out, as a state machine: an event moves the operation and asks for effects. It
//! must not know how effects are performed.
//!
//! ```text
//! Planned ─▶ Checking ─▶ Recording ─▶ Running ⇄ Settling ─▶ Ended
//! ```
//! Guarantees: total (every event is taken in every stage, late ones without effect); no step is
//! performed twice; after `Terminate` or the deadline nothing new is begun, and the operation ends
//! as soon as nothing is under way; `Close` is asked for exactly once.

use std::time::Duration;

use holdfast_model::operation::{
    Changed, Class, Done, Effect, End, Event, Failure, Judgement, Operation, Outcome, Recording,
    Stage, StepState,
};
use holdfast_model::plan::{Phase, Plan, Step, Verb, Why};
use holdfast_model::stack::Mode;
use holdfast_model::time::Time;

use crate::order::is_deleted_after;

/// An operation that has not begun.
pub fn begin(
    plan: Plan,
    mode: Mode,
    records: Recording,
    now: Time,
    timeout: Duration,
) -> Operation {
    let steps = plan
        .steps
        .iter()
        .map(|step| match (&step.gate, step.verb) {
            (Some(_), _) => StepState::Held,
            (None, Verb::Keep) if is_kept_from_running(step) => StepState::Failed(Failure {
                class: Class::Waiting,
                reason: "NotOurs",
                message: step.why.to_string(),
                hint: Some("delete or rename one of the two".to_owned()),
            }),
            (None, Verb::Keep) => StepState::Done {
                changed: Changed::No,
            },
            _ => StepState::Waiting,
        })
        .collect();
    Operation {
        plan,
        mode,
        started: now,
        deadline: now + timeout,
        timeout,
        stage: Stage::Planned,
        steps,
        records,
        ending: None,
        trouble: None,
        unhealthy: None,
    }
}

/// Whether a step is a hook that cannot run since its name is taken: what comes after it waits.
fn is_kept_from_running(step: &Step) -> bool {
    let is_hook = matches!(step.slot.phase, Phase::PreSync | Phase::PostSync);
    is_hook && matches!(step.why, Why::Claimed { .. } | Why::Stranger)
}

/// Moves an operation by one event.
pub fn advance(mut operation: Operation, event: Event, now: Time) -> (Operation, Vec<Effect>) {
    if matches!(operation.stage, Stage::Ended(_)) {
        return (operation, Vec::new());
    }
    if now >= operation.deadline && operation.ending.is_none() {
        operation.ending = Some(End::TimedOut);
    }
    let effects = match (event, operation.stage) {
        (Event::Terminate, _) => {
            operation.ending = Some(End::Terminated);
            proceed(&mut operation)
        }
        (Event::Begin, Stage::Planned) => start(&mut operation),
        (Event::Checked { step, result }, Stage::Checking) => checked(&mut operation, step, result),
        (Event::Recorded(result), Stage::Recording) => recorded(&mut operation, result),
        (Event::StepEnded { step, result }, Stage::Running { .. }) => {
            step_ended(&mut operation, step, result)
        }
        (Event::Judged(judgement), Stage::Settling { next }) => {
            judged(&mut operation, judgement, next)
        }
        _ => proceed_if_ending(&mut operation),
    };
    (operation, effects)
}

fn start(operation: &mut Operation) -> Vec<Effect> {
    let asks = |step: &Step| matches!(step.verb, Verb::Create | Verb::Update);
    if operation.mode != Mode::Atomic || operation.ending.is_some() {
        return record(operation);
    }
    operation.stage = Stage::Checking;
    let mut effects = Vec::new();
    for (index, (step, state)) in operation
        .plan
        .steps
        .iter()
        .zip(&mut operation.steps)
        .enumerate()
    {
        if *state == StepState::Waiting && asks(step) {
            *state = StepState::Checking;
            effects.push(Effect::Check(index));
        }
    }
    if effects.is_empty() {
        return record(operation);
    }
    effects
}

fn checked(operation: &mut Operation, step: usize, result: Result<(), Failure>) -> Vec<Effect> {
    let Some(state) = operation
        .steps
        .get_mut(step)
        .filter(|state| **state == StepState::Checking)
    else {
        return Vec::new();
    };
    *state = match result {
        // What cannot be asked yet, such as an object of a kind that the plan itself brings, is
        // found out when its turn comes.
        Ok(()) => StepState::Waiting,
        Err(failure) if failure.class == Class::Waiting => StepState::Waiting,
        Err(failure) => StepState::Failed(failure),
    };
    if operation.steps.contains(&StepState::Checking) {
        return Vec::new();
    }
    if operation.steps.iter().any(is_failed) {
        return end(operation, End::Failed);
    }
    record(operation)
}

fn record(operation: &mut Operation) -> Vec<Effect> {
    if operation.records == Recording::Unneeded || operation.ending.is_some() {
        return proceed(operation);
    }
    operation.stage = Stage::Recording;
    vec![Effect::Record]
}

fn recorded(operation: &mut Operation, result: Result<(), Failure>) -> Vec<Effect> {
    match result {
        Ok(()) => proceed(operation),
        Err(failure) => {
            operation.trouble = Some(failure);
            end(operation, End::Failed)
        }
    }
}

fn step_ended(
    operation: &mut Operation,
    step: usize,
    result: Result<Changed, Failure>,
) -> Vec<Effect> {
    let Some(state) = operation
        .steps
        .get_mut(step)
        .filter(|state| **state == StepState::Running)
    else {
        return Vec::new();
    };
    *state = match result {
        Ok(changed) => StepState::Done { changed },
        Err(failure) => StepState::Failed(failure),
    };
    proceed(operation)
}

fn judged(operation: &mut Operation, judgement: Judgement, next: usize) -> Vec<Effect> {
    match judgement {
        Judgement::Waiting => proceed_if_ending(operation),
        Judgement::Healthy => run(operation, next),
        Judgement::Failed { step, message } => {
            operation.unhealthy = Some(step);
            let is_hook = operation.plan.steps.get(step);
            let is_hook = is_hook.is_some_and(|step| step.verb == Verb::Run);
            let hint = match is_hook {
                true => format!(
                    "correct the hook, or what it needs, and commit; to run it again as it is: holdfast \
                     sync {}",
                    operation.plan.stack.name
                ),
                false => "later waves wait until everything before them is healthy".to_owned(),
            };
            operation.trouble = Some(Failure {
                class: Class::Terminal,
                reason: "Unhealthy",
                message,
                hint: Some(hint),
            });
            end_with(operation, End::Failed, Some(step))
        }
    }
}

fn proceed_if_ending(operation: &mut Operation) -> Vec<Effect> {
    if operation.ending.is_some() {
        proceed(operation)
    } else {
        Vec::new()
    }
}

/// Goes on to the next slot, or to the end, as soon as nothing is under way.
fn proceed(operation: &mut Operation) -> Vec<Effect> {
    let busy = |state: &StepState| matches!(state, StepState::Running);
    if operation.steps.iter().any(busy) {
        return Vec::new();
    }
    if let Some(ending) = operation.ending {
        return end(operation, ending);
    }
    let waiting = |state: &StepState| *state == StepState::Waiting;
    let Some(next) = operation.steps.iter().position(waiting) else {
        return finish(operation);
    };
    if stops_before(operation, next) {
        return end(operation, End::Failed);
    }
    if settles_before(operation, next) {
        operation.stage = Stage::Settling { next };
        return vec![Effect::Judge(next)];
    }
    run(operation, next)
}

/// Everything has been performed; hooks still have to run to their end.
fn finish(operation: &mut Operation) -> Vec<Effect> {
    if operation.steps.iter().any(is_failed) {
        return end(operation, End::Failed);
    }
    let all = operation.steps.len();
    let hook_ran = |(step, state): (&Step, &StepState)| {
        step.verb == Verb::Run && matches!(state, StepState::Done { .. })
    };
    let has_run = operation
        .plan
        .steps
        .iter()
        .zip(&operation.steps)
        .any(hook_ran);
    if has_run && operation.stage != (Stage::Settling { next: all }) {
        operation.stage = Stage::Settling { next: all };
        return vec![Effect::Judge(all)];
    }
    end(operation, End::Succeeded)
}

fn run(operation: &mut Operation, first: usize) -> Vec<Effect> {
    let Some(slot) = operation.plan.steps.get(first).map(|step| step.slot) else {
        return finish(operation);
    };
    operation.stage = Stage::Running { first };
    let mut effects = Vec::new();
    for (index, (step, state)) in operation
        .plan
        .steps
        .iter()
        .zip(&mut operation.steps)
        .enumerate()
    {
        if step.slot == slot && *state == StepState::Waiting {
            *state = StepState::Running;
            effects.push(Effect::Perform(index));
        }
    }
    effects
}

/// A failure ends the operation with its wave, unless each object is on its own.
fn stops_before(operation: &Operation, next: usize) -> bool {
    let slot = operation.plan.steps[next].slot;
    let failed_earlier = operation
        .plan
        .steps
        .iter()
        .zip(&operation.steps)
        .filter(|(_, state)| is_failed(state))
        .any(|(step, _)| (step.slot.phase, step.slot.wave) < (slot.phase, slot.wave));
    failed_earlier && operation.mode != Mode::Object
}

/// Waves, hooks and what follows a new kind wait until everything before is healthy; deletes do
/// not, since they undo, unless they remove what has moved.
fn settles_before(operation: &Operation, next: usize) -> bool {
    let slot = operation.plan.steps[next].slot;
    if slot.phase == Phase::Prune && moves(operation) {
        return true;
    }
    if slot.phase == Phase::Prune || operation.mode == Mode::Object {
        return false;
    }
    let before = operation.plan.steps[..next].iter().zip(&operation.steps);
    before
        .filter(|(_, state)| !is_failed(state))
        .any(|(step, state)| {
            let earlier_wave = (step.slot.phase, step.slot.wave) < (slot.phase, slot.wave);
            let brings_kind = step.key.key.kind.kind == "CustomResourceDefinition"
                && step.slot < slot
                && matches!(state, StepState::Done { .. });
            (earlier_wave && step.slot.phase != Phase::Prune) || brings_kind
        })
}

/// Whether something is still to be removed from where it was before.
fn moves(operation: &Operation) -> bool {
    let mut steps = operation.plan.steps.iter().zip(&operation.steps);
    steps.any(|(step, state)| matches!(step.why, Why::Moved { .. }) && *state == StepState::Waiting)
}

fn is_failed(state: &StepState) -> bool {
    matches!(state, StepState::Failed(_))
}

fn end(operation: &mut Operation, end: End) -> Vec<Effect> {
    end_with(operation, end, None)
}

/// Ends an operation, perhaps because of the step that has failed for good. Hooks that are to go
/// when they have ended go first.
fn end_with(operation: &mut Operation, end: End, failed: Option<usize>) -> Vec<Effect> {
    let mut effects = ended_hooks(operation, end, failed);
    for state in &mut operation.steps {
        if matches!(state, StepState::Waiting | StepState::Checking) {
            *state = StepState::NotBegun;
        }
    }
    operation.stage = Stage::Ended(end);
    effects.push(Effect::Close);
    effects
}

/// The hooks that are deleted now that they have ended.
fn ended_hooks(operation: &Operation, end: End, failed: Option<usize>) -> Vec<Effect> {
    let wave = |step: &Step| (step.slot.phase, step.slot.wave);
    let begun = |state: &StepState| matches!(state, StepState::Done { .. } | StepState::Failed(_));
    let steps = || operation.plan.steps.iter().zip(&operation.steps);
    let reached = steps()
        .filter(|(step, state)| step.verb != Verb::Keep && begun(state))
        .map(|(step, _)| wave(step))
        .max();
    let is_over = |(index, (step, state)): (usize, (&Step, &StepState))| {
        let desired = step.desired.as_ref()?;
        let ran = step.verb == Verb::Run && matches!(state, StepState::Done { .. });
        // What comes after a hook is begun when it has succeeded, unless each object is on its own.
        let passed = operation.mode != Mode::Object && Some(wave(step)) < reached;
        let ending = match failed == Some(index) {
            true => "hook-failed",
            false if end == End::Succeeded || passed => "hook-succeeded",
            false => return None,
        };
        (ran && is_deleted_after(desired, ending)).then_some(Effect::Remove(index))
    };
    steps().enumerate().filter_map(is_over).collect()
}

/// What an operation came to; whatever stage it is in, so that partial progress is never lost.
pub fn outcome(operation: &Operation, now: Time) -> Outcome {
    let mut outcome = Outcome {
        plan: operation.plan.digest(),
        revision: operation.plan.revision.clone(),
        end: match operation.stage {
            Stage::Ended(end) => end,
            _ => End::Terminated,
        },
        started: operation.started,
        ended: now,
        done: Vec::new(),
        failed: Vec::new(),
        trouble: operation.trouble.clone(),
        unhealthy: operation.unhealthy.and_then(|index| {
            let step = operation.plan.steps.get(index)?;
            Some((step.verb, step.key.key.clone()))
        }),
        not_begun: Vec::new(),
        held: Vec::new(),
    };
    for (step, state) in operation.plan.steps.iter().zip(&operation.steps) {
        let (verb, key) = (step.verb, step.key.key.clone());
        match state {
            StepState::Done { .. } if verb == Verb::Keep => {}
            StepState::Done { changed } => outcome.done.push(Done {
                verb,
                key,
                changed: *changed,
                why: step.why.to_string(),
            }),
            StepState::Failed(failure) => outcome.failed.push((verb, key, failure.clone())),
            StepState::Held => outcome.held.push((verb, key)),
            _ => outcome.not_begun.push((verb, key)),
        }
    }
    outcome
}
