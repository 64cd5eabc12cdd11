//! What a Stack's owner is told. It must not know the wire form of any dialect.

use std::fmt;

use crate::digest::Digest;
use crate::object::{Key, Origin};
use crate::operation::End;
use crate::pin::Pin;
use crate::revision::Revision;
use crate::stack::StackKey;
use crate::time::Time;

/// How a Stack is doing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// The generation of the intent that this speaks of.
    pub generation: i64,
    /// The last revision that was carried out without failure.
    pub applied: Option<Revision>,
    /// The last revision that was tried.
    pub attempted: Option<Revision>,
    /// Digest of what `applied` renders to.
    pub rendered: Option<Digest>,
    /// What Git is at, as far as it was seen.
    pub followed: Option<Followed>,
    /// What holds the Stack at an older revision.
    pub pin: Option<Pin>,
    /// Whether what was last seen in Git is in place and works.
    pub ready: Condition,
    /// Whether the target has what Git says.
    pub synced: Condition,
    /// Whether what is there works.
    pub healthy: Condition,
    /// Whether the sources can be read.
    pub source: Condition,
    /// How many objects the Stack owns, and the digest of their keys.
    pub inventory: (usize, Digest),
    /// The Stacks that have yet to take over what Git gives to them now, where nothing else is missing
    /// here.
    pub passing_to: Vec<StackKey>,
    /// What is wrong, worst first; at most [`PROBLEM_LIMIT`].
    pub problems: Vec<Problem>,
    /// The plan that waits for a person.
    pub pending: Option<Pending>,
    /// The newest request to look again that has been followed.
    pub handled: Option<String>,
    /// The newest request to look at Git that has been followed.
    pub refreshed: Option<String>,
    /// The newest confirmation of a plan that has been taken up.
    pub approval: Option<Digest>,
    /// The last operations, newest first; at most [`HISTORY_LIMIT`].
    pub history: Vec<Past>,
    /// The last revisions that became healthy, newest first; at most [`WORKED_LIMIT`].
    pub worked: Vec<Worked>,
    /// The operation that is under way and waits.
    pub operation: Option<UnderWay>,
    /// The newest request to end an operation that has been followed, and what it ended.
    pub terminated: Option<Terminated>,
    /// When what has failed is tried again.
    pub retry: Option<Time>,
    /// Fields that are left to other writers for now; at most [`LEFT_LIMIT`].
    pub left: Vec<LeftAlone>,
}

/// An operation that waits. An engine that starts goes on with it in the time that is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// What is applied.
    pub revision: Revision,
    /// When it began.
    pub started: Time,
    /// When it is ended, whatever it waits for.
    pub deadline: Time,
}

/// What came of a request to end an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terminated {
    /// The request.
    pub request: String,
    /// The revision whose operation it ended, which is not tried again by itself; none where nothing was
    /// under way, or where somebody has asked for it since.
    pub revision: Option<Revision>,
    /// The generation of the Stack then.
    pub generation: i64,
}

/// A field that is left to another writer who keeps putting its own value there, or an object that
/// keeps being deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftAlone {
    /// The object.
    pub object: Key,
    /// A JSON pointer; empty for the whole object.
    pub field: String,
    /// The other writer.
    pub by: String,
    /// Since when.
    pub since: Time,
    /// Until when, unless the other one puts its value there once more.
    pub until: Time,
}

/// What Git is at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Followed {
    /// The commits, and what ranges of charts mean.
    pub revision: Revision,
    /// Digest of what it renders to; nothing where it cannot be rendered.
    pub rendered: Option<Digest>,
}

/// A revision that became healthy while it was what Git was at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worked {
    /// The revision.
    pub revision: Revision,
    /// Digest of what it rendered to.
    pub rendered: Digest,
    /// When it became healthy.
    pub at: Time,
    /// When somebody went back from it to an older one.
    pub left: Option<Time>,
}

/// The most problems that a status holds.
pub const PROBLEM_LIMIT: usize = 50;
/// The most fields left alone that a status lists.
pub const LEFT_LIMIT: usize = 50;
/// The most operations that a status remembers.
pub const HISTORY_LIMIT: usize = 10;
/// The most revisions that a status remembers as healthy.
pub const WORKED_LIMIT: usize = 10;

/// A statement about a Stack.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// Whether it holds.
    pub holds: Truth,
    /// Why.
    pub reason: Reason,
    /// The same for people.
    pub message: String,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
    /// It cannot be said yet.
    #[default]
    Unknown,
}

