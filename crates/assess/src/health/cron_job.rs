//! CronJobs: suspended, or they make Jobs when their time comes. What came of those is said by the
//! Jobs.

use holdfast_model::Value;

use super::{Verdict, is_true};

pub(super) fn judge(live: &Value) -> Verdict {
    if is_true(live, "/spec/suspend") {
        return Verdict::suspended("the CronJob is suspended");
    }
    Verdict::healthy()
}
