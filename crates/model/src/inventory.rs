//! What a Stack owns on its target. It must not know where it is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::applyset;
use crate::digest::{Digest, Hasher};
use crate::object::{GroupKind, Key, VersionedKey};
use crate::operation::{End, Operation, Stage, StepState};
use crate::plan::{Plan, Step, Verb, Why};
use crate::stack::{ClusterId, Place, TargetName};

/// Every object that a Stack has made, or is about to make, by its key; the value is the API
/// version under which it was last written.
///
/// Guarantees: a key joins before the object can exist, and leaves only when its delete is
/// confirmed, so nothing is orphaned by a crash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// Where the entries are; `None` in an inventory from before it named its cluster, which is
    /// taken to be of the target that its Stack has when it is read.
    pub place: Option<Place>,
    /// API version by key.
    pub entries: BTreeMap<Key, Arc<str>>,
    /// Hooks that have ended, and Jobs that go some time after their end, by key: the digest of the
    /// object as it ran.
    pub hooks: BTreeMap<Key, Digest>,
    /// What is still on clusters that the Stack no longer goes to, each cluster once.
    pub left: Vec<Left>,
}

/// Objects of a Stack on a cluster that it no longer goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Where they are.
    pub place: Place,
    /// API version by key.
    pub entries: BTreeMap<Key, Arc<str>>,
}

/// A line of a stored inventory could not be read.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("inventory line {line} is neither `group version kind namespace name` nor a place")]
pub struct ParseInventoryError {
    /// The line's number, from 1.
    pub line: usize,
}

impl Inventory {
    /// The inventory of a Stack that goes to `place` from now on, and whether that is another
    /// cluster than before. What is on another cluster stays written down as left there; hooks ran
    /// for that cluster and run anew for this one.
    #[must_use]
    pub fn at(mut self, place: Place) -> (Self, bool) {
        let Some(before) = self.place.take() else {
            self.place = Some(place);
            return (self, false);
        };
        if before.is_on_cluster_of(&place) {
            // Entries may still be in the namespace that they were in before.
            self.place = Some(Place {
                cluster: place.cluster.or(before.cluster),
                target: place.target,
                namespace: before.namespace,
            });
            return (self, false);
        }
        let entries = std::mem::take(&mut self.entries);
        self.leave_at(Left {
            place: before,
            entries,
        });
        self.hooks.clear();
        let here = self
            .left
            .iter()
            .position(|left| left.place.is_on_cluster_of(&place));
        if let Some(returned) = here.map(|index| self.left.remove(index)) {
            self.entries = returned.entries;
            self.place = Some(Place {
                namespace: returned.place.namespace,
                ..place
            });
        } else {
            self.place = Some(place);
        }
        (self, true)
    }

    /// Adds what another part of the same inventory holds.
    pub fn join(&mut self, other: Self) {
        let is_here = match (&self.place, &other.place) {
            (Some(own), Some(theirs)) => own.is_on_cluster_of(theirs),
            _ => true,
        };
        match other.place {
            Some(place) if !is_here => self.leave_at(Left {
                place,
                entries: other.entries,
            }),
            place => {
                self.place = self.place.take().or(place);
                self.entries.extend(other.entries);
                self.hooks.extend(other.hooks);
            }
        }
        other.left.into_iter().for_each(|left| self.leave_at(left));
    }

    /// The Stack goes away from where its entries are.
    pub fn leave(&mut self) {
        if let Some(place) = self.place.take() {
            let entries = std::mem::take(&mut self.entries);
            self.leave_at(Left { place, entries });
        }
    }

    fn leave_at(&mut self, left: Left) {
        let mut known = self.left.iter_mut();
        match known.find(|known| known.place.is_on_cluster_of(&left.place)) {
            Some(known) => known.entries.extend(left.entries),
            None if left.entries.is_empty() => {}
            None => self.left.push(left),
        }
    }

    /// The namespace in which entries may still be although their Stack's objects go to
    /// `namespace` now.
    pub fn moved_from(&self, namespace: &str) -> Option<&str> {
        let place = self.place.as_ref()?;
        Some(place.namespace.as_str()).filter(|before| *before != namespace)
    }

