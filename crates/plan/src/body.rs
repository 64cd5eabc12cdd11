//! What is sent for an object: the desired one, with what says nothing left out and with fields that
//! are left to others handled. It must not know how it is sent.

use holdfast_assess::{ownership, pointer, theirs};
use holdfast_kinds::{Typing, fold_string_data};
use holdfast_model::Value;
use holdfast_model::applyset;
use holdfast_model::object::{LiveObject, Object};

use crate::order::MANAGER;

/// What an object is sent with, beside itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sending<'a> {
    /// The object as it is on the target.
    pub live: Option<&'a LiveObject>,
    /// JSON pointers that are left to others.
    pub left: &'a [String],
    /// The id of the ApplySet that it joins.
    pub part_of: Option<&'a str>,
    /// Its kind, where that is known.
    pub typing: Option<&'a Typing>,
}

/// The object as it is sent.
///
/// A null says nothing and is left out, as is what Git leaves empty for the control plane to fill in.
/// A Secret's `stringData` is sent as `data`, so that a key that Git drops is ours to take away.
///
/// A field that is left to others and that somebody else owns is left out. One that only we own is
/// sent with its live value: leaving out a field that nobody else owns would reset it.
///
/// The label of an ApplySet is sent and does not count as a difference: who takes it away is not a
/// rival, and no object is written for its sake.
pub fn body(desired: &Object, sending: Sending<'_>) -> Value {
    let mut value = desired.value();
    if let Some(typing) = sending.typing {
        typing.drop_nulls(&mut value);
    }
    theirs::drop_empty(&desired.key().kind, &mut value);
    if desired.is_sensitive() && has_only_texts(value.get("stringData")) {
        fold_string_data(&mut value);
    }
    if let Some(id) = sending.part_of {
        join(&mut value, id);
    }
    let Some(live) = sending.live.filter(|_| !sending.left.is_empty()) else {
        return value;
    };
    let current = live.value.unpack();
    for path in sending.left {
        let Some(current) = current.pointer(path) else {
            continue;
        };
        if ownership::other_owners(live, path, MANAGER).is_empty() {
            pointer::set(&mut value, path, current.clone());
        } else {
            pointer::remove(&mut value, path);
        }
    }
    value
}

/// What is no text is refused by the server, in its own words.
fn has_only_texts(values: Option<&Value>) -> bool {
    let values = values.and_then(Value::as_object);
    values.is_some_and(|values| values.values().all(Value::is_string))
}

/// Adds the label of an ApplySet, unless the object names one itself.
fn join(value: &mut Value, id: &str) {
    let metadata = value.get_mut("metadata").and_then(Value::as_object_mut);
    let Some(metadata) = metadata else { return };
    let labels = metadata.entry("labels").or_insert(Value::Null);
    if labels.is_null() {
        *labels = Value::Object(serde_json::Map::new());
    }
    // What is no map is refused by the server, in its own words.
    if let Some(labels) = labels.as_object_mut() {
        labels.entry(applyset::PART_OF).or_insert_with(|| id.into());
    }
}
