//! Claims: every one gets a volume of its own, at once or, where its class has the binding mode
//! `WaitForFirstConsumer`, when a node is chosen for the first pod that uses it. It must not know
//! how pods run.

use holdfast_admit::ObjectName;
use holdfast_kinds::{items, text};
use holdfast_model::Value;
use http::Method;
use serde_json::json;

use super::api::{CLAIMS, EVENTS, PODS, STORAGE_CLASSES, VOLUMES, fresh_uid, is_deleting, name_of};
use super::desk::{Controllers, Task};

const PROTECTION: &str = "kubernetes.io/pvc-protection";
const VOLUME_PROTECTION: &str = "kubernetes.io/pv-protection";
/// Where the scheduler writes which node it has chosen for the first pod of a claim.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// The names of the claims that a pod uses.
pub(super) fn claims_of(pod: &Value) -> impl Iterator<Item = &str> {
    let volumes = items(&pod["spec"], "volumes").iter();
    volumes.filter_map(|volume| volume["persistentVolumeClaim"]["claimName"].as_str())
}

fn uses(pod: &Value, claim: &str) -> bool {
    claims_of(pod).any(|name| name == claim)
}

impl Controllers {
    pub(super) fn claim(&mut self, name: &ObjectName) {
        let Some(claim) = self.find(CLAIMS, name) else {
            self.release_volumes(name);
            return;
        };
        if is_deleting(&claim) {
            let pods = self.list(PODS, Some(&name.namespace));
            let used = pods.iter().any(|pod| uses(pod, &name.name));
            if !used {
                self.drop_protection(name, &claim);
            }
            return;
        }
        if claim["status"]["phase"] == "Bound" {
            return;
        }
        if self.waits_for_consumer(&claim) {
            self.tell_waiting(name, &claim);
            return;
        }
        let volume = match text(&claim["spec"], "volumeName") {
            "" => self.make_volume(name, &claim),
            named => named.to_owned(),
        };
        let class = match claim["spec"].get("storageClassName") {
            Some(class) => class.clone(),
            None => json!("standard"),
        };
        let patch = json!({
            "spec": {"volumeName": volume, "storageClassName": class},
            "metadata": {"annotations": {
                "pv.kubernetes.io/bind-completed": "yes",
                "pv.kubernetes.io/bound-by-controller": "yes"}},
        });
        let Some(bound) = self.patch(CLAIMS, name, &patch).ok() else {
            return;
        };
        let status = json!({
            "phase": "Bound", "accessModes": claim["spec"]["accessModes"],
            "capacity": claim["spec"]["resources"]["requests"],
        });
        self.set_status(CLAIMS, &bound, status);
    }

    /// Pods that no node is chosen for yet may be when a claim of theirs is bound.
    pub(super) fn notice_claim(&mut self, name: &ObjectName) {
        let pods = self.list(PODS, Some(&name.namespace)).into_iter();
        let waiting =
            pods.filter(|pod| text(&pod["spec"], "nodeName").is_empty() && uses(pod, &name.name));
        self.tasks
            .extend(waiting.map(|pod| Task::Pod(name_of(&pod))));
    }

    /// Whether a claim is bound only when a pod uses it, and none does yet.
    pub(super) fn waits_for_consumer(&self, claim: &Value) -> bool {
        let is_begun = !text(&claim["spec"], "volumeName").is_empty()
            || claim["status"]["phase"] == "Bound"
            || claim["metadata"]["annotations"]
                .get(SELECTED_NODE)
                .is_some();
        let class = ObjectName {
            namespace: String::new(),
            name: text(&claim["spec"], "storageClassName").to_owned(),
        };
        let class = self.find(STORAGE_CLASSES, &class).filter(|_| !is_begun);
        class.is_some_and(|class| class["volumeBindingMode"] == "WaitForFirstConsumer")
    }

