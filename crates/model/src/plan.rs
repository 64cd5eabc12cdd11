//! A plan: what would be done to a target, in which order, and why. It must not know how a plan is
//! made or carried out.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::digest::{Digest, Hasher};
use crate::object::{Key, LiveObject, Object, VersionedKey};
use crate::revision::Revision;
use crate::stack::{ClusterId, StackKey, StackUid};

/// What would be done to a target, in the order of its steps.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The Stack's name.
    pub stack: StackKey,
    /// The Stack's id.
    pub uid: StackUid,
    /// The cluster that it is for.
    pub cluster: ClusterId,
    /// What the desired objects were rendered from.
    pub revision: Revision,
    /// Every object that is wanted or was in the inventory, sorted by [`Slot`].
    pub steps: Vec<Step>,
}

/// One object and what happens to it.
#[derive(Clone, Debug)]
pub struct Step {
    /// What is done.
    pub verb: Verb,
    /// To which object.
    pub key: VersionedKey,
    /// The object as it is wanted; `None` for a delete.
    pub desired: Option<Object>,
    /// The object as it was when the plan was made.
    pub live: Option<LiveObject>,
    /// The reason.
    pub why: Why,
    /// When in the plan.
    pub slot: Slot,
    /// What holds the step back until a person confirms.
    pub gate: Option<Gate>,
    /// JSON pointers of the object that are left to others when it is sent: by choice of the Stack, by
    /// the rules of its kind, or because another writer keeps putting its own value back.
    pub left: Vec<String>,
}

/// What is done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Verb {
    /// It is not there and is made.
    Create,
    /// It is there and is changed.
    Update,
    /// It is deleted and made again, because a field of it cannot change.
    Replace,
    /// It is deleted.
    Delete,
    /// It is as it should be, or is left as it is.
    Keep,
    /// It is a hook, and is run to its end.
    Run,
}

impl fmt::Display for Verb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Keep => "keep",
            Self::Run => "run",
        })
    }
}

/// The reason for a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Nothing to do.
    Unchanged,
    /// The desired object is new or has changed.
    NewRevision {
        /// JSON pointers of what differs; empty when the object is new.
        fields: Vec<String>,
    },
    /// Nothing of it has changed in Git, and a value that it has from Vault has a new version there.
    SecretRotated {
        /// JSON pointers of what differs.
        fields: Vec<String>,
        /// The path of the secret in Vault.
        path: String,
        /// The version that was applied before.
        from: String,
        /// The version that is wanted now.
        to: String,
    },
    /// The live object has changed.
    Drift {
        /// JSON pointers of what differs; empty when the object is gone.
        fields: Vec<String>,
        /// Who changed it, where the target says.
        by: Option<String>,
        /// When, RFC 3339, where the target says.
        at: Option<String>,
    },
    /// The inventory has it and the desired set does not.
    Pruned,
    /// The inventory has it here, and the Stack has it elsewhere now.
    Moved {
        /// The target, or the namespace of the same target, where it is wanted now.
        to: String,
    },
    /// The inventory has it, and nothing shows that the Stack has ever applied it.
    NotOurs,
    /// Another Stack has it now, and has it in its inventory.
    HandedOver {
        /// The other Stack.
        to: StackKey,
    },
    /// Another Stack wants it and has not taken it over yet.
    HandingOver {
        /// The other Stack.
        to: StackKey,
    },
    /// Another Stack of the same repository may want it, and has not said so yet.
    Awaited {
        /// The other Stack.
        by: StackKey,
    },
    /// It is a hook, and an object that is somebody else's has its name.
    Stranger,
    /// It would take objects along that Git still wants.
    StillHolds {
        /// Some of them.
        objects: Vec<String>,
    },
    /// The Stack goes away from it, and it stays.
    LeftBehind,
    /// The Stack itself goes away.
    Removed,
    /// It would be pruned, and pruning is off or the object asks to stay.
    PruneOff,
    /// It has drifted, and healing is off.
    HealOff {
        /// JSON pointers of what differs.
        fields: Vec<String>,
    },
    /// It has drifted, and another writer keeps putting its own value back.
    Rival {
        /// JSON pointers of what differs.
        fields: Vec<String>,
        /// The other writer.
        by: String,
    },
    /// What an apply would change is not known: the type is not, and the server could not say.
    Unpredicted {
        /// Whether the same object was applied before.
        drifted: bool,
    },
    /// It ran to its end with this content and was then taken away, as its time to live says.
    Ended,
    /// It is being deleted, and is made again when it is gone.
    Going,
    /// It is wanted by another Stack that had it first.
    Claimed {
        /// The other Stack.
        by: StackKey,
    },
    /// It is not there any more, as it should be.
    AlreadyGone,
    /// It is a hook of this phase.
    Hook {
        /// When it runs.
        phase: Phase,
    },
}

