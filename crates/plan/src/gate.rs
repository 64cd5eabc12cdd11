//! Which steps wait for a person. It must not know how a person confirms.

use holdfast_model::digest::Digest;
use holdfast_model::object::GroupKind;
use holdfast_model::plan::{Gate, Plan, Verb, Why};

/// Prunes of inventories smaller than this are never too large a share.
const SMALL_INVENTORY: usize = 10;

/// Puts gates on prunes that a person has to confirm: all of them where nothing was rendered or
/// too much would go, else those of kinds that take other objects or data with them.
pub(crate) fn guard(plan: &mut Plan, inventory: usize, percent: u8) {
    let is_prune = |why: &Why| matches!(why, Why::Pruned);
    let pruned = plan
        .steps
        .iter()
        .filter(|step| step.verb == Verb::Delete && is_prune(&step.why))
        .count();
    let rendered = plan
        .steps
        .iter()
        .filter(|step| step.desired.is_some())
        .count();
    let gate = if pruned > 0 && rendered == 0 {
        Some(Gate::EmptyRender)
    } else if inventory >= SMALL_INVENTORY && pruned * 100 > inventory * usize::from(percent) {
        Some(Gate::PruneLimit {
            pruned,
            inventory,
            percent,
        })
    } else {
        None
    };
    for step in &mut plan.steps {
        if step.verb == Verb::Delete && is_prune(&step.why) {
            let precarious = is_precarious(&step.key.key.kind).then_some(Gate::PrecariousKind);
            step.gate = gate.clone().or(precarious);
        }
    }
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
