//! PersistentVolumeClaims: bound to a volume. A claim whose class waits for its first consumer
//! is pending until a pod uses it, and nothing can be said against that.

use holdfast_model::Value;

use super::Verdict;

pub(super) fn judge(live: &Value) -> Verdict {
    match live.pointer("/status/phase").and_then(Value::as_str) {
        Some("Bound") => Verdict::healthy(),
        Some("Lost") => Verdict::degraded("the claim has lost its volume"),
        _ => Verdict::progressing("not bound to a volume yet"),
    }
}
