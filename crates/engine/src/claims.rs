//! Which Stack has which object: two Stacks that name the same one do not fight over it; the first
//! keeps it, until it no longer wants it and gives it to the other. It must not know what is done
//! to objects.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_model::inventory::Inventory;
use holdfast_model::object::Key;
use holdfast_model::stack::{ClusterId, Place, StackKey, TargetName};
use holdfast_plan::Passing;

/// The holder of each object, by cluster: two targets may lead to one.
#[derive(Default)]
pub(crate) struct Claims {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    /// The cluster that each target leads to, where that is known.
    clusters: HashMap<TargetName, ClusterId>,
    holders: HashMap<ClusterId, HashMap<Key, Arc<StackKey>>>,
    held: HashMap<Arc<StackKey>, HashMap<ClusterId, HashSet<Key>>>,
    /// What Stacks want that others hold.
    wanted: HashMap<StackKey, HashMap<ClusterId, HashSet<Key>>>,
    /// Objects that their holders do not want any more, and that others do.
    offered: HashSet<(ClusterId, Key)>,
    /// Objects that were taken over and are not durable in the inventory of who took them, with the
    /// Stack that had them.
    passing: HashMap<(ClusterId, Key), Arc<StackKey>>,
    /// Stacks that have an object in their inventories that another one holds.
    former: HashMap<(ClusterId, Key), Vec<Arc<StackKey>>>,
    /// Objects of several inventories whose holder has not said yet whether it wants them.
    undecided: HashSet<(ClusterId, Key)>,
}

impl Inner {
    fn cluster(&self, target: &TargetName) -> ClusterId {
        let known = self.clusters.get(target).cloned();
        known.unwrap_or_else(|| ClusterId::of_target(target))
    }

    fn known(&self, stack: &StackKey) -> Arc<StackKey> {
        match self.held.get_key_value(stack) {
            Some((known, _)) => Arc::clone(known),
            None => Arc::new(stack.clone()),
        }
    }

    fn holder(&self, cluster: &ClusterId, key: &Key) -> Option<&Arc<StackKey>> {
        self.holders.get(cluster)?.get(key)
    }

    /// Gives an object to a Stack, whoever held it.
    fn give(&mut self, cluster: &ClusterId, key: &Key, stack: &Arc<StackKey>) {
        let holders = self.holders.entry(cluster.clone()).or_default();
        let before = holders.insert(key.clone(), Arc::clone(stack));
        if !self.former.is_empty() {
            self.drop_former(&(cluster.clone(), key.clone()), stack);
        }
        if let Some(before) = before.filter(|before| before != stack) {
            let held = self.held.get_mut(&before);
            if let Some(keys) = held.and_then(|held| held.get_mut(cluster)) {
                keys.remove(key);
            }
            self.add_former((cluster.clone(), key.clone()), before);
        }
        let held = self.held.entry(Arc::clone(stack)).or_default();
        held.entry(cluster.clone()).or_default().insert(key.clone());
    }

    fn add_former(&mut self, place: (ClusterId, Key), stack: Arc<StackKey>) {
        let former = self.former.entry(place).or_default();
        if !former.contains(&stack) {
            former.push(stack);
        }
    }

    fn drop_former(&mut self, place: &(ClusterId, Key), stack: &StackKey) {
        let Some(former) = self.former.get_mut(place) else {
            return;
        };
        former.retain(|known| **known != *stack);
        if former.is_empty() {
            self.former.remove(place);
        }
    }

    /// Takes what an inventory has for its Stack. Where another one has it in its inventory too, one of
    /// the two holds it until it has said whether it wants it: nothing is decided before.
    fn take(&mut self, cluster: &ClusterId, key: &Key, stack: &Arc<StackKey>) {
        if self.claim(cluster, key, stack).is_some() {
            let place = (cluster.clone(), key.clone());
            self.undecided.insert(place.clone());
            self.add_former(place, Arc::clone(stack));
        }
    }

