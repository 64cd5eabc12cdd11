//! Who wrote which field, read from `metadata.managedFields`. The `fieldsV1` notation is that of
//! structured-merge-diff: `f:name`, `k:{"key":"value"}`, `v:value`, `i:index`. It must not know
//! what is done about an owner.

use holdfast_model::Value;
use holdfast_model::object::{LiveObject, Manager};

use crate::pointer;

/// The managers other than `ours` that own what a pointer into `live` names, or something below
/// or above it; latest writer first.
pub fn other_owners<'a>(live: &'a LiveObject, path: &str, ours: &str) -> Vec<&'a Manager> {
    let value = live.value.unpack();
    let mut owners: Vec<&Manager> = live
        .managers
        .iter()
        .filter(|manager| *manager.name != *ours && owns(manager, &value, path))
        .collect();
    owners.sort_by(|left, right| right.time.cmp(&left.time));
    owners
}

/// Whether a manager owns what a pointer into `value` names.
pub fn owns(manager: &Manager, value: &Value, path: &str) -> bool {
    let fields = manager.fields.unpack();
    let mut set = &fields;
    let mut place = Some(value);
    for part in pointer::parts(path) {
        let Some((below, next)) = step(set, place, &part) else {
            return false;
        };
        // An empty set below a name: the manager owns all of it as one piece.
        if below.as_object().is_none_or(serde_json::Map::is_empty) {
            return true;
        }
        set = below;
        place = next;
    }
    true
}

/// One part down, in the field set and in the value beside it.
fn step<'a>(
    set: &'a Value,
    place: Option<&'a Value>,
    part: &str,
) -> Option<(&'a Value, Option<&'a Value>)> {
    let set = set.as_object()?;
    if let Some(below) = set.get(&format!("f:{part}")) {
        return Some((below, place.and_then(|place| place.get(part))));
    }
    let item = place.and_then(|place| place.as_array()?.get(part.parse::<usize>().ok()?))?;
    set.iter()
        .find(|(name, _)| names_item(name, item, part))
        .map(|(_, below)| (below, Some(item)))
}

fn names_item(name: &str, item: &Value, part: &str) -> bool {
    if let Some(keys) = name.strip_prefix("k:") {
        let Ok(Value::Object(keys)) = serde_json::from_str(keys) else {
            return false;
        };
        return keys.iter().all(|(key, value)| item.get(key) == Some(value));
    }
    if let Some(value) = name.strip_prefix("v:") {
        return serde_json::from_str::<Value>(value).is_ok_and(|value| value == *item);
    }
    name.strip_prefix("i:") == Some(part)
}
