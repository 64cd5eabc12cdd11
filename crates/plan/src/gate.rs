//! Which steps wait for a person. It must not know how a person confirms.

use std::collections::BTreeMap;

use holdfast_model::digest::Digest;
use holdfast_model::object::{GroupKind, Key, LiveObject};
use holdfast_model::plan::{Gate, Plan, Step, Verb, Why};

/// A prune of the only object of an inventory is never too large a share.
const SMALL_INVENTORY: usize = 2;

/// Puts gates on prunes that a person has to confirm: all of them where nothing was rendered or
/// too much would go, else those of kinds that take other objects or data with them.
pub(crate) fn guard(plan: &mut Plan, inventory: usize, percent: u8) {
    let rendered = plan.steps.iter().any(|step| step.desired.is_some());
    if rendered {
        limit(plan, inventory, percent);
    } else {
        hold(plan, Some(Gate::EmptyRender));
    }
}

/// As [`guard`], for a plan that wants nothing.
pub(crate) fn limit(plan: &mut Plan, inventory: usize, percent: u8) {
    let pruned = plan.steps.iter().filter(|step| is_prune(step)).count();
    let is_large = inventory >= SMALL_INVENTORY && pruned * 100 > inventory * usize::from(percent);
    let gate = is_large.then_some(Gate::PruneLimit {
        pruned,
        inventory,
        percent,
    });
    hold(plan, gate);
}

/// Keeps Namespaces and definitions that would take objects along which Git still wants: those of
/// the plan, and those that other Stacks have. No confirmation changes that.
pub(crate) fn keep_what_holds(plan: &mut Plan, within: &BTreeMap<Key, Vec<Key>>) {
    let wanted = plan.steps.iter().filter(|step| step.desired.is_some());
    let wanted: Vec<Key> = wanted.map(|step| step.key.key.clone()).collect();
    for step in &mut plan.steps {
        if !is_prune(step) {
            continue;
        }
        let others = within.get(&step.key.key).into_iter().flatten();
        let held = wanted
            .iter()
            .filter(|key| goes_with(step, key))
            .chain(others);
        let objects: Vec<String> = held.map(ToString::to_string).collect();
        if !objects.is_empty() {
            (step.verb, step.why) = (Verb::Keep, Why::StillHolds { objects });
        }
    }
}

/// Whether an object is gone when what a step deletes is gone.
fn goes_with(step: &Step, key: &Key) -> bool {
    let own = &step.key.key;
    if own.kind.is("", "Namespace") {
        return key.namespace.as_deref() == Some(&*own.name);
    }
    brought_kind(step.live.as_ref()).is_some_and(|kind| *key.kind == kind)
}

/// The kind that a live definition brings.
pub fn brought_kind(live: Option<&LiveObject>) -> Option<GroupKind> {
    let live = live.filter(|live| {
        let kind = &live.key.key.kind;
        kind.is("apiextensions.k8s.io", "CustomResourceDefinition")
    })?;
    let group = live.value.text(&["spec", "group"])?;
    let kind = live.value.text(&["spec", "names", "kind"])?;
    Some(GroupKind::new(&group, &kind))
}

/// What else of a plan goes with each object that is precarious to delete.
fn precarious(plan: &Plan, step: &Step) -> Option<Gate> {
    if !is_precarious(&step.key.key.kind) {
        return None;
    }
    let others = plan.steps.iter().map(|other| &other.key.key);
    let along = others.filter(|key| goes_with(step, key));
    let objects: Vec<String> = along.map(ToString::to_string).collect();
    Some(match objects.is_empty() {
        true => Gate::PrecariousKind,
        false => Gate::TakesAlong { objects },
    })
}

/// Puts a gate on all prunes, or else one on those of precarious kinds, be it that they are
/// elsewhere now: what they take along is not.
fn hold(plan: &mut Plan, gate: Option<Gate>) {
    let own: Vec<Option<Gate>> = plan
        .steps
        .iter()
        .map(|step| precarious(plan, step))
        .collect();
    for (step, precarious) in plan.steps.iter_mut().zip(own) {
        if is_prune(step) {
            step.gate = gate.clone().or(precarious);
        } else if step.verb == Verb::Delete && matches!(step.why, Why::Moved { .. }) {
            step.gate = precarious;
        }
    }
}

fn is_prune(step: &Step) -> bool {
    step.verb == Verb::Delete && step.why == Why::Pruned
}

/// Takes the gates off again when a person has confirmed just these steps.
pub(crate) fn open(plan: &mut Plan, approved: Option<Digest>) {
    if approved.is_some() && plan.held_digest() == approved {
        for step in &mut plan.steps {
            step.gate = None;
        }
    }
}

fn is_precarious(kind: &GroupKind) -> bool {
    kind.is("", "Namespace")
        || kind.is("", "PersistentVolume")
        || kind.is("", "PersistentVolumeClaim")
        || kind.is("apiextensions.k8s.io", "CustomResourceDefinition")
}
