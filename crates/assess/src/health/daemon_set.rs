//! DaemonSets: a pod of the newest template is available on every node that should have one.

use holdfast_model::Value;

use super::{Verdict, number};

pub(super) fn judge(live: &Value) -> Verdict {
    if live.pointer("/status/observedGeneration").is_none() {
        return Verdict::progressing("its controller has not seen it yet");
    }
    let strategy = live
        .pointer("/spec/updateStrategy/type")
        .and_then(Value::as_str);
    let wanted = number(live, "/status/desiredNumberScheduled", 0);
    let updated = number(live, "/status/updatedNumberScheduled", 0);
    if strategy != Some("OnDelete") && updated < wanted {
        return Verdict::progressing(format!("{updated} of {wanted} pods updated"));
    }
    let available = number(live, "/status/numberAvailable", 0);
    if available < wanted {
        return Verdict::progressing(format!("{available} of {wanted} pods available"));
    }
    Verdict::healthy()
}
