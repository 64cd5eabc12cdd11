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
    let first = *SHORTER.get(text.len())?;
    let as_long = &TEXTS[first..*SHORTER.get(text.len() + 1)?];
    let place = first + as_long.binary_search(&text).ok()?;
    u8::try_from(place).ok()
}

/// The length of the longest text.
const LONGEST: usize = TEXTS[TEXTS.len() - 1].len();

/// How many texts are shorter than a length.
const SHORTER: [usize; LONGEST + 2] = {
    let mut shorter = [0; LONGEST + 2];
    let mut place = 0;
    while place < TEXTS.len() {
        shorter[TEXTS[place].len() + 1] += 1;
        place += 1;
    }
    let mut length = 1;
    while length < shorter.len() {
        shorter[length] += shorter[length - 1];
        length += 1;
    }
    shorter
};

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
