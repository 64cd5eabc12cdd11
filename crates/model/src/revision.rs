//! Names for states of a source.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The id of a commit, in lower-case hex.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommitId(pub String);

impl CommitId {
    /// The first 12 digits, as people read it.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One state of a source: a commit, and the reference by which it was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Revision {
    /// The commit.
    pub commit: CommitId,
    /// The branch, tag or range that named it.
    pub reference: String,
    /// The commits of the Stack's other sources, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<String, CommitId>,
}

impl Revision {
    /// A state of a source alone.
    pub fn new(commit: CommitId, reference: impl Into<String>) -> Self {
        Self {
            commit,
            reference: reference.into(),
            others: BTreeMap::new(),
        }
    }

    /// The commit of a source by its name; that of the one that is rendered for an empty name.
    pub fn commit_of(&self, source: &str) -> Option<&CommitId> {
        match source {
            "" => Some(&self.commit),
            name => self.others.get(name),
        }
    }

    /// Whether the files are the same, whatever named them.
    pub fn has_commits_of(&self, other: &Revision) -> bool {
        self.commit == other.commit && self.others == other.others
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.reference, self.commit.short())?;
        for (name, commit) in &self.others {
            write!(formatter, " {name}@{}", commit.short())?;
        }
        Ok(())
    }
}
