//! The differ: what an apply would change, as places. It must not know what is done about a
//! difference, nor how the object after the apply was found.

use holdfast_merge::fields::Element;
use holdfast_merge::typed::{item_element_of, same};
use holdfast_model::Value;
use holdfast_model::digest::Digest;
use holdfast_model::object::LiveObject;
use holdfast_schema::{ListRelation, Shape, TypeRef};

use crate::pointer;
use crate::predict::After;

/// One place where an apply would change a live object. It holds no values, so that it can be shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Difference {
    /// A JSON pointer; items of lists by their index in the live object, or in the object afterwards
    /// where only that has them.
    pub path: String,
    /// What is to happen there.
    pub change: Change,
}

/// What is to happen at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// The live object lacks it.
    Add,
    /// The live object has another value, or its items in another order.
    Set,
    /// It goes.
    Remove,
    /// Nothing but the owner of fields changes.
    Own,
}

/// The place of a change of ownership alone.
pub const OWNERSHIP: &str = "/metadata/managedFields";

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

/// What an apply would change, by the object's type, or by the form of the values where that is not
/// known.
pub fn differences(after: &After, type_ref: &TypeRef) -> Vec<Difference> {
    let mut walk = Walk {
        path: String::new(),
        found: Vec::new(),
    };
    walk.visit(Some(&after.before), Some(&after.value), type_ref);
    let mut found = walk.found;
    if found.is_empty() && after.changes_ownership {
        found.push(Difference {
            path: OWNERSHIP.to_owned(),
            change: Change::Own,
        });
    }
    found
}

impl Learned {
    /// What would still change although `desired` has just been applied and the server answered with
    /// `live`.
    pub fn of(desired: Digest, live: &LiveObject, found: &[Difference]) -> Self {
        let value = live.value.unpack();
        let accepted = found.iter().map(|difference| {
            let digest = live_digest(live, &value, &difference.path);
            (difference.path.as_str().into(), digest)
        });
        Self {
            desired,
            accepted: accepted.collect(),
        }
    }

    /// Takes out what was learned of the same desired object and has stayed so.
    pub fn forgive(&self, desired: Digest, live: &LiveObject, found: &mut Vec<Difference>) {
        if self.desired != desired || self.accepted.is_empty() || found.is_empty() {
            return;
        }
        let value = live.value.unpack();
        found.retain(|difference| {
            let mut accepted = self.accepted.iter();
            let known = accepted.find(|(path, _)| **path == *difference.path);
            known.is_none_or(|(_, digest)| *digest != live_digest(live, &value, &difference.path))
        });
    }
}

/// Whether a place is what another pointer names, or lies below it.
pub fn is_below(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Secrets' values go in as well; a digest of one value stays in memory only.
fn live_digest(live: &LiveObject, value: &Value, path: &str) -> Digest {
    if path == OWNERSHIP {
        let fields = live.managers.iter().map(|manager| manager.fields.unpack());
        return Digest::of_value(&Value::Array(fields.collect()));
    }
    Digest::of_value(value.pointer(path).unwrap_or(&Value::Null))
}

struct Walk {
    path: String,
    found: Vec<Difference>,
}

impl Walk {
    fn note(&mut self, change: Change) {
        self.found.push(Difference {
            path: self.path.clone(),
            change,
        });
    }

    fn below(&mut self, part: &str, visit: impl FnOnce(&mut Self)) {
        let length = self.path.len();
        pointer::push(&mut self.path, part);
        visit(self);
        self.path.truncate(length);
    }

    /// Depth is bounded by the readers of both values. Null is nothing.
    fn visit(&mut self, before: Option<&Value>, after: Option<&Value>, type_ref: &TypeRef) {
        if self.found.len() >= LIMIT {
            return;
        }
        let given = |value: Option<&Value>| value.is_some_and(|value| !value.is_null());
        match (before, after) {
            _ if !given(before) && !given(after) => {}
            (Some(before), Some(after)) if given(Some(before)) && given(Some(after)) => {
                self.both(before, after, type_ref);
            }
            _ if given(after) => self.note(Change::Add),
            _ => self.note(Change::Remove),
        }
    }

    fn both(&mut self, before: &Value, after: &Value, type_ref: &TypeRef) {
        match (before, after) {
            (Value::Object(old), Value::Object(new)) => {
                let added = new.keys().filter(|name| !old.contains_key(*name));
                for name in old.keys().chain(added) {
                    let child = type_ref.child(name).unwrap_or_else(TypeRef::any);
                    self.below(name, |walk| {
                        walk.visit(old.get(name), new.get(name), &child);
                    });
                }
            }
            (Value::Array(old), Value::Array(new)) => self.list(old, new, type_ref),
            _ if same(before, after) => {}
            _ => self.note(Change::Set),
        }
    }

    fn list(&mut self, old: &[Value], new: &[Value], type_ref: &TypeRef) {
        let keyed = match type_ref.shape() {
            Shape::List(list) if matches!(list.relation, ListRelation::Map(_)) => Some(list),
            _ => None,
        };
        let elements = |items: &[Value]| -> Option<Vec<Element>> {
            let list = keyed?;
            let elements = items.iter().map(|item| item_element_of(list, item));
            let elements: Vec<Element> = elements.collect::<Option<_>>()?;
            let is_unique = elements
                .iter()
                .enumerate()
                .all(|(index, element)| !elements[..index].contains(element));
            is_unique.then_some(elements)
        };
        let (Some(old_keys), Some(new_keys), Some(list)) = (elements(old), elements(new), keyed)
        else {
            return self.unkeyed(old, new, type_ref);
        };
        let place = |keys: &[Element], key: &Element| keys.iter().position(|other| other == key);
        for (index, key) in old_keys.iter().enumerate() {
            let other = place(&new_keys, key).map(|other| &new[other]);
            self.below(&index.to_string(), |walk| {
                walk.visit(Some(&old[index]), other, &list.item);
            });
        }
        for (index, key) in new_keys.iter().enumerate() {
            if place(&old_keys, key).is_none() {
                self.below(&index.to_string(), |walk| {
                    walk.visit(None, Some(&new[index]), &list.item);
                });
            }
        }
        let shared: Vec<usize> = old_keys
            .iter()
            .filter_map(|key| place(&new_keys, key))
            .collect();
        if !shared.is_sorted() {
            self.note(Change::Set);
        }
    }

    /// Lists that are one value. Where just the insides of items differ, the place is theirs.
    fn unkeyed(&mut self, old: &[Value], new: &[Value], type_ref: &TypeRef) {
        if old.len() != new.len() {
            return self.note(Change::Set);
        }
        let item = type_ref.item().unwrap_or_else(TypeRef::any);
        for (index, (before, after)) in old.iter().zip(new).enumerate() {
            self.below(&index.to_string(), |walk| {
                walk.visit(Some(before), Some(after), &item);
            });
        }
    }
}
