//! Around a reconciliation: that a Stack waits for its objects before it goes, and what is shown and who
//! is woken after it. It must not know how a Stack is reconciled.

use std::sync::Arc;
use std::time::Duration;

use holdfast_model::object::Key;
use holdfast_model::stack::{Stack, StackKey};
use holdfast_model::status::{Status, Truth};
use tracing::warn;

use super::{Shared, lock};
use crate::look::{Halt, Look};
use crate::state::StackState;
use crate::view::Seen;
use crate::{fold, pin};

impl Shared {
    /// Sees to it that the Stack is not gone before its objects are; whether it is held.
    pub(super) async fn hold(&self, stack: &Stack, state: &mut StackState) -> bool {
        if state.is_held {
            return true;
        }
        match self.ports.ledger.hold(&stack.key).await {
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
        let wanted = look.wanted();
        let here = state.cluster(stack);
        let concerned = self.claims.keep_only(&stack.key, |cluster, key: &Key| {
            (*cluster == here && wanted.contains(key)) || state.owns(stack, cluster, key)
        });
        self.wake(concerned);
        let mut status = fold::status(stack, state, look);
        self.note_healthy(state, look, &mut status);
        status
    }

    /// Says how a Stack is doing whose reconciliation ended early.
    pub(super) fn conclude_halt(
        &self,
        stack: &Stack,
        state: &mut StackState,
        halt: &Halt,
    ) -> Status {
        let mut status = fold::halted(stack, state, halt, self.now());
        // What was being rolled out while its source was away may have become healthy.
        if let Some(kept) = halt.kept.as_deref() {
            self.note_healthy(state, kept, &mut status);
        }
        status
    }

    fn note_healthy(&self, state: &mut StackState, look: &Look, status: &mut Status) {
        if status.ready.holds == Truth::True {
            pin::note_healthy(state, &look.revision, self.now());
            status.worked.clone_from(&state.worked);
        }
    }

    /// Shows a status where it says something new, and wakes Stacks that wait for this one.
    pub(super) async fn show(
        &self,
        stack: &Stack,
        state: &mut StackState,
        status: Status,
        seen: Seen<'_>,
    ) {
        let now = self.now();
        let seen = Seen { at: now, ..seen };
        let status = self.view.publish(stack, state, status, seen);
        let is_unshown = lock(&self.unshown).remove(&stack.key);
        if let Some((published, at)) = state.published.as_ref().filter(|_| !is_unshown) {
            if **published == *status {
                self.view.note_written(&stack.key, true, now);
                return;
            }
            let pause = Duration::from_secs(5);
            if says_the_same(published, &status) && now.since(*at) < pause {
                self.queue.wake_after(&stack.key, pause);
                return;
            }
        }
        if let Err(error) = self.ports.reporter.publish(&stack.key, &status).await {
            warn!(stack = %stack.key, %error, "The status could not be written.");
            if error.reason == "Unreachable" {
                self.view.note_written(&stack.key, false, now);
            }
            if is_unshown {
                lock(&self.unshown).insert(stack.key.clone());
            }
            self.queue.wake_after(&stack.key, Duration::from_secs(2));
            return;
        }
        self.view.note_written(&stack.key, true, now);
        state.published = Some((Arc::clone(&status), now));
        let before = lock(&self.statuses).insert(stack.key.clone(), Arc::clone(&status));
        if before.is_none_or(|before| before.ready.holds != status.ready.holds) {
            self.wake_dependants(&stack.key);
        }
    }

    /// Wakes the Stacks that have what another one has just changed in their inventories.
    pub(super) fn wake_former(&self, stack: &Stack, state: &mut StackState) {
        let written = std::mem::take(&mut state.written);
        if !written.is_empty() {
            self.wake(self.claims.former(&stack.key, &written));
        }
    }

    pub(crate) fn wake(&self, stacks: impl IntoIterator<Item = StackKey>) {
        for stack in stacks {
            self.queue.wake(&stack);
        }
    }

    pub(super) fn wake_dependants(&self, key: &StackKey) {
        let intents = lock(&self.intents);
        intents
            .dependants(key)
            .for_each(|dependant| self.queue.wake(dependant));
    }
}

/// Whether two statuses differ in nothing but the words of conditions, such as a count of replicas
/// on their way: those are written less often.
fn says_the_same(before: &Status, after: &Status) -> bool {
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
