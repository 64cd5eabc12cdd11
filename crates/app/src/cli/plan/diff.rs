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
    let mask = |value: Option<Value>, other: Option<&Value>| {
        value.map(|mut value| {
            strip_server_metadata(&mut value);
            if let Some(object) = value.as_object_mut() {
                object.remove("status");
            }
            if is_sensitive(&key.kind) {
                hide(&mut value, other);
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
    let diff = TextDiff::from_lines(&old, &new);
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

/// Replaces each value of a Secret by whether it differs from the one that is there.
fn hide(value: &mut Value, other: Option<&Value>) {
    for field in ["data", "stringData"] {
        let Some(map) = value.get_mut(field).and_then(Value::as_object_mut) else {
            continue;
        };
        for (name, value) in map {
            let same = other.and_then(|other| other.get(field)?.get(name)) == Some(value);
            let word = if same || other.is_none() {
                "(hidden)"
            } else {
                "(hidden, changed)"
            };
            *value = word.into();
        }
    }
}
