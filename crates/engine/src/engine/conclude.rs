//! Around a reconciliation: that a Stack waits for its objects before it goes, and what follows from
//! what was seen. It must not know how a Stack is reconciled.

use std::time::Duration;

use holdfast_model::object::Key;
use holdfast_model::stack::Stack;
use holdfast_model::status::{Status, Truth};
use tracing::warn;

use super::Shared;
use crate::look::Look;
use crate::state::StackState;
use crate::{fold, pin};

impl Shared {
    /// Sees to it that the Stack is not gone before its objects are; whether it is held.
    pub(super) async fn hold(&self, stack: &Stack, state: &mut StackState) -> bool {
        if state.is_held {
            return true;
        }
        match self.plane.hold(&stack.key).await {
            Ok(()) => state.is_held = true,
            Err(error) => {
                warn!(stack = %stack.key, %error, "The Stack could not be held.");
                self.queue.wake_after(&stack.key, Duration::from_secs(5));
            }
        }
        state.is_held
    }

    /// Gives up claims on what the Stack neither wants nor is leaving, and says how it is doing.
    pub(super) fn conclude(&self, stack: &Stack, state: &mut StackState, look: &Look) -> Status {
        let keys = look.keys();
        let (here, left) = (state.cluster(stack), &state.inventory.left);
        let concerned = self.claims.keep_only(&stack.key, |cluster, key: &Key| {
            (*cluster == here && keys.contains(key))
                || left.iter().any(|left| {
                    left.place.cluster_or_target() == *cluster && left.entries.contains_key(key)
                })
        });
        self.wake(concerned);
        let mut status = fold::status(stack, state, look);
        if status.ready.holds == Truth::True {
            pin::note_healthy(state, &look.revision, self.now());
            status.worked.clone_from(&state.worked);
        }
        status
    }
}

/// Whether two statuses differ in nothing but the words of conditions, such as a count of replicas
/// on their way: those are written less often.
pub(super) fn says_the_same(before: &Status, after: &Status) -> bool {
    let silent = |status: &Status| {
        let mut status = status.clone();
        for condition in [
            &mut status.ready,
            &mut status.synced,
            &mut status.healthy,
            &mut status.source,
        ] {
            condition.message.clear();
        }
        status
    };
    silent(before) == silent(after)
}