    /// Takes an object for a Stack if it is free, or offered, or was its own until just now; else
    /// who holds it.
    fn claim(&mut self, cluster: &ClusterId, key: &Key, stack: &Arc<StackKey>) -> Option<StackKey> {
        let Some(holder) = self.holder(cluster, key).cloned() else {
            self.give(cluster, key, stack);
            return None;
        };
        if self.offered.is_empty() && self.passing.is_empty() {
            return (holder != *stack).then(|| StackKey::clone(&holder));
        }
        let place = (cluster.clone(), key.clone());
        let is_offered = self.offered.remove(&place);
        if holder == *stack {
            return None;
        }
        if self.passing.get(&place) == Some(stack) {
            self.passing.remove(&place);
        } else if is_offered {
            self.passing.insert(place, holder);
        } else {
            return Some(StackKey::clone(&holder));
        }
        self.give(cluster, key, stack);
        None
    }

    /// The Stacks that offer what a Stack has wanted and does not want any more: they wait for nobody.
    fn disappointed(
        &self,
        wanted: HashMap<ClusterId, HashSet<Key>>,
        is_wanted: impl Fn(&ClusterId, &Key) -> bool,
    ) -> HashSet<StackKey> {
        let mut holders = HashSet::new();
        for (cluster, key) in wanted
            .into_iter()
            .flat_map(|(cluster, keys)| keys.into_iter().map(move |key| (cluster.clone(), key)))
            .filter(|(cluster, key)| !is_wanted(cluster, key))
        {
            let holder = self.holder(&cluster, &key).cloned();
            if self.offered.contains(&(cluster, key)) {
                holders.extend(holder.map(|holder| StackKey::clone(&holder)));
            }
        }
        holders
    }

    /// Somebody who wants what another Stack holds.
    fn who_wants(&self, stack: &StackKey, cluster: &ClusterId, key: &Key) -> Option<&StackKey> {
        let mut wanted = self.wanted.iter();
        let found = wanted.find(|(other, wanted)| {
            let keys = wanted.get(cluster);
            *other != stack && keys.is_some_and(|keys| keys.contains(key))
        });
        found.map(|(other, _)| other)
    }
}

