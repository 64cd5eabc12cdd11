//! Which kinds are served: the built-in ones, and those that CustomResourceDefinitions add.
//! It must not know objects.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use holdfast_admit::{ResourceId, Served};
use holdfast_model::Value;
use holdfast_schema::Schema;

/// Groups of the tables that are not served: nothing here would act on them.
const UNSERVED_GROUPS: [&str; 2] = ["apiregistration.k8s.io", "internal.apiserver.k8s.io"];

/// A kind by group, version and plural.
type ByPath = HashMap<(String, String, String), Arc<Served>>;

/// The kinds of a cluster.
#[derive(Default)]
pub(crate) struct Registry {
    custom: RwLock<BTreeMap<String, Vec<Arc<Served>>>>,
}

fn built_in() -> &'static ByPath {
    static BUILT_IN: OnceLock<ByPath> = OnceLock::new();
    BUILT_IN.get_or_init(|| {
        let kinds = Schema::builtin().kinds().iter();
        let served = kinds.filter(|kind| !UNSERVED_GROUPS.contains(&kind.group.as_str()));
        served
            .map(|kind| {
                let served = Served::built_in(kind);
                let key = (
                    kind.group.clone(),
                    kind.version.clone(),
                    kind.plural.clone(),
                );
                (key, Arc::new(served))
            })
            .collect()
    })
}

/// Whether a version is served, and not only kept.
fn is_served(served: &Served) -> bool {
    let custom = served.custom.as_ref();
    custom.is_none_or(|custom| custom.served)
}

impl Registry {
    /// The kind that a path names.
    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Served>> {
        let key = (group.to_owned(), version.to_owned(), plural.to_owned());
        if let Some(found) = built_in().get(&key) {
            return Some(found.clone());
        }
        let custom = self.custom.read().unwrap_or_else(PoisonError::into_inner);
        let found = custom.get(&format!("{plural}.{group}"))?;
        let found = found
            .iter()
            .find(|served| served.kind.version == version)
            .filter(|served| served.custom.as_ref().is_some_and(|custom| custom.served));
        found.cloned()
    }

    /// Whether anything of a group is served.
    pub(crate) fn has_group(&self, group: &str) -> bool {
        self.find_by(|served| served.kind.group == group).is_some()
    }

    /// The kind that a stored resource is kept in.
    pub(crate) fn of_storage(&self, storage: &ResourceId) -> Option<Arc<Served>> {
        self.find_by(|served| {
            served.storage == *storage && served.storage_version == served.kind.api_version()
        })
    }

    /// The kind of this name.
    pub(crate) fn of_kind(&self, group: &str, version: &str, kind: &str) -> Option<Arc<Served>> {
        self.find_by(|served| {
            let own = &served.kind;
            own.kind == kind && own.group == group && own.version == version && is_served(served)
        })
    }

    /// The other kinds whose objects are those of this one.
    pub(crate) fn equivalents(&self, of: &Served) -> Vec<Arc<Served>> {
        let is_other = |served: &&Arc<Served>| {
            let is_same = served.kind.group == of.kind.group
                && served.kind.version == of.kind.version
                && served.kind.plural == of.kind.plural;
            served.storage == of.storage && !is_same && is_served(served)
        };
        let mut found: Vec<Arc<Served>> = built_in().values().filter(is_other).cloned().collect();
        let custom = self.custom.read().unwrap_or_else(PoisonError::into_inner);
        found.extend(custom.values().flatten().filter(is_other).cloned());
        found.sort_by(|left, right| left.kind.version.cmp(&right.kind.version));
        found
    }

    fn find_by(&self, wanted: impl Fn(&Served) -> bool) -> Option<Arc<Served>> {
        let fits = |served: &&Arc<Served>| wanted(served);
        if let Some(found) = built_in().values().find(fits) {
            return Some(found.clone());
        }
        let custom = self.custom.read().unwrap_or_else(PoisonError::into_inner);
        custom.values().flatten().find(fits).cloned()
    }

    /// Every kind that is served, by group, version and plural.
    pub(crate) fn all(&self) -> Vec<Arc<Served>> {
        let mut found: Vec<Arc<Served>> = built_in().values().cloned().collect();
        let custom = self.custom.read().unwrap_or_else(PoisonError::into_inner);
        let served = custom.values().flatten();
        found.extend(
            served
                .filter(|served| served.custom.as_ref().is_some_and(|custom| custom.served))
                .cloned(),
        );
        found.sort_by(|left, right| {
            let order = |served: &Served| {
                (
                    served.kind.group.clone(),
                    served.kind.version.clone(),
                    served.kind.plural.clone(),
                )
            };
            order(left).cmp(&order(right))
        });
        found
    }

    /// Serves what a definition defines, in place of what it defined before.
    pub(crate) fn define(&self, crd: &Value) {
        let Some((name, served)) = Served::of_definition(crd) else {
            return;
        };
        let served = served.into_iter().map(Arc::new).collect();
        let mut custom = self.custom.write().unwrap_or_else(PoisonError::into_inner);
        custom.insert(name.to_owned(), served);
    }

    /// Serves no longer what other definitions than these defined.
    pub(crate) fn keep(&self, names: &BTreeSet<String>) {
        let mut custom = self.custom.write().unwrap_or_else(PoisonError::into_inner);
        custom.retain(|name, _| names.contains(name));
    }

    /// Serves no longer what a definition defined.
    pub(crate) fn undefine(&self, name: &str) {
        let mut custom = self.custom.write().unwrap_or_else(PoisonError::into_inner);
        custom.remove(name);
    }
}
