//! Whether another Stack is about to want what a Stack is about to prune: one of the same repository
//! and cluster that has not taken up the newest commit yet. It must not know what is wanted.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_model::object::Key;
use holdfast_model::stack::{ClusterId, Stack, StackKey};
use holdfast_model::time::Time;
use holdfast_plan::Passing;

use crate::engine::Shared;
use crate::ports::Intent;
use crate::state::StackState;

/// How long a prune waits for other Stacks. Most have taken a commit up within a second; one that
/// cannot be rendered, or waits for something, must not hold up others for ever.
pub(crate) const GRACE: Duration = Duration::from_secs(30);

/// Which Stacks have said what they want, and which wait for others to do so.
#[derive(Default)]
pub(crate) struct Awaiting {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// The generation of each Stack at which it has last said what it wants.
    said: HashMap<StackKey, i64>,
    /// Stacks that are being reconciled and have not said yet what they want.
    undecided: HashSet<StackKey>,
    /// Stacks that wait, by the Stack that they wait for.
    waiting: HashMap<StackKey, HashSet<StackKey>>,
}

impl Awaiting {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A Stack is being reconciled.
    pub(crate) fn begin(&self, stack: &StackKey) {
        self.lock().undecided.insert(stack.clone());
    }

    /// A Stack has said what it wants of what it follows.
    pub(crate) fn say(&self, stack: &Stack) {
        let mut inner = self.lock();
        inner.undecided.remove(&stack.key);
        inner.said.insert(stack.key.clone(), stack.generation);
    }

    /// A Stack is reconciled, whatever came of it; the Stacks that waited for it.
    pub(crate) fn end(&self, stack: &StackKey) -> HashSet<StackKey> {
        let mut inner = self.lock();
        inner.undecided.remove(stack);
        inner.waiting.remove(stack).unwrap_or_default()
    }

    /// A Stack is gone; the Stacks that waited for it.
    pub(crate) fn leave(&self, stack: &StackKey) -> HashSet<StackKey> {
        self.lock().said.remove(stack);
        self.end(stack)
    }

    fn has_said(&self, stack: &Stack) -> bool {
        let inner = self.lock();
        !inner.undecided.contains(&stack.key)
            && inner.said.get(&stack.key) == Some(&stack.generation)
    }

    fn wait(&self, stack: &StackKey, other: &StackKey) {
        let mut inner = self.lock();
        let waiting = inner.waiting.entry(other.clone()).or_default();
        waiting.insert(stack.clone());
    }
}

/// Adds to `passing` the objects of a Stack that are not wanted any more and wait for another Stack, or
/// pass to one that has said so just now.
pub(crate) fn hold_back(
    engine: &Shared,
    stack: &Stack,
    state: &mut StackState,
    cluster: &ClusterId,
    (unwanted, passing): (&[Key], &mut BTreeMap<Key, Passing>),
) {
    let now = engine.now();
    let due: Vec<&Key> = unwanted
        .iter()
        .filter(|key| !passing.contains_key(*key))
        .collect();
    let is_first = due.iter().any(|key| !state.graces.contains_key(*key));
    state.graces.retain(|key, _| due.contains(&key));
    if due.is_empty() {
        return;
    }
    let others = neighbours(engine, stack, cluster);
    if is_first {
        engine
            .repositories
            .poke_apart(stack, others.iter().map(|other| &*other.stack));
    }
    let mut others = others.iter();
    let Some(other) = others.find(|other| is_behind(engine, &other.stack)) else {
        state.graces.clear();
        // All have said what they want, and some of them perhaps only after it was asked for.
        let late = engine.claims.pass_on(&stack.key, cluster, due.into_iter());
        passing.extend(late);
        return;
    };
    let mut waits = false;
    for key in due {
        let since: Time = *state.graces.entry(key.clone()).or_insert(now);
        if now.since(since) < GRACE {
            let by = other.stack.key.clone();
            passing.insert(key.clone(), Passing::Awaited(by));
            waits = true;
        }
    }
    if waits {
        engine.awaiting.wait(&stack.key, &other.stack.key);
        engine.repositories.await_answer(&other.stack, &stack.key);
        engine.queue.wake_after(&stack.key, GRACE);
    }
}

/// Other Stacks of the same repository that may go to the same cluster.
fn neighbours(engine: &Shared, stack: &Stack, cluster: &ClusterId) -> Vec<std::sync::Arc<Intent>> {
    let sources = stack.sources();
    let addresses: HashSet<&str> = sources
        .map(|(_, source)| source.repository.address())
        .collect();
    let is_near = |intent: &Intent| {
        let other = &intent.stack;
        let known = engine.claims.cluster_of(&other.destination.target);
        other.key != stack.key
            && intent.problems.is_empty()
            && !other.suspended
            && !other.deleting
            && known.is_none_or(|known| known == *cluster)
            && other
                .sources()
                .any(|(_, source)| addresses.contains(source.repository.address()))
    };
    let intents = engine.intents();
    intents
        .into_iter()
        .filter(|intent| is_near(intent))
        .collect()
}

fn is_behind(engine: &Shared, other: &Stack) -> bool {
    // One that is held at a revision takes nothing newer up.
    let is_held = other.pin.is_some();
    !engine.awaiting.has_said(other) || !(is_held || engine.repositories.is_taken_up(other))
}
