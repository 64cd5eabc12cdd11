//! Jobs: complete, or failed for good.

use holdfast_model::Value;

use super::{Verdict, conditions, number};

pub(super) fn judge(live: &Value) -> Verdict {
    let holds =
        |kind: &str| conditions::find(live, kind).filter(|condition| condition.status == "True");
    if let Some(failed) = holds("Failed") {
        return Verdict::degraded(failed.text());
    }
    if holds("Complete").is_some() {
        return Verdict::healthy();
    }
    if holds("Suspended").is_some() {
        return Verdict::progressing("the job is suspended");
    }
    let wanted = number(live, "/spec/completions", 1);
    let succeeded = number(live, "/status/succeeded", 0);
    Verdict::progressing(format!("{succeeded} of {wanted} completions"))
}
