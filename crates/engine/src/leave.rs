//! What a Stack still has on clusters that it no longer goes to: it is removed there when everything
//! has arrived where the Stack goes now, or when the Stack itself goes. It must not decide what is
//! removed.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use holdfast_model::inventory::{Inventory, Left};
use holdfast_model::object::Key;
use holdfast_model::operation::{
    Answer, Changed, Class, End, Failure, Operation, Outcome, Recording, Stage, StepState,
};
use holdfast_model::plan::{Plan, Verb};
use holdfast_model::revision::Revision;
use holdfast_model::stack::{ClusterId, Deletion, Place, Stack, StackKey};
use holdfast_plan::{Inputs, begin, outcome};
use holdfast_target::{Snapshot, Target};

use crate::claims::Claims;
use crate::engine::Shared;
use crate::operate;
use crate::propose::desired_keys;
use crate::state::StackState;

/// What came of leaving one cluster.
pub(crate) struct Leaving {
    pub(crate) place: Place,
    /// What was to be removed, and what came of it; why it could not be tried.
    pub(crate) tried: Result<(Plan, Outcome), Failure>,
    /// How many objects are still there.
    pub(crate) remaining: usize,
}

/// A Stack that goes away from clusters, and where it is now.
#[derive(Clone, Copy)]
pub(crate) struct Departure<'a> {
    pub(crate) stack: &'a Stack,
    pub(crate) revision: &'a Revision,
    /// What it has where it goes now.
    pub(crate) arrived: &'a BTreeSet<Key>,
}

/// Whether there is no way to a target any more, since its object or the Secret that it names is
/// gone.
pub(crate) fn is_gone(failure: &Failure) -> bool {
    failure.class == Class::Waiting && failure.reason == "NotFound"
}

/// Removes what is left, cluster by cluster.
pub(crate) async fn leave(
    engine: &Shared,
    state: &mut StackState,
    departure: Departure<'_>,
) -> Vec<Leaving> {
    let mut leavings = Vec::new();
    for left in std::mem::take(&mut state.inventory.left) {
        let (leaving, left) = leave_one(engine, state, departure, left).await;
        leavings.push(leaving);
        if !left.entries.is_empty() {
            state.inventory.left.push(left);
        }
    }
    let changed = leavings.iter().any(|leaving| match &leaving.tried {
        Ok((plan, _)) => leaving.remaining < plan.steps.len(),
        Err(_) => leaving.remaining == 0,
    });
    if changed {
        operate::save_anew(engine, departure.stack, state).await;
    }
    leavings
}

async fn leave_one(
    engine: &Shared,
    state: &StackState,
    departure: Departure<'_>,
    mut left: Left,
) -> (Leaving, Left) {
    let place = left.place.clone();
    let tried = match reach(engine, &place).await {
        Ok(target) => remove_from(engine, &*target, state, departure, &mut left).await,
        Err(failure) => Err(failure),
    };
    // There is nowhere to remove it from, and the Stack does not wait for ever; nor does it where
    // its owner has said that nothing needs to be removed.
    let stack = departure.stack;
    let is_given_up = tried.as_ref().is_err_and(is_gone) && stack.deleting;
    if tried.is_err() && (is_given_up || stack.deletion == Deletion::Orphan) {
        left.entries.clear();
    }
    let remaining = left.entries.len();
    let leaving = Leaving {
        place,
        tried,
        remaining,
    };
    (leaving, left)
}

/// A target that leads to the cluster where something is left: the one that led there last, or any
/// other that does now.
async fn reach(engine: &Shared, place: &Place) -> Result<std::sync::Arc<dyn Target>, Failure> {
    let mut failed = None;
    for name in engine.names_of(place) {
        match engine.place(&name, &place.namespace).await {
            Ok(found) if found.is_on_cluster_of(place) => return engine.target(&name).await,
            Ok(_) => {}
            Err(failure) => failed = failed.or(Some(failure)),
        }
    }
    Err(failed.unwrap_or_else(|| Failure {
        class: Class::Waiting,
        reason: "NotFound",
        message: format!("no Target leads to the cluster of {place} any more"),
        hint: Some(
            "make a Target that leads there, or set spec.deletion: orphan to leave the objects"
                .to_owned(),
        ),
    }))
}

