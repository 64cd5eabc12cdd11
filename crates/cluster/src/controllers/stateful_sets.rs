//! StatefulSets: pods with names and claims of their own, made and replaced in order.
//! It must not know how pods run.

use holdfast_admit::ObjectName;
use holdfast_kinds::{items, text};
use holdfast_merge::typed::same;
use holdfast_model::Value;
use serde_json::json;

use super::api::{
    CLAIMS, PODS, REVISIONS, STATEFUL_SETS, hash_of, is_deleting, name_of, owner_reference,
    pod_from,
};
use super::desk::Controllers;
use super::pods::{is_active, is_ready};
use super::replica_sets::drop_zeros;

const HASH: &str = "controller-revision-hash";

impl Controllers {
    pub(super) fn stateful_set(&mut self, name: &ObjectName) {
        let Some(set) = self.find(STATEFUL_SETS, name) else {
            return;
        };
        if is_deleting(&set) {
            return;
        }
        let update = self.revision_of(STATEFUL_SETS, &set);
        let pods = self.controlled(PODS, &set);
        let wanted = set["spec"]["replicas"].as_u64().unwrap_or(1);
        let first = set["spec"]["ordinals"]["start"].as_u64().unwrap_or(0);
        let parallel = set["spec"]["podManagementPolicy"] == "Parallel";
        let current = text(&set["status"], "currentRevision");
        let current = if current.is_empty() {
            update.clone()
        } else {
            current.to_owned()
        };
        let at = |ordinal: u64| {
            let wanted = format!("{}-{ordinal}", name.name);
            pods.iter()
                .find(move |pod| pod["metadata"]["name"] == wanted)
        };
        let partition = set["spec"]["updateStrategy"]["rollingUpdate"]["partition"]
            .as_u64()
            .unwrap_or(0);
        let mut in_order = true;
        for ordinal in first..first + wanted {
            match at(ordinal) {
                Some(pod) if !is_active(pod) && !is_deleting(pod) => {
                    // One that has ended is made again.
                    self.delete(PODS, &name_of(pod), &Value::Null);
                    in_order = false;
                }
                Some(pod) => in_order = is_active(pod) && is_ready(pod),
                None => {
                    let old = ordinal < first + partition;
                    let revision = if old { &current } else { &update };
                    self.make_member(&set, ordinal, revision);
                    in_order = false;
                }
            }
            if !in_order && !parallel {
                break;
            }
        }
        self.remove_surplus(&set, &pods, first + wanted, parallel);
        if in_order && text(&set["spec"]["updateStrategy"], "type") != "OnDelete" {
            let replaced = (first + partition..first + wanted)
                .rev()
                .filter_map(at)
                .find(|pod| pod["metadata"]["labels"][HASH] != update.as_str());
            if let Some(pod) = replaced {
                self.delete(PODS, &name_of(pod), &Value::Null);
            }
        }
        self.stateful_status(name, &update, &current);
    }

    fn remove_surplus(&self, set: &Value, pods: &[Value], end: u64, parallel: bool) {
        let prefix = format!("{}-", text(&set["metadata"], "name"));
        let ordinal = |pod: &Value| -> Option<u64> {
            text(&pod["metadata"], "name")
                .strip_prefix(&prefix)?
                .parse()
                .ok()
        };
        let mut surplus: Vec<(u64, &Value)> = pods
            .iter()
            .filter_map(|pod| Some((ordinal(pod)?, pod)))
            .filter(|(ordinal, _)| *ordinal >= end)
            .collect();
        surplus.sort_by_key(|(ordinal, _)| std::cmp::Reverse(*ordinal));
        for (_, pod) in surplus {
            if !is_deleting(pod) {
                self.delete(PODS, &name_of(pod), &Value::Null);
            }
            if !parallel {
                return;
            }
        }
    }