    /// Everything that a plan wants is in `namespace`; when nothing else is in the namespace before,
    /// the entries have moved.
    pub fn settle_in(&mut self, namespace: &str, plan: &Plan) {
        let Some(before) = self.moved_from(namespace).map(str::to_owned) else {
            return;
        };
        let is_wanted = |key: &Key| {
            let mut steps = plan.steps.iter().filter(|step| step.desired.is_some());
            steps.any(|step| step.key.key == *key)
        };
        let mut entries = self.entries.keys();
        let is_left = |key: &Key| key.namespace.as_deref() == Some(&*before) && !is_wanted(key);
        if entries.any(is_left) {
            return;
        }
        if let Some(place) = &mut self.place {
            namespace.clone_into(&mut place.namespace);
        }
    }

    /// How many objects there are, wherever they are.
    pub fn len(&self) -> usize {
        let left = self.left.iter().map(|left| left.entries.len());
        self.entries.len() + left.sum::<usize>()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// This inventory with every key that the plan would write; `None` when none is new.
    pub fn before(&self, plan: &Plan) -> Option<Inventory> {
        let mut next = self.clone();
        let joining = plan
            .steps
            .iter()
            .filter(|step| step.desired.is_some() && !matches!(step.why, Why::Hook { .. }))
            .filter(|step| !matches!(step.why, Why::Claimed { .. } | Why::Stranger));
        for step in joining {
            next.entries
                .entry(step.key.key.clone())
                .or_insert_with(|| step.key.version.clone());
        }
        (next != *self).then_some(next)
    }

    /// This inventory when the operation has come so far: versions as written, keys whose delete
    /// is confirmed left out, hooks noted when the whole operation succeeded: only then is it
    /// known that each of them ran to a good end.
    pub fn after(&self, operation: &Operation, gone: impl Fn(&Key) -> bool) -> Inventory {
        let mut next = self.clone();
        for (step, state) in operation.plan.steps.iter().zip(&operation.steps) {
            let key = &step.key.key;
            let done = matches!(state, StepState::Done { .. });
            if is_gone(step, done, &gone) {
                next.entries.remove(key);
                next.hooks.remove(key);
                continue;
            }
            match step.verb {
                Verb::Run if done && operation.stage == Stage::Ended(End::Succeeded) => {
                    let digest = step.desired.as_ref().map(|desired| desired.digest());
                    next.hooks.insert(key.clone(), digest.unwrap_or_default());
                }
                Verb::Delete | Verb::Run => {}
                // A hook is no part of what is kept.
                Verb::Keep if matches!(step.why, Why::Hook { .. } | Why::Stranger) => {}
                Verb::Keep if matches!(step.why, Why::Claimed { .. }) => {
                    // Who holds it may not want it, and takes nothing away that it has not applied.
                    let stack = &operation.plan.stack;
                    if !step
                        .live
                        .as_ref()
                        .is_some_and(|live| applyset::names(live, stack))
                    {
                        next.entries.remove(key);
                    }
                }
                Verb::Create | Verb::Update | Verb::Replace | Verb::Keep => {
                    if step.desired.is_some() {
                        next.entries.insert(key.clone(), step.key.version.clone());
                    }
                }
            }
        }
        next
    }

    /// The keys with their versions.
    pub fn keys(&self) -> impl Iterator<Item = VersionedKey> + '_ {
        let entries = self.entries.iter();
        entries.map(|(key, version)| VersionedKey {
            key: key.clone(),
            version: version.clone(),
        })
    }

    /// A digest of what is owned.
    pub fn digest(&self) -> Digest {
        let mut hasher = Hasher::new("inventory");
        hasher.field(self.to_lines().as_bytes());
        hasher.finish()
    }

    /// One line an entry: `group version kind namespace name`, `-` for what is empty, hooks with a
    /// sixth word, their digest. A line `@ cluster target namespace` says where the entries behind
    /// it are, and one with `<` that the Stack no longer goes there. Sorted, so that equal
    /// inventories have equal text.
    pub fn to_lines(&self) -> String {
        let mut text = String::new();
        if let Some(place) = &self.place {
            text.push_str(&place_line(HERE, place));
        }
        for (key, version) in &self.entries {
            text.push_str(&line(key, version));
            text.push('\n');
        }
        for (key, digest) in &self.hooks {
            text.push_str(&line(key, ""));
            text.push_str(&format!(" {digest}\n"));
        }
        for left in &self.left {
            text.push_str(&place_line(LEFT, &left.place));
            for (key, version) in &left.entries {
                text.push_str(&line(key, version));
                text.push('\n');
            }
        }
        text
    }

