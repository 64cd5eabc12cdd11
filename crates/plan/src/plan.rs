//! Makes a plan: every object that is wanted or was in the inventory becomes a step with a verb
//! and a reason. It must not know how the plan is carried out.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_assess::diff::{Difference, Learned, OWNERSHIP};
use holdfast_assess::ownership;
use holdfast_assess::theirs::{self, Scaled};
use holdfast_kinds::{Typing, Typings};
use holdfast_model::applyset;
use holdfast_model::digest::Digest;
use holdfast_model::inventory::Inventory;
use holdfast_model::object::{GroupKind, Key, LiveObject, ManagerOperation, Object, VersionedKey};
use holdfast_model::plan::{Phase, Plan, Step, Verb, Why};
use holdfast_model::revision::Revision;
use holdfast_model::stack::{ClusterId, Place, Stack, StackKey};

use crate::inspect::{Settled, changes};
use crate::order::{self, MANAGER};
use crate::{Sending, gate, hook_phases, leave, slot};

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
    /// Whether nothing of the Stack has been applied before, which decides which events of hooks come
    /// to pass.
    pub is_install: bool,
    /// The objects that are wanted, each key once; none when the Stack is being deleted.
    pub desired: &'a [Object],
    /// The objects that are there, of all keys in `desired` and `inventory`.
    pub live: &'a BTreeMap<Key, LiveObject>,
    /// The kinds of the target that are known.
    pub typings: &'a Typings,
    /// What the server answered to a dry run of desired objects of which it is not known by their type
    /// what an apply would change; each as the live object is now.
    pub answers: &'a BTreeMap<Key, LiveObject>,
    /// Objects of which it is known that an apply changes nothing.
    pub settled: &'a BTreeMap<Key, Settled>,
    /// What the Stack owns.
    pub inventory: &'a Inventory,
    /// Digest of each object as it was last applied; a difference from the same is drift.
    pub applied: &'a BTreeMap<Key, Digest>,
    /// What the server made of an object when it was last applied.
    pub learned: &'a BTreeMap<Key, Learned>,
    /// Fields that another writer has put back too often, by key, with the writer's name. An empty
    /// field stands for the whole object, which keeps being deleted.
    pub rivals: &'a BTreeMap<Key, BTreeMap<String, String>>,
    /// Objects of which the server refused a change of a field that cannot change.
    pub immutable: &'a BTreeSet<Key>,
    /// Objects that other Stacks have.
    pub claimed: &'a BTreeMap<Key, StackKey>,
    /// Objects of the inventory that are not wanted any more, where other Stacks have or may want
    /// them.
    pub passing: &'a BTreeMap<Key, Passing>,
    /// Objects that other Stacks have on the cluster in a namespace, or of a kind, that is not wanted
    /// any more.
    pub within: &'a BTreeMap<Key, Vec<Key>>,
}

/// What another Stack has to do with an object that is not wanted any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Passing {
    /// It has it, durably in its inventory.
    HandedOver(StackKey),
    /// It wants it, and does not have it in its inventory yet.
    HandingOver(StackKey),
    /// It may want it, and has not said so yet.
    Awaited(StackKey),
}

