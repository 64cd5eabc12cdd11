//! Makes a plan: every object that is wanted or was in the inventory becomes a step with a verb
//! and a reason. It must not know how the plan is carried out.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_assess::diff::{Difference, Learned, differences};
use holdfast_assess::ownership;
use holdfast_model::digest::Digest;
use holdfast_model::inventory::Inventory;
use holdfast_model::object::{Key, LiveObject, ManagerOperation, Object, VersionedKey};
use holdfast_model::plan::{Phase, Plan, Step, Verb, Why};
use holdfast_model::revision::Revision;
use holdfast_model::stack::{Stack, StackKey};

use crate::order::{self, MANAGER};
use crate::{gate, hook_phase, slot};

/// The annotation by which an object asks to stay when Git no longer names it: `disabled`.
const PRUNE_ANNOTATION: &str = "holdfast.dev/prune";
/// The annotation by which an object of a chart asks the same, of Helm: `keep`.
const HELM_POLICY_ANNOTATION: &str = "helm.sh/resource-policy";

/// What a plan is made of.
#[derive(Clone, Copy)]
pub struct Inputs<'a> {
    /// The Stack, with the choices of its owner.
    pub stack: &'a Stack,
    /// What the desired objects were rendered from.
    pub revision: &'a Revision,
    /// The objects that are wanted, each key once; none when the Stack is being deleted.
    pub desired: &'a [Object],
    /// The objects that are there, of all keys in `desired` and `inventory`.
    pub live: &'a BTreeMap<Key, LiveObject>,
    /// What the Stack owns.
    pub inventory: &'a Inventory,
    /// Digest of each object as it was last applied; a difference from the same is drift.
    pub applied: &'a BTreeMap<Key, Digest>,
    /// What the server made of an object when it was last applied.
    pub learned: &'a BTreeMap<Key, Learned>,
    /// Fields that another writer has put back too often, by key, with the writer's name.
    pub rivals: &'a BTreeMap<Key, BTreeMap<String, String>>,
    /// Objects of which the server refused a change of a field that cannot change.
    pub immutable: &'a BTreeSet<Key>,
    /// Objects that other Stacks have.
    pub claimed: &'a BTreeMap<Key, StackKey>,
}

/// Makes the plan that turns live into desired.
///
/// Guarantees: the same inputs give the same plan; every key of `desired` and `inventory` has one
/// step; steps are sorted by slot and then by key.
pub fn plan(inputs: Inputs<'_>) -> Plan {
    let wanted: BTreeSet<&Key> = inputs.desired.iter().map(Object::key).collect();
    let mut steps: Vec<Step> = inputs
        .desired
        .iter()
        .map(|object| want(inputs, object))
        .collect();
    let unwanted = inputs
        .inventory
        .keys()
        .filter(|key| !wanted.contains(&key.key));
    steps.extend(unwanted.map(|key| unwant(inputs, key)));
    steps.sort_by(|left, right| (left.slot, &left.key).cmp(&(right.slot, &right.key)));
    let mut plan = Plan {
        stack: inputs.stack.key.clone(),
        uid: inputs.stack.uid.clone(),
        revision: inputs.revision.clone(),
        steps,
    };
    let (size, percent) = (
        inputs.inventory.entries.len(),
        inputs.stack.sync.prune_limit,
    );
    gate::guard(&mut plan, size, percent);
    gate::open(&mut plan, inputs.stack.approved);
    plan
}

fn want(inputs: Inputs<'_>, object: &Object) -> Step {
    let key = object.key();
    let live = inputs.live.get(key);
    let (verb, why) = match (hook_phase(object), live) {
        (Some(phase), _) => run(inputs, object, phase),
        (None, _) if inputs.claimed.contains_key(key) => {
            let by = inputs.claimed[key].clone();
            (Verb::Keep, Why::Claimed { by })
        }
        (None, None) => (Verb::Create, absence(inputs, object)),
        (None, Some(live)) if live.is_deleting() => (Verb::Keep, Why::Going),
        (None, Some(live)) => change(inputs, object, live),
    };
    Step {
        verb,
        key: object.versioned_key(),
        desired: Some(object.clone()),
        live: live.cloned(),
        why,
        slot: slot(object),
        gate: None,
    }
}

