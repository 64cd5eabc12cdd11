//! Conditions in the manner of kstatus: `observedGeneration`, `Ready`, `Reconciling`, `Stalled`.

use holdfast_model::Value;

use super::{Verdict, number};

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
