//! Who wrote which field, read from `metadata.managedFields`. The `fieldsV1` notation is that of
//! structured-merge-diff: `f:name`, `k:{"key":"value"}`, `v:value`, `i:index`. It must not know
//! what is done about an owner.

use holdfast_model::Value;
use holdfast_model::applyset;
use holdfast_model::object::{LiveObject, Manager, ManagerOperation};

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

/// JSON pointers of the fields that `ours` owns by apply and `desired` no longer names.
/// `value` is the live object's, unpacked.
pub fn owned_but_not_desired(
    live: &LiveObject,
    value: &Value,
    desired: &Value,
    ours: &str,
) -> Vec<String> {
    let mut found = Vec::new();
    let applied = |manager: &&Manager| {
        *manager.name == *ours
            && manager.operation == ManagerOperation::Apply
            && manager.subresource.is_empty()
    };
    for manager in live.managers.iter().filter(applied) {
        let place = (Some(value), Some(desired));
        collect(
            &manager.fields.unpack(),
            place,
            &mut String::new(),
            &mut found,
        );
    }
    found
}

/// A place in the live object and the same place in the desired one.
type Places<'a> = (Option<&'a Value>, Option<&'a Value>);

fn collect(set: &Value, places: Places<'_>, path: &mut String, found: &mut Vec<String>) {
    let Some(set) = set.as_object() else { return };
    for (name, below) in set.iter().filter(|(name, _)| *name != ".") {
        let length = path.len();
        let next = match name.strip_prefix("f:") {
            Some(field) => {
                pointer::push(path, field);
                let (live, desired) = places;
                let below = live.and_then(|live| live.get(field));
                (below, desired.and_then(|desired| desired.get(field)))
            }
            None => {
                let Some((index, live)) = find_item(name, places.0) else {
                    continue;
                };
                pointer::push(path, &index.to_string());
                (Some(live), find_item(name, places.1).map(|(_, item)| item))
            }
        };
        match next {
            (Some(_), None) if !is_derived(path) && !is_membership(path, below) => {
                found.push(path.clone())
            }
            (Some(_), Some(_)) => collect(below, next, path, found),
            _ => {}
        }
        path.truncate(length);
    }
}

fn find_item<'a>(name: &str, list: Option<&'a Value>) -> Option<(usize, &'a Value)> {
    list?
        .as_array()?
        .iter()
        .enumerate()
        .find(|(index, item)| names_item(name, item, &index.to_string()))
}

/// The label of an ApplySet, which is sent with every object and is no part of what is desired, or
/// the labels where it is the only one that we own.
fn is_membership(path: &str, owned: &Value) -> bool {
    let is_label = |name: &str| name.strip_prefix("f:") == Some(applyset::PART_OF);
    match path.strip_prefix("/metadata/labels") {
        Some("") => owned
            .as_object()
            .is_some_and(|owned| owned.keys().all(|name| name == "." || is_label(name))),
        Some(label) => label
            .strip_prefix('/')
            .is_some_and(|label| label.replace("~1", "/") == applyset::PART_OF),
        None => false,
    }
}

/// Fields that the server derives from others that we sent, under our name.
fn is_derived(path: &str) -> bool {
    // `stringData` is written as `data`; the owner of `data` is whoever applied `stringData`.
    path == "/data" || path.starts_with("/data/")
}