/// A hook runs once for each of its contents.
fn run(inputs: Inputs<'_>, object: &Object, phase: Phase) -> (Verb, Why) {
    let why = Why::Hook { phase };
    match inputs.inventory.hooks.get(object.key()) {
        Some(digest) if *digest == object.digest() => (Verb::Keep, why),
        _ => (Verb::Run, why),
    }
}

fn is_as_applied(inputs: Inputs<'_>, object: &Object) -> bool {
    inputs.applied.get(object.key()) == Some(&object.digest())
}

fn absence(inputs: Inputs<'_>, object: &Object) -> Why {
    let fields = Vec::new();
    if is_as_applied(inputs, object) {
        let (by, at) = (None, None);
        Why::Drift { fields, by, at }
    } else {
        Why::NewRevision { fields }
    }
}

fn change(inputs: Inputs<'_>, object: &Object, live: &LiveObject) -> (Verb, Why) {
    let key = object.key();
    let ignored = inputs.stack.ignored(key);
    let mut found = differences(object, live, &ignored, inputs.learned.get(key), MANAGER);
    let rivals = inputs.rivals.get(key);
    let is_left = |difference: &Difference| {
        rivals.is_some_and(|rivals| rivals.contains_key(&difference.path))
    };
    let left: Vec<Difference> = found
        .iter()
        .filter(|found| is_left(found))
        .cloned()
        .collect();
    found.retain(|difference| !is_left(difference));
    let fields = paths(&found);
    let drifted = is_as_applied(inputs, object);
    let verb = if inputs.immutable.contains(key) && inputs.stack.sync.replace {
        Verb::Replace
    } else {
        Verb::Update
    };
    if found.is_empty() {
        if !left.is_empty() {
            let by = rivals.and_then(|rivals| rivals.get(&left[0].path)).cloned();
            let fields = paths(&left);
            let by = by.unwrap_or_default();
            return (Verb::Keep, Why::Rival { fields, by });
        }
        // Nothing differs, but nothing says yet that these fields are ours.
        if !is_ours(live) && !drifted {
            return (Verb::Update, Why::NewRevision { fields });
        }
        return (Verb::Keep, Why::Unchanged);
    }
    if !drifted {
        return (verb, Why::NewRevision { fields });
    }
    if !inputs.stack.sync.heal {
        return (Verb::Keep, Why::HealOff { fields });
    }
    let owners = ownership::other_owners(live, &found[0].path, MANAGER);
    let owner = owners.first();
    let by = owner.map(|owner| owner.name.to_string());
    let at = owner
        .map(|owner| owner.time.to_string())
        .filter(|time| !time.is_empty());
    (verb, Why::Drift { fields, by, at })
}

fn is_ours(live: &LiveObject) -> bool {
    live.managers
        .iter()
        .any(|manager| *manager.name == *MANAGER && manager.operation == ManagerOperation::Apply)
}

fn paths(found: &[Difference]) -> Vec<String> {
    found
        .iter()
        .map(|difference| difference.path.clone())
        .collect()
}

fn unwant(inputs: Inputs<'_>, key: VersionedKey) -> Step {
    let live = inputs.live.get(&key.key);
    let asks_to_stay = |live: &LiveObject| {
        let policy = live.annotation(HELM_POLICY_ANNOTATION);
        live.annotation(PRUNE_ANNOTATION).as_deref() == Some("disabled")
            || policy.is_some_and(|policy| policy.trim().eq_ignore_ascii_case("keep"))
    };
    let (verb, why) = match live {
        None => (Verb::Keep, Why::AlreadyGone),
        Some(live) if asks_to_stay(live) => (Verb::Keep, Why::PruneOff),
        Some(_) if inputs.stack.deleting => (Verb::Delete, Why::Removed),
        Some(_) if !inputs.stack.sync.prune => (Verb::Keep, Why::PruneOff),
        Some(_) => (Verb::Delete, Why::Pruned),
    };
    let wave = live.and_then(order::live_wave);
    Step {
        verb,
        slot: order::delete_slot(&key.key.kind, wave.as_deref()),
        key,
        desired: None,
        live: live.cloned(),
        why,
        gate: None,
    }
}
