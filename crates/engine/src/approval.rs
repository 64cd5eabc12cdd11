//! A person's confirmation of a plan counts until the plan is carried out, and is taken away then, so that
//! it never confirms another plan, nor the same one again. It must not decide what waits for a person.

use std::sync::Arc;
use std::time::Duration;

use holdfast_model::deed::{Action, Deed};
use holdfast_model::digest::Digest;
use holdfast_model::operation::End;
use holdfast_model::stack::Stack;
use tracing::warn;

use crate::engine::Shared;
use crate::look::{Course, Look, Purpose};
use crate::ports::Intent;
use crate::state::StackState;

/// How long after a failure it is tried again.
const PAUSE: Duration = Duration::from_secs(5);

/// A confirmation, and who gave it: the same plan may be confirmed again.
type Given = (Digest, Option<Deed>);

fn given(stack: &Stack) -> Option<Given> {
    let deed = stack.deeds.get(&Action::Approve).cloned();
    stack.approved.map(|plan| (plan, deed))
}

/// What somebody wants, without a confirmation that has been taken away: what was seen of a Stack may
/// be older than that.
pub(crate) fn without_spent(intent: &Arc<Intent>, state: &mut StackState) -> Arc<Intent> {
    if state.spent.is_some() && state.spent != given(&intent.stack) {
        state.spent = None;
    }
    if state.spent.is_none() {
        return Arc::clone(intent);
    }
    let stack = Stack {
        approved: None,
        ..Stack::clone(&intent.stack)
    };
    Arc::new(Intent {
        stack: Arc::new(stack),
        ..Intent::clone(intent)
    })
}

/// Takes a confirmation away that has nothing left to confirm: everything that may be done is done. A
/// confirmation of what has failed, or is under way, stays. Found out from what is there, so that an
/// engine that ends in between leaves nothing behind.
pub(crate) async fn spend(engine: &Shared, stack: &Stack, state: &mut StackState, look: &Look) {
    let Some(given) = given(stack) else { return };
    let is_done = matches!(&look.course, Course::Ended(outcome) if outcome.end == End::Succeeded)
        && look.purpose == Purpose::Reach
        && state.inventory.left.is_empty();
    let plan = given.0;
    if !is_done && state.spent.as_ref() != Some(&given) {
        return;
    }
    state.spent = Some(given);
    if let Err(error) = engine.ports.ledger.unapprove(&stack.key, plan).await {
        warn!(stack = %stack.key, %error, "A confirmation that was used could not be taken away.");
        engine.queue.wake_after(&stack.key, PAUSE);
    }
}
