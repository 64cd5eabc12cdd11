//! A pin in its wire form, as an annotation and in a status. It must not know when a pin ends.

use holdfast_model::Value;
use holdfast_model::pin::{Pin, RolledBack};
use holdfast_model::revision::{CommitId, Revision};
use holdfast_model::time::Time;
use serde_json::Map;

use super::PIN_ANNOTATION;
use super::render::read_words;
use super::stack::annotation_problem;
use super::status::revision_fields;
use crate::fields::{Fields, SpecProblem};

/// The longest name of a person, and the longest reason: longer ones are cut off.
const LONGEST: usize = 256;

/// Reads the pin annotation. A pin that cannot be read is a problem, so that a Stack is never
/// moved off a revision that a person chose because of a slip in the annotation.
pub(super) fn read_annotation(text: &str, problems: &mut Vec<SpecProblem>) -> Option<Pin> {
    let value: Value = match serde_json::from_str(text) {
        Ok(value) => value,
        Err(error) => {
            let message = format!("is no JSON: {error}");
            problems.push(annotation_problem(PIN_ANNOTATION, &message));
            return None;
        }
    };
    let path = format!("metadata.annotations[{PIN_ANNOTATION}]");
    Some(Pin {
        written: text.to_owned(),
        ..read(&value, &path, problems)
    })
}

/// Reads a pin of a status; nothing where it is none.
pub(super) fn read_told(value: &Value) -> Option<Pin> {
    let mut problems = Vec::new();
    let pin = read(value, "", &mut problems);
    problems.is_empty().then_some(pin)
}

fn read(value: &Value, path: &str, problems: &mut Vec<SpecProblem>) -> Pin {
    let known = [
        "commit",
        "reference",
        "others",
        "charts",
        "from",
        "skip",
        "expires",
        "by",
        "since",
        "reason",
    ];
    let fields = Fields::of(value, path, &known, problems);
    Pin {
        revision: revision(&fields, problems),
        from: from(&fields, problems),
        expires: time(&fields, "expires", problems),
        by: words(&fields, "by", problems),
        since: time(&fields, "since", problems),
        reason: words(&fields, "reason", problems),
        written: String::new(),
    }
}

fn revision(fields: &Fields, problems: &mut Vec<SpecProblem>) -> Revision {
    let commit = fields.required_text("commit", problems);
    let reference = fields.text("reference", problems);
    let mut revision = Revision::new(CommitId(commit), reference.unwrap_or_default());
    let others = read_words(fields, "others", problems).into_iter();
    revision.others = others.map(|(name, id)| (name, CommitId(id))).collect();
    revision.charts = read_words(fields, "charts", problems);
    revision
}

/// What was rolled back; `skip`, which says no more than what it rendered to, is an older form.
fn from(fields: &Fields, problems: &mut Vec<SpecProblem>) -> Option<RolledBack> {
    if let Some(digest) = digest(fields, "skip", problems) {
        return Some(RolledBack::Digest(digest));
    }
    fields.get("from")?;
    let known = ["commit", "reference", "others", "charts", "rendered"];
    let from = fields.below("from", &known, problems);
    let rendered = digest(&from, "rendered", problems);
    Some(RolledBack::Revision(revision(&from, problems), rendered))
}

fn digest(
    fields: &Fields,
    name: &str,
    problems: &mut Vec<SpecProblem>,
) -> Option<holdfast_model::digest::Digest> {
    let text = fields.text(name, problems)?;
    text.parse()
        .map_err(|error| fields.refuse(name, &format!("{error}"), problems))
        .ok()
}

fn time(fields: &Fields, name: &str, problems: &mut Vec<SpecProblem>) -> Option<Time> {
    let time = Time::parse(&fields.text(name, problems)?);
    if time.is_none() {
        fields.refuse(name, "takes a time such as 2026-01-31T12:00:00Z", problems);
    }
    time
}

/// A text that people are shown: in one line, and not too long.
fn words(fields: &Fields, name: &str, problems: &mut Vec<SpecProblem>) -> Option<String> {
    let text = fields.text(name, problems)?;
    let letters = text.chars().filter(|letter| !letter.is_control());
    let text: String = letters.take(LONGEST).collect();
    (!text.is_empty()).then_some(text)
}

/// Writes a pin as its annotation's text.
pub fn write(pin: &Pin) -> String {
    Value::Object(fields_of(pin)).to_string()
}

/// The fields of a pin.
pub(super) fn fields_of(pin: &Pin) -> Map<String, Value> {
    let named = |revision: &Revision| {
        let mut map = revision_fields(revision);
        if revision.reference.is_empty() {
            map.remove("reference");
        }
        map
    };
    let mut map = named(&pin.revision);
    match &pin.from {
        None => {}
        Some(RolledBack::Digest(digest)) => {
            map.insert("skip".to_owned(), digest.to_string().into());
        }
        Some(RolledBack::Revision(revision, digest)) => {
            let mut from = named(revision);
            let rendered = digest.map(|digest| ("rendered".to_owned(), digest.to_string().into()));
            from.extend(rendered);
            map.insert("from".to_owned(), Value::Object(from));
        }
    }
    let texts = [
        ("expires", pin.expires.map(|time| time.to_string())),
        ("by", pin.by.clone()),
        ("since", pin.since.map(|time| time.to_string())),
        ("reason", pin.reason.clone()),
    ];
    let texts = texts.into_iter();
    map.extend(texts.filter_map(|(name, text)| Some((name.to_owned(), text?.into()))));
    map
}
