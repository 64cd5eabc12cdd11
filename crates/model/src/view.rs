//! What an engine publishes of its Stacks for readers such as the page: immutable values that share what
//! the engine holds in any case. It must not know who reads, and gives out no body of an object.

use std::sync::Arc;

use crate::digest::Digest;
use crate::object::{Key, Object, Origin};
use crate::plan::{Gate, Slot, Verb, Why};
use crate::revision::Revision;
use crate::stack::{Stack, StackKey};
use crate::status::Status;
use crate::time::Time;

mod links;
#[cfg(test)]
mod tests;
pub mod words;

pub use links::Link;

/// All Stacks as they were at one moment.
#[derive(Clone, Debug, Default)]
pub struct Fleet {
    /// Grows with every change of any Stack.
    pub number: u64,
    /// The Stacks, sorted by their keys.
    pub stacks: Vec<Arc<StackView>>,
    /// How far what is shown can be relied on.
    pub sight: Sight,
}

/// Whether the engine sees what happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sight {
    /// It was started and does not know all Stacks yet.
    #[default]
    Starting,
    /// It sees what happens, and can say so.
    Clear,
    /// The control plane does not answer since then.
    Blind(Time),
}

/// Something that has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The [`Fleet::number`] that has the change.
    pub number: u64,
    /// The Stack; none where it concerns all of them.
    pub stack: Option<StackKey>,
}

/// Everything that is known of a Stack.
#[derive(Clone, Debug)]
pub struct StackView {
    /// What somebody wants.
    pub stack: Arc<Stack>,
    /// How it is doing.
    pub status: Arc<Status>,
    /// The objects that Git wants, as far as that is known.
    pub objects: Objects,
    /// The objects that do not work, or not yet, or not on purpose; worst first.
    pub unwell: Arc<[Unwell]>,
    /// What the operation that is under way waits for.
    pub awaited: Arc<[Key]>,
    /// The newest plan that would change something, or did.
    pub proposal: Option<Arc<Proposal>>,
    /// Whether what is in place was seen to be what a render without secrets wants: only then values that
    /// are there may be shown beside wanted ones.
    pub is_clean: bool,
    /// When it is reconciled next although nothing wakes it.
    pub wake: Option<Wake>,
    /// What has happened, newest first; at most [`SAID_LIMIT`].
    pub said: Arc<[Arc<Said>]>,
    /// The [`Fleet::number`] of its last change.
    pub number: u64,
    /// When that was.
    pub at: Time,
}

/// The most events that are kept of a Stack.
pub const SAID_LIMIT: usize = 20;
/// The most steps of a plan that are kept; the others are counted.
pub const STEP_LIMIT: usize = 100;
/// The most fields of a step whose values are kept.
pub const FIELD_LIMIT: usize = 12;
/// The most characters of a value that are kept.
pub const VALUE_LIMIT: usize = 200;

/// Wanted objects, without a way to their values: they are shared with the engine.
#[derive(Clone, Default)]
pub struct Objects(Option<Arc<[Object]>>);

impl Objects {
    /// The objects of a render, as the engine holds them.
    pub fn of(objects: &Arc<[Object]>) -> Self {
        Self(Some(Arc::clone(objects)))
    }

    /// What they are called, and where each was written.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Origin)> {
        self.bodies()
            .iter()
            .map(|object| (object.key(), &object.origin))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.bodies().len()
    }

    /// Whether there are none, or none is known.
    pub fn is_empty(&self) -> bool {
        self.bodies().is_empty()
    }

    /// Which of them lead to which, by their indices.
    pub fn links(&self) -> Vec<Link> {
        links::of(self.bodies())
    }

    fn bodies(&self) -> &[Object] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl PartialEq for Objects {
    /// Whether they are the same ones, and not whether they are alike: a new render is news.
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Some(own), Some(theirs)) => Arc::ptr_eq(own, theirs),
            (None, None) => true,
            _ => false,
        }
    }
}

impl std::fmt::Debug for Objects {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Objects({})", self.len())
    }
}

/// An object that is not healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unwell {
    /// Which.
    pub key: Key,
    /// How it is doing.
    pub health: Health,
    /// Why, for people.
    pub message: String,
}

/// How an object is doing. Worse is greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Health {
    /// It works.
    Healthy,
    /// Nothing is known of it.
    #[default]
    Unknown,
    /// It does not run, on purpose.
    Suspended,
    /// It is on its way.
    Progressing,
    /// It is being deleted.
    Terminating,
    /// It is not there.
    Missing,
    /// It does not work.
    Degraded,
}

