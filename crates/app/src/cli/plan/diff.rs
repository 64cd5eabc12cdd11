//! How objects would change, line by line. It must not know how a plan was made.

use holdfast_model::Value;
use holdfast_model::object::{LiveObject, Object, is_sensitive, strip_server_metadata};
use holdfast_model::plan::Step;
use similar::{ChangeTag, TextDiff};

use crate::cli::show::{Tone, paint};

/// An object as it would be, and what is to be said of how that is known.
pub(super) struct After {
    value: Value,
    remark: Option<String>,
}

impl After {
    /// As the server says.
    pub(super) fn answered(answer: &LiveObject) -> Self {
        Self {
            value: answer.value.unpack(),
            remark: None,
        }
    }

    /// As it is written, since the server was not asked.
    pub(super) fn written(desired: &Object, why: String) -> Self {
        Self {
            value: desired.value(),
            remark: Some(why),
        }
    }
}

/// The lines of an object that would change. What the server writes for itself is left out, and
/// values of Secrets are shown as nothing but the fact that they differ.
pub(super) fn diff_of(step: &Step, after: Option<After>) -> String {
    let key = &step.key.key;
    let before = step
        .live
        .as_ref()
        .map(|live: &LiveObject| live.value.unpack());
    let (after, remark) = match after {
        Some(After { value, remark }) => (Some(value), remark),
        None => (None, None),
    };
    // What is no longer in Git says itself what of it was sealed.
    let mut opened = step
        .live
        .as_ref()
        .map(LiveObject::opened)
        .unwrap_or_default();
    opened.extend(
        step.desired
            .iter()
            .flat_map(|desired| desired.opened().to_vec()),
    );
    let mask = |value: Option<Value>, other: Option<&Value>| {
        value.map(|mut value| {
            strip_server_metadata(&mut value);
            if let Some(object) = value.as_object_mut() {
                object.remove("status");
            }
            if is_sensitive(&key.kind) {
                hide(&mut value, other);
            }
            for pointer in &opened {
                hide_at(&mut value, other, pointer);
            }
            holdfast_yaml::to_yaml(&value)
        })
    };
    let old = mask(before.clone(), None).unwrap_or_default();
    let new = mask(after, before.as_ref()).unwrap_or_default();
    if old == new {
        return String::new();
    }
    let mut out = format!(
        "{}\n",
        paint(Tone::Bold, &format!("{} {key}: {}", step.verb, step.why))
    );
    if let Some(remark) = remark {
        out.push_str(&paint(
            Tone::Warning,
            &format!("  not asked of the server: {remark}\n"),
        ));
    }
    out.push_str(&lines(&old, &new));
    out
}

/// The lines that differ between two texts, with those around them.
fn lines(old: &str, new: &str) -> String {
    let mut out = String::new();
    let diff = TextDiff::from_lines(old, new);
    for group in diff.grouped_ops(3) {
        for change in group
            .iter()
            .flat_map(|operation| diff.iter_changes(operation))
        {
            let (mark, tone) = match change.tag() {
                ChangeTag::Delete => ("-", Tone::Bad),
                ChangeTag::Insert => ("+", Tone::Good),
                ChangeTag::Equal => (" ", Tone::Plain),
            };
            let line = change.value().trim_end_matches('\n');
            out.push_str(&format!("{}\n", paint(tone, &format!("{mark} {line}"))));
        }
        out.push_str(&paint(Tone::Faint, "  …\n"));
    }
    out
}

/// Replaces a value that was sealed in Git.
fn hide_at(value: &mut Value, other: Option<&Value>, pointer: &str) {
    let Some(place) = value.pointer_mut(pointer) else {
        return;
    };
    if [HIDDEN, CHANGED].iter().any(|word| place == word) {
        return;
    }
    let same = other.and_then(|other| other.pointer(pointer)) == Some(place);
    let is_changed = !same && other.is_some();
    *place = if is_changed { CHANGED } else { HIDDEN }.into();
}

/// What stands for a value that must not be shown.
const HIDDEN: &str = "(hidden)";
/// What stands for one that differs from the one that is there.
const CHANGED: &str = "(hidden, changed)";

/// Replaces each value of a Secret by whether it differs from the one that is there.
fn hide(value: &mut Value, other: Option<&Value>) {
    for field in ["data", "stringData"] {
        let Some(map) = value.get_mut(field).and_then(Value::as_object_mut) else {
            continue;
        };
        for (name, value) in map {
            let same = other.and_then(|other| other.get(field)?.get(name)) == Some(value);
            let is_changed = !same && other.is_some();
            *value = if is_changed { CHANGED } else { HIDDEN }.into();
        }
    }
}
