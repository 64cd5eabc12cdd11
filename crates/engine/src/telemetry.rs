//! What the engine has done so far, as numbers. It must not know who reads them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use holdfast_model::event::StackEvent;
use holdfast_model::operation::{End, Outcome};
use holdfast_model::plan::Verb;
use holdfast_model::stack::StackKey;

use crate::ports::Unread;

/// Counts since the engine started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Telemetry {
    /// Looks at Stacks.
    pub looks: u64,
    /// Renders; a look whose inputs have not changed needs none.
    pub renders: u64,
    /// Operations that ended, by how.
    pub operations: BTreeMap<&'static str, u64>,
    /// Steps that changed a target, by verb.
    pub steps: BTreeMap<&'static str, u64>,
    /// Steps that put drift back.
    pub healed: u64,
    /// What happened to Stacks, by reason.
    pub events: BTreeMap<&'static str, u64>,
    /// What of that nobody can read.
    pub unread: Unread,
    /// What happened to each Stack that there is.
    pub stacks: BTreeMap<StackKey, StackTelemetry>,
}

/// Counts of one Stack since the engine started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StackTelemetry {
    /// Its failures, by kind.
    pub failures: BTreeMap<&'static str, u64>,
    /// Objects that were put back.
    pub healed: u64,
}

#[derive(Default)]
pub(crate) struct Counters {
    looks: AtomicU64,
    renders: AtomicU64,
    rest: Mutex<Telemetry>,
}

impl Counters {
    pub(crate) fn look(&self) {
        self.looks.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn render(&self) {
        self.renders.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an operation that did something or failed to.
    pub(crate) fn operation(&self, outcome: &Outcome) {
        if outcome.changed().next().is_none() && outcome.end == End::Succeeded {
            return;
        }
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        *rest.operations.entry(end_word(outcome.end)).or_default() += 1;
        for done in outcome.changed() {
            *rest.steps.entry(verb_word(done.verb)).or_default() += 1;
            rest.healed += u64::from(done.is_drift());
        }
    }

    /// Counts what has happened to a Stack.
    pub(crate) fn event(&self, stack: &StackKey, event: &StackEvent) {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        *rest.events.entry(event.reason()).or_default() += 1;
        let of_stack = rest.stacks.entry(stack.clone()).or_default();
        if let Some(kind) = event.failure() {
            *of_stack.failures.entry(kind.word()).or_default() += 1;
        }
        if let StackEvent::DriftHealed { objects, .. } = event {
            of_stack.healed += u64::try_from(*objects).unwrap_or(u64::MAX);
        }
    }

    /// A Stack is gone.
    pub(crate) fn forget(&self, stack: &StackKey) {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        rest.stacks.remove(stack);
    }

    pub(crate) fn read(&self) -> Telemetry {
        let rest = self
            .rest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        Telemetry {
            looks: self.looks.load(Ordering::Relaxed),
            renders: self.renders.load(Ordering::Relaxed),
            ..rest
        }
    }
}

fn end_word(end: End) -> &'static str {
    match end {
        End::Succeeded => "succeeded",
        End::Failed => "failed",
        End::TimedOut => "timed_out",
        End::Terminated => "terminated",
    }
}

fn verb_word(verb: Verb) -> &'static str {
    match verb {
        Verb::Create => "create",
        Verb::Update => "update",
        Verb::Replace => "replace",
        Verb::Delete => "delete",
        Verb::Keep => "keep",
        Verb::Run => "run",
    }
}
