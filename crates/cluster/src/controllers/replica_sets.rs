//! ReplicaSets: as many pods as are asked for. It must not know deployments.

use holdfast_admit::ObjectName;
use holdfast_admit::labels::{labels_match, of_label_selector};
use holdfast_kinds::{items, text};
use holdfast_model::Value;
use serde_json::json;

use super::api::{PODS, REPLICA_SETS, condition, is_deleting, name_of, owner_reference, pod_from};
use super::desk::{Controllers, Task};
use super::pods::{is_active, is_ready, sort_for_removal, until_available};

/// The condition of a set whose pods could not be made.
pub(super) const FAILURE: &str = "ReplicaFailure";
/// The most pods that one look makes or deletes; the next look goes on.
const BURST: usize = 500;

impl Controllers {
    pub(super) fn replica_set(&mut self, name: &ObjectName) {
        let Some(set) = self.find(REPLICA_SETS, name) else {
            return;
        };
        if !is_deleting(&set) {
            self.adopt_pods(&set);
        }
        let pods = self.controlled(PODS, &set);
        let mut active: Vec<Value> = pods.into_iter().filter(is_active).collect();
        let wanted = set["spec"]["replicas"].as_u64().unwrap_or(1);
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let mut failure = None;
        if !is_deleting(&set) {
            if active.len() < wanted {
                let missing = (wanted - active.len()).min(BURST);
                for _ in 0..missing {
                    let pod = pod_from(&set["spec"]["template"], (REPLICA_SETS, &set), None);
                    let answer = self.create(PODS, &name.namespace, &pod);
                    let refused = text(&answer.value, "message").to_owned();
                    match answer.ok() {
                        Some(pod) => {
                            let message =
                                format!("Created pod: {}", text(&pod["metadata"], "name"));
                            self.event(
                                (REPLICA_SETS, &set),
                                "Normal",
                                "SuccessfulCreate",
                                &message,
                            );
                        }
                        None => {
                            failure = Some(refused);
                            break;
                        }
                    }
                }
            } else if active.len() > wanted {
                sort_for_removal(&mut active);
                for pod in active.drain(..(active.len() - wanted).min(BURST)) {
                    self.delete(PODS, &name_of(&pod), &Value::Null);
                    let message = format!("Deleted pod: {}", text(&pod["metadata"], "name"));
                    self.event((REPLICA_SETS, &set), "Normal", "SuccessfulDelete", &message);
                }
            }
        }
        let failure = failure.map(|refused| self.failed_to_create(&set, &refused));
        self.replica_set_status(name, &set, failure);
    }

    /// The condition that no pod could be made. What was said first stays, as the name of the pod
    /// is another one each time.
    fn failed_to_create(&self, set: &Value, refused: &str) -> Value {
        if let Some(known) = condition(set, FAILURE) {
            return known.clone();
        }
        let message = format!("Error creating: {refused}");
        self.event((REPLICA_SETS, set), "Warning", "FailedCreate", &message);
        json!({
            "type": FAILURE, "status": "True", "reason": "FailedCreate", "message": refused,
            "lastTransitionTime": self.state.now().to_string(),
        })
    }

    fn replica_set_status(&mut self, name: &ObjectName, set: &Value, failure: Option<Value>) {
        let all = self.controlled(PODS, set);
        let ended = |pod: &&Value| matches!(text(&pod["status"], "phase"), "Succeeded" | "Failed");
        let terminating = all.iter().filter(|pod| is_deleting(pod) && !ended(pod));
        let terminating = terminating.count();
        let pods: Vec<Value> = all.into_iter().filter(is_active).collect();
        let minimum = set["spec"]["minReadySeconds"].as_i64().unwrap_or(0);
        let mut available = 0;
        let ready = pods.iter().filter(|pod| is_ready(pod)).count();
        for pod in pods.iter().filter(|pod| is_ready(pod)) {
            match until_available(self, pod, minimum) {
                None => available += 1,
                Some(left) => self.after(left, Task::ReplicaSet(name.clone())),
            }
        }
        let labels = &set["spec"]["template"]["metadata"]["labels"];
        let labelled = pods.iter().filter(|pod| {
            let own = &pod["metadata"]["labels"];
            let mut wanted = labels.as_object().into_iter().flatten();
            wanted.all(|(key, value)| own.get(key) == Some(value))
        });
        let mut status = json!({
            "replicas": pods.len(), "fullyLabeledReplicas": labelled.count(),
            "readyReplicas": ready, "availableReplicas": available,
            "terminatingReplicas": terminating,
            "observedGeneration": set["metadata"]["generation"],
        });
        drop_zeros(&mut status, &["replicas", "terminatingReplicas"]);
        if let Some(failure) = failure {
            status["conditions"] = json!([failure]);
        }
        self.set_status(REPLICA_SETS, set, status);
    }

    /// Takes over pods that the selector covers and that nobody controls.
    fn adopt_pods(&mut self, set: &Value) {
        let Some(selector) = of_label_selector(&set["spec"]["selector"]) else {
            return;
        };
        let namespace = text(&set["metadata"], "namespace");
        let page = self.state.store().list(&PODS.id(), Some(namespace), None);
        for stored in page.map(|page| page.objects).unwrap_or_default() {
            let covered = selector.iter().all(|wanted| {
                wanted.matches(|key| {
                    let mut labels = stored.labels.iter();
                    labels
                        .find(|(name, _)| name == key)
                        .map(|(_, value)| value.as_str())
                })
            });
            if !covered {
                continue;
            }
            let pod = stored.value();
            let owners = items(&pod["metadata"], "ownerReferences");
            let controlled = owners.iter().any(|owner| owner["controller"] == true);
            if !controlled
                && is_active(&pod)
                && labels_match(&selector, pod["metadata"].get("labels"))
            {
                let mut owners = owners.to_vec();
                owners.push(owner_reference(REPLICA_SETS, set));
                let patch = json!({"metadata": {"ownerReferences": owners}});
                self.patch(PODS, &stored.name, &patch);
            }
        }
    }
}

/// Leaves out counts that are zero, as Go does.
pub(super) fn drop_zeros(status: &mut Value, kept: &[&str]) {
    if let Some(fields) = status.as_object_mut() {
        fields.retain(|name, value| *value != 0 || kept.contains(&name.as_str()));
    }
}
