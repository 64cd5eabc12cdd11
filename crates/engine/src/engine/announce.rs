//! The one place where what happens to Stacks is said: an Event of Kubernetes, a line of the log and a
//! metric are made from each event. It must not find out what has happened.

use holdfast_model::event::StackEvent;
use holdfast_model::stack::Stack;
use holdfast_model::status::{Status, Truth};
use tracing::{debug, error, info, warn};

use super::Shared;
use crate::happened;
use crate::journal::Journal;
use crate::look::{Course, Halt, Look};
use crate::state::StackState;

impl Shared {
    /// Says that something has happened to a Stack. What has happened before is counted: the log says
    /// it at a level that is not shown by default.
    pub(super) async fn announce(&self, stack: &Stack, journal: &mut Journal, event: &StackEvent) {
        let now = self.now();
        let times = journal.note(event, now);
        self.view.say(&stack.key, event, times, now);
        self.counters.event(&stack.key, event);
        log(stack, event, times);
        self.ports.reporter.notify(stack, event).await;
    }

    /// Says what has happened that is no operation.
    pub(super) async fn announce_news(&self, stack: &Stack, state: &mut StackState) {
        for event in std::mem::take(&mut state.news) {
            self.announce(stack, &mut state.journal, &event).await;
        }
    }

    /// Counts and says what a reconciliation has done.
    pub(super) async fn tell(&self, stack: &Stack, state: &mut StackState, look: &Look) {
        if let Course::Ended(outcome) = &look.course {
            self.counters.operation(outcome);
        }
        for event in happened::done(stack, look) {
            match &event {
                StackEvent::Applied { .. } => state.unfinished = Some(event.clone()),
                StackEvent::Synced { .. } => state.unfinished = None,
                _ => {}
            }
            if !event.is_warning() {
                state.journal.succeed();
            }
            self.announce(stack, &mut state.journal, &event).await;
        }
    }

    /// Says what stands, once, and what no longer does.
    pub(super) async fn say_standing(
        &self,
        stack: &Stack,
        state: &mut StackState,
        look: &Result<Look, Halt>,
        status: &Status,
    ) {
        let standing = happened::standing(stack, state, look, status, self.now());
        let (news, over) = state.journal.stand(standing, self.now());
        for event in news.iter().chain(&happened::recovered(&over, status)) {
            self.announce(stack, &mut state.journal, event).await;
        }
        // What was applied before it was healthy is in place when it is.
        if status.ready.holds == Truth::True
            && let Some(StackEvent::Applied { revision, summary }) = state.unfinished.take()
        {
            let event = StackEvent::Synced { revision, summary };
            self.announce(stack, &mut state.journal, &event).await;
        }
    }
}

/// A line of the log, with the Stack and the object.
fn log(stack: &Stack, event: &StackEvent, times: u32) {
    let object = event.object().map(tracing::field::display);
    let failure = event.failure().map(|kind| kind.word());
    macro_rules! line {
        ($level:ident) => {
            $level!(stack = %stack.key, object, reason = event.reason(), failure, times, "{event}")
        };
    }
    match (event, times) {
        (StackEvent::Defect(_), 1) => line!(error),
        (_, 1) if event.is_warning() => line!(warn),
        (_, 1) => line!(info),
        _ => line!(debug),
    }
}
