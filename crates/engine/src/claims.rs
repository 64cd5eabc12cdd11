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

#[derive(Default)]
struct Inner {
    holders: HashMap<TargetName, HashMap<Key, Arc<StackKey>>>,
    held: HashMap<Arc<StackKey>, HashMap<TargetName, HashSet<Key>>>,
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
        let Inner { holders, held } = &mut *inner;
        let stack = match held.get_key_value(stack) {
            Some((known, _)) => Arc::clone(known),
            None => Arc::new(stack.clone()),
        };
        let holders = holders.entry(target.clone()).or_default();
        let held = held.entry(Arc::clone(&stack)).or_default();
        let held = held.entry(target.clone()).or_default();
        let mut others = BTreeMap::new();
        for key in keys {
            match holders.get(key) {
                Some(holder) if *holder != stack => {
                    others.insert(key.clone(), StackKey::clone(holder));
                }
                Some(_) => {}
                None => {
                    holders.insert(key.clone(), Arc::clone(&stack));
                    held.insert(key.clone());
                }
            }
        }
        others
    }

    /// Gives up what a Stack holds beyond `kept`; Stacks that may want it are looked at when they
    /// are next woken.
    pub(crate) fn keep_only(&self, stack: &StackKey, kept: impl Fn(&TargetName, &Key) -> bool) {
        let mut inner = lock(&self.inner);
        let Inner { holders, held } = &mut *inner;
        let Some(places) = held.get_mut(stack) else {
            return;
        };
        places.retain(|target, keys| {
            keys.retain(|key| {
                let is_kept = kept(target, key);
                if !is_kept && let Some(holders) = holders.get_mut(target) {
                    holders.remove(key);
                }
                is_kept
            });
            !keys.is_empty()
        });
        if places.is_empty() {
            held.remove(stack);
        }
        holders.retain(|_, keys| !keys.is_empty());
    }

    /// Answers which Stack holds an object, for as long as anybody asks.
    pub(crate) fn handle(
        &self,
    ) -> impl Fn(&TargetName, &Key) -> Option<StackKey> + Send + Sync + 'static {
        let inner = Arc::clone(&self.inner);
        move |target, key| {
            let inner = lock(&inner);
            let holder = inner.holders.get(target)?.get(key)?;
            Some(StackKey::clone(holder))
        }
    }
}
