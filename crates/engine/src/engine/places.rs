//! What Stacks need of each other and of clusters: which cluster a target leads to, what a Stack owns
//! when it is reconciled first, who takes over what is offered. It must not reconcile anything.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use holdfast_model::event::{Blame, StackEvent};
use holdfast_model::object::Key;
use holdfast_model::operation::Failure;
use holdfast_model::stack::{Place, Stack, StackKey, StackUid, TargetName};
use holdfast_model::status::{Reason, Terminated};
use holdfast_model::tenant::Tenant;
use holdfast_plan::Passing;
use tracing::warn;

use super::{Engine, Shared, lock};
use crate::look::Halt;
use crate::ports::Intent;
use crate::state::StackState;
use crate::terminate;

/// The most Events of a Stack about ConfigMaps that are not believed: anybody may write many.
const DISTRUSTED: usize = 3;

/// The reason of failures of targets that do not answer.
const UNREACHABLE: &str = "Unreachable";

impl Engine {
    /// Takes the Tenants as they are now. Stacks for which another one counts, or one that has changed,
    /// are reconciled.
    pub fn set_tenants(&self, tenants: Vec<Tenant>) {
        let shared = &self.shared;
        let (before, now) = shared.tenancy.replace(tenants);
        let stacks = shared
            .intents()
            .into_iter()
            .map(|intent| intent.stack.key.clone());
        let concerned =
            stacks.filter(|key| before.standing(&key.namespace) != now.standing(&key.namespace));
        shared.wake(concerned.collect::<HashSet<_>>());
    }

    /// Takes note that something which says what a Stack owns is not believed; what it names is nothing
    /// to the engine. Who has the Stack gets to know of it when the Stack is reconciled first.
    pub fn distrust(&self, stack: StackKey, uid: StackUid, message: String) {
        warn!(%stack, "{message}");
        let mut distrusted = lock(&self.shared.distrusted);
        let messages = distrusted.entry((stack, uid)).or_default();
        if messages.len() < DISTRUSTED {
            messages.push(message);
        }
    }
}

impl Shared {
    /// Where objects of a target and a namespace are; the cluster is asked once which one it is.
    pub(crate) async fn place(&self, name: &TargetName, namespace: &str) -> Result<Place, Failure> {
        let identity = Arc::clone(lock(&self.identities).entry(name.clone()).or_default());
        let ask = async || {
            let found = self.target(name).await?.identity().await?;
            self.claims.learn(name, found.as_ref());
            Ok(found)
        };
        Ok(Place {
            cluster: identity.get_or_try_init(ask).await?.clone(),
            target: name.clone(),
            namespace: namespace.to_owned(),
        })
    }

    /// The names of the targets that may lead to a cluster, the likeliest first.
    pub(crate) fn names_of(&self, place: &Place) -> Vec<TargetName> {
        let identities = lock(&self.identities);
        let others = identities.iter().filter(|(name, identity)| {
            let cluster = identity.get().and_then(Option::as_ref);
            **name != place.target && cluster.is_some() && cluster == place.cluster.as_ref()
        });
        let others = others.map(|(name, _)| name.clone());
        std::iter::once(place.target.clone())
            .chain(others)
            .collect()
    }

    /// Wakes the Stacks to which objects are offered.
    pub(crate) fn wake_takers(&self, passing: &BTreeMap<Key, Passing>) {
        let takers = passing.values().filter_map(|passing| match passing {
            Passing::HandingOver(to) => Some(to.clone()),
            Passing::HandedOver(_) | Passing::Awaited(_) => None,
        });
        self.wake(takers.collect::<HashSet<_>>());
    }

    /// All Stacks as they are wanted.
    pub(crate) fn intents(&self) -> Vec<Arc<Intent>> {
        lock(&self.intents).all()
    }

    /// Takes a Stack as it is wanted now, or that it is gone; how it was wanted before. All who depend
    /// on it are woken where what it depends on changes, since they may depend on themselves by way of
    /// it, or no longer do.
    pub(super) fn replace_intent(
        &self,
        key: &StackKey,
        intent: Option<Arc<Intent>>,
    ) -> Option<Arc<Intent>> {
        let mut intents = lock(&self.intents);
        let needs = |intent: &Arc<Intent>| intent.stack.depends_on.clone();
        let now = intent.as_ref().map(needs);
        let before = intents.replace(key, intent);
        let concerned = match before.as_ref().map(needs) == now {
            true => HashSet::new(),
            false => intents.all_dependants(key),
        };
        drop(intents);
        self.wake(concerned);
        before
    }

    /// Whether somebody has asked since then to end what is under way for a Stack.
    pub(crate) fn is_terminated(&self, stack: &Stack, handled: Option<&Terminated>) -> bool {
        let intents = lock(&self.intents);
        let intent = intents.get(&stack.key);
        intent.is_some_and(|intent| terminate::wanted(&intent.stack, handled).is_some())
    }

    /// Whether a Stack may ask its target, or it is known that nobody answers there.
    pub(super) fn may_ask(&self, intent: &Intent) -> Result<(), Halt> {
        let stack = &intent.stack;
        if stack.suspended || !intent.problems.is_empty() {
            return Ok(());
        }
        self.breakers.pass(&stack.destination.target, &stack.key)
    }

    /// Takes note of whether a target answered a Stack; those who waited for that are woken.
    pub(super) async fn judge_target(&self, stack: &Stack, halt: Option<&Halt>) {
        let target = &stack.destination.target;
        let Some(halt) = halt else {
            if self.breakers.answered(target) {
                let intents = self.intents();
                let same = |intent: &&Arc<Intent>| intent.stack.destination.target == *target;
                let waiting = intents.iter().filter(same);
                waiting.for_each(|intent| self.queue.wake(&intent.stack.key));
            }
            return;
        };
        let problem = halt.problems.first();
        match problem.filter(|_| halt.reason == Reason::TargetFailed) {
            Some(problem) if problem.reason == UNREACHABLE => {
                self.breakers.failed(target, &stack.key, problem);
            }
            _ => self.breakers.undecided(target, &stack.key),
        }
        if halt.reason == Reason::TargetFailed {
            self.reconnect(target).await;
        }
    }

    /// What is known of a Stack that is reconciled first: its inventory belongs to its state from
    /// here on.
    pub(super) fn first_state(&self, intent: &Intent) -> StackState {
        let id = (intent.stack.key.clone(), intent.stack.uid.clone());
        let inventory = lock(&self.owned).remove(&id);
        let mut state = StackState::new(intent, inventory.unwrap_or_default());
        let distrusted = lock(&self.distrusted).remove(&id).unwrap_or_default();
        let events = distrusted
            .into_iter()
            .map(|message| StackEvent::InventoryIgnored(Blame::whole(message, None)));
        state.news.extend(events);
        state
    }

    #[cfg(test)]
    pub(crate) async fn is_stale(&self, key: &StackKey) -> bool {
        let state = lock(&self.states).get(key).cloned();
        match state {
            Some(state) => state.lock().await.is_stale,
            None => false,
        }
    }
}
