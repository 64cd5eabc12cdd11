//! What the server refuses about the content of objects, kind by kind.
//! It must not change them.

mod admission;
mod autoscaling;
mod endpoints;
mod fields;
mod jobs;
mod limits;
mod networking;
mod nodes;
mod plain;
mod pod_update;
mod pods;
mod policies;
mod scheduling;
mod security;
mod services;
mod storage;
mod variables;
mod volumes;
mod workloads;

pub(super) use services::{addresses, is_headless, is_outward, is_probed};

use holdfast_model::{FieldError, Value};

use crate::served::Served;
use crate::{custom, definitions};

/// What is wrong with an object; `old` is its state before an update.
pub fn validate(served: &Served, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    if served.custom.is_some() {
        return custom::validate(served, new, old);
    }
    let mut errors = Vec::new();
    let found = &mut errors;
    match (served.kind.group.as_str(), served.kind.kind.as_str()) {
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            return definitions::validate(new, old);
        }
        ("", "ConfigMap") => plain::config_map(new, old, found),
        ("", "Secret") => plain::secret(new, old, found),
        ("", "PersistentVolume") => storage::volume(new, old, found),
        ("", "PersistentVolumeClaim") => storage::claim(new, old, found),
        ("storage.k8s.io", "StorageClass") => storage::class(new, old, found),
        ("scheduling.k8s.io", "PriorityClass") => scheduling::priority_class(new, old, found),
        ("", "Pod") => pod_update::pod(new, old, found),
        ("", "Service") => services::service(new, old, found),
        ("apps", "Deployment") => workloads::deployment(new, old, found),
        ("apps", "ReplicaSet") => workloads::replica_set(new, old, found),
        ("apps", "StatefulSet") => workloads::stateful_set(new, old, found),
        ("apps", "DaemonSet") => workloads::daemon_set(new, old, found),
        ("batch", "Job") => jobs::job(new, old, found),
        ("apps", "ControllerRevision") => workloads::revision(new, old, found),
        ("batch", "CronJob") => jobs::cron_job(new, old, found),
        ("autoscaling", "HorizontalPodAutoscaler") => {
            autoscaling::autoscaler(served, new, old, found)
        }
        ("networking.k8s.io", "Ingress") => networking::ingress(new, old, found),
        ("networking.k8s.io", "IngressClass") => networking::class(new, old, found),
        ("networking.k8s.io", "NetworkPolicy") => policies::traffic(new, found),
        ("policy", "PodDisruptionBudget") => policies::budget(new, found),
        ("rbac.authorization.k8s.io", "Role") => plain::role(new, true, found),
        ("rbac.authorization.k8s.io", "ClusterRole") => plain::role(new, false, found),
        ("rbac.authorization.k8s.io", "RoleBinding") => plain::binding(new, old, true, found),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding") => {
            plain::binding(new, old, false, found);
        }
        ("", "ReplicationController") => workloads::replication_controller(new, found),
        ("", "PodTemplate") => workloads::pod_template(&new["template"], "template", found),
        ("", "LimitRange") => limits::range(new, found),
        ("", "ResourceQuota") => limits::quota(new, old, found),
        ("", "Endpoints") => endpoints::endpoints(new, old, found),
        ("discovery.k8s.io", "EndpointSlice") => endpoints::slice(new, old, found),
        ("", "Node") => nodes::node(new, old, found),
        (group @ ("" | "events.k8s.io"), "Event") => nodes::event(group, new, old, found),
        ("coordination.k8s.io", "Lease") => nodes::lease(new, found),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => {
            admission::policy(new, old, found);
        }
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding") => {
            admission::binding(new, found);
        }
        ("node.k8s.io", "RuntimeClass") => nodes::runtime_class(new, old, found),
        _ => {}
    }
    errors
}