impl Health {
    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Self::Healthy => "Healthy",
            Self::Unknown => "Unknown",
            Self::Suspended => "Suspended",
            Self::Progressing => "Progressing",
            Self::Terminating => "Terminating",
            Self::Missing => "Missing",
            Self::Degraded => "Degraded",
        }
    }
}

/// A plan, with the reason of each step.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// What it was made from.
    pub revision: Revision,
    /// Its name.
    pub digest: Digest,
    /// What is done about it.
    pub course: Course,
    /// The steps that change something or say why they do not; at most [`STEP_LIMIT`].
    pub steps: Vec<ProposedStep>,
    /// How many more there are.
    pub more: usize,
    /// Whether values of fields are left out because what is rendered, or was, holds secrets, or may.
    pub is_masked: bool,
    /// When it was made.
    pub at: Time,
}

/// What is done about a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// It was carried out, as far as it could be.
    Done,
    /// It is under way and waits for objects to become healthy.
    Waiting,
    /// It failed, and rests before it is tried again.
    Resting,
    /// A person has to ask for it.
    Unasked,
}

/// A step of a [`Proposal`].
#[derive(Clone, Debug, PartialEq)]
pub struct ProposedStep {
    /// Which object.
    pub key: Key,
    /// What is done to it.
    pub verb: Verb,
    /// Why.
    pub why: Why,
    /// When in the plan.
    pub slot: Slot,
    /// What holds it back.
    pub gate: Option<Gate>,
    /// Where it is written.
    pub origin: Option<Origin>,
    /// The fields that differ, where their values may be shown; at most [`FIELD_LIMIT`].
    pub fields: Vec<FieldChange>,
}

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChange {
    /// A JSON pointer.
    pub field: String,
    /// What is there; nothing where there is none.
    pub live: Option<String>,
    /// What Git wants; nothing where it wants none.
    pub wanted: Option<String>,
}

/// When a Stack is reconciled although nothing wakes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wake {
    /// When.
    pub at: Time,
    /// What for.
    pub why: WakeReason,
}

/// What a Stack is woken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WakeReason {
    /// What did not answer is asked again.
    Again,
    /// What does not work is asked why.
    Health,
    /// It counts from then on that the source is away.
    SourceGrace,
    /// A pin expires.
    PinExpires,
    /// The operation that is under way is ended.
    Deadline,
    /// What failed is tried again.
    Retry,
    /// A field that was left to another writer is put back.
    Contended,
    /// What is left on another cluster is removed.
    Leaving,
    /// What the Stack owns could not be written down.
    Inventory,
    /// What was read from outside of Git is asked for news.
    Interval,
    /// What is being deleted is asked whether it is gone.
    Deleting,
}

/// Something that has happened to a Stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// When, the last time.
    pub at: Time,
    /// The same word that its Event has.
    pub reason: &'static str,
    /// Whether somebody should act.
    pub is_warning: bool,
    /// The object, where it is about one.
    pub object: Option<Key>,
    /// What has happened, for people.
    pub message: String,
    /// How often.
    pub times: u32,
}

impl StackView {
    /// What is known of a Stack that was not reconciled yet.
    pub fn new(stack: Arc<Stack>, at: Time) -> Self {
        Self {
            stack,
            status: Arc::default(),
            objects: Objects::default(),
            unwell: Arc::default(),
            awaited: Arc::default(),
            proposal: None,
            is_clean: false,
            wake: None,
            said: Arc::default(),
            number: 0,
            at,
        }
    }

    /// Whether two say the same, whenever that was found out.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let is_same_stack = Arc::ptr_eq(&self.stack, &other.stack) || self.stack == other.stack;
        is_same_stack
            && (Arc::ptr_eq(&self.status, &other.status) || self.status == other.status)
            && self.objects == other.objects
            && self.unwell == other.unwell
            && self.awaited == other.awaited
            && self.proposal == other.proposal
            && self.is_clean == other.is_clean
            && self.wake == other.wake
            && self.said == other.said
    }

    /// How one of its objects is doing.
    pub fn health_of(&self, key: &Key) -> (Health, &str) {
        let unwell = self.unwell.iter().find(|unwell| unwell.key == *key);
        match unwell {
            Some(unwell) => (unwell.health, &unwell.message),
            None if self.is_seen() => (Health::Healthy, ""),
            None => (Health::Unknown, ""),
        }
    }

    /// Whether its objects were seen on the target since the engine was started.
    pub fn is_seen(&self) -> bool {
        !self.objects.is_empty() && self.status.healthy.reason != crate::status::Reason::Pending
    }
}
