//! The one way from what is wanted and what is live to a plan, without acting: the engine and the
//! command line take it alike, so that a digest that the one shows is the digest that the other
//! carries out. It must not know where what it is given was found out.

use std::collections::{BTreeMap, BTreeSet};

use holdfast_assess::diff::Learned;
use holdfast_model::digest::Digest;
use holdfast_model::inventory::Inventory;
use holdfast_model::object::{Key, LiveObject, Object, VersionedKey};
use holdfast_model::plan::Plan;
use holdfast_model::revision::Revision;
use holdfast_model::stack::Stack;
use holdfast_model::time::Time;
use holdfast_plan::{Inputs, Settled, plan};
use holdfast_target::{Snapshot, Target};

use crate::operate;
use crate::others::Others;
use crate::rotated;
use crate::state::StackState;

/// What is to be planned.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The Stack.
    pub stack: &'a Stack,
    /// What the desired objects were rendered from.
    pub revision: &'a Revision,
    /// The objects that are wanted, where they are wanted; none when the Stack is being deleted.
    pub desired: &'a [Object],
    /// What is live of them and of what the Stack owns.
    pub snapshot: &'a Snapshot,
}

/// What is known of the Stack from before.
#[derive(Clone)]
pub struct Known<'a> {
    /// Whether nothing of it has been applied.
    pub is_install: bool,
    /// What it owns.
    pub inventory: &'a Inventory,
    /// Digest of each object as it was last applied.
    pub applied: &'a BTreeMap<Key, Digest>,
    /// What the server made of objects when they were last applied.
    pub learned: &'a BTreeMap<Key, Learned>,
    /// Objects of which it is known that an apply changes nothing.
    pub settled: &'a BTreeMap<Key, Settled>,
    /// Fields that are left to other writers, with the writer, by object.
    pub contended: BTreeMap<Key, BTreeMap<String, String>>,
    /// Objects of which the server refused a change of a field that cannot change.
    pub immutable: &'a BTreeSet<Key>,
}

impl<'a> Known<'a> {
    /// What the engine knows.
    pub(crate) fn of(state: &'a StackState, desired: &[Object], now: Time) -> Self {
        let digests: BTreeMap<_, _> = desired
            .iter()
            .map(|object| (object.key(), object.digest()))
            .collect();
        let is_current = |key: &Key, digest: &Digest| digests.get(key) == Some(digest);
        Self {
            // The render is asked for in the same way.
            is_install: state.applied.is_none(),
            inventory: &state.inventory,
            applied: &state.applied_objects,
            learned: &state.learned,
            settled: &state.settled,
            contended: state.rivals.left_alone(now, is_current),
            immutable: &state.immutable,
        }
    }
}

/// The plan, for which the server is asked about what cannot be predicted.
pub async fn propose(
    target: &dyn Target,
    question: Question<'_>,
    known: &Known<'_>,
    others: &Others,
) -> Plan {
    let proposed = draw(question, known, others, &BTreeMap::new());
    let typings = &question.snapshot.typings;
    let answers = operate::ask(target, question.stack, &proposed, typings).await;
    let mut proposed = match answers.is_empty() {
        true => proposed,
        false => draw(question, known, others, &answers),
    };
    rotated::name(&mut proposed);
    proposed
}

fn draw(
    question: Question<'_>,
    known: &Known<'_>,
    others: &Others,
    answers: &BTreeMap<Key, LiveObject>,
) -> Plan {
    plan(Inputs {
        stack: question.stack,
        revision: question.revision,
        is_install: known.is_install,
        desired: question.desired,
        live: &question.snapshot.live,
        typings: &question.snapshot.typings,
        answers,
        settled: known.settled,
        inventory: known.inventory,
        applied: known.applied,
        learned: known.learned,
        rivals: &known.contended,
        immutable: known.immutable,
        claimed: &others.claimed,
        passing: &others.passing,
        within: &others.within,
    })
}

/// The keys of desired objects and of an inventory, each once.
pub fn desired_keys(
    desired: &[Object],
    owned: impl Iterator<Item = VersionedKey>,
) -> Vec<VersionedKey> {
    let wanted = desired.iter().map(Object::versioned_key);
    // Where both name an object, the version counts in which it is wanted.
    let by_key: BTreeMap<_, _> = owned
        .chain(wanted)
        .map(|key| (key.key.clone(), key))
        .collect();
    by_key.into_values().collect()
}
