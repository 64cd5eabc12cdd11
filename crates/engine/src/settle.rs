//! What is remembered of a plan that was carried out. It must not act.

use holdfast_model::plan::{Plan, Why};
use holdfast_model::stack::Stack;

use crate::fold;
use crate::look::Course;
use crate::state::{Render, StackState};
use crate::{terminate, who};

/// Remembers what came of a look.
pub(crate) fn settle(
    state: &mut StackState,
    stack: &Stack,
    render: &Render,
    plan: &Plan,
    course: &Course,
) {
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

/// Remembers an operation that has ended.
pub(crate) fn remember(state: &mut StackState, stack: &Stack, render: &Render, course: &Course) {
    if let Course::Ended(outcome) = course {
        fold::remember(state, stack, render, outcome);
        who::sign(state, outcome);
        terminate::sign(stack, state, outcome);
    }
}
