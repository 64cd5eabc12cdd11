//! What failed without an Event that says so. It must not know what is in place.

use serde_json::Value;

use crate::bed::find_condition;

/// The Events that may say why a Stack is not ready, by its reason.
const SAID: [(&str, &[&str]); 10] = [
    ("SourceFailed", &["SourceFailed"]),
    ("RenderFailed", &["RenderFailed"]),
    ("InvalidSpec", &["InvalidSpec"]),
    ("TargetFailed", &["TargetFailed"]),
    ("ApplyFailed", FAILED),
    ("TimedOut", FAILED),
    ("Degraded", &["Degraded"]),
    ("ConfirmationNeeded", &["ConfirmationNeeded"]),
    ("DependencyCycle", &["DependencyCycle"]),
    ("Defect", &["Defect"]),
];

/// The Events of operations that failed.
const FAILED: &[&str] = &["SyncFailed", "HookFailed"];

/// What failed without an Event that says so: why a Stack is not ready, and each line of its history
/// that tells of a failure.
pub(super) fn unsaid(stack: &Value, events: &Value) -> Vec<String> {
    let uid = &stack["metadata"]["uid"];
    let name = stack["metadata"]["name"].as_str().unwrap_or_default();
    let of_stack: Vec<&Value> = events["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|event| event["involvedObject"]["uid"] == *uid)
        .collect();
    let is_said = |reasons: &[&str], words: &str| {
        of_stack.iter().any(|event| {
            let message = event["message"].as_str().unwrap_or_default();
            reasons.iter().any(|reason| event["reason"] == *reason) && message.contains(words)
        })
    };
    let mut findings = Vec::new();
    let reason = find_condition(stack, "Ready", "reason");
    let is_ready = find_condition(stack, "Ready", "status") == "True";
    let expected = SAID.iter().find(|(word, _)| !is_ready && *word == reason);
    if expected.is_some_and(|(_, reasons)| !is_said(reasons, "")) {
        findings.push(format!("Stack {name}: no Event says that it is {reason}"));
    }
    for line in stack["status"]["history"].as_array().into_iter().flatten() {
        let has_failed = line["end"] == "failed" || line["end"] == "timedOut";
        let commit: String = line["commit"]
            .as_str()
            .unwrap_or_default()
            .chars()
            .take(12)
            .collect();
        if has_failed && !is_said(FAILED, &commit) {
            findings.push(format!("Stack {name}: no Event says that {commit} failed"));
        }
    }
    findings
}