    /// Whether the claims of a pod let it run on a node. Those that wait for their first consumer have
    /// one now, and are bound for that node before the pod is.
    pub(super) fn claims_allow(&self, pod: &Value, node: &str) -> bool {
        let place = name_of(pod);
        let claims = claims_of(pod).map(|name| ObjectName {
            namespace: place.namespace.clone(),
            name: name.to_owned(),
        });
        let mut is_allowed = true;
        for name in claims {
            let Some(claim) = self.find(CLAIMS, &name) else {
                continue;
            };
            let is_chosen = claim["metadata"]["annotations"]
                .get(SELECTED_NODE)
                .is_some();
            if self.waits_for_consumer(&claim) {
                let patch = json!({"metadata": {"annotations": {SELECTED_NODE: node}}});
                let path = format!(
                    "/api/v1/namespaces/{}/persistentvolumeclaims/{}",
                    name.namespace, name.name
                );
                self.state
                    .ask("kube-scheduler", Method::PATCH, &path, &patch);
                is_allowed = false;
            } else if is_chosen && claim["status"]["phase"] != "Bound" {
                is_allowed = false;
            }
        }
        is_allowed
    }

    /// Says once in an Event what a claim waits for, in the words of the volume controller.
    fn tell_waiting(&self, name: &ObjectName, claim: &Value) {
        let reason = "WaitForFirstConsumer";
        let uid = &claim["metadata"]["uid"];
        let events = self.list(EVENTS, Some(&name.namespace));
        let is_told = events
            .iter()
            .any(|event| event["involvedObject"]["uid"] == *uid && event["reason"] == reason);
        if !is_told {
            let message = "waiting for first consumer to be created before binding";
            self.event((CLAIMS, claim), "Normal", reason, message);
        }
        if claim["status"]["phase"].is_null() {
            self.set_status(CLAIMS, claim, json!({"phase": "Pending"}));
        }
    }

    fn make_volume(&self, name: &ObjectName, claim: &Value) -> String {
        let volume = format!("pvc-{}", text(&claim["metadata"], "uid"));
        let class = claim["spec"].get("storageClassName").cloned();
        let body = json!({
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": volume, "annotations": {
                "pv.kubernetes.io/provisioned-by": "simulation.holdfast.dev"}},
            "spec": {
                "capacity": claim["spec"]["resources"]["requests"],
                "accessModes": claim["spec"]["accessModes"],
                "persistentVolumeReclaimPolicy": "Delete",
                "storageClassName": class.unwrap_or_else(|| json!("standard")),
                "volumeMode": claim["spec"]["volumeMode"],
                "csi": {
                    "driver": "simulation.holdfast.dev", "volumeHandle": fresh_uid(),
                },
                "claimRef": {
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": name.name,
                    "namespace": name.namespace, "uid": claim["metadata"]["uid"],
                },
            },
        });
        if let Some(made) = self.create(VOLUMES, "", &body).ok() {
            self.set_status(VOLUMES, &made, json!({"phase": "Bound"}));
        }
        volume
    }

    fn drop_protection(&self, name: &ObjectName, claim: &Value) {
        let finalizers = items(&claim["metadata"], "finalizers");
        let left: Vec<&Value> = finalizers
            .iter()
            .filter(|known| **known != PROTECTION)
            .collect();
        if left.len() < finalizers.len() {
            self.patch(CLAIMS, name, &json!({"metadata": {"finalizers": left}}));
        }
    }

    /// Volumes that were made for a claim go with it.
    fn release_volumes(&self, name: &ObjectName) {
        for volume in self.list(VOLUMES, None) {
            let claim = &volume["spec"]["claimRef"];
            let ours = claim["name"] == name.name.as_str()
                && claim["namespace"] == name.namespace.as_str()
                && volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete";
            if !ours {
                continue;
            }
            let place = name_of(&volume);
            let finalizers = items(&volume["metadata"], "finalizers");
            let left: Vec<&Value> = finalizers
                .iter()
                .filter(|known| **known != VOLUME_PROTECTION)
                .collect();
            self.patch(VOLUMES, &place, &json!({"metadata": {"finalizers": left}}));
            self.delete(VOLUMES, &place, &Value::Null);
        }
    }
}