    /// Whether a line says where the entries behind it are, so that it has to be repeated where
    /// they are kept apart from it.
    pub fn is_place_line(line: &str) -> bool {
        line.starts_with([HERE, LEFT])
    }

    /// Reads what [`Inventory::to_lines`] wrote.
    ///
    /// # Errors
    /// [`ParseInventoryError`] with the first line that is of another form.
    pub fn parse(text: &str) -> Result<Self, ParseInventoryError> {
        let mut inventory = Self::default();
        for (index, line) in text.lines().enumerate() {
            let refuse = || ParseInventoryError { line: index + 1 };
            let words: Vec<&str> = line.split(' ').collect();
            if Self::is_place_line(line) {
                inventory.read_place(&words).ok_or_else(refuse)?;
                continue;
            }
            let [group, version, kind, namespace, name, rest @ ..] = words.as_slice() else {
                return Err(refuse());
            };
            let namespace = Some(filled(namespace)).filter(|text| !text.is_empty());
            let kind = GroupKind::new(filled(group), filled(kind));
            let key = Key::new(&kind, namespace, filled(name));
            match rest {
                [] => {
                    let left = inventory.left.last_mut().map(|left| &mut left.entries);
                    let entries = left.unwrap_or(&mut inventory.entries);
                    entries.insert(key, filled(version).into());
                }
                [digest] => {
                    inventory
                        .hooks
                        .insert(key, digest.parse().map_err(|_| refuse())?);
                }
                _ => return Err(refuse()),
            }
        }
        Ok(inventory)
    }

    fn read_place(&mut self, words: &[&str]) -> Option<()> {
        let [mark, cluster, target, namespace] = words else {
            return None;
        };
        let cluster = Some(filled(cluster)).filter(|cluster| !cluster.is_empty());
        let place = Place {
            cluster: cluster.map(|cluster| ClusterId(cluster.to_owned())),
            target: TargetName(filled(target).to_owned()),
            namespace: filled(namespace).to_owned(),
        };
        if mark.starts_with(LEFT) {
            let entries = BTreeMap::new();
            self.left.push(Left { place, entries });
        } else {
            self.place = Some(place);
        }
        Some(())
    }
}

impl Left {
    /// What is left when the plan of leaving has come so far.
    pub fn after(&mut self, operation: &Operation, gone: impl Fn(&Key) -> bool) {
        for (step, state) in operation.plan.steps.iter().zip(&operation.steps) {
            if is_gone(step, matches!(state, StepState::Done { .. }), &gone) {
                self.entries.remove(&step.key.key);
            }
        }
    }
}

/// Whether an object that is not wanted is not the Stack's any more: it was deleted, or it is left to
/// others for good.
fn is_gone(step: &Step, done: bool, gone: impl Fn(&Key) -> bool) -> bool {
    match step.verb {
        Verb::Delete => done && gone(&step.key.key),
        Verb::Keep if step.desired.is_none() => {
            step.live.is_none()
                || matches!(
                    step.why,
                    Why::NotOurs | Why::LeftBehind | Why::HandedOver { .. }
                )
        }
        _ => false,
    }
}

const HERE: char = '@';
const LEFT: char = '<';

fn filled(word: &str) -> &str {
    if word == "-" { "" } else { word }
}

fn place_line(mark: char, place: &Place) -> String {
    let word = |text: &str| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text.to_owned()
        }
    };
    let cluster = place
        .cluster
        .as_ref()
        .map_or("", |cluster| cluster.0.as_str());
    let words = [cluster, &place.target.0, &place.namespace].map(word);
    format!("{mark} {}\n", words.join(" "))
}

fn line(key: &Key, version: &str) -> String {
    let word = |text: &str| {
        if text.is_empty() {
            "-".to_owned()
        } else {
            text.to_owned()
        }
    };
    let namespace = key.namespace.as_deref().unwrap_or_default();
    [
        &key.kind.group,
        version,
        &key.kind.kind,
        namespace,
        &key.name,
    ]
    .map(word)
    .join(" ")
}
