//! Deployments: every replica is updated, available, and no old one is left; or the rollout is
//! paused.

use holdfast_model::Value;

use super::{Verdict, conditions, is_true, number};

pub(super) fn judge(live: &Value) -> Verdict {
    let wanted = number(live, "/spec/replicas", 1);
    // A rollout that was paused after its deadline has passed keeps the condition that says so.
    if is_true(live, "/spec/paused") {
        return Verdict::suspended("the rollout is paused");
    }
    if let Some(progressing) = conditions::find(live, "Progressing")
        && progressing.reason == "ProgressDeadlineExceeded"
    {
        return Verdict::degraded(progressing.text());
    }
    let updated = number(live, "/status/updatedReplicas", 0);
    let total = number(live, "/status/replicas", 0);
    let available = number(live, "/status/availableReplicas", 0);
    if live.pointer("/status/observedGeneration").is_none() {
        return Verdict::progressing("its controller has not seen it yet");
    }
    // Pods that are refused may be let in later, as when a quota has room again: it is said, and waited for.
    let refused = conditions::find(live, "ReplicaFailure");
    let refused = refused.filter(|failure| failure.status == "True");
    let why = refused.map_or_else(String::new, |failure| format!("; {}", failure.text()));
    if updated < wanted {
        return Verdict::progressing(format!("{updated} of {wanted} replicas updated{why}"));
    }
    if total > updated {
        let old = total - updated;
        return Verdict::progressing(format!("{old} old replicas are still there"));
    }
    if available < updated {
        return Verdict::progressing(format!("{available} of {updated} replicas available{why}"));
    }
    Verdict::healthy()
}
