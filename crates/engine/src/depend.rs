//! The Stacks that a Stack waits for, and whether it waits for itself by way of others. It must not
//! know what is applied.

use std::collections::{HashMap, VecDeque};

use holdfast_model::stack::{Stack, StackKey};
use holdfast_model::status::{Reason, Truth};

use crate::engine::Shared;
use crate::intents::Intents;
use crate::look::{Course, Halt, Look};
use crate::state::StackState;

/// Why nothing new may be applied for a Stack yet: others have to be ready first. The Stack is woken
/// when they change.
pub(crate) fn unready(engine: &Shared, stack: &Stack) -> Option<Halt> {
    if stack.depends_on.is_empty() {
        return None;
    }
    if let Some(message) = engine.with_intents(|intents| written_cycle(intents, &stack.key)) {
        return Some(Halt::new(Reason::DependencyCycle, message));
    }
    let mut waits = Vec::new();
    let mut missing = Vec::new();
    for key in &stack.depends_on {
        let is_there = engine.with_intents(|intents| intents.get(key).is_some());
        // Who waits for this very Stack to take something over is as ready as it can be before that.
        let is_ready = engine.status(key).is_some_and(|status| {
            status.ready.holds == Truth::True || status.passing_to.contains(&stack.key)
        });
        match (is_there, is_ready) {
            (false, _) => missing.push(key.to_string()),
            (true, false) => waits.push(key.to_string()),
            (true, true) => {}
        }
    }
    let waits = (!waits.is_empty()).then(|| format!("waits for {}", waits.join(", ")));
    let missing = (!missing.is_empty()).then(|| {
        format!(
            "there is no Stack {}, which spec.dependsOn names",
            missing.join(", ")
        )
    });
    let messages: Vec<String> = [waits, missing].into_iter().flatten().collect();
    (!messages.is_empty()).then(|| Halt::new(Reason::DependencyNotReady, messages.join("; ")))
}

/// Whether a Stack has nothing in place that could be kept while it waits.
pub(crate) fn is_bare(state: &StackState) -> bool {
    state.applied.is_none() && state.inventory.is_empty()
}

/// Whether a reconciliation leaves something undone for this reason. Where there is nothing new to
/// apply, a Stack that waits for others is as ready as it is by itself; one of a cycle never is.
pub(crate) fn holds_up(halt: &Halt, look: &Look) -> bool {
    halt.reason == Reason::DependencyCycle || matches!(look.course, Course::Unasked)
}

fn written_cycle(intents: &Intents, stack: &StackKey) -> Option<String> {
    let cycle = cycle(intents, stack)?;
    let names: Vec<String> = cycle.iter().map(ToString::to_string).collect();
    Some(format!(
        "it depends on itself: {}; remove one of these from spec.dependsOn",
        names.join(" → ")
    ))
}

/// The shortest way from a Stack by what each depends on back to it, with the Stack at both ends.
fn cycle(intents: &Intents, stack: &StackKey) -> Option<Vec<StackKey>> {
    let mut from: HashMap<&StackKey, &StackKey> = HashMap::new();
    let mut due = VecDeque::from([stack]);
    while let Some(key) = due.pop_front() {
        let Some(intent) = intents.get(key) else {
            continue;
        };
        for next in &intent.stack.depends_on {
            if next == stack {
                let mut path = vec![next.clone()];
                let mut at = key;
                while at != stack {
                    path.push(at.clone());
                    at = from.get(at)?;
                }
                path.push(stack.clone());
                path.reverse();
                return Some(path);
            }
            if let std::collections::hash_map::Entry::Vacant(entry) = from.entry(next) {
                entry.insert(key);
                due.push_back(next);
            }
        }
    }
    None
}
