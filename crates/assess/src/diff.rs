//! The differ: what of a desired object a live one does not have. It must not know what is done
//! about a difference.
//!
//! The desired object is what somebody wrote, the live one has everything that the server and
//! others added; so the live object may have more, but not less and not other. Values that the
//! API holds equal are equal: quantities by value, numbers by value, a Secret's `stringData` as
//! its `data`, an absent mapping or list as an empty one.

use holdfast_model::digest::Digest;
use holdfast_model::object::{LiveObject, Object};
use holdfast_model::{Value, base64};

use crate::{ownership, pointer, quantity};

/// One place where a live object is not as desired. It holds no values, so that it can be shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// A JSON pointer into the desired object, or into the live one for what is to go.
    pub path: String,
    /// What is to happen there.
    pub change: Change,
}

/// What is to happen at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// The live object lacks it.
    Add,
    /// The live object has another value.
    Set,
    /// We wrote it once and no longer want it.
    Remove,
}

/// Differences that the server insisted on when the same desired object was last applied, by
/// path, with a digest of the live value: they are normalisation, not drift.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// The desired object that was applied.
    pub desired: Digest,
    /// Paths, each with the digest of its live value. There are few, and one of these is kept for each
    /// object.
    pub accepted: Box<[(Box<str>, Digest)]>,
}

/// How many differences of one object are listed; the rest are not looked for.
const LIMIT: usize = 100;

/// What of `desired` the live object does not have, without what has been learned and without the
/// `ignored` pointers. `ours` is the field manager that we apply as.
pub fn differences(
    desired: &Object,
    live: &LiveObject,
    ignored: &[&str],
    learned: Option<&Learned>,
    ours: &str,
) -> Vec<Difference> {
    let value = live.value.unpack();
    let mut found = compare(desired, live, &value, ours);
    found.retain(|difference| {
        !ignored
            .iter()
            .any(|ignored| is_below(&difference.path, ignored))
    });
    if found.is_empty() {
        return found;
    }
    if let Some(learned) = learned.filter(|learned| learned.desired == desired.digest()) {
        found.retain(|difference| {
            let mut accepted = learned.accepted.iter();
            let known = accepted.find(|(path, _)| **path == *difference.path);
            known.is_none_or(|(_, digest)| *digest != live_digest(&value, &difference.path))
        });
    }
    found
}

/// What differs although `desired` has just been applied and the server answered with `live`.
pub fn learn(desired: &Object, live: &LiveObject, ours: &str) -> Learned {
    let value = live.value.unpack();
    let accepted = compare(desired, live, &value, ours)
        .into_iter()
        .map(|difference| {
            let digest = live_digest(&value, &difference.path);
            (difference.path.into(), digest)
        })
        .collect();
    Learned {
        desired: desired.digest(),
        accepted,
    }
}

fn live_digest(value: &Value, path: &str) -> Digest {
    Digest::of_value(value.pointer(path).unwrap_or(&Value::Null))
}

fn is_below(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn compare(desired: &Object, live: &LiveObject, value: &Value, ours: &str) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut path = String::new();
    let empty = serde_json::Map::new();
    let desired_value = desired.value();
    for (name, wanted) in desired_value.as_object().unwrap_or(&empty) {
        match name.as_str() {
            // The key was looked up by kind and name; a version is only a way to write it.
            "apiVersion" | "kind" | "status" => {}
            "metadata" => compare_metadata(wanted, value, &mut found),
            "stringData" if desired.is_sensitive() => {
                compare_string_data(wanted, value, &mut found);
            }
            _ => {
                pointer::push(&mut path, name);
                walk(Some(wanted), value.get(name), &mut path, &mut found);
                path.clear();
            }
        }
    }
    if found.len() < LIMIT {
        let gone = ownership::owned_but_not_desired(live, value, &desired_value, ours);
        found.extend(gone.into_iter().map(|path| Difference {
            path,
            change: Change::Remove,
        }));
    }
    found
}

/// Only labels, annotations, owners and finalizers are anybody's to set; the rest is the server's.
fn compare_metadata(desired: &Value, live: &Value, found: &mut Vec<Difference>) {
    for name in ["labels", "annotations", "ownerReferences", "finalizers"] {
        let mut path = format!("/metadata/{name}");
        let live = live.get("metadata").and_then(|metadata| metadata.get(name));
        walk(desired.get(name), live, &mut path, found);
    }
}

