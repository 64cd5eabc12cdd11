//! What Stacks need of each other and of clusters: which cluster a target leads to, what a Stack owns
//! when it is reconciled first, who takes over what is offered. It must not reconcile anything.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use holdfast_model::object::Key;
use holdfast_model::operation::Failure;
use holdfast_model::stack::{Place, StackKey, StackUid, TargetName};
use holdfast_plan::Passing;
use tracing::warn;

use super::{Engine, Shared, lock};
use crate::control::{Intent, Notice};
use crate::state::StackState;

/// The most Events of a Stack about ConfigMaps that are not believed: anybody may write many.
const DISTRUSTED: usize = 3;

impl Engine {
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
        let known = lock(&self.identities).get(name).cloned();
        let cluster = match known {
            Some(known) => known,
            None => {
                let found = self.target(name).await?.identity().await?;
                self.claims.learn(name, found.as_ref());
                lock(&self.identities).insert(name.clone(), found.clone());
                found
            }
        };
        Ok(Place {
            cluster,
            target: name.clone(),
            namespace: namespace.to_owned(),
        })
    }

    /// The names of the targets that may lead to a cluster, the likeliest first.
    pub(crate) fn names_of(&self, place: &Place) -> Vec<TargetName> {
        let identities = lock(&self.identities);
        let others = identities
            .iter()
            .filter(|(name, cluster)| **name != place.target && cluster.is_some())
            .filter(|(_, cluster)| **cluster == place.cluster);
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
        lock(&self.intents).values().cloned().collect()
    }

    /// What is known of a Stack that is reconciled first: its inventory belongs to its state from
    /// here on.
    pub(super) fn first_state(&self, intent: &Intent) -> StackState {
        let id = (intent.stack.key.clone(), intent.stack.uid.clone());
        let inventory = lock(&self.owned).remove(&id);
        let mut state = StackState::new(intent, inventory.unwrap_or_default());
        let distrusted = lock(&self.distrusted).remove(&id).unwrap_or_default();
        let notices = distrusted.into_iter().map(|message| Notice {
            reason: "InventoryIgnored".to_owned(),
            message,
            is_warning: true,
        });
        state.news.extend(notices);
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