/// Makes the plan that turns live into desired.
///
/// Guarantees: the same inputs give the same plan; every key of `desired` and `inventory` has one
/// step, a hook one for each of its phases; steps are sorted by slot and then by key.
pub fn plan(inputs: Inputs<'_>) -> Plan {
    let wanted: BTreeSet<&Key> = inputs.desired.iter().map(Object::key).collect();
    let scaled = theirs::scaled(inputs.desired);
    let part_of = applyset::id(&inputs.stack.key);
    let context = Context {
        inputs,
        scaled: &scaled,
        part_of: &part_of,
    };
    let mut steps: Vec<Step> = inputs
        .desired
        .iter()
        .flat_map(|object| want(context, object))
        .collect();
    let unwanted = inputs
        .inventory
        .keys()
        .filter(|key| !wanted.contains(&key.key));
    let destination = &inputs.stack.destination.namespace;
    let moved_from = inputs.inventory.moved_from(destination);
    steps.extend(unwanted.map(|key| {
        let is_left = moved_from.is_some() && key.key.namespace.as_deref() == moved_from;
        let is_moved = is_left && wanted.contains(&key.key.moved_to(Some(destination)));
        let mut step = unwant(inputs, key);
        if is_moved {
            leave::moved(&mut step, inputs.stack, format!("namespace {destination}"));
        }
        step
    }));
    steps.sort_by(|left, right| (left.slot, &left.key).cmp(&(right.slot, &right.key)));
    let mut plan = Plan {
        stack: inputs.stack.key.clone(),
        uid: inputs.stack.uid.clone(),
        cluster: cluster(inputs),
        revision: inputs.revision.clone(),
        steps,
    };
    gate::keep_what_holds(&mut plan, inputs.within);
    let (size, percent) = (
        inputs.inventory.entries.len(),
        inputs.stack.sync.prune_limit,
    );
    gate::guard(&mut plan, size, percent);
    gate::open(&mut plan, inputs.stack.approved);
    plan
}

/// The inputs, and what follows from all of them together.
#[derive(Clone, Copy)]
struct Context<'a> {
    inputs: Inputs<'a>,
    scaled: &'a Scaled,
    part_of: &'a str,
}

impl Context<'_> {
    /// JSON pointers of an object that are left to others.
    fn left(&self, object: &Object) -> Vec<String> {
        let key = object.key();
        let place = (
            GroupKind::clone(&key.kind),
            key.namespace.as_deref().map(str::to_owned),
            key.name.to_string(),
        );
        let theirs = theirs::left_alone(&key.kind, object, self.scaled.contains(&place));
        let ignored = self.inputs.stack.ignored(key);
        ignored
            .into_iter()
            .map(str::to_owned)
            .chain(theirs)
            .collect()
    }

    fn typing(&self, object: &Object) -> Option<&Typing> {
        let typing = self.inputs.typings.get(&object.versioned_key());
        typing.map(|typing| &**typing)
    }
}

/// The cluster that a plan is for.
pub(crate) fn cluster(inputs: Inputs<'_>) -> ClusterId {
    let place = inputs.inventory.place.as_ref();
    let of_target = || ClusterId::of_target(&inputs.stack.destination.target);
    place.map_or_else(of_target, Place::cluster_or_target)
}

/// What is done about an object: one step, or one for each phase of a hook.
fn want(context: Context<'_>, object: &Object) -> Vec<Step> {
    let inputs = context.inputs;
    let phases = hook_phases(object, inputs.is_install);
    if phases.is_empty() {
        let (verdict, left) = keep(context, object);
        let kept = step(inputs, object, verdict, Phase::Sync);
        return vec![Step { left, ..kept }];
    }
    let runs = phases.into_iter();
    runs.map(|phase| {
        step(
            inputs,
            object,
            run(inputs, object, inputs.live.get(object.key()), phase),
            phase,
        )
    })
    .collect()
}

/// What is done about an object that is kept, and which of its fields are left to others.
fn keep(context: Context<'_>, object: &Object) -> ((Verb, Why), Vec<String>) {
    let inputs = context.inputs;
    let key = object.key();
    let verdict = match inputs.live.get(key) {
        _ if inputs.claimed.contains_key(key) => {
            let by = inputs.claimed[key].clone();
            (Verb::Keep, Why::Claimed { by })
        }
        None => absence(inputs, object),
        Some(live) if live.is_deleting() => (Verb::Keep, Why::Going),
        Some(live) => return change(context, object, live),
    };
    (verdict, Vec::new())
}

fn step(inputs: Inputs<'_>, object: &Object, (verb, why): (Verb, Why), phase: Phase) -> Step {
    Step {
        verb,
        key: object.versioned_key(),
        desired: Some(object.clone()),
        live: inputs.live.get(object.key()).cloned(),
        why,
        slot: slot(object, phase),
        gate: None,
        left: Vec::new(),
    }
}