    fn make_member(&self, set: &Value, ordinal: u64, revision: &str) {
        let place = name_of(set);
        let member = format!("{}-{ordinal}", place.name);
        let mut pod = pod_from(
            &set["spec"]["template"],
            (STATEFUL_SETS, set),
            Some(&member),
        );
        if !pod["metadata"]["labels"].is_object() {
            pod["metadata"]["labels"] = json!({});
        }
        let labels = &mut pod["metadata"]["labels"];
        labels["statefulset.kubernetes.io/pod-name"] = json!(member);
        labels["apps.kubernetes.io/pod-index"] = json!(ordinal.to_string());
        labels[HASH] = json!(revision);
        pod["spec"]["hostname"] = json!(member);
        if let Some(service) = set["spec"].get("serviceName") {
            pod["spec"]["subdomain"] = service.clone();
        }
        let mut volumes = items(&pod["spec"], "volumes").to_vec();
        for template in items(&set["spec"], "volumeClaimTemplates") {
            let volume = text(&template["metadata"], "name");
            let claim = format!("{volume}-{member}");
            volumes.retain(|known| known["name"] != volume);
            volumes.push(json!({
                "name": volume, "persistentVolumeClaim": {"claimName": claim}
            }));
            let mut metadata = template["metadata"].clone();
            metadata["name"] = json!(claim);
            if let Some(labels) = set["spec"]["selector"].get("matchLabels") {
                let mut own = metadata["labels"].as_object().cloned().unwrap_or_default();
                own.extend(labels.as_object().cloned().unwrap_or_default());
                metadata["labels"] = json!(own);
            }
            let body = json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata,
                "spec": template["spec"],
            });
            self.create(CLAIMS, &place.namespace, &body);
        }
        if !volumes.is_empty() {
            pod["spec"]["volumes"] = json!(volumes);
        }
        if self.create(PODS, &place.namespace, &pod).ok().is_some() {
            let message = format!(
                "create Pod {member} in StatefulSet {} successful",
                place.name
            );
            self.event((STATEFUL_SETS, set), "Normal", "SuccessfulCreate", &message);
        }
    }

    fn stateful_status(&self, name: &ObjectName, update: &str, current: &str) {
        let Some(set) = self.find(STATEFUL_SETS, name) else {
            return;
        };
        let pods: Vec<Value> = self.controlled(PODS, &set);
        let alive: Vec<&Value> = pods.iter().filter(|pod| is_active(pod)).collect();
        let of = |revision: &str| {
            let pods = alive.iter();
            pods.filter(|pod| pod["metadata"]["labels"][HASH] == revision)
                .count()
        };
        let wanted = set["spec"]["replicas"].as_u64().unwrap_or(1);
        let ready = alive.iter().filter(|pod| is_ready(pod)).count();
        let done =
            of(update) as u64 == wanted && ready as u64 == wanted && alive.len() as u64 == wanted;
        let current = if done { update } else { current };
        let mut status = json!({
            "observedGeneration": set["metadata"]["generation"],
            "replicas": alive.len(), "readyReplicas": ready, "availableReplicas": ready,
            "currentReplicas": of(current), "updatedReplicas": of(update),
            "currentRevision": current, "updateRevision": update, "collisionCount": 0,
        });
        drop_zeros(
            &mut status,
            &["replicas", "availableReplicas", "collisionCount"],
        );
        self.set_status(STATEFUL_SETS, &set, status);
    }

    /// The name of the revision that the template is, which is made when it is new.
    pub(super) fn revision_of(&self, resource: super::api::Resource, set: &Value) -> String {
        let template = &set["spec"]["template"];
        let place = name_of(set);
        let known = self.controlled(REVISIONS, set);
        let data = json!({"spec": {"template": template}});
        if let Some(found) = known.iter().find(|revision| same(&revision["data"], &data)) {
            return text(&found["metadata"]["labels"], HASH).to_owned();
        }
        let hash = hash_of(template);
        let name = format!("{}-{hash}", place.name);
        let number = known
            .iter()
            .filter_map(|known| known["revision"].as_i64())
            .max();
        let mut labels = template["metadata"]["labels"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        // Members of a stateful set carry the whole name, those of a daemon set the hash.
        let label = if resource.kind == "DaemonSet" {
            hash
        } else {
            name.clone()
        };
        labels.insert(HASH.to_owned(), json!(label));
        let revision = json!({
            "apiVersion": "apps/v1", "kind": "ControllerRevision",
            "metadata": {
                "name": name, "labels": labels, "ownerReferences": [owner_reference(resource, set)],
            },
            "data": data, "revision": number.unwrap_or(0) + 1,
        });
        self.create(REVISIONS, &place.namespace, &revision);
        label
    }
}
