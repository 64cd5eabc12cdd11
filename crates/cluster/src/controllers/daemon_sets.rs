//! DaemonSets: a pod on every node. It must not know how pods run.

use holdfast_admit::ObjectName;
use holdfast_kinds::text;
use holdfast_model::Value;
use serde_json::json;

use super::api::{DAEMON_SETS, NODES, PODS, is_deleting, name_of, pod_from};
use super::deployments::share;
use super::desk::Controllers;
use super::pods::{is_active, is_ready};
use super::replica_sets::drop_zeros;

const HASH: &str = "controller-revision-hash";

impl Controllers {
    pub(super) fn daemon_set(&mut self, name: &ObjectName) {
        let Some(set) = self.find(DAEMON_SETS, name) else {
            return;
        };
        if is_deleting(&set) {
            return;
        }
        let hash = self.revision_of(DAEMON_SETS, &set);
        let nodes: Vec<String> = self
            .list(NODES, None)
            .iter()
            .filter(|node| selected(&set, node))
            .map(|node| text(&node["metadata"], "name").to_owned())
            .collect();
        let pods = self.controlled(PODS, &set);
        let on = |node: &str| pods.iter().find(|pod| pod["spec"]["nodeName"] == node);
        for node in &nodes {
            if on(node).is_some() {
                continue;
            }
            let mut pod = pod_from(&set["spec"]["template"], (DAEMON_SETS, &set), None);
            if !pod["metadata"]["labels"].is_object() {
                pod["metadata"]["labels"] = json!({});
            }
            pod["metadata"]["labels"][HASH] = json!(hash);
            pod["spec"]["nodeName"] = json!(node);
            if let Some(made) = self.create(PODS, &name.namespace, &pod).ok() {
                let message = format!("Created pod: {}", text(&made["metadata"], "name"));
                self.event((DAEMON_SETS, &set), "Normal", "SuccessfulCreate", &message);
            }
        }
        self.replace_old_daemons(&set, &pods, &hash, nodes.len());
        self.daemon_status(name, &hash, nodes.len());
    }

    /// Deletes pods of older templates, as many at a time as may be missing.
    fn replace_old_daemons(&self, set: &Value, pods: &[Value], hash: &str, nodes: usize) {
        let strategy = &set["spec"]["updateStrategy"];
        if strategy["type"] == "OnDelete" {
            return;
        }
        let total = i64::try_from(nodes).unwrap_or(i64::MAX);
        let missing_allowed =
            share(&strategy["rollingUpdate"]["maxUnavailable"], total, true).max(1);
        let usable = pods
            .iter()
            .filter(|pod| is_active(pod) && is_ready(pod))
            .count();
        let missing = total - i64::try_from(usable).unwrap_or(0);
        let mut spare = missing_allowed - missing;
        let old = pods
            .iter()
            .filter(|pod| is_active(pod) && pod["metadata"]["labels"][HASH] != hash);
        for pod in old {
            let useless = !is_ready(pod);
            if !useless && spare <= 0 {
                continue;
            }
            if !useless {
                spare -= 1;
            }
            self.delete(PODS, &name_of(pod), &Value::Null);
        }
    }

    fn daemon_status(&self, name: &ObjectName, hash: &str, nodes: usize) {
        let Some(set) = self.find(DAEMON_SETS, name) else {
            return;
        };
        let pods = self.controlled(PODS, &set);
        let alive: Vec<&Value> = pods.iter().filter(|pod| is_active(pod)).collect();
        let ready = alive.iter().filter(|pod| is_ready(pod)).count();
        let updated = alive
            .iter()
            .filter(|pod| pod["metadata"]["labels"][HASH] == hash)
            .count();
        let mut status = json!({
            "currentNumberScheduled": alive.len(), "numberMisscheduled": 0,
            "desiredNumberScheduled": nodes, "numberReady": ready,
            "observedGeneration": set["metadata"]["generation"],
            "updatedNumberScheduled": updated, "numberAvailable": ready,
            "numberUnavailable": nodes.saturating_sub(ready),
        });
        drop_zeros(
            &mut status,
            &[
                "currentNumberScheduled",
                "numberMisscheduled",
                "desiredNumberScheduled",
                "numberReady",
            ],
        );
        self.set_status(DAEMON_SETS, &set, status);
    }
}

/// Whether the pods of a set may be on a node, by the node's labels.
fn selected(set: &Value, node: &Value) -> bool {
    let wanted = set["spec"]["template"]["spec"]["nodeSelector"].as_object();
    let labels = &node["metadata"]["labels"];
    let mut wanted = wanted.into_iter().flatten();
    wanted.all(|(key, value)| labels.get(key) == Some(value))
}
