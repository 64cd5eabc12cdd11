//! What is known of a Stack's sources: since when they cannot be read and why, and whether what is in
//! place is all the same what the Stack wants. It must not fetch anything.

use std::time::Duration;

use holdfast_model::stack::{Reference, Stack};
use holdfast_model::status::{Condition, Reason, SourceTrouble, Truth};
use holdfast_model::time::Time;

use crate::look::Halt;
use crate::ports::Intent;
use crate::state::StackState;

/// The shortest time after which a source that cannot be read is worth an Event, as long as what is in
/// place is what was last seen in Git: most failures of a network are over by then.
const GRACE: Duration = Duration::from_secs(60);

/// What is known of a Stack's sources.
#[derive(Clone, Debug, Default)]
pub(crate) struct SourceState {
    /// Why they cannot be read; nothing where they can.
    pub(crate) trouble: Option<SourceTrouble>,
    /// Whether they were read, or asked in vain, since the engine was started.
    is_known: bool,
    /// What was followed when they were last read, by the source's name.
    read: Option<Vec<(String, Reference)>>,
}

impl SourceState {
    /// What a status says of them, from before the engine was started.
    pub(crate) fn remembered(intent: &Intent) -> Self {
        let remembered = &intent.remembered;
        // The spec has not changed since the Stack was ready.
        let is_same = remembered.ready_generation == Some(intent.stack.generation);
        Self {
            trouble: remembered.source_trouble.clone(),
            is_known: remembered.is_source_known,
            read: is_same.then(|| followed(&intent.stack)),
        }
    }

    /// Takes note of what asking the sources has come to.
    pub(crate) fn note<T>(&mut self, stack: &Stack, found: &Result<T, Halt>, now: Time) {
        match found {
            Err(halt) if halt.reason == Reason::SourceFailed => {
                let since = self.trouble.as_ref().map_or(now, |trouble| trouble.since);
                let message = halt.message.clone();
                self.trouble = Some(SourceTrouble { since, message });
                self.is_known = true;
            }
            // Whether they can be read is not known yet, or was not asked.
            Err(halt) if halt.reason != Reason::RenderFailed => {}
            Ok(_) | Err(_) => {
                *self = Self {
                    is_known: true,
                    read: Some(followed(stack)),
                    ..Self::default()
                };
            }
        }
    }

    /// How long the sources may be away before somebody should hear of it.
    pub(crate) fn grace(stack: &Stack) -> Duration {
        let intervals = stack
            .sources()
            .map(|(_, source)| source.repository.interval);
        intervals.min().unwrap_or_default().max(GRACE)
    }

    /// Whether the sources have been away for longer than that.
    pub(crate) fn is_overdue(&self, stack: &Stack, now: Time) -> bool {
        let trouble = self.trouble.as_ref();
        trouble.is_some_and(|trouble| now.since(trouble.since) >= Self::grace(stack))
    }

    /// The condition of the sources.
    pub(crate) fn condition(&self, state: &StackState) -> Condition {
        let (holds, reason, message) = match (&self.trouble, self.is_known) {
            (_, false) => (Truth::Unknown, Reason::Pending, "not read yet".to_owned()),
            (Some(trouble), true) => {
                let message = trouble.message.clone();
                (Truth::False, Reason::SourceFailed, message)
            }
            (None, true) => {
                let followed = state.followed.as_ref();
                let at = followed.map(|followed| format!("Git is at {}", followed.revision));
                (Truth::True, Reason::Succeeded, at.unwrap_or_default())
            }
        };
        Condition {
            holds,
            reason,
            message,
        }
    }

    /// Since when and why the sources cannot be read, for a sentence that goes on.
    pub(crate) fn sentence(&self) -> String {
        let Some(SourceTrouble { since, message }) = &self.trouble else {
            return "the source cannot be read".to_owned();
        };
        format!("the source cannot be read since {since}: {message}")
    }
}

fn followed(stack: &Stack) -> Vec<(String, Reference)> {
    let sources = stack.sources();
    sources
        .map(|(name, source)| (name.to_owned(), source.reference.clone()))
        .collect()
}

/// Whether what is in place is what was last seen in Git, and the Stack still follows the same.
pub(crate) fn is_last_seen(stack: &Stack, state: &StackState) -> bool {
    let seen = state.followed.as_ref().and_then(|seen| seen.rendered);
    follows_the_same(stack, state)
        && stack.pin.is_none()
        && seen.is_some()
        && seen == state.rendered
}

/// Whether the Stack follows what it followed when its sources were last read.
pub(crate) fn follows_the_same(stack: &Stack, state: &StackState) -> bool {
    state.source.read.as_ref() == Some(&followed(stack))
}
