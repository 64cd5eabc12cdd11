//! Claims: every one gets a volume of its own at once. It must not know pods.

use holdfast_model::Value;
use serde_json::json;

use super::Controllers;
use super::api::{CLAIMS, PODS, VOLUMES, fresh_uid, is_deleting};
use crate::rules::{items, text};
use crate::store::ObjectName;

const PROTECTION: &str = "kubernetes.io/pvc-protection";
const VOLUME_PROTECTION: &str = "kubernetes.io/pv-protection";

impl Controllers {
    pub(super) fn claim(&mut self, name: &ObjectName) {
        let Some(claim) = self.find(CLAIMS, name) else {
            self.release_volumes(name);
            return;
        };
        if is_deleting(&claim) {
            let used = self.list(PODS, Some(&name.namespace)).iter().any(|pod| {
                items(&pod["spec"], "volumes").iter().any(|volume| {
                    volume["persistentVolumeClaim"]["claimName"] == name.name.as_str()
                })
            });
            if !used {
                self.drop_protection(name, &claim);
            }
            return;
        }
        if claim["status"]["phase"] == "Bound" {
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
            let place = super::api::name_of(&volume);
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
