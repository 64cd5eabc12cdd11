//! PersistentVolumeClaims: bound to a volume. A claim whose class waits for its first consumer
//! is pending until a pod uses it, and nothing can be said against that.

use std::collections::BTreeSet;

use holdfast_model::Value;

use super::Verdict;

/// The scheduler has chosen a node for the first pod that uses the claim, and a volume is on its way.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

pub(super) fn judge(live: &Value, deferred: &BTreeSet<String>) -> Verdict {
    match live.pointer("/status/phase").and_then(Value::as_str) {
        Some("Bound") => Verdict::healthy(),
        Some("Lost") => Verdict::degraded("the claim has lost its volume"),
        _ if undecided(live).is_some_and(|class| deferred.contains(class)) => {
            Verdict::suspended("it waits for its first consumer")
        }
        _ => Verdict::progressing("not bound to a volume yet"),
    }
}

/// The class of a claim that nobody has begun to bind.
pub(super) fn undecided(live: &Value) -> Option<&str> {
    let text = |pointer: &str| live.pointer(pointer).and_then(Value::as_str);
    let is_pending = matches!(text("/status/phase"), None | Some("Pending"));
    let annotations = live.pointer("/metadata/annotations");
    let has_node = annotations.is_some_and(|all| all.get(SELECTED_NODE).is_some());
    let is_named = text("/spec/volumeName").is_some_and(|name| !name.is_empty());
    let class = text("/spec/storageClassName").filter(|class| !class.is_empty());
    class.filter(|_| is_pending && !has_node && !is_named)
}
