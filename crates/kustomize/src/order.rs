//! The order in which resources are printed.

use crate::file::SortOptions;
use crate::resource::{Id, Resource};
use crate::resources::Resources;
use crate::tables::Types;

const FIRST: &[&str] = &[
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

const LAST: &[&str] = &[
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// The order where a kustomization says none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// By kind, what others need first: what the command line tool and Argo CD do.
    #[default]
    Legacy,
    /// As they were read: what Flux does.
    Fifo,
}

/// Sorts by what a kustomization says, or else by the given order.
pub(crate) fn sort(
    resources: &mut Resources,
    options: Option<&SortOptions>,
    default: Order,
    types: &Types,
) -> Result<(), String> {
    let owned = |list: &[&str]| {
        list.iter()
            .map(|kind| (*kind).to_owned())
            .collect::<Vec<String>>()
    };
    let legacy = || (owned(FIRST), owned(LAST));
    let kinds = match options {
        None if default == Order::Fifo => return Ok(()),
        None => legacy(),
        Some(options) => match (options.order.as_str(), &options.legacy) {
            ("fifo", None) => return Ok(()),
            ("fifo", Some(_)) => {
                return Err("the field 'sortOptions.legacySortOptions' is set but the selected sort order is 'fifo', not 'legacy'".to_owned());
            }
            ("legacy", Some(kinds)) => kinds.clone(),
            ("legacy", None) => legacy(),
            _ => {
                return Err(
                    "the field 'sortOptions.order' must be one of [fifo, legacy]".to_owned(),
                );
            }
        },
    };
    let (first, last) = kinds;
    let list = std::mem::take(&mut resources.list);
    let mut keyed: Vec<((i64, String, String), Resource)> = list
        .into_iter()
        .map(|resource| {
            let id = resource.id(types);
            let kind = kind_text(&id.group, &id.version, &id.kind);
            let key = (rank(&id.kind, &first, &last), kind, id_text(&id, &resource));
            (key, resource)
        })
        .collect();
    keyed.sort_by(|left, right| {
        let (left, right) = (&left.0, &right.0);
        // Namespaces of other groups come before the real ones.
        let kinds = if left.1.ends_with("_Namespace") && right.1.ends_with("_Namespace") {
            right.1.cmp(&left.1)
        } else {
            left.1.cmp(&right.1)
        };
        left.0
            .cmp(&right.0)
            .then(kinds)
            .then_with(|| left.2.cmp(&right.2))
    });
    resources.list = keyed.into_iter().map(|(_, resource)| resource).collect();
    Ok(())
}

fn or<'a>(text: &'a str, absent: &'a str) -> &'a str {
    if text.is_empty() { absent } else { text }
}

/// The place of a kind before (negative) or behind those that are not listed.
fn rank<T: AsRef<str>>(kind: &str, first: &[T], last: &[T]) -> i64 {
    let at = |list: &[T]| {
        let at = list.iter().rposition(|known| known.as_ref() == kind)?;
        i64::try_from(at).ok()
    };
    // A kind in both lists counts by the second.
    if let Some(at) = at(last) {
        return 1 + at;
    }
    match at(first) {
        Some(at) => at - i64::try_from(first.len()).unwrap_or(0),
        None => 0,
    }
}

/// The place of a kind in the legacy order.
pub(crate) fn kind_order(kind: &str) -> i64 {
    rank(kind, FIRST, LAST)
}

/// A kind as text, as it is sorted.
pub(crate) fn kind_text(group: &str, version: &str, kind: &str) -> String {
    let (group, version, kind) = (or(group, "~G"), or(version, "~V"), or(kind, "~K"));
    format!("{group}_{version}_{kind}")
}

fn id_text(id: &Id, resource: &Resource) -> String {
    let kind = or(&id.kind, "[noKind]");
    let version = or(&id.version, "[noVer]");
    let group = or(&id.group, "[noGrp]");
    let namespace = or(resource.namespace(), "~X");
    format!(
        "{kind}.{version}.{group}|{namespace}|{}",
        or(&id.name, "~N")
    )
}
