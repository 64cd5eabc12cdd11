//! Texts that the objects of most clusters have: what API servers fill in, kinds, versions and
//! conditions. They are facts of Kubernetes' API, and nothing of anybody's objects is among them.
//!
//! It must not grow while a program runs: numbers of texts are held in packed values.

/// By length, then by bytes.
const TEXTS: [&str; 98] = [
    "v1",
    "Job",
    "Pod",
    "TCP",
    "UDP",
    "File",
    "HTTP",
    "Helm",
    "IPv4",
    "None",
    "Role",
    "True",
    "true",
    "Allow",
    "Burst",
    "Equal",
    "False",
    "HTTPS",
    "Local",
    "Never",
    "Ready",
    "false",
    "token",
    "Always",
    "Delete",
    "Exists",
    "Forbid",
    "Opaque",
    "Prefix",
    "Retain",
    "Secret",
    "ca.crt",
    "Cluster",
    "CronJob",
    "Ingress",
    "Pending",
    "Running",
    "Service",
    "Unknown",
    "apps/v1",
    "default",
    "NodePort",
    "Parallel",
    "Recreate",
    "batch/v1",
    "Available",
    "Burstable",
    "ClusterIP",
    "ConfigMap",
    "DaemonSet",
    "Namespace",
    "NoExecute",
    "OnFailure",
    "Succeeded",
    "namespace",
    "policy/v1",
    "BestEffort",
    "Deployment",
    "Filesystem",
    "Guaranteed",
    "NoSchedule",
    "NonIndexed",
    "ReplicaSet",
    "ClusterRole",
    "Initialized",
    "Progressing",
    "RoleBinding",
    "SingleStack",
    "StatefulSet",
    "ClusterFirst",
    "IfNotPresent",
    "LoadBalancer",
    "OrderedReady",
    "PodScheduled",
    "ReadWriteOnce",
    "RollingUpdate",
    "Unschedulable",
    "ServiceAccount",
    "ContainersReady",
    "kube-root-ca.crt",
    "default-scheduler",
    "ClusterRoleBinding",
    "metadata.namespace",
    "/dev/termination-log",
    "PreemptLowerPriority",
    "networking.k8s.io/v1",
    "PersistentVolumeClaim",
    "NewReplicaSetAvailable",
    "apiextensions.k8s.io/v1",
    "CustomResourceDefinition",
    "MinimumReplicasAvailable",
    "PodReadyToStartContainers",
    "rbac.authorization.k8s.io",
    "node.kubernetes.io/not-ready",
    "rbac.authorization.k8s.io/v1",
    "node.kubernetes.io/unreachable",
    "kubernetes.io/service-account-token",
    "/var/run/secrets/kubernetes.io/serviceaccount",
];

/// The number of a common text.
pub(super) fn number(text: &str) -> Option<u8> {
    let order = |known: &&str| {
        known
            .len()
            .cmp(&text.len())
            .then_with(|| (*known).cmp(text))
    };
    let place = TEXTS.binary_search_by(order).ok()?;
    u8::try_from(place).ok()
}

/// The text of a number.
pub(super) fn text(number: u8) -> Option<&'static str> {
    TEXTS.get(usize::from(number)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_found() {
        for (place, known) in TEXTS.iter().enumerate() {
            let number = number(known);
            assert_eq!(number.map(usize::from), Some(place), "{known}");
            assert_eq!(number.and_then(text), Some(*known));
        }
        assert_eq!(number("somebody's own"), None);
    }
}
