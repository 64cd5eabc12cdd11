//! Volumes: those that the simulated provisioner makes, and those that are there and fit a claim. It must
//! not know when a claim is bound.

use holdfast_admit::ObjectName;
use holdfast_admit::labels::{labels_match, of_label_selector};
use holdfast_kinds::{Quantity, items, text};
use holdfast_model::Value;
use serde_json::json;

use super::api::{VOLUMES, fresh_uid, is_deleting, name_of};
use super::claims::PROVISIONER;
use super::desk::Controllers;

const PROTECTION: &str = "kubernetes.io/pv-protection";

fn named(name: &str) -> ObjectName {
    ObjectName {
        namespace: String::new(),
        name: name.to_owned(),
    }
}

/// Whether a volume is nobody's, or kept for a claim by name.
fn is_free_for(volume: &Value, claim: &Value) -> bool {
    let holder = &volume["spec"]["claimRef"];
    let metadata = &claim["metadata"];
    holder.is_null()
        || (["name", "namespace"]
            .iter()
            .all(|field| holder[*field] == metadata[*field])
            && (holder["uid"].is_null() || holder["uid"] == metadata["uid"]))
}

/// How much a volume has or a claim wants, in billionths of a byte.
fn amount(of: &Value) -> i128 {
    let quantity = of["storage"].as_str().and_then(Quantity::parse);
    quantity.map_or(0, |quantity| quantity.nanos)
}

/// Whether a volume has what a claim asks for.
fn fits(volume: &Value, claim: &Value) -> bool {
    let (spec, wanted) = (&volume["spec"], &claim["spec"]);
    let modes = items(spec, "accessModes");
    let is_labelled = wanted["selector"].is_null()
        || of_label_selector(&wanted["selector"])
            .is_some_and(|selector| labels_match(&selector, volume["metadata"].get("labels")));
    text(spec, "storageClassName") == text(wanted, "storageClassName")
        && spec["volumeMode"] == wanted["volumeMode"]
        && items(wanted, "accessModes")
            .iter()
            .all(|mode| modes.contains(mode))
        && amount(&spec["capacity"]) >= amount(&wanted["resources"]["requests"])
        && is_labelled
}

impl Controllers {
    /// A volume that a claim names, if it is there and nobody else's.
    pub(super) fn named_volume(&self, name: &str, claim: &Value) -> Option<String> {
        let volume = self.find(VOLUMES, &named(name))?;
        is_free_for(&volume, claim).then(|| name.to_owned())
    }

    /// The smallest volume that fits a claim, one that is kept for it before all others.
    pub(super) fn free_volume(&self, claim: &Value) -> Option<String> {
        let volumes = self.list(VOLUMES, None).into_iter();
        let free = volumes.filter(|volume| {
            !is_deleting(volume) && is_free_for(volume, claim) && fits(volume, claim)
        });
        let best = free.min_by_key(|volume| {
            let is_anybodys = volume["spec"]["claimRef"].is_null();
            let name = text(&volume["metadata"], "name").to_owned();
            (is_anybodys, amount(&volume["spec"]["capacity"]), name)
        });
        best.map(|volume| text(&volume["metadata"], "name").to_owned())
    }

    /// Makes a volume the claim's; whether it is.
    pub(super) fn hold_volume(&self, name: &str, claim: &Value) -> bool {
        let place = named(name);
        let Some(volume) = self.find(VOLUMES, &place) else {
            return false;
        };
        let metadata = &claim["metadata"];
        let holder = json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": metadata["name"],
            "namespace": metadata["namespace"], "uid": metadata["uid"],
        });
        let is_held = volume["spec"]["claimRef"]["uid"] == metadata["uid"];
        let held = match is_held {
            true => Some(volume),
            false => {
                let patch = json!({"spec": {"claimRef": holder}});
                self.patch(VOLUMES, &place, &patch).ok()
            }
        };
        let Some(held) = held else { return false };
        if held["status"]["phase"] != "Bound" {
            self.set_status(VOLUMES, &held, json!({"phase": "Bound"}));
        }
        true
    }

    /// Makes a volume for a claim as the simulated provisioner does; its name.
    pub(super) fn make_volume(&self, name: &ObjectName, claim: &Value) -> Option<String> {
        let volume = format!("pvc-{}", text(&claim["metadata"], "uid"));
        let class = text(&claim["spec"], "storageClassName");
        let policy = self.class(class)?["reclaimPolicy"].clone();
        let body = json!({
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": volume, "annotations": {
                "pv.kubernetes.io/provisioned-by": PROVISIONER}},
            "spec": {
                "capacity": claim["spec"]["resources"]["requests"],
                "accessModes": claim["spec"]["accessModes"],
                "persistentVolumeReclaimPolicy": policy,
                "storageClassName": class,
                "volumeMode": claim["spec"]["volumeMode"],
                "csi": {"driver": PROVISIONER, "volumeHandle": fresh_uid()},
                "claimRef": {
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim", "name": name.name,
                    "namespace": name.namespace, "uid": claim["metadata"]["uid"],
                },
            },
        });
        // One that is there was made by this before it was interrupted.
        self.create(VOLUMES, "", &body);
        Some(volume)
    }

    /// A volume that is nobody's can be had.
    pub(super) fn volume(&mut self, name: &ObjectName) {
        let Some(volume) = self
            .find(VOLUMES, name)
            .filter(|volume| !is_deleting(volume))
        else {
            return;
        };
        let phase = text(&volume["status"], "phase");
        let is_held = volume["spec"]["claimRef"].get("uid").is_some();
        if !is_held && phase != "Available" {
            self.set_status(VOLUMES, &volume, json!({"phase": "Available"}));
        }
    }

    /// Volumes of a claim that is gone go with it, or are released where their class keeps them.
    pub(super) fn release_volumes(&self, name: &ObjectName) {
        for volume in self.list(VOLUMES, None) {
            let claim = &volume["spec"]["claimRef"];
            let is_its = claim["name"] == name.name.as_str()
                && claim["namespace"] == name.namespace.as_str()
                && claim.get("uid").is_some();
            if !is_its {
                continue;
            }
            if volume["spec"]["persistentVolumeReclaimPolicy"] != "Delete" {
                if volume["status"]["phase"] != "Released" {
                    self.set_status(VOLUMES, &volume, json!({"phase": "Released"}));
                }
                continue;
            }
            let place = name_of(&volume);
            let finalizers = items(&volume["metadata"], "finalizers");
            let left: Vec<&Value> = finalizers
                .iter()
                .filter(|known| **known != PROTECTION)
                .collect();
            self.patch(VOLUMES, &place, &json!({"metadata": {"finalizers": left}}));
            self.delete(VOLUMES, &place, &Value::Null);
        }
    }
}
