//! Reconciliations that break off: they are caught, shown and tried again. It must not know what a
//! reconciliation does.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use holdfast_model::event::{Blame, StackEvent};
use holdfast_model::stack::{Stack, StackKey};
use holdfast_model::status::Reason;
use tracing::error;

use super::{Shared, lock};
use crate::look::Halt;
use crate::view::Seen;
use crate::{defects, fold};

impl Shared {
    /// Reconciles a Stack. A panic is shown as a defect, and costs neither the worker nor other Stacks.
    pub(super) async fn process_caught(&self, key: &StackKey) {
        let intent = lock(&self.intents).get(key).cloned();
        let stack = intent.map(|intent| Arc::clone(&intent.stack));
        let process = async {
            if let Some(stack) = &stack
                && let Some(rest) = self.defects.rest(stack, self.now())
            {
                self.queue.wake_after(key, rest);
                return;
            }
            self.process(key).await;
            self.defects.clear(key);
        };
        let Err(panic) = AssertUnwindSafe(Box::pin(process)).catch_unwind().await else {
            return;
        };
        let said = defects::said(&*panic);
        drop(panic);
        let Some(stack) = stack else {
            error!(stack = %key, panic = said, "Forgetting a Stack broke off.");
            return;
        };
        let show = Box::pin(self.show_defect(&stack, said));
        if AssertUnwindSafe(show).catch_unwind().await.is_err() {
            error!(stack = %stack.key, "A defect could not be shown.");
            self.queue.wake_after(&stack.key, Duration::from_secs(60));
        }
    }

    async fn show_defect(&self, stack: &Stack, said: &'static str) {
        let defect = self.defects.note(stack, self.now());
        error!(
            stack = %stack.key,
            report = defect.report,
            times = defect.times,
            panic = said,
            "A reconciliation panicked."
        );
        if let Some(rest) = self.defects.rest(stack, self.now()) {
            self.queue.wake_after(&stack.key, rest);
        }
        let state = lock(&self.states).get(&stack.key).cloned();
        let Some(state) = state else {
            return;
        };
        let message = format!(
            "the reconciliation broke off, which is a defect of Holdfast; the log says more about \
             report {}",
            defect.report
        );
        let halt = Halt::new(Reason::Defect, message.clone());
        let mut state = state.lock().await;
        let event = StackEvent::Defect(Blame::whole(message, None));
        self.announce(stack, &mut state.journal, &event).await;
        let status = fold::halted(stack, &state, &halt, self.now());
        self.show(stack, &mut state, status, Seen::default()).await;
    }
}