impl fmt::Display for Why {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unchanged => formatter.write_str("unchanged"),
            Self::NewRevision { fields } if fields.is_empty() => formatter.write_str("new in Git"),
            Self::NewRevision { fields } if is_ownership(fields) => {
                formatter.write_str("as Git says, but its fields are not owned by Holdfast yet")
            }
            Self::NewRevision { fields } => write!(formatter, "Git changed {}", list(fields)),
            Self::SecretRotated { path, from, to, .. } => write!(
                formatter,
                "rotated in Vault: `{path}` from version {from} to {to}"
            ),
            Self::Drift { fields, by, at } => {
                // What the target says is the name of a program's field manager, and of no person.
                let by = match by {
                    Some(by) => format!("{by} (manager)"),
                    None => "somebody".to_owned(),
                };
                if fields.is_empty() {
                    write!(formatter, "drift: deleted by {by}")?;
                } else if is_ownership(fields) {
                    write!(formatter, "drift: fields owned by {by}")?;
                } else {
                    write!(formatter, "drift: {} changed by {by}", list(fields))?;
                }
                at.as_ref()
                    .map_or(Ok(()), |at| write!(formatter, " at {at}"))
            }
            Self::Pruned => formatter.write_str("no longer in Git"),
            Self::Removed => formatter.write_str("the Stack is being deleted"),
            Self::PruneOff => formatter.write_str("no longer in Git, but it is not to be pruned"),
            Self::HealOff { fields } => {
                write!(formatter, "drift in {}, and healing is off", list(fields))
            }
            Self::Rival { fields, by } if fields.is_empty() => {
                write!(formatter, "{by} keeps deleting it; made again later")
            }
            Self::Rival { fields, by } => {
                write!(
                    formatter,
                    "{by} keeps changing {}; left alone",
                    list(fields)
                )
            }
            Self::Unpredicted { .. } => {
                formatter.write_str("what would change is not known before it is applied")
            }
            Self::Ended => formatter.write_str("ran to its end; run again when Git changes it"),
            Self::Going => formatter.write_str("being deleted; made again when it is gone"),
            Self::Claimed { by } => write!(formatter, "belongs to Stack {by}"),
            Self::AlreadyGone => formatter.write_str("already gone"),
            Self::Hook { phase } => write!(formatter, "{phase:?} hook"),
            _ => self.of_others(formatter),
        }
    }
}

impl Why {
    /// The reasons that have to do with other places and other Stacks.
    fn of_others(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Moved { to } => write!(formatter, "the Stack has it in {to} now"),
            Self::NotOurs => formatter.write_str(
                "no longer in Git, but it is somebody else's: it carries neither our field manager \
                 nor the label of this Stack; left alone",
            ),
            Self::HandedOver { to } => write!(formatter, "Stack {to} has it now"),
            Self::HandingOver { to } => write!(formatter, "waits for Stack {to} to take it over"),
            Self::Awaited { by } => {
                write!(
                    formatter,
                    "no longer in Git here; waits for Stack {by}, which may want it"
                )
            }
            Self::Stranger => formatter
                .write_str("a hook is to run, but an object that is somebody else's has its name"),
            Self::StillHolds { objects } => write!(
                formatter,
                "no longer in Git, but Git still wants what would go with it: {}",
                list(objects)
            ),
            Self::LeftBehind => formatter.write_str("it stays, and is nobody's any more"),
            _ => Ok(()),
        }
    }
}

/// Whether nothing but who owns fields differs.
fn is_ownership(fields: &[String]) -> bool {
    matches!(fields, [field] if field == "/metadata/managedFields")
}

