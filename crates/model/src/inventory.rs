//! What a Stack owns on its target. It must not know where it is kept.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::digest::{Digest, Hasher};
use crate::object::{GroupKind, Key, VersionedKey};
use crate::operation::{End, Operation, Stage, StepState};
use crate::plan::{Plan, Verb, Why};

/// Every object that a Stack has made, or is about to make, by its key; the value is the API
/// version under which it was last written.
///
/// Guarantees: a key joins before the object can exist, and leaves only when its delete is
/// confirmed, so nothing is orphaned by a crash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inventory {
    /// API version by key.
    pub entries: BTreeMap<Key, Arc<str>>,
    /// Hooks that have ended, and Jobs that go some time after their end, by key: the digest of the
    /// object as it ran.
    pub hooks: BTreeMap<Key, Digest>,
}

/// A line of a stored inventory could not be read.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("inventory line {line} is not `group version kind namespace name`")]
pub struct ParseInventoryError {
    /// The line's number, from 1.
    pub line: usize,
}

impl Inventory {
    /// This inventory with every key that the plan would write; `None` when none is new.
    pub fn before(&self, plan: &Plan) -> Option<Inventory> {
        let mut next = self.clone();
        let joining = plan
            .steps
            .iter()
            .filter(|step| step.desired.is_some() && !matches!(step.why, Why::Hook { .. }))
            .filter(|step| !matches!(step.why, Why::Claimed { .. }));
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
            match step.verb {
                Verb::Delete if done && gone(key) => {
                    next.entries.remove(key);
                    next.hooks.remove(key);
                }
                Verb::Run if done && operation.stage == Stage::Ended(End::Succeeded) => {
                    let digest = step.desired.as_ref().map(|desired| desired.digest());
                    next.hooks.insert(key.clone(), digest.unwrap_or_default());
                }
                Verb::Delete | Verb::Run => {}
                // A hook is no part of what is kept.
                Verb::Keep if matches!(step.why, Why::Hook { .. }) => {}
                Verb::Keep if step.desired.is_none() && step.live.is_none() => {
                    next.entries.remove(key);
                    next.hooks.remove(key);
                }
                Verb::Keep if matches!(step.why, Why::Claimed { .. }) => {
                    next.entries.remove(key);
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
    /// sixth word, their digest. Sorted, so that equal inventories have equal text.
    pub fn to_lines(&self) -> String {
        let mut text = String::new();
        for (key, version) in &self.entries {
            text.push_str(&line(key, version));
            text.push('\n');
        }
        for (key, digest) in &self.hooks {
            text.push_str(&line(key, ""));
            text.push_str(&format!(" {digest}\n"));
        }
        text
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
            let [group, version, kind, namespace, name, rest @ ..] = words.as_slice() else {
                return Err(refuse());
            };
            let filled = |word| if word == "-" { "" } else { word };
            let namespace = Some(filled(namespace)).filter(|text| !text.is_empty());
            let kind = GroupKind::new(filled(group), filled(kind));
            let key = Key::new(&kind, namespace, filled(name));
            match rest {
                [] => {
                    inventory.entries.insert(key, filled(version).into());
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
