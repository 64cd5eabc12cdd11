//! How controllers read and write. It must not know what they want.

use std::sync::Arc;

use holdfast_admit::names::random_suffix;
use holdfast_admit::{ObjectName, ResourceId};
use holdfast_kinds::text;
use holdfast_model::Value;
use http::Method;
use serde_json::json;

use super::desk::Controllers;
use crate::chance::{new_uid, random};
use crate::state::Answer;
use crate::store::Stored;

/// The name under which controllers own fields.
pub(super) const MANAGER: &str = "kube-controller-manager";
/// The name under which the simulated node owns fields.
pub(super) const KUBELET: &str = "kubelet";

/// The most Events that are kept.
const MAX_EVENTS: usize = 4000;

/// A resource that controllers work with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Resource {
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) plural: &'static str,
    pub(super) kind: &'static str,
}

const fn resource(
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    kind: &'static str,
) -> Resource {
    Resource {
        group,
        version,
        plural,
        kind,
    }
}

pub(super) const NAMESPACES: Resource = resource("", "v1", "namespaces", "Namespace");
pub(super) const PODS: Resource = resource("", "v1", "pods", "Pod");
pub(super) const NODES: Resource = resource("", "v1", "nodes", "Node");
pub(super) const EVENTS: Resource = resource("", "v1", "events", "Event");
pub(super) const SERVICES: Resource = resource("", "v1", "services", "Service");
pub(super) const ACCOUNTS: Resource = resource("", "v1", "serviceaccounts", "ServiceAccount");
pub(super) const CONFIG_MAPS: Resource = resource("", "v1", "configmaps", "ConfigMap");
pub(super) const CLAIMS: Resource =
    resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim");
pub(super) const VOLUMES: Resource = resource("", "v1", "persistentvolumes", "PersistentVolume");
pub(super) const DEPLOYMENTS: Resource = resource("apps", "v1", "deployments", "Deployment");
pub(super) const REPLICA_SETS: Resource = resource("apps", "v1", "replicasets", "ReplicaSet");
pub(super) const STATEFUL_SETS: Resource = resource("apps", "v1", "statefulsets", "StatefulSet");
pub(super) const DAEMON_SETS: Resource = resource("apps", "v1", "daemonsets", "DaemonSet");
pub(super) const REVISIONS: Resource =
    resource("apps", "v1", "controllerrevisions", "ControllerRevision");
pub(super) const JOBS: Resource = resource("batch", "v1", "jobs", "Job");
pub(super) const CRON_JOBS: Resource = resource("batch", "v1", "cronjobs", "CronJob");
pub(super) const BUDGETS: Resource = resource(
    "policy",
    "v1",
    "poddisruptionbudgets",
    "PodDisruptionBudget",
);
pub(super) const STORAGE_CLASSES: Resource =
    resource("storage.k8s.io", "v1", "storageclasses", "StorageClass");
pub(super) const CLUSTER_ROLES: Resource = resource(
    "rbac.authorization.k8s.io",
    "v1",
    "clusterroles",
    "ClusterRole",
);
pub(super) const SLICES: Resource =
    resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice");

impl Resource {
    pub(super) fn id(self) -> ResourceId {
        ResourceId::new(self.group, self.plural)
    }

    pub(super) fn api_version(self) -> String {
        holdfast_model::object::join_api_version(self.group, self.version)
    }

    fn path(self, namespace: &str) -> String {
        let base = if self.group.is_empty() {
            format!("/api/{}", self.version)
        } else {
            format!("/apis/{}/{}", self.group, self.version)
        };
        if namespace.is_empty() {
            format!("{base}/{}", self.plural)
        } else {
            format!("{base}/namespaces/{namespace}/{}", self.plural)
        }
    }
}

impl Controllers {
    pub(super) fn stored(&self, resource: Resource, name: &ObjectName) -> Option<Arc<Stored>> {
        self.state.store().get(&resource.id(), name)
    }

    pub(super) fn find(&self, resource: Resource, name: &ObjectName) -> Option<Value> {
        self.stored(resource, name).map(|stored| stored.value())
    }

    pub(super) fn list(&self, resource: Resource, namespace: Option<&str>) -> Vec<Value> {
        let page = self.state.store().list(&resource.id(), namespace, None);
        let objects = page.map(|page| page.objects).unwrap_or_default();
        objects.iter().map(|stored| stored.value()).collect()
    }

    /// The objects that name `owner` as their controller.
    pub(super) fn controlled(&self, resource: Resource, owner: &Value) -> Vec<Value> {
        let uid = text(&owner["metadata"], "uid");
        let id = resource.id();
        let names = self.dependents.of(uid);
        let found = names.filter(|(kind, _)| *kind == id);
        found
            .filter_map(|(kind, name)| self.state.store().get(kind, name))
            .map(|stored| stored.value())
            .collect()
    }

    pub(super) fn create(&self, resource: Resource, namespace: &str, body: &Value) -> Answer {
        let path = resource.path(namespace);
        self.ask(MANAGER, Method::POST, &path, body)
    }

    /// A request in the name of a controller, which notes when a policy refuses it.
    pub(super) fn ask(&self, manager: &str, method: Method, path: &str, body: &Value) -> Answer {
        let answer = self.state.ask(manager, method, path, body);
        if answer.is_denied() {
            self.is_denied.set(true);
        }
        answer
    }