/// Every reason that a condition can have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Nothing is known yet.
    #[default]
    Pending,
    /// All is well.
    Succeeded,
    /// An operation is under way.
    Progressing,
    /// The intent cannot be read.
    InvalidSpec,
    /// The Stack's Tenant does not allow it.
    NotPermitted,
    /// The source could not be fetched.
    SourceFailed,
    /// The files could not be rendered.
    RenderFailed,
    /// The target could not be reached or has no such kind.
    TargetFailed,
    /// Some steps failed.
    ApplyFailed,
    /// An operation took too long.
    TimedOut,
    /// An object does not work.
    Degraded,
    /// A person must confirm a plan.
    ConfirmationNeeded,
    /// Another Stack is not ready.
    DependencyNotReady,
    /// The Stack depends on itself by way of others.
    DependencyCycle,
    /// The target differs from Git and is left so.
    Drifted,
    /// A new revision waits for a person.
    OutOfSync,
    /// Nothing is done for now.
    Suspended,
    /// The Stack is held at an older revision.
    Pinned,
    /// The Stack is being deleted.
    Deleting,
    /// An operation was told to stop.
    Terminated,
    /// Holdfast itself has failed at it.
    Defect,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Pending => "Pending",
            Self::Succeeded => "Succeeded",
            Self::Progressing => "Progressing",
            Self::InvalidSpec => "InvalidSpec",
            Self::NotPermitted => "NotPermitted",
            Self::SourceFailed => "SourceFailed",
            Self::RenderFailed => "RenderFailed",
            Self::TargetFailed => "TargetFailed",
            Self::ApplyFailed => "ApplyFailed",
            Self::TimedOut => "TimedOut",
            Self::Degraded => "Degraded",
            Self::ConfirmationNeeded => "ConfirmationNeeded",
            Self::DependencyNotReady => "DependencyNotReady",
            Self::DependencyCycle => "DependencyCycle",
            Self::Drifted => "Drifted",
            Self::OutOfSync => "OutOfSync",
            Self::Suspended => "Suspended",
            Self::Pinned => "Pinned",
            Self::Deleting => "Deleting",
            Self::Terminated => "Terminated",
            Self::Defect => "Defect",
        })
    }
}

/// Something wrong with one object or one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// A stable CamelCase word.
    pub reason: String,
    /// The object, where there is one.
    pub object: Option<Key>,
    /// Where it was written, where that is known.
    pub origin: Option<Origin>,
    /// What is wrong.
    pub message: String,
    /// What a person can do.
    pub hint: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(origin) = &self.origin {
            write!(formatter, "{origin}: ")?;
        }
        if let Some(object) = &self.object {
            write!(formatter, "{object}: ")?;
        }
        formatter.write_str(&self.message)
    }
}

/// A plan that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The digest that a confirmation has to name.
    pub plan: Digest,
    /// What would be done, in a line.
    pub summary: String,
    /// Why it waits.
    pub reason: String,
}

/// A line of the history: an operation that has ended, or what happened to a pin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// What was carried out, gone back to, or is followed again.
    pub revision: Revision,
    /// What happened.
    pub end: PastEnd,
    /// When it happened, the last time.
    pub at: Time,
    /// What was done and why, in a line.
    pub summary: String,
    /// Digest of what the commit rendered to, where that counts.
    pub rendered: Option<Digest>,
    /// How often it was tried: failures of one revision in a row, and what came after them, are one
    /// line.
    pub attempts: u32,
}

/// What a line of the history tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PastEnd {
    /// An operation ended so.
    Operation(End),
    /// A person went back to the revision.
    Pinned,
    /// What held the Stack at an older revision ended.
    Unpinned,
    /// A person had nothing applied any more.
    Suspended,
    /// A person had the Stack go on.
    Resumed,
}

/// Why sources could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceTrouble {
    /// Since when.
    pub since: Time,
    /// What happened, the last time.
    pub message: String,
}

/// What the engine takes up from a status that it wrote before it was started again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Remembered {
    /// The last revision that was carried out without failure.
    pub applied: Option<Revision>,
    /// The last revision that was tried.
    pub attempted: Option<Revision>,
    /// What `applied` rendered to.
    pub rendered: Option<Digest>,
    /// The generation at which the Stack was ready, where it was.
    pub ready_generation: Option<i64>,
    /// Whether it was known if the sources can be read.
    pub is_source_known: bool,
    /// Why the sources could not be read, where they could not.
    pub source_trouble: Option<SourceTrouble>,
    /// The newest request to look again that has been followed.
    pub handled: Option<String>,
    /// The newest request to look at Git that has been followed.
    pub refreshed: Option<String>,
    /// The newest confirmation of a plan that has been taken up.
    pub approval: Option<Digest>,
    /// What Git was at.
    pub followed: Option<Followed>,
    /// What held the Stack at an older revision.
    pub pin: Option<Pin>,
    /// The last operations, newest first.
    pub history: Vec<Past>,
    /// The last revisions that became healthy, newest first.
    pub worked: Vec<Worked>,
    /// The operation that was under way.
    pub operation: Option<UnderWay>,
    /// The newest request to end an operation that was followed.
    pub terminated: Option<Terminated>,
}
