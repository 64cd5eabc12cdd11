//! Strategic merge patch: a merge patch whose lists merge by key, with directives.
//!
//! `$patch` replaces or deletes an object or the items of a list, `$retainKeys` drops the fields
//! that it does not name, `$deleteFromPrimitiveList/f` takes items out of list `f`, and
//! `$setElementOrder/f` says how the items of `f` are ordered. It must not know owners.

use holdfast_model::Value;
use holdfast_schema::{Patch, TypeRef};
use serde_json::Map;

use crate::typed::same;

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const DELETE_PREFIX: &str = "$deleteFromPrimitiveList/";
const ORDER_PREFIX: &str = "$setElementOrder/";

/// Why a patch was refused.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// `$patch` says something that is not known.
    #[error("unknown patch type found: {directive}")]
    BadDirective {
        /// What it says.
        directive: String,
    },
    /// An item has no merge key.
    #[error("map: does not contain declared merge key: {key}")]
    NoMergeKey {
        /// The field that it lacks.
        key: String,
    },
    /// Objects in a list that have no merge key by type.
    #[error("cannot merge lists without merge key for type {name}")]
    Unmergeable {
        /// The type of the items.
        name: String,
    },
    /// `$retainKeys` does not name a field that the patch sets, or is no list.
    #[error("invalid patch format of retainKeys")]
    BadRetainKeys,
    /// `$setElementOrder` is no list, or disagrees with the list it orders.
    #[error("invalid patch format of setElementOrder list")]
    BadElementOrder,
    /// An order of objects names something else.
    #[error("value for key {index} is not a map")]
    NotAMap {
        /// Where that stands in the order.
        index: usize,
    },
    /// The patch is no object.
    #[error("the patch is not an object")]
    NotAnObject,
}

/// The value with the patch merged in.
///
/// # Errors
/// [`Error`] when the patch makes no sense for the type.
pub fn apply(target: &Value, patch: &Value, type_ref: &TypeRef) -> Result<Value, Error> {
    let patch = patch.as_object().ok_or(Error::NotAnObject)?;
    let original = target.as_object().cloned().unwrap_or_default();
    merge_object(original, patch.clone(), type_ref).map(Value::Object)
}

fn merge_object(
    mut original: Map<String, Value>,
    mut patch: Map<String, Value>,
    type_ref: &TypeRef,
) -> Result<Map<String, Value>, Error> {
    if let Some(directive) = patch.remove(DIRECTIVE) {
        return match directive.as_str() {
            Some("replace") => Ok(patch),
            Some("delete") => Ok(Map::new()),
            _ => Err(Error::BadDirective {
                directive: directive.to_string(),
            }),
        };
    }
    if let Some(keys) = patch.remove(RETAIN_KEYS) {
        retain_keys(&mut original, &patch, &keys)?;
    }
    order_lists(&mut original, &mut patch, type_ref)?;
    for (name, change) in patch {
        let (name, deletes) = match name.strip_prefix(DELETE_PREFIX) {
            Some(list) => (list.to_owned(), true),
            None => (name, false),
        };
        if change.is_null() {
            original.remove(&name);
            continue;
        }
        let merged = match (original.remove(&name), change) {
            (Some(Value::Object(old)), Value::Object(new)) if !deletes => {
                let strategy = strategy(type_ref, &name);
                if strategy.replace {
                    Value::Object(new)
                } else {
                    let child = type_ref.child(&name).unwrap_or_else(TypeRef::any);
                    Value::Object(merge_object(old, new, &child)?)
                }
            }
            (Some(Value::Array(old)), Value::Array(new)) => {
                if deletes {
                    let kept = old.into_iter();
                    Value::Array(kept.filter(|item| !contains(&new, item)).collect())
                } else if strategy(type_ref, &name).merge {
                    Value::Array(merge_list(old, new, type_ref, &name)?)
                } else {
                    Value::Array(new)
                }
            }
            (old, change) => {
                if deletes {
                    let Some(old) = old else { continue };
                    old
                } else {
                    let Some(change) = without_directives(without_nulls(change)) else {
                        continue;
                    };
                    change
                }
            }
        };
        original.insert(name, merged);
    }
    Ok(original)
}

fn strategy(type_ref: &TypeRef, name: &str) -> Patch {
    type_ref
        .field(name)
        .map(|field| field.patch)
        .unwrap_or_default()
}

