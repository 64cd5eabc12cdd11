//! Which objects name which owner. It must not know what becomes of them.

use std::collections::{BTreeSet, HashMap};

use holdfast_admit::{ObjectName, ResourceId};

/// Which objects name which owner.
#[derive(Default)]
pub(super) struct Dependents {
    pub(super) by_owner: HashMap<String, BTreeSet<(ResourceId, ObjectName)>>,
    pub(super) owners: HashMap<(ResourceId, ObjectName), Vec<String>>,
    /// Where an object of a uid is.
    pub(super) places: HashMap<String, (ResourceId, ObjectName)>,
}

impl Dependents {
    /// The objects that name this owner.
    pub(super) fn of(&self, uid: &str) -> impl Iterator<Item = &(ResourceId, ObjectName)> {
        self.by_owner.get(uid).into_iter().flatten()
    }
}
