//! What other Stacks know of the repositories that they follow. It must not know why that matters.

use std::collections::BTreeSet;

use holdfast_model::stack::{Stack, StackKey};

use super::{Id, Repositories, id};

impl Repositories {
    /// Asks the repositories of other Stacks for news that are the same as a Stack's own, by other
    /// credentials or another spelling: what the Stack has seen they may not have seen yet.
    pub(crate) fn poke_apart<'a>(&self, stack: &Stack, others: impl Iterator<Item = &'a Stack>) {
        let own: BTreeSet<Id> = stack
            .sources()
            .map(|(_, source)| id(&source.repository))
            .collect();
        let mut apart: BTreeSet<Id> = BTreeSet::new();
        for other in others {
            let ids = other.sources().map(|(_, source)| id(&source.repository));
            apart.extend(ids.filter(|id| !own.contains(id)));
        }
        for id in apart {
            if let Some(followed) = self.lock().get(&id) {
                let mut state = followed.lock();
                state.wanted = state.begun + 1;
                followed.poked.notify_one();
            }
        }
    }

    /// Whether a Stack has taken up what all of its sources are at, as far as that is known, and
    /// nothing newer is being asked for.
    pub(crate) fn is_taken_up(&self, stack: &Stack) -> bool {
        stack.sources().all(|(name, source)| {
            let Some(followed) = self.lock().get(&id(&source.repository)).cloned() else {
                return false;
            };
            let state = followed.lock();
            let found = state.found.get(&source.reference).map(Result::as_ref);
            let followers = state.followers.get(&stack.key).into_iter().flatten();
            let mut followers = followers.filter(|follower| follower.name == name);
            let taken_up = followers.find_map(|follower| follower.taken_up.as_ref());
            let (Some(Ok(found)), Some((commit, _))) = (found, taken_up) else {
                return false;
            };
            state.ended >= state.wanted && found.commit == *commit
        })
    }

    /// Has a Stack woken when the repositories of another have answered what was asked last.
    pub(crate) fn await_answer(&self, other: &Stack, stack: &StackKey) {
        for (_, source) in other.sources() {
            if let Some(followed) = self.lock().get(&id(&source.repository)) {
                let mut state = followed.lock();
                if state.ended < state.wanted {
                    state.awaiting.insert(stack.clone());
                }
            }
        }
    }
}