fn merge_key<'a>(type_ref: &'a TypeRef, name: &str) -> Option<&'a str> {
    type_ref.field(name)?.merge_key.as_deref()
}

fn contains(items: &[Value], wanted: &Value) -> bool {
    items.iter().any(|item| same(item, wanted))
}

fn retain_keys(
    original: &mut Map<String, Value>,
    patch: &Map<String, Value>,
    keys: &Value,
) -> Result<(), Error> {
    let keys = keys.as_array().ok_or(Error::BadRetainKeys)?;
    let named = |name: &str| keys.iter().any(|key| key.as_str() == Some(name));
    let unnamed = patch.iter().any(|(name, value)| {
        !value.is_null()
            && !name.starts_with(DELETE_PREFIX)
            && !name.starts_with(ORDER_PREFIX)
            && !named(name)
    });
    if unnamed {
        return Err(Error::BadRetainKeys);
    }
    original.retain(|name, _| named(name));
    Ok(())
}

fn order_lists(
    original: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
    type_ref: &TypeRef,
) -> Result<(), Error> {
    let orders: Vec<String> = patch
        .keys()
        .filter(|name| name.starts_with(ORDER_PREFIX))
        .cloned()
        .collect();
    for directive in orders {
        let order = patch.remove(&directive).unwrap_or_default();
        let name = directive.trim_start_matches(ORDER_PREFIX).to_owned();
        let list = |value: Option<Value>| match value {
            None => Ok(None),
            Some(Value::Array(items)) => Ok(Some(items)),
            Some(_) => Err(Error::BadElementOrder),
        };
        let order = list(Some(order))?.unwrap_or_default();
        if patch.get(&name).is_some_and(Value::is_null) {
            continue;
        }
        let changes = list(patch.remove(&name))?;
        let live = list(original.get(&name).cloned())?;
        let key = merge_key(type_ref, &name);
        if let Some(changes) = &changes {
            check_order(changes, &order, key)?;
        }
        let merged = match (live.clone(), changes) {
            (Some(live), None) => live,
            (None, Some(changes)) => changes
                .into_iter()
                .filter_map(|item| without_directives(without_nulls(item)))
                .collect(),
            (Some(live), Some(changes)) if strategy(type_ref, &name).merge => {
                merge_list(live, changes, type_ref, &name)?
            }
            (Some(_), Some(changes)) => changes,
            (None, None) => continue,
        };
        let live = live.unwrap_or_default();
        let ordered = in_order(merged, &order, &live, key)?;
        original.insert(name, Value::Array(ordered));
    }
    Ok(())
}

/// The items of the patch have to stand in the order that the directive gives.
fn check_order(changes: &[Value], order: &[Value], key: Option<&str>) -> Result<(), Error> {
    if order.is_empty() {
        return Ok(());
    }
    let mut order = order.iter();
    for change in changes {
        if change.get(DIRECTIVE).is_some() {
            continue;
        }
        if !order.any(|place| same_item(place, change, key)) {
            return Err(Error::BadElementOrder);
        }
    }
    Ok(())
}

fn same_item(left: &Value, right: &Value, key: Option<&str>) -> bool {
    match key {
        Some(key) if left.is_object() || right.is_object() => {
            match (left.get(key), right.get(key)) {
                (Some(left), Some(right)) => same(left, right),
                _ => false,
            }
        }
        _ => same(left, right),
    }
}

fn position(items: &[Value], wanted: &Value, key: Option<&str>) -> Option<usize> {
    items.iter().position(|item| same_item(item, wanted, key))
}

