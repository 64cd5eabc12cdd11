//! What is sent for a step: the desired object, with fields that are left to others handled. It
//! must not know how it is sent.

use holdfast_assess::{ownership, pointer};
use holdfast_model::Value;
use holdfast_model::applyset;
use holdfast_model::object::{LiveObject, Object};
use holdfast_model::packed::Packed;

use crate::order::MANAGER;

/// The object as it is sent.
///
/// An ignored field that somebody else owns is left out. One that only we own is sent with its
/// live value: leaving out a field that nobody else owns would reset it.
///
/// `part_of` is the id of the ApplySet that the object joins. Its label is sent and never compared:
/// who takes it away is not a rival, and no object is written for its sake.
pub fn body(
    desired: &Object,
    live: Option<&LiveObject>,
    ignored: &[&str],
    part_of: Option<&str>,
) -> Packed {
    let mut value = desired.value();
    if let Some(id) = part_of {
        join(&mut value, id);
    }
    let Some(live) = live.filter(|_| !ignored.is_empty()) else {
        return Packed::new(&value);
    };
    let current = live.value.unpack();
    for path in ignored {
        let Some(current) = current.pointer(path) else {
            continue;
        };
        if ownership::other_owners(live, path, MANAGER).is_empty() {
            pointer::set(&mut value, path, current.clone());
        } else {
            pointer::remove(&mut value, path);
        }
    }
    Packed::new(&value)
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
