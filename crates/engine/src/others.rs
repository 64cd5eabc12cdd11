//! What other Stacks mean for a plan: what they have, what they want, and what would go with objects
//! that are not wanted any more. It must not know how that is found out.

use std::collections::{BTreeMap, HashSet};

use holdfast_model::inventory::Inventory;
use holdfast_model::object::{Key, Object};
use holdfast_model::stack::{ClusterId, StackKey, TargetName};
use holdfast_plan::Passing;
use holdfast_target::Snapshot;

use crate::awaiting;
use crate::claims::Claims;
use crate::engine::Shared;
use crate::leave;
use crate::propose::Question;
use crate::state::StackState;

/// What other Stacks have to do with a Stack's objects.
#[derive(Clone, Debug, Default)]
pub struct Others {
    /// Objects that they have.
    pub claimed: BTreeMap<Key, StackKey>,
    /// Objects that are not wanted any more, and that they have or may want.
    pub passing: BTreeMap<Key, Passing>,
    /// What they have in namespaces, and of kinds, that are not wanted any more.
    pub within: BTreeMap<Key, Vec<Key>>,
}

/// Where a Stack stands: what it wants and has, on one cluster.
#[derive(Clone, Copy)]
pub struct Standing<'a> {
    /// The Stack.
    pub stack: &'a StackKey,
    /// The cluster.
    pub cluster: &'a ClusterId,
    /// What it wants.
    pub desired: &'a [Object],
    /// What it owns.
    pub inventory: &'a Inventory,
    /// What of that is live.
    pub snapshot: &'a Snapshot,
}

impl Standing<'_> {
    /// What it has and does not want any more.
    fn unwanted(&self) -> Vec<Key> {
        let wanted: HashSet<&Key> = self.desired.iter().map(Object::key).collect();
        let owned = self.inventory.entries.keys();
        owned.filter(|key| !wanted.contains(key)).cloned().collect()
    }
}

/// Which Stack has what, for those who have no engine: by the inventories of all Stacks.
#[derive(Default)]
pub struct Owners {
    claims: Claims,
}

impl Owners {
    /// A target leads to a cluster.
    pub fn learn(&self, target: &TargetName, cluster: &ClusterId) {
        self.claims.learn(target, Some(cluster));
    }

    /// A Stack owns what its inventory says.
    pub fn take(&self, stack: &StackKey, target: &TargetName, inventory: &Inventory) {
        self.claims.take_inventory(stack, target, inventory);
    }

    /// What the other Stacks mean for one; it wants from now on what it wants, and offers what it has
    /// and does not want.
    pub fn others(&self, standing: Standing<'_>) -> Others {
        Others::of(&self.claims, standing, &standing.unwanted()).0
    }
}

impl Others {
    /// Comes with the Stacks that have waited for this one in vain.
    fn of(claims: &Claims, standing: Standing<'_>, unwanted: &[Key]) -> (Self, HashSet<StackKey>) {
        let Standing { stack, cluster, .. } = standing;
        let wanted = standing.desired.iter().map(Object::key);
        let (claimed, concerned) = claims.want(stack, cluster, wanted);
        let passing = claims.pass_on(stack, cluster, unwanted.iter());
        let going = (unwanted.iter(), standing.snapshot);
        let within = leave::within(claims, stack, cluster, going);
        let others = Self {
            claimed,
            passing,
            within,
        };
        (others, concerned)
    }
}

/// What the engine knows of other Stacks. The Stack says what it wants, and what it does not want any
/// more waits for those who may want it.
pub(crate) fn others(engine: &Shared, state: &mut StackState, question: Question<'_>) -> Others {
    let stack = question.stack;
    let cluster = state.cluster(stack);
    let standing = Standing {
        stack: &stack.key,
        cluster: &cluster,
        desired: question.desired,
        inventory: &state.inventory,
        snapshot: question.snapshot,
    };
    let unwanted = standing.unwanted();
    let (mut others, concerned) = Others::of(&engine.claims, standing, &unwanted);
    engine.wake(concerned);
    engine.awaiting.say(stack);
    let held = (&unwanted[..], &mut others.passing);
    awaiting::hold_back(engine, stack, state, &cluster, held);
    engine.wake_takers(&others.passing);
    others
}
