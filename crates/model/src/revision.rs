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
    /// What ranges of charts meant: the version by the range's label
    /// ([`crate::external::External::label`]). Where it is empty, the newest count.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub charts: BTreeMap<String, String>,
}

/// A chart as people call it, such as `web-1.2.0`, of a range's label.
pub fn chart_name(label: &str, version: &str) -> String {
    let (chart, _) = label.rsplit_once('@').unwrap_or((label, ""));
    let name = chart.rsplit('/').next().unwrap_or_default();
    format!("{name}-{version}")
}

impl Revision {
    /// A state of a source alone.
    pub fn new(commit: CommitId, reference: impl Into<String>) -> Self {
        Self {
            commit,
            reference: reference.into(),
            others: BTreeMap::new(),
            charts: BTreeMap::new(),
        }
    }

    /// The commit of a source by its name; that of the one that is rendered for an empty name.
    pub fn commit_of(&self, source: &str) -> Option<&CommitId> {
        match source {
            "" => Some(&self.commit),
            name => self.others.get(name),
        }
    }

    /// Whether the commits are the same, whatever named them.
    pub fn has_commits_of(&self, other: &Revision) -> bool {
        self.commit == other.commit && self.others == other.others
    }

    /// Whether what is known of charts agrees: no range means one version here and another there.
    pub fn has_charts_of(&self, other: &Revision) -> bool {
        let mut charts = self.charts.iter();
        charts.all(|(label, version)| other.charts.get(label).is_none_or(|known| known == version))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.reference.is_empty() {
            write!(formatter, "{}@", self.reference)?;
        }
        formatter.write_str(self.commit.short())?;
        for (name, commit) in &self.others {
            write!(formatter, " {name}@{}", commit.short())?;
        }
        for (label, version) in &self.charts {
            write!(formatter, " {}", chart_name(label, version))?;
        }
        Ok(())
    }
}
