//! ReplicaSets and ReplicationControllers: every replica is available.

use holdfast_model::Value;

use super::{Verdict, conditions, number};

pub(super) fn judge(live: &Value) -> Verdict {
    if let Some(failure) = conditions::find(live, "ReplicaFailure")
        && failure.status == "True"
    {
        return Verdict::degraded(failure.text());
    }
    let wanted = number(live, "/spec/replicas", 1);
    let available = number(live, "/status/availableReplicas", 0);
    if live.pointer("/status/observedGeneration").is_none() {
        return Verdict::progressing("its controller has not seen it yet");
    }
    if available < wanted {
        return Verdict::progressing(format!("{available} of {wanted} replicas available"));
    }
    Verdict::healthy()
}
