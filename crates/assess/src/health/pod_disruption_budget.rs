//! PodDisruptionBudgets: as many pods are healthy as the budget asks for.

use holdfast_model::Value;

use super::{Verdict, number};

pub(super) fn judge(live: &Value) -> Verdict {
    // Where there are no pods, on purpose or not yet, there is nothing to protect; `minAvailable: 1`
    // asks for one all the same.
    if number(live, "/status/expectedPods", 1) == 0 {
        return Verdict::healthy();
    }
    let healthy = number(live, "/status/currentHealthy", 0);
    let wanted = number(live, "/status/desiredHealthy", 0);
    if healthy < wanted {
        return Verdict::progressing(format!("{healthy} of {wanted} pods healthy"));
    }
    Verdict::healthy()
}
