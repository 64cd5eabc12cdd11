//! What is in place is kept although the source, or what it renders to, cannot be had, and an operation
//! that waits for health goes on. It must not begin anything new.

use holdfast_model::stack::Stack;
use holdfast_model::status::Reason;

use crate::engine::Shared;
use crate::locate::{Located, applied, in_place, render_of};
use crate::look::{Aim, Purpose};
use crate::source;
use crate::state::StackState;

/// What is in place as it is to be kept; `None` where that is not known, or is not what is to be kept.
pub(crate) async fn kept(
    engine: &Shared,
    stack: &Stack,
    state: &mut StackState,
    reason: Reason,
) -> Option<Aim> {
    let is_of_git = matches!(
        reason,
        Reason::SourceFailed | Reason::RenderFailed | Reason::NotPermitted | Reason::Pending
    );
    // An operation that waits is for another revision.
    if state.operation.is_some() {
        return going_on(stack, state).filter(|_| reason == Reason::SourceFailed);
    }
    if !is_of_git {
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
    Some(Aim {
        located,
        purpose: Purpose::Keep,
    })
}

/// The revision that was last seen in Git, where an operation for it waits: what it waits for is not in
/// Git.
fn going_on(stack: &Stack, state: &StackState) -> Option<Aim> {
    let operation = state.operation.as_ref()?;
    let followed = state.followed.as_ref().filter(|followed| {
        followed.revision == operation.plan.revision
            && stack.pin.is_none()
            && source::follows_the_same(stack, state)
    })?;
    let located = Located {
        render: render_of(stack, state, followed.rendered?)?,
        revision: followed.revision.clone(),
        is_pinned: false,
        behind: None,
    };
    Some(Aim {
        located,
        purpose: Purpose::Finish,
    })
}
