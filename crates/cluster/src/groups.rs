//! The groups of what is served and their versions, in the order of the real server. It must not
//! know how they are shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_admit::Served;

use crate::registry::Registry;

/// The order in which the real one lists its groups; others follow by name.
const GROUPS: [&str; 22] = [
    "",
    "apiregistration.k8s.io",
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "resource.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    "storagemigration.k8s.io",
];

/// Groups with their versions, newest first, and what each version has.
pub(crate) type Groups = Vec<(String, Versions)>;

/// The versions of a group, newest first, with what each has.
type Versions = Vec<(String, Vec<Arc<Served>>)>;

/// The groups that are served.
pub(crate) fn groups(registry: &Registry) -> Groups {
    let mut groups: BTreeMap<String, Versions> = BTreeMap::new();
    for served in registry.all() {
        let versions = groups.entry(served.kind.group.clone()).or_default();
        let known = versions
            .iter()
            .position(|(version, _)| *version == served.kind.version);
        match known {
            Some(index) => versions[index].1.push(served),
            None => versions.push((served.kind.version.clone(), vec![served])),
        }
    }
    for versions in groups.values_mut() {
        versions.sort_by_key(|(version, _)| std::cmp::Reverse(version_order(version)));
    }
    let mut groups: Groups = groups.into_iter().collect();
    let place = |group: &str| GROUPS.iter().position(|known| *known == group);
    groups.sort_by_key(|(group, _)| (place(group).unwrap_or(GROUPS.len()), group.clone()));
    groups
}

/// The versions of a group.
pub(crate) fn versions_of<'a>(groups: &'a Groups, group: &str) -> Option<&'a Versions> {
    let found = groups.iter().find(|(known, _)| known == group);
    found.map(|(_, versions)| versions)
}

/// Released versions before betas before alphas, higher numbers first, other names last.
fn version_order(version: &str) -> (u8, u32, u32, std::cmp::Reverse<String>) {
    let name = std::cmp::Reverse(version.to_owned());
    let Some(rest) = version.strip_prefix('v') else {
        return (0, 0, 0, name);
    };
    let digits = rest
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(rest.len());
    let (major, rest) = rest.split_at(digits);
    let Ok(major) = major.parse() else {
        return (0, 0, 0, name);
    };
    for (word, rank) in [("beta", 2), ("alpha", 1)] {
        if let Some(minor) = rest.strip_prefix(word).and_then(|minor| minor.parse().ok()) {
            return (rank, major, minor, name);
        }
    }
    if rest.is_empty() {
        (3, major, 0, name)
    } else {
        (0, 0, 0, name)
    }
}
