//! What an object is kept under. It must not know where that is.

use std::sync::Arc;

/// A resource as it is stored, whatever version it is asked for in.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceId {
    /// The API group.
    pub group: Arc<str>,
    /// The plural name.
    pub plural: Arc<str>,
}

impl ResourceId {
    /// The resource of a group by its plural name.
    pub fn new(group: &str, plural: &str) -> Self {
        Self {
            group: group.into(),
            plural: plural.into(),
        }
    }
}

/// Where an object is within its resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectName {
    /// Empty for what lives in no namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}
