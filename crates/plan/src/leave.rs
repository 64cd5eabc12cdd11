//! The second part of a move: what is removed from a cluster or a namespace that a Stack no longer
//! goes to, once everything has arrived where it goes now. It must not know how that is found out.

use std::collections::BTreeSet;

use holdfast_model::object::Key;
use holdfast_model::plan::{Plan, Step, Verb, Why};
use holdfast_model::stack::{Deletion, Stack};

use crate::gate;
use crate::plan::{Inputs, cluster, unwant};

/// Makes the plan that removes what is left on a cluster. `inputs` has that as its inventory, with
/// what is live there, and no desired object; `arrived` are the objects that the Stack has where it
/// goes now, which is `to`. What has arrived is not lost by being removed here, and is no part of
/// a prune that may be too large.
pub fn leave(inputs: Inputs<'_>, arrived: &BTreeSet<Key>, to: &str) -> Plan {
    let stack = inputs.stack;
    let namespace = &stack.destination.namespace;
    let before = inputs.inventory.moved_from(namespace).unwrap_or(namespace);
    let steps = inputs.inventory.keys().map(|key| {
        let there = match key.key.namespace.as_deref() {
            Some(own) if own == before => key.key.moved_to(Some(namespace)),
            _ => key.key.clone(),
        };
        let is_moved = arrived.contains(&there);
        let mut step = unwant(inputs, key);
        if is_moved || stack.deletion == Deletion::Orphan {
            moved(&mut step, stack, to.to_owned());
        }
        step
    });
    let mut steps: Vec<Step> = steps.collect();
    steps.sort_by(|left, right| (left.slot, &left.key).cmp(&(right.slot, &right.key)));
    let mut plan = Plan {
        stack: stack.key.clone(),
        uid: stack.uid.clone(),
        cluster: cluster(inputs),
        revision: inputs.revision.clone(),
        steps,
    };
    let size = inputs.inventory.entries.len();
    gate::limit(&mut plan, size, stack.sync.prune_limit);
    gate::open(&mut plan, stack.approved);
    plan
}

/// Has a step say that its object is pruned since it is elsewhere now, or that it stays where the
/// Stack leaves what it goes away from.
pub(crate) fn moved(step: &mut Step, stack: &Stack, to: String) {
    if step.why != Why::Pruned {
        return;
    }
    if stack.deletion == Deletion::Orphan {
        (step.verb, step.why) = (Verb::Keep, Why::LeftBehind);
    } else {
        step.why = Why::Moved { to };
    }
}
