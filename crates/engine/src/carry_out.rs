//! Carries a plan out where its time has come and somebody wants it: it begins an operation, or goes on
//! with one that waits. It must not decide what is in the plan.

use holdfast_model::operation::{Event, Recording};
use holdfast_model::plan::Plan;
use holdfast_model::stack::Stack;
use holdfast_plan::begin;
use holdfast_target::{Snapshot, Target};

use crate::engine::Shared;
use crate::health;
use crate::look::{Course, Halt, unreachable};
use crate::namespace;
use crate::operate::{self, Progress, Site};
use crate::resume;
use crate::state::StackState;
use crate::terminate;

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
) -> Result<Course, Halt> {
    let terminated = state.terminated.clone();
    let is_terminated = || engine.is_terminated(stack, terminated.as_ref());
    let site = Site {
        stack,
        is_terminated: &is_terminated,
        ledger: &*engine.ports.ledger,
        target,
        clock: &*engine.clock,
    };
    let waiting = state.operation.take();
    let (operation, event) = match waiting {
        Some(operation) if resume::is_current(&operation, stack, &plan) => {
            let judged = health::settled(&operation, snapshot);
            (operation, Event::Judged(judged))
        }
        _ if is_resting(engine, stack, state, &plan) => return Ok(Course::Resting),
        _ if !is_asked(stack, state, &plan) => return Ok(Course::Unasked),
        // What the operation that is given up has done stands: it is no part of the plan any more.
        given_up => {
            if let Err(failure) = namespace::make(target, stack, &plan).await {
                state.operation = given_up;
                return Err(unreachable(failure));
            }
            let ran = given_up.map(|operation| resume::hooks_of(&operation, &plan));
            let records = if operate::joins(state, &plan) {
                Recording::Needed
            } else {
                Recording::Unneeded
            };
            let (mode, timeout) = (stack.sync.mode, stack.sync.timeout);
            let mut operation = begin(plan, mode, records, engine.now(), timeout);
            resume::keep_hooks(&mut operation, &ran.unwrap_or_default());
            resume::keep_deadline(&mut operation, state.before.take(), engine.now());
            if let Some(terminated) = &mut state.terminated {
                terminated.revision = None;
            }
            (operation, Event::Begin)
        }
    };
    let progress = operate::operate(site, state, snapshot, operation, event).await;
    Ok(match progress {
        Progress::Ended(outcome) => Course::Ended(Box::new(outcome)),
        Progress::Waiting(operation) => {
            let awaited = health::awaited(&operation, snapshot);
            state.operation = Some(operation);
            Course::Waiting(awaited)
        }
    })
}

/// Whether this plan has just failed and its time to be tried again has not come.
fn is_resting(engine: &Shared, stack: &Stack, state: &StackState, plan: &Plan) -> bool {
    if terminate::rests(stack, state, plan) {
        return true;
    }
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
