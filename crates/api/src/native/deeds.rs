//! Who has asked for what, in its wire form: two annotations an action, of which the first is nothing but the
//! name of a user, so that admission can compare it with whoever writes it. It must not know what follows.

use holdfast_model::Value;
use holdfast_model::deed::{Action, Deed, Deeds};
use holdfast_model::time::Time;
use serde_json::{Map, json};

/// The longest name of a person, and the longest reason: longer ones are cut off.
const LONGEST: usize = 256;

/// The annotation with the name of the user who asked for an action.
pub fn by_annotation(action: Action) -> String {
    format!("holdfast.dev/{}-by", action.verb())
}

/// The annotation with what just was asked for, when and why: JSON.
pub fn note_annotation(action: Action) -> String {
    format!("holdfast.dev/{}-note", action.verb())
}

/// Reads who has asked for what; what cannot be read is left out, since nothing depends on it.
pub(super) fn read(metadata: &Value) -> Deeds {
    let annotations = metadata.get("annotations").and_then(Value::as_object);
    let text = |name: &str| annotations?.get(name)?.as_str();
    let mut deeds = Deeds::new();
    for action in Action::ALL {
        let Some(by) = text(&by_annotation(action)).and_then(words) else {
            continue;
        };
        let note: Value = text(&note_annotation(action))
            .and_then(|note| serde_json::from_str(note).ok())
            .unwrap_or_default();
        let of = |name: &str| note.get(name).and_then(Value::as_str);
        let deed = Deed {
            by,
            of: of("of").unwrap_or_default().to_owned(),
            at: of("at").and_then(Time::parse),
            reason: of("reason").and_then(words),
        };
        deeds.insert(action, deed);
    }
    deeds
}

/// A text that people are shown: in one line, and not too long.
fn words(text: &str) -> Option<String> {
    let letters = text.chars().filter(|letter| !letter.is_control());
    let text: String = letters.take(LONGEST).collect();
    (!text.is_empty()).then_some(text)
}

/// The annotations of who has asked for an action; those of an earlier one go where it is not known who.
pub fn write(action: Action, deed: Option<&Deed>) -> Map<String, Value> {
    let note = deed.map(|deed| {
        let mut note = json!({"of": deed.of});
        if let Some(at) = deed.at {
            note["at"] = at.to_string().into();
        }
        if let Some(reason) = &deed.reason {
            note["reason"] = reason.clone().into();
        }
        note.to_string()
    });
    let by = deed.map(|deed| deed.by.clone());
    [
        (by_annotation(action), by.into()),
        (note_annotation(action), note.into()),
    ]
    .into_iter()
    .collect()
}