fn lock(inner: &Mutex<Inner>) -> MutexGuard<'_, Inner> {
    inner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Claims {
    /// A target leads to a cluster: what was claimed there by the target's name is claimed on the
    /// cluster, unless somebody has it already.
    pub(crate) fn learn(&self, target: &TargetName, cluster: Option<&ClusterId>) {
        let Some(cluster) = cluster else { return };
        let named = ClusterId::of_target(target);
        let mut inner = lock(&self.inner);
        inner.clusters.insert(target.clone(), cluster.clone());
        let taken = inner.holders.remove(&named).unwrap_or_default();
        for (key, stack) in taken {
            if let Some(held) = inner.held.get_mut(&stack) {
                held.remove(&named);
            }
            inner.take(cluster, &key, &stack);
        }
        let places = inner.former.keys().filter(|(place, _)| *place == named);
        for place in places.cloned().collect::<Vec<_>>() {
            for stack in inner.former.remove(&place).unwrap_or_default() {
                inner.add_former((cluster.clone(), place.1.clone()), stack);
            }
            if inner.undecided.remove(&place) {
                inner.undecided.insert((cluster.clone(), place.1));
            }
        }
    }

    /// The cluster that a target leads to, where that is known.
    pub(crate) fn cluster_of(&self, target: &TargetName) -> Option<ClusterId> {
        lock(&self.inner).clusters.get(target).cloned()
    }

    /// Takes everything that a Stack owns, wherever it is.
    pub(crate) fn take_inventory(
        &self,
        stack: &StackKey,
        target: &TargetName,
        inventory: &Inventory,
    ) {
        let mut inner = lock(&self.inner);
        let stack = inner.known(stack);
        let place = inventory.place.as_ref().map(Place::cluster_or_target);
        let here = place.unwrap_or_else(|| inner.cluster(target));
        for key in inventory.entries.keys() {
            inner.take(&here, key, &stack);
        }
        for left in &inventory.left {
            let there = left.place.cluster_or_target();
            for key in left.entries.keys() {
                inner.take(&there, key, &stack);
            }
        }
    }

    /// Takes for a Stack what it wants and is free or offered; what others hold, with the holder.
    /// Those hear of it that the Stack waits for. The Stacks that wait for it to take over what it does
    /// not want any more come along.
    pub(crate) fn want<'a>(
        &self,
        stack: &StackKey,
        cluster: &ClusterId,
        keys: impl Iterator<Item = &'a Key>,
    ) -> (BTreeMap<Key, StackKey>, HashSet<StackKey>) {
        let mut inner = lock(&self.inner);
        let known = inner.known(stack);
        let mut others = BTreeMap::new();
        for key in keys {
            if !inner.undecided.is_empty() && inner.holder(cluster, key) == Some(&known) {
                inner.undecided.remove(&(cluster.clone(), key.clone()));
            }
            if let Some(holder) = inner.claim(cluster, key, &known) {
                others.insert(key.clone(), holder);
            }
        }
        let before = inner.wanted.remove(stack).unwrap_or_default();
        let concerned = inner.disappointed(before, |place, key| {
            place == cluster && others.contains_key(key)
        });
        if !others.is_empty() {
            let keys = others.keys().cloned().collect();
            let wanted = HashMap::from([(cluster.clone(), keys)]);
            inner.wanted.insert(stack.clone(), wanted);
        }
        (others, concerned)
    }

    /// What becomes of objects that a Stack has and does not want any more, where another Stack has
    /// something to do with that.
    pub(crate) fn pass_on<'a>(
        &self,
        stack: &StackKey,
        cluster: &ClusterId,
        keys: impl Iterator<Item = &'a Key>,
    ) -> BTreeMap<Key, Passing> {
        let mut inner = lock(&self.inner);
        let mut passing = BTreeMap::new();
        for key in keys {
            let place = (cluster.clone(), key.clone());
            let holder = inner.holder(cluster, key).cloned();
            if let Some(holder) = holder.filter(|holder| **holder != *stack) {
                let to = StackKey::clone(&holder);
                let is_passing = inner
                    .passing
                    .get(&place)
                    .is_some_and(|from| **from == *stack);
                let passed = match is_passing {
                    true => Passing::HandingOver(to),
                    false if inner.undecided.contains(&place) => Passing::Awaited(to),
                    false => Passing::HandedOver(to),
                };
                passing.insert(key.clone(), passed);
            } else if let Some(to) = inner.who_wants(stack, cluster, key).cloned() {
                inner.offered.insert(place);
                passing.insert(key.clone(), Passing::HandingOver(to));
            } else {
                inner.offered.remove(&place);
            }
        }
        passing
    }

    /// Objects that other Stacks hold on a cluster.
    pub(crate) fn of_others(
        &self,
        stack: &StackKey,
        cluster: &ClusterId,
        is_meant: impl Fn(&Key) -> bool,
    ) -> Vec<Key> {
        let inner = lock(&self.inner);
        let holders = inner.holders.get(cluster).into_iter().flatten();
        let mut found: Vec<Key> = holders
            .filter(|(key, holder)| ***holder != *stack && is_meant(key))
            .map(|(key, _)| key.clone())
            .collect();
        found.sort();
        found
    }

    /// What a Stack has taken over is in its durable inventory; the Stacks that had it before, which
    /// may forget it now. What is not in its inventory any more is nothing to it.
    pub(crate) fn settle(
        &self,
        stack: &StackKey,
        is_durable: impl Fn(&ClusterId, &Key) -> bool,
    ) -> HashSet<StackKey> {
        let mut inner = lock(&self.inner);
        let Inner {
            passing,
            holders,
            former,
            ..
        } = &mut *inner;
        former.retain(|(place, key), stacks| {
            stacks.retain(|known| **known != *stack || is_durable(place, key));
            !stacks.is_empty()
        });
        let mut before = HashSet::new();
        passing.retain(|(place, key), from| {
            let holder = holders.get(place).and_then(|holders| holders.get(key));
            let is_ours = holder.is_some_and(|holder| **holder == *stack);
            let is_settled = is_ours && is_durable(place, key);
            if is_settled {
                before.insert(StackKey::clone(from));
            }
            !is_settled
        });
        before
    }

    /// Gives up what a Stack holds beyond `kept`; the Stacks that this concerns. What it has taken
    /// over and does not have in its inventory yet goes back to whoever had it, and what another one has
    /// in its inventory goes to that one.
    pub(crate) fn keep_only(
        &self,
        stack: &StackKey,
        kept: impl Fn(&ClusterId, &Key) -> bool,
    ) -> HashSet<StackKey> {
        let mut inner = lock(&self.inner);
        let mut concerned = HashSet::new();
        let released: Vec<(ClusterId, Key)> = inner
            .held
            .get(stack)
            .into_iter()
            .flatten()
            .flat_map(|(cluster, keys)| keys.iter().map(move |key| (cluster, key)))
            .filter(|(cluster, key)| !kept(cluster, key))
            .map(|(cluster, key)| (cluster.clone(), key.clone()))
            .collect();
        for place in released {
            let (cluster, key) = &place;
            inner.undecided.remove(&place);
            let former = || inner.former.get(&place)?.first().cloned();
            let from = inner.passing.get(&place).cloned().or_else(former);
            inner.passing.remove(&place);
            if let Some(from) = from {
                inner.give(cluster, key, &from);
                inner.drop_former(&place, stack);
                concerned.insert(StackKey::clone(&from));
                continue;
            }
            inner.offered.remove(&place);
            if let Some(holders) = inner.holders.get_mut(cluster) {
                holders.remove(key);
            }
            let held = inner.held.get_mut(stack);
            if let Some(keys) = held.and_then(|held| held.get_mut(cluster)) {
                keys.remove(key);
            }
            concerned.extend(inner.who_wants(stack, cluster, key).cloned());
        }
        let is_bare = inner.held.get_mut(stack).is_some_and(|places| {
            places.retain(|_, keys| !keys.is_empty());
            places.is_empty()
        });
        if is_bare {
            inner.held.remove(stack);
        }
        inner.holders.retain(|_, keys| !keys.is_empty());
        concerned
    }

    /// A Stack is gone; the Stacks that this concerns.
    pub(crate) fn leave(&self, stack: &StackKey) -> HashSet<StackKey> {
        let mut concerned = {
            let mut inner = lock(&self.inner);
            let wanted = inner.wanted.remove(stack).unwrap_or_default();
            inner.passing.retain(|_, from| **from != *stack);
            inner.former.retain(|_, stacks| {
                stacks.retain(|known| **known != *stack);
                !stacks.is_empty()
            });
            inner.disappointed(wanted, |_, _| false)
        };
        concerned.extend(self.keep_only(stack, |_, _| false));
        concerned
    }

    /// The Stacks that have objects in their inventories which another one has changed. What a Stack writes
    /// itself is no news when the watch of its target brings it, so nobody else says so to them.
    pub(crate) fn former(&self, stack: &StackKey, written: &BTreeSet<Key>) -> HashSet<StackKey> {
        let inner = lock(&self.inner);
        let former = inner.former.iter();
        let former = former.filter(|((_, key), _)| written.contains(key));
        let former = former.flat_map(|(_, stacks)| stacks);
        former
            .filter(|known| ***known != *stack)
            .map(|known| StackKey::clone(known))
            .collect()
    }

    /// Answers which Stacks an object concerns, for as long as anybody asks: who holds it, and who has
    /// it in its inventory until it has passed over.
    pub(crate) fn handle(
        &self,
    ) -> impl Fn(&TargetName, &Key) -> Vec<StackKey> + Send + Sync + 'static {
        let inner = Arc::clone(&self.inner);
        move |target, key| {
            let inner = lock(&inner);
            let cluster = inner.cluster(target);
            let holder = inner
                .holder(&cluster, key)
                .map(|holder| StackKey::clone(holder));
            let mut concerned: Vec<StackKey> = holder.into_iter().collect();
            if !inner.former.is_empty() {
                let former = inner.former.get(&(cluster, key.clone()));
                let former = former.into_iter().flatten();
                concerned.extend(former.map(|stack| StackKey::clone(stack)));
            }
            concerned
        }
    }
}
