//! A plan or an outcome in a line. It must not know where the line is shown.

use holdfast_model::operation::Outcome;
use holdfast_model::plan::Verb;

/// What was done, such as `2 created, 1 updated, 1 failed`; `nothing to do` when nothing was.
pub fn summary(outcome: &Outcome) -> String {
    let words = [
        (Verb::Create, "created"),
        (Verb::Update, "updated"),
        (Verb::Replace, "replaced"),
        (Verb::Delete, "deleted"),
        (Verb::Run, "run"),
    ];
    let mut parts: Vec<String> = Vec::new();
    for (verb, word) in words {
        let count = outcome.changed().filter(|done| done.verb == verb).count();
        if count > 0 {
            parts.push(format!("{count} {word}"));
        }
    }
    let rest = [
        (outcome.failed.len(), "failed"),
        (outcome.held.len(), "held"),
        (outcome.not_begun.len(), "not begun"),
    ];
    parts.extend(
        rest.iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}")),
    );
    if parts.is_empty() {
        "nothing to do".to_owned()
    } else {
        parts.join(", ")
    }
}
