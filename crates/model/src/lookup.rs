//! What charts ask a cluster for while they are rendered. It must not know who answers.

use std::fmt;

use crate::object::{GroupKind, is_sensitive, split_api_version};

/// What a chart asks of a cluster with `lookup`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lookup {
    /// Such as `v1` or `apps/v1`.
    pub api_version: String,
    /// Such as `Secret`.
    pub kind: String,
    /// The namespace; empty for all of them, and without a meaning for kinds of the whole cluster.
    pub namespace: String,
    /// The name; empty for all objects of the kind.
    pub name: String,
}

impl Lookup {
    /// The kind without its version.
    pub fn group_kind(&self) -> GroupKind {
        let (group, _) = split_api_version(&self.api_version);
        GroupKind::new(group, &self.kind)
    }

    /// Whether the answer must not be shown.
    pub fn is_sensitive(&self) -> bool {
        is_sensitive(&self.group_kind())
    }
}

impl fmt::Display for Lookup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}", self.api_version, self.kind)?;
        for part in [&self.namespace, &self.name] {
            write!(formatter, " {}", if part.is_empty() { "*" } else { part })?;
        }
        Ok(())
    }
}
