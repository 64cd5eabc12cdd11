//! Stacks as they are wanted, and who depends on whom. It must not know what is done with them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use holdfast_model::stack::StackKey;

use crate::ports::Intent;

/// All Stacks as they are wanted now.
#[derive(Default)]
pub(crate) struct Intents {
    wanted: HashMap<StackKey, Arc<Intent>>,
    /// The Stacks that name a Stack in `dependsOn`, whether it is there or not.
    dependants: HashMap<StackKey, HashSet<StackKey>>,
}

impl Intents {
    /// A Stack as it is wanted.
    pub(crate) fn get(&self, key: &StackKey) -> Option<&Arc<Intent>> {
        self.wanted.get(key)
    }

    /// All of them, in no order.
    pub(crate) fn all(&self) -> Vec<Arc<Intent>> {
        self.wanted.values().cloned().collect()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.wanted.len()
    }

    /// Takes a Stack as it is wanted now, or that it is gone; how it was wanted before.
    pub(crate) fn replace(
        &mut self,
        key: &StackKey,
        intent: Option<Arc<Intent>>,
    ) -> Option<Arc<Intent>> {
        let now = intent.clone();
        let before = match intent {
            Some(intent) => self.wanted.insert(key.clone(), intent),
            None => self.wanted.remove(key),
        };
        for needed in before.iter().flat_map(|intent| &intent.stack.depends_on) {
            if let Some(dependants) = self.dependants.get_mut(needed) {
                dependants.remove(key);
                if dependants.is_empty() {
                    self.dependants.remove(needed);
                }
            }
        }
        for needed in now.iter().flat_map(|intent| &intent.stack.depends_on) {
            let dependants = self.dependants.entry(needed.clone()).or_default();
            dependants.insert(key.clone());
        }
        before
    }

    /// The Stacks that depend on a Stack directly.
    pub(crate) fn dependants(&self, key: &StackKey) -> impl Iterator<Item = &StackKey> {
        self.dependants.get(key).into_iter().flatten()
    }

    /// All Stacks that depend on a Stack, by way of others too.
    pub(crate) fn all_dependants(&self, key: &StackKey) -> HashSet<StackKey> {
        let mut found = HashSet::new();
        let mut due = vec![key];
        while let Some(key) = due.pop() {
            for dependant in self.dependants(key) {
                if found.insert(dependant.clone()) {
                    due.push(dependant);
                }
            }
        }
        found
    }
}
