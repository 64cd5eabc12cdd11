//! Which Stack has which object: two Stacks that name the same one do not fight over it; the first
//! keeps it. It must not know what is done to objects.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_model::object::Key;
use holdfast_model::stack::{StackKey, TargetName};

/// The holder of each object, by target.
#[derive(Default)]
pub(crate) struct Claims {
    inner: Arc<Mutex<Inner>>,
}

/// An object on a target.
type Place = (TargetName, Key);

#[derive(Default)]
struct Inner {
    holders: HashMap<Place, StackKey>,
    held: HashMap<StackKey, HashSet<Place>>,
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Claims {
    /// Takes what is free for a Stack; what others hold, with the holder.
    pub(crate) fn take<'a>(
        &self,
        stack: &StackKey,
        target: &TargetName,
        keys: impl Iterator<Item = &'a Key>,
    ) -> BTreeMap<Key, StackKey> {
        let mut inner = lock(&self.inner);
        let mut others = BTreeMap::new();
        for key in keys {
            let place = (target.clone(), key.clone());
            match inner.holders.get(&place) {
                Some(holder) if holder != stack => {
                    others.insert(key.clone(), holder.clone());
                }
                Some(_) => {}
                None => {
                    inner.holders.insert(place.clone(), stack.clone());
                    inner.held.entry(stack.clone()).or_default().insert(place);
                }
            }
        }
        others
    }

    /// Gives up what a Stack holds beyond `kept`; Stacks that may want it are looked at when they
    /// are next woken.
    pub(crate) fn keep_only(&self, stack: &StackKey, kept: impl Fn(&TargetName, &Key) -> bool) {
        let mut inner = lock(&self.inner);
        let Some(held) = inner.held.remove(stack) else {
            return;
        };
        let (kept, given_up): (HashSet<Place>, HashSet<Place>) = held
            .into_iter()
            .partition(|(target, key)| kept(target, key));
        for place in &given_up {
            inner.holders.remove(place);
        }
        if !kept.is_empty() {
            inner.held.insert(stack.clone(), kept);
        }
    }

    /// Answers which Stack holds an object, for as long as anybody asks.
    pub(crate) fn handle(
        &self,
    ) -> impl Fn(&TargetName, &Key) -> Option<StackKey> + Send + Sync + 'static {
        let inner = Arc::clone(&self.inner);
        move |target, key| {
            lock(&inner)
                .holders
                .get(&(target.clone(), key.clone()))
                .cloned()
        }
    }
}
