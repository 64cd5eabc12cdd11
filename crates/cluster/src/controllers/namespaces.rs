//! Namespaces: what each one has from the start, and how it ends. It must not know workloads.

use holdfast_admit::ObjectName;
use holdfast_model::Value;
use http::Method;
use serde_json::json;

use super::api::{ACCOUNTS, CONFIG_MAPS, MANAGER, NAMESPACES, NODES, is_deleting};
use super::desk::Controllers;

impl Controllers {
    pub(super) fn namespace(&mut self, name: &str) {
        let place = ObjectName {
            namespace: String::new(),
            name: name.to_owned(),
        };
        let Some(namespace) = self.find(NAMESPACES, &place) else {
            return;
        };
        if is_deleting(&namespace) {
            self.end_namespace(name, &namespace);
            return;
        }
        let inside = |object: &str| ObjectName {
            namespace: name.to_owned(),
            name: object.to_owned(),
        };
        if self.stored(ACCOUNTS, &inside("default")).is_none() {
            let account = json!({
                "apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default"}
            });
            self.create(ACCOUNTS, name, &account);
        }
        if self
            .stored(CONFIG_MAPS, &inside("kube-root-ca.crt"))
            .is_none()
        {
            let map = json!({
                "apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": "kube-root-ca.crt", "annotations": {
                    "kubernetes.io/description": "Holds the certificate of the API server."}},
                "data": {"ca.crt": ""},
            });
            self.create(CONFIG_MAPS, name, &map);
        }
    }

    /// Deletes what is left, pods last, and lets the namespace go when nothing is.
    fn end_namespace(&mut self, name: &str, namespace: &Value) {
        let left = self.state.store().names_in(name);
        if left.is_empty() {
            let mut done = namespace.clone();
            done["spec"] = json!({});
            let path = format!("/api/v1/namespaces/{name}/finalize");
            self.ask(MANAGER, Method::PUT, &path, &done);
            return;
        }
        for (resource, object) in left {
            let Some(stored) = self.state.store().get(&resource, &object) else {
                continue;
            };
            let deleting = is_deleting(&stored.value());
            if let Some(served) = self.state.registry().of_storage(&resource)
                && !deleting
            {
                let path = served.path(&object.namespace, &object.name);
                let options = json!({"propagationPolicy": "Background"});
                self.ask(MANAGER, Method::DELETE, &path, &options);
            }
        }
    }

    /// The nodes on which pods are simulated.
    pub(super) fn make_nodes(&self) {
        for number in 1..=self.simulation.nodes {
            let name = format!("simulated-{number}");
            let node = json!({
                "apiVersion": "v1", "kind": "Node",
                "metadata": {"name": name, "labels": {
                    "kubernetes.io/hostname": name, "kubernetes.io/os": "linux",
                    "kubernetes.io/arch": "amd64"}},
            });
            let Some(made) = self.create(NODES, "", &node).ok() else {
                continue;
            };
            let now = self.state.now().to_string();
            let amounts = json!({
                "cpu": "64", "memory": "256Gi", "pods": "10k", "ephemeral-storage": "1Ti"
            });
            let release = holdfast_schema::Schema::builtin().release();
            let status = json!({
                "capacity": amounts, "allocatable": amounts,
                "conditions": [{
                    "type": "Ready", "status": "True", "reason": "Simulated",
                    "message": "this node is simulated: nothing runs on it",
                    "lastHeartbeatTime": now, "lastTransitionTime": now,
                }],
                "addresses": [
                    {"type": "InternalIP", "address": "192.0.2.1"},
                    {"type": "Hostname", "address": name},
                ],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
                "nodeInfo": {
                    "machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "simulated",
                    "osImage": "Holdfast simulation", "containerRuntimeVersion": "simulation://1",
                    "kubeletVersion": format!("v{release}"), "kubeProxyVersion": "",
                    "operatingSystem": "linux", "architecture": "amd64",
                },
            });
            self.set_status(NODES, &made, status);
            // It is ready from the start, so that nothing has to be kept away.
            let path = format!("/api/v1/nodes/{name}");
            let ready = json!({"spec": {"taints": null}});
            self.ask(MANAGER, Method::PATCH, &path, &ready);
        }
    }
}
