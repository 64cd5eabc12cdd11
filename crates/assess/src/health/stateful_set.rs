//! StatefulSets: every replica is ready and, down to the partition, updated.

use holdfast_model::Value;

use super::{Verdict, number};

pub(super) fn judge(live: &Value) -> Verdict {
    let strategy = live
        .pointer("/spec/updateStrategy/type")
        .and_then(Value::as_str);
    if strategy == Some("OnDelete") {
        return Verdict::healthy();
    }
    if live.pointer("/status/observedGeneration").is_none() {
        return Verdict::progressing("its controller has not seen it yet");
    }
    let wanted = number(live, "/spec/replicas", 1);
    let ready = number(live, "/status/readyReplicas", 0);
    if ready < wanted {
        return Verdict::progressing(format!("{ready} of {wanted} replicas ready"));
    }
    let partition = number(live, "/spec/updateStrategy/rollingUpdate/partition", 0);
    let updated = number(live, "/status/updatedReplicas", 0);
    let to_update = (wanted - partition).max(0);
    if updated < to_update {
        return Verdict::progressing(format!("{updated} of {to_update} replicas updated"));
    }
    let revision = |name: &str| live.get("status").and_then(|status| status.get(name));
    if partition == 0 && revision("currentRevision") != revision("updateRevision") {
        return Verdict::progressing("replicas of the old revision are still there");
    }
    Verdict::healthy()
}
