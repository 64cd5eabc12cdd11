//! Conditions in the manner of kstatus: `observedGeneration`, `Ready`, `Reconciling`, `Stalled`; and
//! the fields by which custom kinds are suspended.

use holdfast_model::Value;

use super::{Verdict, is_true, number};

/// By these fields custom kinds are told to do nothing for now: Flux, JobSet, Argo Workflows and
/// Holdfast have the first, Cluster API, Argo Rollouts and many others the second.
const SUSPENDING: [(&str, &str); 3] = [
    ("/spec/suspend", "it is suspended"),
    ("/spec/paused", "it is paused"),
    ("/spec/suspended", "it is suspended"),
];

/// A condition's status, reason and message.
pub(super) struct Condition<'a> {
    pub(super) status: &'a str,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
}

/// The condition of a type.
pub(super) fn find<'a>(live: &'a Value, kind: &str) -> Option<Condition<'a>> {
    let conditions = live.pointer("/status/conditions")?.as_array()?;
    let found = conditions
        .iter()
        .find(|condition| condition.get("type").and_then(Value::as_str) == Some(kind))?;
    let text = |name: &str| found.get(name).and_then(Value::as_str).unwrap_or_default();
    Some(Condition {
        status: text("status"),
        reason: text("reason"),
        message: text("message"),
    })
}

impl Condition<'_> {
    /// Reason and message as one text.
    pub(super) fn text(&self) -> String {
        match (self.reason, self.message) {
            ("", message) => message.to_owned(),
            (reason, "") => reason.to_owned(),
            (reason, message) => format!("{reason}: {message}"),
        }
    }
}

/// Whether an object of a custom kind is to do nothing for now. Its controller need not have seen
/// that, and says nothing new about it, so that its conditions are of a time before.
pub(super) fn suspended(live: &Value) -> Option<Verdict> {
    let mut suspending = SUSPENDING.into_iter();
    let (_, message) = suspending.find(|(pointer, _)| is_true(live, pointer))?;
    Some(Verdict::suspended(message))
}

/// Progressing when the controller has not seen the newest generation yet.
pub(super) fn observed(live: &Value) -> Option<Verdict> {
    let generation = number(live, "/metadata/generation", 0);
    let observed = live.pointer("/status/observedGeneration")?.as_i64()?;
    (observed < generation)
        .then(|| Verdict::progressing("its controller has not seen the newest change yet"))
}

/// What the standard conditions say; healthy where there are none.
pub(super) fn judge(live: &Value) -> Verdict {
    if let Some(stalled) = find(live, "Stalled").filter(|condition| condition.status == "True") {
        return Verdict::degraded(stalled.text());
    }
    if let Some(going) = find(live, "Reconciling").filter(|condition| condition.status == "True") {
        return Verdict::progressing(going.text());
    }
    match find(live, "Ready") {
        Some(ready) if ready.status != "True" => Verdict::progressing(ready.text()),
        _ => Verdict::healthy(),
    }
}
