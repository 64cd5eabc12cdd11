//! Aggregated ClusterRoles: their rules are those of the roles that their selectors find. It must not
//! know what rules allow.
//!
//! As `pkg/controller/clusterroleaggregation` of Kubernetes 1.37: the rules of the roles found, by
//! selector and then by name, each once; applied under a name of its own, and only where they differ.

use holdfast_admit::labels::{labels_match, of_label_selector};
use holdfast_kinds::{items, text};
use holdfast_model::Value;
use serde_json::json;

use super::api::{CLUSTER_ROLES, is_deleting};
use super::desk::Controllers;

/// The name under which rules are owned.
const AGGREGATOR: &str = "clusterrole-aggregation-controller";

impl Controllers {
    /// Fills in the rules of every aggregated role. What changes thereby is noticed again, so that
    /// roles which aggregate aggregated roles follow.
    pub(super) fn aggregate(&self) {
        let mut roles = self.list(CLUSTER_ROLES, None);
        roles.sort_by(|left, right| name(left).cmp(name(right)));
        for role in &roles {
            let is_aggregated = role["aggregationRule"].is_object() && !is_deleting(role);
            if !is_aggregated {
                continue;
            }
            let rules = rules(role, &roles);
            if items(role, "rules") == rules.as_slice() {
                continue;
            }
            let mut body = json!({
                "apiVersion": CLUSTER_ROLES.api_version(), "kind": CLUSTER_ROLES.kind,
                "metadata": {"name": name(role)},
            });
            if !rules.is_empty() {
                body["rules"] = Value::Array(rules);
            }
            self.apply(AGGREGATOR, CLUSTER_ROLES, &body);
        }
    }
}

fn name(role: &Value) -> &str {
    text(&role["metadata"], "name")
}

/// The rules that a role gathers from all roles, which are sorted by name.
fn rules(role: &Value, roles: &[Value]) -> Vec<Value> {
    let mut found: Vec<Value> = Vec::new();
    for selector in items(&role["aggregationRule"], "clusterRoleSelectors") {
        let Some(selector) = of_label_selector(selector) else {
            continue;
        };
        let selected = roles
            .iter()
            .filter(|other| name(other) != name(role))
            .filter(|other| labels_match(&selector, other["metadata"].get("labels")));
        for rule in selected.flat_map(|other| items(other, "rules")) {
            if !found.contains(rule) {
                found.push(rule.clone());
            }
        }
    }
    found
}
