//! What a person has asked for of a Stack: what, who, when and why. It must not know how that is written.

use std::collections::BTreeMap;
use std::fmt;

use crate::time::Time;

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// To look for a new revision and apply it now.
    Sync,
    /// To carry out a plan that waits.
    Approve,
    /// To end the operation that is under way.
    Terminate,
    /// To go back to an earlier revision.
    Rollback,
    /// To apply nothing.
    Suspend,
    /// To go on after a suspension or a rollback.
    Resume,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 6] = [
        Self::Sync,
        Self::Approve,
        Self::Terminate,
        Self::Rollback,
        Self::Suspend,
        Self::Resume,
    ];

    /// Its name, which is the verb by which it is allowed.
    pub fn verb(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Approve => "approve",
            Self::Terminate => "terminate",
            Self::Rollback => "rollback",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
        }
    }
}

/// Who has asked for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deed {
    /// The name of the person, as the API server has it.
    pub by: String,
    /// What just it was: a request, the digest of a plan, a commit. Somebody else may have written
    /// another one since.
    pub of: String,
    /// When.
    pub at: Option<Time>,
    /// Why, where they said so.
    pub reason: Option<String>,
}

/// The newest of each action.
pub type Deeds = BTreeMap<Action, Deed>;

impl fmt::Display for Deed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "by {}", self.by)?;
        match &self.reason {
            Some(reason) => write!(formatter, " ({reason})"),
            None => Ok(()),
        }
    }
}