fn compare_string_data(desired: &Value, live: &Value, found: &mut Vec<Difference>) {
    for (name, value) in desired.as_object().into_iter().flatten() {
        let encoded = value.as_str().map(|text| base64::encode(text.as_bytes()));
        let live = live
            .get("data")
            .and_then(|data| data.get(name))
            .and_then(Value::as_str);
        if encoded.as_deref() != live {
            let mut path = "/stringData".to_owned();
            pointer::push(&mut path, name);
            found.push(Difference {
                path,
                change: if live.is_some() {
                    Change::Set
                } else {
                    Change::Add
                },
            });
        }
    }
}

/// Depth is bounded by the reader that made `desired`.
fn walk(
    desired: Option<&Value>,
    live: Option<&Value>,
    path: &mut String,
    found: &mut Vec<Difference>,
) {
    if found.len() >= LIMIT {
        return;
    }
    let (Some(desired), live) = (desired, live.unwrap_or(&Value::Null)) else {
        return;
    };
    match (desired, live) {
        (Value::Object(wanted), Value::Object(_)) => {
            for (name, value) in wanted {
                let length = path.len();
                pointer::push(path, name);
                walk(Some(value), live.get(name), path, found);
                path.truncate(length);
            }
        }
        (Value::Array(wanted), Value::Array(given)) => walk_list(wanted, given, path, found),
        _ if is_same(desired, live) => {}
        _ => found.push(Difference {
            path: path.clone(),
            change: if live.is_null() {
                Change::Add
            } else {
                Change::Set
            },
        }),
    }
}

/// Items are matched by the fields that identify items of keyed lists all over the API; lists of
/// other things are compared in order and in full.
fn walk_list(wanted: &[Value], given: &[Value], path: &mut String, found: &mut Vec<Difference>) {
    let Some(keys) = identifying_keys(wanted) else {
        let same_length = wanted.len() == given.len();
        if !same_length {
            found.push(Difference {
                path: path.clone(),
                change: Change::Set,
            });
            return;
        }
        for (index, (wanted, given)) in wanted.iter().zip(given).enumerate() {
            let length = path.len();
            pointer::push(path, &index.to_string());
            walk(Some(wanted), Some(given), path, found);
            path.truncate(length);
        }
        return;
    };
    for (index, item) in wanted.iter().enumerate() {
        let fits = |candidate: &&Value| {
            keys.iter()
                .all(|key| match (item.get(key), candidate.get(key)) {
                    (Some(left), Some(right)) => is_same(left, right),
                    // A port's protocol is TCP unless somebody says otherwise.
                    (None, Some(right)) => *key == "protocol" && right == "TCP",
                    (left, right) => left == right,
                })
        };
        let length = path.len();
        pointer::push(path, &index.to_string());
        walk(Some(item), given.iter().find(fits), path, found);
        path.truncate(length);
    }
}

/// The keys by which items of this list are told apart: the first candidate that every item has
/// and no two items share.
fn identifying_keys(items: &[Value]) -> Option<&'static [&'static str]> {
    const CANDIDATES: [&[&str]; 8] = [
        &["name"],
        &["containerPort", "protocol"],
        &["port", "protocol"],
        &["mountPath"],
        &["devicePath"],
        &["type"],
        &["uid"],
        &["topologyKey", "whenUnsatisfiable"],
    ];
    if items.is_empty() {
        return None;
    }
    CANDIDATES.into_iter().find(|keys| {
        let identity = |item: &Value| {
            keys.iter()
                .map(|key| item.get(key).map(ToString::to_string).unwrap_or_default())
                .collect::<Vec<_>>()
        };
        let mut seen: Vec<Vec<String>> = items.iter().map(identity).collect();
        let named = items.iter().all(|item| item.get(keys[0]).is_some());
        seen.sort();
        named && seen.windows(2).all(|pair| pair[0] != pair[1])
    })
}

fn is_same(desired: &Value, live: &Value) -> bool {
    match (desired, live) {
        (Value::Number(left), Value::Number(right)) => {
            left == right || left.as_f64() == right.as_f64()
        }
        (Value::String(left), Value::String(right)) => left == right || quantity::same(left, right),
        // Quantities may be written as numbers; the server answers with texts.
        (Value::Number(left), Value::String(right)) => quantity::same(&left.to_string(), right),
        (Value::Null, _) | (_, Value::Null) => is_nothing(desired) && is_nothing(live),
        _ => desired == live,
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.values().all(is_nothing),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}