fn merge_list(
    mut original: Vec<Value>,
    patch: Vec<Value>,
    type_ref: &TypeRef,
    name: &str,
) -> Result<Vec<Value>, Error> {
    if original.is_empty() && patch.is_empty() {
        return Ok(original);
    }
    let objects = original.iter().chain(&patch).any(Value::is_object);
    if !objects {
        let live = original.clone();
        for item in &patch {
            if !contains(&original, item) {
                original.push(item.clone());
            }
        }
        return in_order(original, &patch, &live, None);
    }
    let item_type = type_ref.child(name).and_then(|list| list.item());
    let item_type = item_type.unwrap_or_else(TypeRef::any);
    let Some(key) = merge_key(type_ref, name) else {
        return Err(Error::Unmergeable {
            name: format!("{item_type:?}"),
        });
    };
    let no_key = || Error::NoMergeKey {
        key: key.to_owned(),
    };
    let (plain, replace) = obey_items(&mut original, patch, key)?;
    if replace {
        return Ok(plain);
    }
    let live = original.clone();
    for item in &plain {
        item.get(key).ok_or_else(no_key)?;
        let Value::Object(changes) = item.clone() else {
            return Err(no_key());
        };
        match position(&original, item, Some(key)) {
            Some(index) => {
                let old = original[index].as_object().cloned().unwrap_or_default();
                original[index] = Value::Object(merge_object(old, changes, &item_type)?);
            }
            None => original.extend(without_directives(without_nulls(item.clone()))),
        }
    }
    in_order(original, &plain, &live, Some(key))
}

/// Carries out the directives among the items; gives the items that are none, and whether they
/// replace the list.
fn obey_items(
    original: &mut Vec<Value>,
    patch: Vec<Value>,
    key: &str,
) -> Result<(Vec<Value>, bool), Error> {
    let mut plain = Vec::new();
    let mut replace = false;
    for item in patch {
        let Some(directive) = item.get(DIRECTIVE) else {
            plain.push(item);
            continue;
        };
        match directive.as_str() {
            Some("delete") => {
                let wanted = item.get(key).ok_or_else(|| Error::NoMergeKey {
                    key: key.to_owned(),
                })?;
                original.retain(|other| !other.get(key).is_some_and(|found| same(found, wanted)));
            }
            Some("replace") => replace = true,
            _ => {
                return Err(Error::BadDirective {
                    directive: directive.to_string(),
                });
            }
        }
    }
    Ok((plain, replace))
}

/// Orders items: those that the patch names in its order, the others in the live order, the two
/// woven together so that live order decides where both are known.
fn in_order(
    items: Vec<Value>,
    order: &[Value],
    live: &[Value],
    key: Option<&str>,
) -> Result<Vec<Value>, Error> {
    if let Some(key) = key
        && let Some(item) = items.iter().chain(order).find(|item| {
            item.is_object() && item.get(key).is_none() || !item.is_object() && !order.is_empty()
        })
        && item.is_object()
    {
        return Err(Error::NoMergeKey {
            key: key.to_owned(),
        });
    }
    if key.is_some() {
        only_maps(&items, order, key)?;
    }
    let (mut named, mut others): (Vec<Value>, Vec<Value>) = items
        .into_iter()
        .partition(|item| position(order, item, key).is_some());
    named.sort_by_key(|item| position(order, item, key));
    others.sort_by_key(|item| position(live, item, key).unwrap_or(usize::MAX));
    let mut woven = Vec::with_capacity(named.len() + others.len());
    let mut named = named.into_iter().peekable();
    let mut others = others.into_iter().peekable();
    loop {
        let take_other = match (others.peek(), named.peek()) {
            (None, None) => break,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(other), Some(name)) => {
                match (position(live, other, key), position(live, name, key)) {
                    (Some(other), Some(name)) => other < name,
                    _ => false,
                }
            }
        };
        woven.extend(if take_other {
            others.next()
        } else {
            named.next()
        });
    }
    Ok(woven)
}

/// An order may name what is no object only after everything that there is.
fn only_maps(items: &[Value], order: &[Value], key: Option<&str>) -> Result<(), Error> {
    for item in items {
        let end = position(order, item, key).unwrap_or(order.len());
        let other = order.iter().take(end).position(|place| !place.is_object());
        if let Some(index) = other {
            return Err(Error::NotAMap { index });
        }
    }
    Ok(())
}

/// What is new takes no nulls: they only ever remove.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name, without_nulls(value)))
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        value => value,
    }
}

/// The value without anything that a directive marks; `None` when it is marked itself.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(fields) => {
            if fields.contains_key(DIRECTIVE) {
                return None;
            }
            let kept = fields
                .into_iter()
                .filter(|(name, _)| name != RETAIN_KEYS && !name.starts_with(ORDER_PREFIX))
                .filter_map(|(name, value)| Some((name, without_directives(value)?)));
            Some(Value::Object(kept.collect()))
        }
        Value::Array(items) => Some(Value::Array(
            items.into_iter().filter_map(without_directives).collect(),
        )),
        value => Some(value),
    }
}
