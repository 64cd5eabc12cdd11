//! Jobs: complete, failed for good, or not to run now.

use holdfast_model::Value;

use super::{Verdict, conditions, is_true, number};

pub(super) fn judge(live: &Value) -> Verdict {
    let holds =
        |kind: &str| conditions::find(live, kind).filter(|condition| condition.status == "True");
    if let Some(failed) = holds("Failed") {
        return Verdict::degraded(failed.text());
    }
    if holds("Complete").is_some() {
        return Verdict::healthy();
    }
    if is_true(live, "/spec/suspend") {
        return Verdict::suspended("the Job is suspended");
    }
    if number(live, "/spec/parallelism", 1) == 0 {
        return Verdict::suspended("the Job is paused: its parallelism is 0");
    }
    let wanted = number(live, "/spec/completions", 1);
    let succeeded = number(live, "/status/succeeded", 0);
    Verdict::progressing(format!("{succeeded} of {wanted} completions"))
}
