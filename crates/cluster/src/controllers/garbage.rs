//! Garbage collection by owner references. It must not know kinds.

use holdfast_admit::{ObjectName, ResourceId};
use holdfast_kinds::{items, text};
use holdfast_model::Value;
use http::Method;
use serde_json::json;

use super::api::MANAGER;
use super::desk::{Controllers, Task};

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

impl Controllers {
    /// Remembers whom an object names as its owners.
    pub(super) fn track(
        &mut self,
        resource: &ResourceId,
        name: &ObjectName,
        value: &Value,
        gone: bool,
    ) {
        let place = (resource.clone(), name.clone());
        let uid = text(&value["metadata"], "uid").to_owned();
        for owner in self.dependents.owners.remove(&place).unwrap_or_default() {
            let mut empty = false;
            if let Some(known) = self.dependents.by_owner.get_mut(&owner) {
                known.remove(&place);
                empty = known.is_empty();
            }
            if empty {
                self.dependents.by_owner.remove(&owner);
            }
            if gone {
                self.tasks.insert(Task::Garbage(owner));
            }
        }
        if gone {
            self.dependents.places.remove(&uid);
            self.tasks.insert(Task::Garbage(uid));
            return;
        }
        self.dependents.places.insert(uid.clone(), place.clone());
        let references = items(&value["metadata"], "ownerReferences");
        let owners: Vec<String> = references
            .iter()
            .map(|owner| text(owner, "uid").to_owned())
            .collect();
        for owner in &owners {
            let known = self.dependents.by_owner.entry(owner.clone()).or_default();
            known.insert(place.clone());
            self.tasks.insert(Task::Garbage(owner.clone()));
        }
        if !owners.is_empty() {
            self.dependents.owners.insert(place, owners);
        }
        if value["metadata"].get("deletionTimestamp").is_some() {
            self.tasks.insert(Task::Garbage(uid));
        }
    }

    /// Sees to the dependents of an owner that is going or gone.
    pub(super) fn collect(&mut self, uid: &str) {
        let dependents: Vec<(ResourceId, ObjectName)> = self.dependents.of(uid).cloned().collect();
        let owner = self
            .dependents
            .places
            .get(uid)
            .and_then(|(resource, name)| {
                let stored = self.state.store().get(resource, name)?;
                Some((resource.clone(), name.clone(), stored.value()))
            });
        let owner = owner.filter(|(_, _, value)| value["metadata"]["uid"] == uid);
        let Some((resource, name, owner)) = owner else {
            for (resource, name) in &dependents {
                self.release_or_delete(resource, name, uid);
            }
            return;
        };
        let metadata = &owner["metadata"];
        if metadata.get("deletionTimestamp").is_none() {
            return;
        }
        let finalizers = items(metadata, "finalizers");
        if finalizers.contains(&json!(ORPHAN)) {
            for (resource, name) in &dependents {
                self.drop_reference(resource, name, uid);
            }
            self.drop_finalizer(&resource, &name, finalizers, ORPHAN);
        } else if finalizers.contains(&json!(FOREGROUND)) {
            let mut blocking = false;
            for (resource, name) in &dependents {
                let Some(stored) = self.state.store().get(resource, name) else {
                    continue;
                };
                let value = stored.value();
                let reference = items(&value["metadata"], "ownerReferences");
                blocking |= reference
                    .iter()
                    .any(|owner| owner["uid"] == uid && owner["blockOwnerDeletion"] == true);
                if value["metadata"].get("deletionTimestamp").is_none() {
                    self.delete_at(resource, name, "Foreground");
                }
            }
            if !blocking {
                self.drop_finalizer(&resource, &name, finalizers, FOREGROUND);
            }
        }
    }

    fn release_or_delete(&self, resource: &ResourceId, name: &ObjectName, uid: &str) {
        let Some(stored) = self.state.store().get(resource, name) else {
            return;
        };
        let value = stored.value();
        let references = items(&value["metadata"], "ownerReferences");
        // Whoever else owns it keeps it.
        let others = references.iter().any(|owner| {
            let other = text(owner, "uid");
            other != uid && self.dependents.places.contains_key(other)
        });
        if others {
            self.drop_reference(resource, name, uid);
        } else if value["metadata"].get("deletionTimestamp").is_none() {
            self.delete_at(resource, name, "Background");
        }
    }

    fn path_of(&self, resource: &ResourceId, name: &ObjectName) -> Option<String> {
        let served = self.state.registry().of_storage(resource)?;
        Some(served.path(&name.namespace, &name.name))
    }

    fn delete_at(&self, resource: &ResourceId, name: &ObjectName, propagation: &str) {
        if let Some(path) = self.path_of(resource, name) {
            let options = json!({"propagationPolicy": propagation});
            self.ask(MANAGER, Method::DELETE, &path, &options);
        }
    }

    fn drop_reference(&self, resource: &ResourceId, name: &ObjectName, uid: &str) {
        let stored = self.state.store().get(resource, name);
        let (Some(path), Some(stored)) = (self.path_of(resource, name), stored) else {
            return;
        };
        let value = stored.value();
        let references = items(&value["metadata"], "ownerReferences");
        let left: Vec<&Value> = references
            .iter()
            .filter(|owner| owner["uid"] != uid)
            .collect();
        let patch = json!({"metadata": {"ownerReferences": left}});
        self.ask(MANAGER, Method::PATCH, &path, &patch);
    }

    fn drop_finalizer(
        &self,
        resource: &ResourceId,
        name: &ObjectName,
        finalizers: &[Value],
        finalizer: &str,
    ) {
        if let Some(path) = self.path_of(resource, name) {
            let left: Vec<&Value> = finalizers
                .iter()
                .filter(|known| **known != finalizer)
                .collect();
            let patch = json!({"metadata": {"finalizers": left}});
            self.ask(MANAGER, Method::PATCH, &path, &patch);
        }
    }
}