/// A hook runs once for each of its contents.
///
/// It takes the place of what ran before, and of nothing else.
fn run(
    inputs: Inputs<'_>,
    object: &Object,
    live: Option<&LiveObject>,
    phase: Phase,
) -> (Verb, Why) {
    let why = Why::Hook { phase };
    let (key, stack) = (object.key(), &inputs.stack.key);
    if inputs.inventory.hooks.get(key) == Some(&object.digest()) {
        return (Verb::Keep, why);
    }
    if let Some(by) = inputs.claimed.get(key).cloned() {
        return (Verb::Keep, Why::Claimed { by });
    }
    if live.is_some_and(|live| !is_of(live, stack)) {
        return (Verb::Keep, Why::Stranger);
    }
    (Verb::Run, why)
}

fn is_as_applied(inputs: Inputs<'_>, object: &Object) -> bool {
    inputs.applied.get(object.key()) == Some(&object.digest())
}

/// An object that is not there. One that ran to its end and was then taken away, as a Job is when its
/// time to live has passed, is done; one that keeps being deleted is made again later.
fn absence(inputs: Inputs<'_>, object: &Object) -> (Verb, Why) {
    let key = object.key();
    if inputs.inventory.hooks.get(key) == Some(&object.digest()) {
        return (Verb::Keep, Why::Ended);
    }
    let rivals = inputs.rivals.get(key);
    if let Some(by) = rivals.and_then(|rivals| rivals.get("")) {
        let (fields, by) = (Vec::new(), by.clone());
        return (Verb::Keep, Why::Rival { fields, by });
    }
    let fields = Vec::new();
    // What was applied elsewhere has not gone from here.
    let was_here = inputs.inventory.entries.contains_key(object.key());
    let why = if was_here && is_as_applied(inputs, object) {
        let (by, at) = (None, None);
        Why::Drift { fields, by, at }
    } else {
        Why::NewRevision { fields }
    };
    (Verb::Create, why)
}

/// An object that is there: what is done about it, and what is left to others where it is sent.
fn change(context: Context<'_>, object: &Object, live: &LiveObject) -> ((Verb, Why), Vec<String>) {
    let inputs = context.inputs;
    let key = object.key();
    let generation = inputs.stack.generation;
    let settled = inputs.settled.get(key);
    if settled.is_some_and(|settled| settled.covers(object, live, generation)) {
        return ((Verb::Keep, Why::Unchanged), Vec::new());
    }
    let mut left = context.left(object);
    let sending = Sending {
        live: Some(live),
        left: &left,
        part_of: Some(context.part_of),
        typing: context.typing(object),
    };
    let found = changes(object, live, sending, inputs.answers.get(key));
    let Some(mut found) = found else {
        let drifted = is_as_applied(inputs, object);
        return ((Verb::Update, Why::Unpredicted { drifted }), left);
    };
    if let Some(learned) = inputs.learned.get(key) {
        learned.forgive(object.digest(), live, &mut found);
    }
    let rivals = inputs.rivals.get(key);
    let contended = |difference: &Difference| {
        rivals.is_some_and(|rivals| rivals.contains_key(&difference.path))
    };
    let (given_up, found): (Vec<Difference>, Vec<Difference>) =
        found.into_iter().partition(contended);
    left.extend(rivals.into_iter().flat_map(BTreeMap::keys).cloned());
    left.retain(|path| !path.is_empty() && path != OWNERSHIP);
    (decide(inputs, object, live, &found, &given_up), left)
}

