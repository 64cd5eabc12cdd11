//! Services: endpoints of the pods that they select, addresses of load balancers; and disruption
//! budgets, which select pods in the same way. It must not know how pods run.

use holdfast_admit::ObjectName;
use holdfast_admit::labels::{Requirement, labels_match, of_label_selector};
use holdfast_kinds::{items, text};
use holdfast_model::Value;
use serde_json::json;

use super::api::{BUDGETS, PODS, SERVICES, SLICES, is_deleting, name_of, owner_reference};
use super::deployments::share;
use super::desk::Controllers;
use super::pods::{is_active, is_ready};

const OF_SERVICE: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";

/// What a service selects; nothing when it has no selector.
pub(super) fn selector(service: &Value) -> Option<Vec<Requirement>> {
    let labels = service["spec"].get("selector")?.as_object()?;
    let requirement = |(key, value): (&String, &Value)| {
        Requirement::In(key.clone(), vec![value.as_str().unwrap_or("").to_owned()])
    };
    (!labels.is_empty()).then(|| labels.iter().map(requirement).collect())
}

impl Controllers {
    fn selected_pods(&self, namespace: &str, selector: &[Requirement]) -> Vec<Value> {
        let mut pods = self.list(PODS, Some(namespace));
        pods.retain(|pod| labels_match(selector, pod["metadata"].get("labels")));
        pods
    }

    pub(super) fn service(&mut self, name: &ObjectName) {
        let Some(service) = self.find(SERVICES, name) else {
            return;
        };
        if is_deleting(&service) {
            return;
        }
        if service["spec"]["type"] == "LoadBalancer" {
            let digest = holdfast_model::digest::Digest::of_bytes(
                text(&service["metadata"], "uid").as_bytes(),
            );
            // Out of a range that is set aside for examples.
            let address = format!("198.51.100.{}", digest.as_bytes()[0].clamp(1, 254));
            let mut status = service["status"].clone();
            status["loadBalancer"] = json!({"ingress": [{"ip": address, "ipMode": "VIP"}]});
            self.set_status(SERVICES, &service, status);
        }
        if let Some(selector) = selector(&service) {
            self.endpoints(name, &service, &selector);
        }
    }

    fn endpoints(&self, name: &ObjectName, service: &Value, selector: &[Requirement]) {
        let pods = self.selected_pods(&name.namespace, selector);
        let mut endpoints: Vec<Value> = Vec::new();
        for pod in &pods {
            let address = text(&pod["status"], "podIP");
            let ended = matches!(text(&pod["status"], "phase"), "Succeeded" | "Failed");
            if address.is_empty() || ended {
                continue;
            }
            let (ready, ending) = (is_ready(pod), is_deleting(pod));
            endpoints.push(json!({
                "addresses": [address],
                "conditions": {
                    "ready": ready && !ending, "serving": ready, "terminating": ending
                },
                "nodeName": pod["spec"]["nodeName"],
                "targetRef": {
                    "kind": "Pod", "name": pod["metadata"]["name"],
                    "namespace": name.namespace, "uid": pod["metadata"]["uid"],
                },
            }));
        }
        endpoints.sort_by_key(|endpoint| text(&endpoint["targetRef"], "name").to_owned());
        let ports: Vec<Value> = items(&service["spec"], "ports")
            .iter()
            .map(|port| {
                json!({
                    "name": text(port, "name"), "protocol": port["protocol"],
                    "port": target_port(port, &pods),
                })
            })
            .collect();
        let existing = self.controlled(SLICES, service);
        let body = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {
                "generateName": format!("{}-", name.name), "namespace": name.namespace,
                "labels": {
                    OF_SERVICE: name.name, MANAGED_BY: "endpointslice-controller.k8s.io",
                },
                "ownerReferences": [owner_reference(SERVICES, service)],
            },
            "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
        });
        match existing.first() {
            None => {
                self.create(SLICES, &name.namespace, &body);
            }
            Some(slice) => {
                if slice["endpoints"] != body["endpoints"] || slice["ports"] != body["ports"] {
                    let patch = json!({"endpoints": body["endpoints"], "ports": body["ports"]});
                    self.patch(SLICES, &name_of(slice), &patch);
                }
            }
        }
    }

    pub(super) fn budget(&mut self, name: &ObjectName) {
        let Some(budget) = self.find(BUDGETS, name) else {
            return;
        };
        let selector = of_label_selector(&budget["spec"]["selector"]).unwrap_or_default();
        let mut pods = self.selected_pods(&name.namespace, &selector);
        pods.retain(is_active);
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let expected = count(pods.len());
        let healthy = count(pods.iter().filter(|pod| is_ready(pod)).count());
        let spec = &budget["spec"];
        let desired = match spec.get("maxUnavailable") {
            Some(limit) => expected - share(limit, expected, true),
            None => share(&spec["minAvailable"], expected, true),
        };
        let desired = desired.max(0);
        let allowed = if expected > 0 {
            (healthy - desired).max(0)
        } else {
            0
        };
        let (truth, reason) = if allowed > 0 {
            ("True", "SufficientPods")
        } else {
            ("False", "InsufficientPods")
        };
        let before = super::api::condition(&budget, "DisruptionAllowed")
            .filter(|before| before["status"] == truth);
        let since = before.map_or_else(
            || json!(self.state.now().to_string()),
            |before| before["lastTransitionTime"].clone(),
        );
        let status = json!({
            "currentHealthy": healthy, "desiredHealthy": desired, "disruptionsAllowed": allowed,
            "expectedPods": expected, "observedGeneration": budget["metadata"]["generation"],
            "conditions": [{
                "type": "DisruptionAllowed", "status": truth, "reason": reason, "message": "",
                "observedGeneration": budget["metadata"]["generation"],
                "lastTransitionTime": since,
            }],
        });
        self.set_status(BUDGETS, &budget, status);
    }
}

/// The number of a port, which may be a name that the pods know.
fn target_port(port: &Value, pods: &[Value]) -> Value {
    let target = &port["targetPort"];
    let Some(name) = target.as_str() else {
        return target.clone();
    };
    let mut ports = pods
        .iter()
        .flat_map(|pod| items(&pod["spec"], "containers"))
        .flat_map(|container| items(container, "ports"));
    let found = ports.find(|known| known["name"] == name);
    found.map_or_else(
        || port["port"].clone(),
        |known| known["containerPort"].clone(),
    )
}
