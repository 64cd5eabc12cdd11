//! A Stack in a line: its state, since when, its revision, and what it waits for. It must not know which
//! are shown.

use holdfast_model::Value;
use serde_json::json;

use crate::cli::api::{condition, ready_tone, ready_words, text};
use crate::cli::show::{Tone, age, short};

/// A Stack in a line.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// The Stack, without characters that a terminal would take as commands.
    pub(super) stack: Value,
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) state: String,
    pub(super) tone: Tone,
    /// Since when it is in that state.
    since: String,
    revision: String,
    pub(super) waits_for: String,
    pub(super) is_ready: bool,
}

impl Row {
    pub(super) fn of(stack: &Value) -> Self {
        let stack = cleaned(stack);
        let field = |path: &str| text(&stack, path).to_owned();
        let is_ready = condition(&stack, "Ready", "status") == "True";
        let (reason, _) = ready_words(&stack);
        let state = match is_ready {
            true => "Ready",
            false => reason,
        };
        Self {
            namespace: field("/metadata/namespace"),
            name: field("/metadata/name"),
            state: state.to_owned(),
            tone: ready_tone(&stack),
            since: condition(&stack, "Ready", "lastTransitionTime").to_owned(),
            revision: short(text(&stack, "/status/applied/commit")),
            waits_for: waits_for(&stack, is_ready),
            is_ready,
            stack,
        }
    }

    pub(super) fn is_of(&self, (namespace, name): &(String, String)) -> bool {
        (&self.namespace, &self.name) == (namespace, name)
    }

    pub(super) fn cells(&self) -> [String; 6] {
        [
            self.namespace.clone(),
            self.name.clone(),
            self.state.clone(),
            age(&self.since),
            self.revision.clone(),
            self.waits_for.clone(),
        ]
    }

    /// Whether a text is in any of its cells.
    pub(super) fn has(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let mut cells = self.cells().into_iter();
        cells.any(|cell| cell.to_lowercase().contains(&text))
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "namespace": self.namespace,
            "name": self.name,
            "ready": self.is_ready,
            "state": self.state,
            "since": self.since,
            "revision": text(&self.stack, "/status/applied/commit"),
            "waitsFor": self.waits_for,
        })
    }
}

/// What has to happen for a Stack to be ready and to follow Git; empty where nothing has to.
fn waits_for(stack: &Value, is_ready: bool) -> String {
    let pending = text(stack, "/status/pending/reason");
    if !pending.is_empty() {
        return format!("a person: {pending}");
    }
    if condition(stack, "SourceReady", "status") == "False" {
        return format!("its source: {}", condition(stack, "SourceReady", "message"));
    }
    match is_ready {
        true => String::new(),
        false => ready_words(stack).1.to_owned(),
    }
}

/// A value whose texts are without control characters but line breaks.
fn cleaned(value: &Value) -> Value {
    let clean = |text: &str| -> String {
        let letters = text.chars();
        letters
            .map(|letter| match letter {
                '\n' => '\n',
                letter if letter.is_control() => ' ',
                letter => letter,
            })
            .collect()
    };
    match value {
        Value::String(text) => clean(text).into(),
        Value::Array(items) => items.iter().map(cleaned).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| (clean(name), cleaned(value)))
            .collect(),
        value => value.clone(),
    }
}
