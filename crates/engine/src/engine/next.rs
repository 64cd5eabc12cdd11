//! When a Stack is reconciled although nothing wakes it, and what for. It must not reconcile.

use std::time::Duration;

use holdfast_model::stack::Stack;
use holdfast_model::view::{Wake, WakeReason};

use super::Shared;
use crate::externals::is_moving;
use crate::health;
use crate::keys;
use crate::look::{Halt, Look};
use crate::source::SourceState;
use crate::state::StackState;

/// The longest that a Stack sleeps until a pin of it expires: clocks are set, and machines sleep.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);
/// How long after an attempt to leave a cluster the next one is made unless something wakes it.
const LEAVING: Duration = Duration::from_secs(10);
/// How long after an inventory could not be written the Stack is reconciled again.
const UNSAVED: Duration = Duration::from_secs(5);

impl Shared {
    /// When a Stack is looked at although nothing wakes it.
    pub(super) fn plan_next_look(
        &self,
        stack: &Stack,
        state: &StackState,
        look: &Result<Look, Halt>,
    ) -> Option<Wake> {
        let (pause, why) = self
            .pauses(stack, state, look)
            .into_iter()
            .min_by_key(|(pause, _)| *pause)?;
        self.queue.wake_after(&stack.key, pause);
        let at = self.now() + pause;
        Some(Wake { at, why })
    }

    /// A Stack that is being deleted is looked at again.
    pub(super) fn plan_next_ask(&self, stack: &Stack, pause: Duration) -> Option<Wake> {
        self.queue.wake_after(&stack.key, pause);
        let (at, why) = (self.now() + pause, WakeReason::Deleting);
        Some(Wake { at, why })
    }

    fn pauses(
        &self,
        stack: &Stack,
        state: &StackState,
        look: &Result<Look, Halt>,
    ) -> Vec<(Duration, WakeReason)> {
        let now = self.now();
        let mut pauses: Vec<(Duration, WakeReason)> = Vec::new();
        let mut add = |pause: Option<Duration>, why: WakeReason| {
            pauses.extend(pause.map(|pause| (pause, why)));
        };
        match look {
            Err(halt) => add(halt.again, WakeReason::Again),
            Ok(look) => {
                add(health::next_look(state), WakeReason::Health);
                let behind = look.behind.as_ref().and_then(|behind| behind.again);
                add(behind, WakeReason::Again);
            }
        }
        if let Some(trouble) = &state.source.trouble {
            let due = trouble.since + SourceState::grace(stack);
            add((now < due).then(|| due.since(now)), WakeReason::SourceGrace);
        }
        if let Some(expires) = self.pin(stack).and_then(|pin| pin.expires) {
            let pause = expires.since(now) + Duration::from_millis(1);
            add(Some(pause.min(LONGEST_SLEEP)), WakeReason::PinExpires);
        }
        if let Some(operation) = &state.operation {
            let pause = operation.deadline.since(now) + Duration::from_millis(1);
            add(Some(pause), WakeReason::Deadline);
        }
        if let Some(next) = state.failed.as_ref().and_then(|failed| failed.next) {
            let pause = next.since(now) + Duration::from_millis(1);
            add(Some(pause), WakeReason::Retry);
        }
        add(state.rivals.next(now), WakeReason::Contended);
        if !state.inventory.left.is_empty() {
            add(Some(LEAVING), WakeReason::Leaving);
        }
        if state.is_unsaved {
            add(Some(UNSAVED), WakeReason::Inventory);
        }
        // Ranges of versions and what was looked up are asked for news as often as the source.
        let looks_up = state.renders.iter().any(|render| render.looks_up());
        if looks_up || state.used().any(is_moving) {
            add(Some(stack.source.repository.interval), WakeReason::Interval);
        }
        add(keys::next_ask(stack, state), WakeReason::Interval);
        pauses
    }
}
