//! Claims: each is bound as its StorageClass says. One gets a volume that is there and fits, or a volume
//! of its own where the provisioner of its class is the one that is simulated; at once or, where the class
//! has the binding mode `WaitForFirstConsumer`, when a node is chosen for the first pod that uses it. All
//! others stay pending, and say why, as on a cluster that has no provisioner of theirs. It must not know how
//! pods run.

use holdfast_admit::ObjectName;
use holdfast_kinds::{items, text};
use holdfast_model::Value;
use http::Method;
use serde_json::json;

use super::api::{CLAIMS, EVENTS, PODS, STORAGE_CLASSES, is_deleting, name_of};
use super::desk::{Controllers, Task};

const PROTECTION: &str = "kubernetes.io/pvc-protection";
/// The provisioner that is simulated: it makes a volume of any size at once.
pub(super) const PROVISIONER: &str = "simulation.holdfast.dev";
/// The name of a class whose volumes people make.
const NO_PROVISIONER: &str = "kubernetes.io/no-provisioner";
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
            let said = "waiting for first consumer to be created before binding";
            self.wait(&claim, ("Normal", "WaitForFirstConsumer", said));
            return;
        }
        if claim["spec"]["storageClassName"].is_null()
            && let Some(class) = self.default_class()
        {
            // One that was made before there was a default class gets it now.
            self.patch(CLAIMS, name, &json!({"spec": {"storageClassName": class}}));
            return;
        }
        match self.volume_for(name, &claim) {
            Ok(volume) => self.bind(name, &claim, &volume),
            Err(Some((kind, reason, said))) => self.wait(&claim, (kind, reason, &said)),
            Err(None) => self.stay_pending(&claim),
        }
    }

    /// The volume that a claim is bound to, or what is said of one that has none: the type of an Event, its
    /// reason and its message, in the words of the volume controller.
    fn volume_for(
        &self,
        name: &ObjectName,
        claim: &Value,
    ) -> Result<String, Option<(&'static str, &'static str, String)>> {
        let named = text(&claim["spec"], "volumeName");
        if !named.is_empty() {
            // It waits for the volume without a word.
            return self.named_volume(named, claim).ok_or(None);
        }
        if let Some(found) = self.free_volume(claim) {
            return Ok(found);
        }
        let class = text(&claim["spec"], "storageClassName");
        if class.is_empty() {
            let said = "no persistent volumes available for this claim and no storage class is set";
            return Err(Some(("Normal", "FailedBinding", said.to_owned())));
        }
        let Some(found) = self.class(class) else {
            let said = format!("storageclass.storage.k8s.io \"{class}\" not found");
            return Err(Some(("Warning", "ProvisioningFailed", said)));
        };
        match text(&found, "provisioner") {
            PROVISIONER => self.make_volume(name, claim).ok_or(None),
            NO_PROVISIONER => {
                let said = format!(
                    "no persistent volumes available for this claim: storage class \"{class}\" \
                     makes none"
                );
                Err(Some(("Normal", "FailedBinding", said)))
            }
            other => {
                let said = format!(
                    "Waiting for a volume to be created either by the external provisioner \
                     '{other}' or manually by the system administrator. If volume creation is \
                     delayed, please verify that the provisioner is running and correctly \
                     registered."
                );
                Err(Some(("Normal", "ExternalProvisioning", said)))
            }
        }
    }

    fn bind(&self, name: &ObjectName, claim: &Value, volume: &str) {
        let patch = json!({
            "spec": {"volumeName": volume},
            "metadata": {"annotations": {
                "pv.kubernetes.io/bind-completed": "yes",
                "pv.kubernetes.io/bound-by-controller": "yes"}},
        });
        if !self.hold_volume(volume, claim) {
            return;
        }
        let Some(bound) = self.patch(CLAIMS, name, &patch).ok() else {
            return;
        };
        let status = json!({
            "phase": "Bound", "accessModes": claim["spec"]["accessModes"],
            "capacity": claim["spec"]["resources"]["requests"],
        });
        self.set_status(CLAIMS, &bound, status);
    }

    pub(super) fn class(&self, name: &str) -> Option<Value> {
        let name = ObjectName {
            namespace: String::new(),
            name: name.to_owned(),
        };
        self.find(STORAGE_CLASSES, &name)
    }

    /// The newest class that claims get which name none.
    fn default_class(&self) -> Option<String> {
        let classes = self.list(STORAGE_CLASSES, None).into_iter();
        let defaults = classes.filter(|class| {
            class["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"]
                == "true"
        });
        let newest = defaults.max_by_key(|class| {
            let metadata = &class["metadata"];
            let name = std::cmp::Reverse(text(metadata, "name").to_owned());
            (text(metadata, "creationTimestamp").to_owned(), name)
        });
        newest.map(|class| text(&class["metadata"], "name").to_owned())
    }

    /// The class that a cluster has from the start, as a cluster on one machine has one: claims that name
    /// none get it.
    pub(super) fn make_class(&self) {
        let class = json!({
            "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
            "metadata": {"name": "standard", "annotations": {
                "storageclass.kubernetes.io/is-default-class": "true"}},
            "provisioner": PROVISIONER, "reclaimPolicy": "Delete",
            "volumeBindingMode": "Immediate",
        });
        self.create(STORAGE_CLASSES, "", &class);
    }

    /// Looks again at the claims that are not bound, since a volume or a class may be theirs now, and at the
    /// pods that wait for them: one may be the first consumer.
    pub(super) fn notice_storage(&mut self) {
        let claims = self.list(CLAIMS, None).into_iter();
        let pending = claims.filter(|claim| claim["status"]["phase"] != "Bound");
        for name in pending.map(|claim| name_of(&claim)) {
            self.notice_claim(&name);
            self.tasks.insert(Task::Claim(name));
        }
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
        let class = text(&claim["spec"], "storageClassName");
        let class = self.class(class).filter(|_| !is_begun);
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
            if self.waits_for_consumer(&claim) {
                let patch = json!({"metadata": {"annotations": {SELECTED_NODE: node}}});
                let path = format!(
                    "/api/v1/namespaces/{}/persistentvolumeclaims/{}",
                    name.namespace, name.name
                );
                self.state
                    .ask("kube-scheduler", Method::PATCH, &path, &patch);
                is_allowed = false;
            } else if claim["status"]["phase"] != "Bound" {
                // The scheduler takes no pod whose claims are not bound.
                is_allowed = false;
            }
        }
        is_allowed
    }

    /// Says once in an Event what a claim waits for.
    fn wait(&self, claim: &Value, (kind, reason, said): (&str, &str, &str)) {
        let uid = &claim["metadata"]["uid"];
        let events = self.list(EVENTS, Some(text(&claim["metadata"], "namespace")));
        let is_said = events
            .iter()
            .any(|event| event["involvedObject"]["uid"] == *uid && event["reason"] == reason);
        if !is_said {
            self.event((CLAIMS, claim), kind, reason, said);
        }
        self.stay_pending(claim);
    }

    fn stay_pending(&self, claim: &Value) {
        if claim["status"]["phase"].is_null() {
            self.set_status(CLAIMS, claim, json!({"phase": "Pending"}));
        }
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
}
