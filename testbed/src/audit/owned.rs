//! That an inventory holds what is expected, and that nothing which carries the label of its set is in
//! none. It must not know how what is expected was found out.

use std::collections::BTreeSet;

use super::{Audit, Name};
use crate::api::Api;

const INVENTORY: &str = "holdfast.dev/inventory";
const PART_OF: &str = "applyset.kubernetes.io/part-of";
const SET_ID: &str = "applyset.kubernetes.io/id";

impl Audit<'_> {
    /// The inventory holds what is expected, and nothing that carries the label of its set is in none.
    pub(super) async fn inventory(&self, expected: &BTreeSet<Name>) -> anyhow::Result<Vec<String>> {
        let (namespace, name) = (
            self.text("/metadata/namespace"),
            self.text("/metadata/name"),
        );
        let path = format!(
            "/api/v1/namespaces/{namespace}/configmaps?labelSelector={}%3D{name}",
            INVENTORY.replace('/', "%2F")
        );
        let parts = self.api.get(&path).await?;
        let mut found = BTreeSet::new();
        let mut set = String::new();
        for part in parts["items"].as_array().into_iter().flatten() {
            let id = part["metadata"]["labels"][SET_ID].as_str();
            set = id.map_or(set, str::to_owned);
            let lines = part["data"]["inventory"].as_str().unwrap_or_default();
            for line in lines.lines() {
                let words: Vec<&str> = line.split(' ').collect();
                if let [group, version, kind, namespace, name, ..] = words.as_slice()
                    && *version != "-"
                {
                    found.insert([*group, *kind, *namespace, *name].map(str::to_owned));
                }
            }
        }
        let mut findings = Vec::new();
        for name in expected.difference(&found) {
            findings.push(format!("{} is not in its inventory", name.join("/")));
        }
        for name in found.difference(expected) {
            findings.push(format!("its inventory has {}", name.join("/")));
        }
        if !set.is_empty() {
            for cluster in std::iter::once(self.api).chain(self.others.values()) {
                findings.extend(self.strays(cluster, &set, &found).await?);
            }
        }
        Ok(findings)
    }

    /// ConfigMaps of a cluster that carry the label of the Stack's set and are not in its inventory.
    async fn strays(
        &self,
        cluster: &Api,
        set: &str,
        known: &BTreeSet<Name>,
    ) -> anyhow::Result<Vec<String>> {
        let selector = format!("{}%3D{set}", PART_OF.replace('/', "%2F"));
        let members = cluster
            .get(&format!("/api/v1/configmaps?labelSelector={selector}"))
            .await?;
        let is_here = std::ptr::eq(cluster, self.target);
        let members = members["items"].as_array().into_iter().flatten();
        let strays = members.filter(|member| {
            let text = |name: &str| member["metadata"][name].as_str().unwrap_or_default();
            let is_known = known.iter().any(|[_, kind, namespace, name]| {
                kind == "ConfigMap" && namespace == text("namespace") && name == text("name")
            });
            !is_here || !is_known
        });
        Ok(strays
            .map(|member| {
                let name = &member["metadata"]["name"];
                format!("ConfigMap {name} carries its label and is not in its inventory")
            })
            .collect())
    }
}