/// A number of things, in the singular where it is one.
pub fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

/// At most three by name, and how many more.
fn list(fields: &[String]) -> String {
    let mut text = fields
        .iter()
        .take(3)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if fields.len() > 3 {
        text.push_str(&format!(" and {} more", fields.len() - 3));
    }
    text
}

/// A part of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Hooks before anything is applied.
    PreSync,
    /// The objects themselves.
    Sync,
    /// Deletes, in reverse order.
    Prune,
    /// Hooks after everything is healthy.
    PostSync,
}

/// When a step's turn comes: phase, then wave, then the rank of its kind. Steps of one slot are
/// independent of each other and go in parallel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// The part of the operation.
    pub phase: Phase,
    /// The wave that the object asks for; 0 unless it does.
    pub wave: i32,
    /// The rank of its kind.
    pub rank: u16,
}

/// What holds a step back until a person confirms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gate {
    /// Nothing at all was rendered, and the inventory is not empty.
    EmptyRender,
    /// More of the inventory would be pruned than the Stack allows.
    PruneLimit {
        /// Objects that would go.
        pruned: usize,
        /// Objects in the inventory.
        inventory: usize,
        /// The limit in percent.
        percent: u8,
    },
    /// The kind takes other objects or data with it.
    PrecariousKind,
    /// It takes these objects with it, and whatever else there is in it.
    TakesAlong {
        /// Objects of Stacks that would go.
        objects: Vec<String>,
    },
}

impl fmt::Display for Gate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmptyRender => formatter.write_str("the revision renders to nothing"),
            Self::PruneLimit {
                pruned,
                inventory,
                percent,
            } => write!(
                formatter,
                "{pruned} of {inventory} objects would be pruned, more than {percent} %"
            ),
            Self::PrecariousKind => {
                formatter.write_str("deleting an object of this kind takes others or data with it")
            }
            Self::TakesAlong { objects } => write!(
                formatter,
                "deleting it takes {} along, and whatever else there is in it",
                list(objects)
            ),
        }
    }
}

impl Step {
    /// Whether the step would change the target.
    pub fn is_change(&self) -> bool {
        self.verb != Verb::Keep
    }

    /// The object's identity.
    pub fn identity(&self) -> &Key {
        &self.key.key
    }
}

impl Plan {
    /// The steps that would change something.
    pub fn changes(&self) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(|step| step.is_change())
    }

    /// Whether nothing would change.
    pub fn is_empty(&self) -> bool {
        self.changes().next().is_none()
    }

    /// The plan's name: over the Stack's id, the cluster, the revision and the sorted changes (verb, key, digest
    /// of the desired object); never over time, reasons or live state.
    pub fn digest(&self) -> Digest {
        self.digest_of(self.changes())
    }

    /// The digest of the steps that a gate holds back: it is the digest of the plan that is left
    /// when all other steps are done. `None` when no step is held.
    pub fn held_digest(&self) -> Option<Digest> {
        let held = || self.changes().filter(|step| step.gate.is_some());
        held().next().is_some().then(|| self.digest_of(held()))
    }

    fn digest_of<'a>(&self, steps: impl Iterator<Item = &'a Step>) -> Digest {
        let mut lines: Vec<(Verb, String, Option<Digest>)> = steps
            .map(|step| {
                let desired = step.desired.as_ref().map(Object::digest);
                (step.verb, step.key.key.to_string(), desired)
            })
            .collect();
        lines.sort();
        let mut hasher = Hasher::new("plan");
        hasher.field(self.uid.0.as_bytes());
        hasher.field(self.cluster.0.as_bytes());
        hasher.field(self.revision.commit.0.as_bytes());
        for (name, commit) in &self.revision.others {
            hasher.field(name.as_bytes());
            hasher.field(commit.0.as_bytes());
        }
        for (label, version) in &self.revision.charts {
            hasher.field(label.as_bytes());
            hasher.field(version.as_bytes());
        }
        for (verb, key, desired) in lines {
            hasher.field(verb.to_string().as_bytes());
            hasher.field(key.as_bytes());
            hasher.field(desired.unwrap_or_default().as_bytes());
        }
        hasher.finish()
    }
}