async fn remove_from(
    engine: &Shared,
    target: &dyn Target,
    state: &StackState,
    departure: Departure<'_>,
    left: &mut Left,
) -> Result<(Plan, Outcome), Failure> {
    let stack = departure.stack;
    let inventory = Inventory {
        place: Some(left.place.clone()),
        entries: left.entries.clone(),
        ..Inventory::default()
    };
    let keys = desired_keys(&[], inventory.keys());
    let unwanted = inventory.entries.keys();
    let cluster = left.place.cluster_or_target();
    let passing = engine.claims.pass_on(&stack.key, &cluster, unwanted);
    engine.wake_takers(&passing);
    let mut snapshot = target.observe(&stack.key, &keys).await?;
    let within = within(
        &engine.claims,
        &stack.key,
        &cluster,
        (inventory.entries.keys(), &snapshot),
    );
    let inputs = Inputs {
        stack,
        revision: departure.revision,
        desired: &[],
        live: &snapshot.live,
        inventory: &inventory,
        typings: &snapshot.typings,
        answers: &BTreeMap::new(),
        settled: &BTreeMap::new(),
        applied: &BTreeMap::new(),
        learned: &state.learned,
        rivals: &BTreeMap::new(),
        is_install: false,
        immutable: &BTreeSet::new(),
        claimed: &BTreeMap::new(),
        passing: &passing,
        within: &within,
    };
    let to = format!("target {}", stack.destination.target);
    let plan = holdfast_plan::leave(inputs, departure.arrived, &to);
    let (mode, timeout) = (stack.sync.mode, stack.sync.timeout);
    let mut operation = begin(plan, mode, Recording::Unneeded, engine.now(), timeout);
    carry_out(target, stack, &mut operation, &mut snapshot).await;
    left.after(&operation, |key| !snapshot.live.contains_key(key));
    if left.entries.is_empty() && left.place.target != stack.destination.target {
        // Nobody listens to what comes of that.
        let _ = target.observe(&stack.key, &[]).await;
    }
    let outcome = outcome(&operation, engine.now());
    Ok((operation.plan, outcome))
}

/// What other Stacks have in namespaces, and of kinds, that are not wanted any more.
pub(crate) fn within<'a>(
    claims: &Claims,
    stack: &StackKey,
    cluster: &ClusterId,
    (unwanted, snapshot): (impl Iterator<Item = &'a Key>, &Snapshot),
) -> BTreeMap<Key, Vec<Key>> {
    let mut within = BTreeMap::new();
    for key in unwanted {
        let namespace = key.kind.is("", "Namespace").then_some(&*key.name);
        let kind = holdfast_plan::brought_kind(snapshot.live.get(key));
        if namespace.is_none() && kind.is_none() {
            continue;
        }
        let is_in = |other: &Key| {
            (namespace.is_some() && other.namespace.as_deref() == namespace)
                || kind.as_ref().is_some_and(|kind| *other.kind == *kind)
        };
        let found = claims.of_others(stack, cluster, is_in);
        if !found.is_empty() {
            within.insert(key.clone(), found);
        }
    }
    within
}

/// Performs the deletes, slot by slot; those of one slot side by side.
async fn carry_out(
    target: &dyn Target,
    stack: &Stack,
    operation: &mut Operation,
    snapshot: &mut Snapshot,
) {
    let waiting = |state: &StepState| *state == StepState::Waiting;
    while let Some(first) = operation.steps.iter().position(waiting) {
        let slot = operation.plan.steps[first].slot;
        let due: Vec<usize> = (first..operation.steps.len())
            .filter(|index| waiting(&operation.steps[*index]))
            .filter(|index| operation.plan.steps[*index].slot == slot)
            .take(operate::AT_ONCE)
            .collect();
        let requests: Vec<_> = due
            .iter()
            .map(|index| operate::request(stack, &operation.plan.steps[*index], &snapshot.typings))
            .collect();
        let answers = join_all(requests.iter().map(|request| target.perform(request))).await;
        for (index, answer) in due.into_iter().zip(answers) {
            let step = &operation.plan.steps[index];
            debug_assert_eq!(step.verb, Verb::Delete);
            operation.steps[index] = match answer {
                Ok(answer) => {
                    if matches!(answer, Answer::Gone) {
                        snapshot.live.remove(&step.key.key);
                    }
                    StepState::Done {
                        changed: Changed::Yes,
                    }
                }
                Err(failure) => StepState::Failed(failure),
            };
        }
    }
    let has_failed = |state: &StepState| matches!(state, StepState::Failed(_));
    operation.stage = Stage::Ended(if operation.steps.iter().any(has_failed) {
        End::Failed
    } else {
        End::Succeeded
    });
}
