//! Versions of the API that Kubernetes once served and no longer does, and what replaces them, as its
//! deprecation guide lists them. It must not know what a cluster serves.

use holdfast_model::object::GroupKind;

/// Group, version, kinds, what replaces it, and the release that removed it.
type Row = (
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static str,
    &'static str,
);

const WORKLOADS: &[&str] = &["Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"];
const WEBHOOKS: &[&str] = &[
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];
const ROLES: &[&str] = &["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"];
const STORAGE: &[&str] = &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"];
const FLOWS: &[&str] = &["FlowSchema", "PriorityLevelConfiguration"];
const FLOW_GROUP: &str = "flowcontrol.apiserver.k8s.io";
const NETWORKING: &str = "networking.k8s.io";
const RBAC: &str = "rbac.authorization.k8s.io";

const ROWS: &[Row] = &[
    ("extensions", "v1beta1", WORKLOADS, "apps/v1", "1.16"),
    ("apps", "v1beta1", WORKLOADS, "apps/v1", "1.16"),
    ("apps", "v1beta2", WORKLOADS, "apps/v1", "1.16"),
    (
        "extensions",
        "v1beta1",
        &["NetworkPolicy"],
        "networking.k8s.io/v1",
        "1.16",
    ),
    (
        "extensions",
        "v1beta1",
        &["Ingress"],
        "networking.k8s.io/v1",
        "1.22",
    ),
    (
        NETWORKING,
        "v1beta1",
        &["Ingress", "IngressClass"],
        "networking.k8s.io/v1",
        "1.22",
    ),
    (
        "admissionregistration.k8s.io",
        "v1beta1",
        WEBHOOKS,
        "admissionregistration.k8s.io/v1",
        "1.22",
    ),
    (
        "apiextensions.k8s.io",
        "v1beta1",
        &["CustomResourceDefinition"],
        "apiextensions.k8s.io/v1",
        "1.22",
    ),
    (
        "apiregistration.k8s.io",
        "v1beta1",
        &["APIService"],
        "apiregistration.k8s.io/v1",
        "1.22",
    ),
    (
        "certificates.k8s.io",
        "v1beta1",
        &["CertificateSigningRequest"],
        "certificates.k8s.io/v1",
        "1.22",
    ),
    (
        "coordination.k8s.io",
        "v1beta1",
        &["Lease"],
        "coordination.k8s.io/v1",
        "1.22",
    ),
    (
        RBAC,
        "v1alpha1",
        ROLES,
        "rbac.authorization.k8s.io/v1",
        "1.22",
    ),
    (
        RBAC,
        "v1beta1",
        ROLES,
        "rbac.authorization.k8s.io/v1",
        "1.22",
    ),
    (
        "scheduling.k8s.io",
        "v1beta1",
        &["PriorityClass"],
        "scheduling.k8s.io/v1",
        "1.22",
    ),
    (
        "storage.k8s.io",
        "v1beta1",
        STORAGE,
        "storage.k8s.io/v1",
        "1.22",
    ),
    (
        "storage.k8s.io",
        "v1beta1",
        &["CSIStorageCapacity"],
        "storage.k8s.io/v1",
        "1.27",
    ),
    ("batch", "v1beta1", &["CronJob"], "batch/v1", "1.25"),
    (
        "discovery.k8s.io",
        "v1beta1",
        &["EndpointSlice"],
        "discovery.k8s.io/v1",
        "1.25",
    ),
    (
        "events.k8s.io",
        "v1beta1",
        &["Event"],
        "events.k8s.io/v1",
        "1.25",
    ),
    (
        "autoscaling",
        "v2beta1",
        &["HorizontalPodAutoscaler"],
        "autoscaling/v2",
        "1.25",
    ),
    (
        "autoscaling",
        "v2beta2",
        &["HorizontalPodAutoscaler"],
        "autoscaling/v2",
        "1.26",
    ),
    (
        "policy",
        "v1beta1",
        &["PodDisruptionBudget"],
        "policy/v1",
        "1.25",
    ),
    (
        "node.k8s.io",
        "v1beta1",
        &["RuntimeClass"],
        "node.k8s.io/v1",
        "1.25",
    ),
    (
        FLOW_GROUP,
        "v1beta1",
        FLOWS,
        "flowcontrol.apiserver.k8s.io/v1",
        "1.26",
    ),
    (
        FLOW_GROUP,
        "v1beta2",
        FLOWS,
        "flowcontrol.apiserver.k8s.io/v1",
        "1.29",
    ),
    (
        FLOW_GROUP,
        "v1beta3",
        FLOWS,
        "flowcontrol.apiserver.k8s.io/v1",
        "1.32",
    ),
];

/// What a person can do about a kind in a version that Kubernetes no longer serves; nothing where it is
/// not known as one.
pub(crate) fn advice(kind: &GroupKind, version: &str) -> Option<String> {
    if kind.kind == "PodSecurityPolicy" {
        return Some(
            "Kubernetes 1.25 removed PodSecurityPolicy; label the namespace for Pod Security Admission \
             instead"
                .to_owned(),
        );
    }
    let row = ROWS.iter().find(|(group, known, kinds, ..)| {
        *group == kind.group && *known == version && kinds.contains(&kind.kind.as_str())
    });
    row.map(|(group, version, _, instead, release)| {
        format!(
            "Kubernetes {release} removed {group}/{version}; write apiVersion: {instead}, and check the \
             fields, which may differ"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::{GroupKind, ROWS, advice};

    #[test]
    fn a_version_that_was_removed_is_named_with_what_replaces_it() {
        let advice = |group: &str, kind: &str, version: &str| {
            advice(&GroupKind::new(group, kind), version).unwrap_or_default()
        };
        let budget = advice("policy", "PodDisruptionBudget", "v1beta1");
        assert!(
            budget.contains("1.25") && budget.contains("policy/v1,"),
            "{budget}"
        );
        let deployment = advice("extensions", "Deployment", "v1beta1");
        assert!(deployment.contains("apps/v1"), "{deployment}");
        assert!(advice("policy", "PodSecurityPolicy", "v1beta1").contains("Pod Security"));
        assert_eq!(advice("policy", "PodDisruptionBudget", "v1"), "");
        assert_eq!(advice("example.org", "Widget", "v1beta1"), "");
    }

    #[test]
    fn nothing_is_replaced_by_itself_or_by_what_was_removed() {
        for (group, version, kinds, instead, _) in ROWS {
            assert_ne!(format!("{group}/{version}"), *instead);
            let (group, version) = instead.split_once('/').unwrap_or(("", instead));
            for kind in *kinds {
                assert_eq!(
                    advice(&GroupKind::new(group, kind), version),
                    None,
                    "{instead} {kind}"
                );
            }
        }
    }
}