fn decide(
    inputs: Inputs<'_>,
    object: &Object,
    live: &LiveObject,
    found: &[Difference],
    given_up: &[Difference],
) -> (Verb, Why) {
    let key = object.key();
    let drifted = is_as_applied(inputs, object);
    let Some(first) = found.first() else {
        let fields = paths(given_up);
        // That somebody keeps taking rights over values that are as Git says harms nobody.
        let Some(first) = given_up
            .iter()
            .find(|difference| difference.path != OWNERSHIP)
        else {
            return (Verb::Keep, Why::Unchanged);
        };
        let rivals = inputs.rivals.get(key);
        let by = rivals.and_then(|rivals| rivals.get(&first.path)).cloned();
        let by = by.unwrap_or_default();
        return (Verb::Keep, Why::Rival { fields, by });
    };
    let fields = paths(found);
    let verb = if inputs.immutable.contains(key) && inputs.stack.sync.replace {
        Verb::Replace
    } else {
        Verb::Update
    };
    if !drifted {
        return (verb, Why::NewRevision { fields });
    }
    if !inputs.stack.sync.heal {
        return (Verb::Keep, Why::HealOff { fields });
    }
    let owners = ownership::other_owners(live, &first.path, MANAGER);
    let owner = owners.first();
    let by = owner.map(|owner| owner.name.to_string());
    let at = owner
        .map(|owner| owner.time.to_string())
        .filter(|time| !time.is_empty());
    (verb, Why::Drift { fields, by, at })
}

fn paths(found: &[Difference]) -> Vec<String> {
    found
        .iter()
        .map(|difference| difference.path.clone())
        .collect()
}

fn is_ours(live: &LiveObject) -> bool {
    live.managers
        .iter()
        .any(|manager| *manager.name == *MANAGER && manager.operation == ManagerOperation::Apply)
}

/// Whether an object is this Stack's to delete: it carries the label of its ApplySet, or it was
/// applied by us and carries that of no other.
fn is_of(live: &LiveObject, stack: &StackKey) -> bool {
    match live.value.text(&["metadata", "labels", applyset::PART_OF]) {
        Some(id) => id == applyset::id(stack),
        None => is_ours(live),
    }
}

fn handed_over(inputs: Inputs<'_>, key: &Key) -> Option<Why> {
    let stack = inputs.stack;
    // Until the other Stack has applied it, it is this one's alone to delete, should the other one drop it
    // before it comes so far.
    let is_named = |live| applyset::names(live, &stack.key);
    match inputs.passing.get(key)?.clone() {
        Passing::HandedOver(to)
            if !stack.deleting && inputs.live.get(key).is_some_and(is_named) =>
        {
            Some(Why::HandingOver { to })
        }
        Passing::HandedOver(to) => Some(Why::HandedOver { to }),
        // A Stack that goes does not wait until others are asked to take what they want.
        Passing::HandingOver(to) if stack.deleting => Some(Why::HandedOver { to }),
        Passing::HandingOver(to) => Some(Why::HandingOver { to }),
        Passing::Awaited(_) => None,
    }
}

/// What happens to an object that is in the inventory and is not wanted.
pub(crate) fn unwant(inputs: Inputs<'_>, key: VersionedKey) -> Step {
    let live = inputs.live.get(&key.key);
    let asks_to_stay = |live: &LiveObject| {
        let policy = live.annotation(HELM_POLICY_ANNOTATION);
        live.annotation(PRUNE_ANNOTATION).as_deref() == Some("disabled")
            || policy.is_some_and(|policy| policy.trim().eq_ignore_ascii_case("keep"))
    };
    let awaited = match inputs.passing.get(&key.key) {
        Some(Passing::Awaited(by)) => Some(by.clone()),
        _ => None,
    };
    let (verb, why) = match (live, handed_over(inputs, &key.key), awaited) {
        (None, ..) => (Verb::Keep, Why::AlreadyGone),
        (Some(_), Some(why), _) => (Verb::Keep, why),
        (Some(live), ..) if !is_of(live, &inputs.stack.key) => (Verb::Keep, Why::NotOurs),
        (Some(live), ..) if asks_to_stay(live) && inputs.stack.deleting => {
            (Verb::Keep, Why::LeftBehind)
        }
        (Some(live), ..) if asks_to_stay(live) => (Verb::Keep, Why::PruneOff),
        (Some(_), _, Some(by)) => (Verb::Keep, Why::Awaited { by }),
        (Some(_), ..) if inputs.stack.deleting => (Verb::Delete, Why::Removed),
        (Some(_), ..) if !inputs.stack.sync.prune => (Verb::Keep, Why::PruneOff),
        (Some(_), ..) => (Verb::Delete, Why::Pruned),
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
        left: Vec::new(),
    }
}