    /// Changes the fields of a merge patch.
    pub(super) fn patch(&self, resource: Resource, name: &ObjectName, patch: &Value) -> Answer {
        let path = format!("{}/{}", resource.path(&name.namespace), name.name);
        self.ask(MANAGER, Method::PATCH, &path, patch)
    }

    /// Applies the fields of an object under a name, by force.
    pub(super) fn apply(&self, manager: &str, resource: Resource, body: &Value) -> Answer {
        let name = name_of(body);
        let path = format!("{}/{}", resource.path(&name.namespace), name.name);
        self.state.apply(manager, &path, body)
    }

    /// Changes the status, unless nothing differs.
    pub(super) fn set_status(&self, resource: Resource, object: &Value, status: Value) {
        self.set_status_as(MANAGER, resource, object, status);
    }

    pub(super) fn set_status_as(
        &self,
        manager: &str,
        resource: Resource,
        object: &Value,
        status: Value,
    ) {
        if object["status"] == status {
            return;
        }
        let mut new = object.clone();
        new["status"] = status;
        self.put_status(manager, resource, new);
    }

    /// Writes an object through its status, with its annotations, whatever it was meanwhile.
    pub(super) fn put_status(&self, manager: &str, resource: Resource, mut new: Value) {
        if let Some(metadata) = new.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("resourceVersion");
        }
        let name = name_of(&new);
        let path = format!("{}/{}/status", resource.path(&name.namespace), name.name);
        self.ask(manager, Method::PUT, &path, &new);
    }

    pub(super) fn delete(&self, resource: Resource, name: &ObjectName, options: &Value) -> Answer {
        let path = format!("{}/{}", resource.path(&name.namespace), name.name);
        self.ask(MANAGER, Method::DELETE, &path, options)
    }

    /// Tells what happened to an object.
    pub(super) fn event(&self, about: (Resource, &Value), kind: &str, reason: &str, message: &str) {
        let (resource, object) = about;
        let name = name_of(object);
        let namespace = if name.namespace.is_empty() {
            "default"
        } else {
            &name.namespace
        };
        let now = self.state.now().to_string();
        let [first, second, third, fourth] = random::<4>();
        let unique = format!("{first:02x}{second:02x}{third:02x}{fourth:02x}");
        let event = json!({
            "apiVersion": "v1", "kind": "Event",
            "metadata": {"name": format!("{}.{unique}", name.name), "namespace": namespace},
            "involvedObject": {
                "apiVersion": resource.api_version(), "kind": resource.kind,
                "name": name.name, "namespace": name.namespace,
                "uid": object["metadata"]["uid"],
                "resourceVersion": object["metadata"]["resourceVersion"],
            },
            "reason": reason, "message": message, "type": kind, "count": 1,
            "firstTimestamp": now, "lastTimestamp": now,
            "source": {"component": "holdfast-simulation"},
            "reportingComponent": "holdfast-simulation", "reportingInstance": "",
        });
        self.create(EVENTS, namespace, &event);
        self.forget_events();
    }

    /// Events are of interest for a while only; the oldest go when there are too many.
    fn forget_events(&self) {
        let id = EVENTS.id();
        if self.state.store().count(&id) <= MAX_EVENTS {
            return;
        }
        let page = self.state.store().list(&id, None, None);
        let mut events = page.map(|page| page.objects).unwrap_or_default();
        events.sort_by_key(|stored| stored.revision);
        for stored in events.iter().take(MAX_EVENTS / 4) {
            self.delete(EVENTS, &stored.name, &Value::Null);
        }
    }
}

/// Where an object is.
pub(super) fn name_of(object: &Value) -> ObjectName {
    ObjectName {
        namespace: text(&object["metadata"], "namespace").to_owned(),
        name: text(&object["metadata"], "name").to_owned(),
    }
}

/// The reference by which an object names its controller.
pub(super) fn owner_reference(resource: Resource, owner: &Value) -> Value {
    json!({
        "apiVersion": resource.api_version(), "kind": resource.kind,
        "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true,
    })
}

/// Whether somebody has asked for its deletion.
pub(super) fn is_deleting(object: &Value) -> bool {
    object["metadata"].get("deletionTimestamp").is_some()
}

/// The status of a condition by its type.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions
        .iter()
        .find(|condition| condition["type"] == kind)
}

pub(super) fn is_true(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| condition["status"] == "True")
}

/// A pod made from a template.
pub(super) fn pod_from(template: &Value, owner: (Resource, &Value), name: Option<&str>) -> Value {
    let (resource, owner) = owner;
    let mut metadata = json!({
        "namespace": owner["metadata"]["namespace"],
        "ownerReferences": [owner_reference(resource, owner)],
    });
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(found) = template["metadata"].get(field) {
            metadata[field] = found.clone();
        }
    }
    match name {
        Some(name) => metadata["name"] = json!(name),
        None => {
            let base = text(&owner["metadata"], "name");
            metadata["generateName"] = json!(format!("{base}-"));
        }
    }
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
}

/// A name for the state of a template: letters that depend on nothing but the template.
pub(super) fn hash_of(template: &Value) -> String {
    let digest = holdfast_model::digest::Digest::of_value(template);
    random_suffix(&digest.as_bytes()[..10])
}

/// A new uid, for volumes.
pub(super) fn fresh_uid() -> String {
    new_uid()
}
