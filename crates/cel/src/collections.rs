//! Lists and maps: what loops go through, and the functions that the library has not.
//! It must not know expressions.

use std::cmp::Ordering;
use std::sync::Arc;

use kube_cel::cel::Value;
use kube_cel::cel::objects::Key;

use super::cost;
use super::library::{Result, fail, held};

/// A key of a map; numbers without a fraction are whole ones.
pub(crate) fn key(value: &Value) -> Result<Key> {
    Ok(match value {
        Value::Int(number) => Key::Int(*number),
        Value::UInt(number) => Key::Uint(*number),
        Value::Bool(flag) => Key::Bool(*flag),
        Value::String(text) => Key::String(text.clone()),
        _ => return fail("unsupported key type"),
    })
}

pub(crate) fn named(key: &Key) -> Value {
    match key {
        Key::Int(number) => Value::Int(*number),
        Key::Uint(number) => Value::UInt(*number),
        Key::Bool(flag) => Value::Bool(*flag),
        Key::String(text) => Value::String(text.clone()),
    }
}

/// What a loop goes through: the items of a list or the keys of a map; with two variables, an index
/// or a key before each.
pub(crate) fn pairs(range: &Value, two: bool) -> Result<Vec<(Value, Value)>> {
    Ok(match range {
        Value::List(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| {
                let index = Value::Int(i64::try_from(index).unwrap_or(i64::MAX));
                if two {
                    (index, item.clone())
                } else {
                    (item.clone(), Value::Null)
                }
            })
            .collect(),
        Value::Map(entries) => {
            let mut pairs: Vec<(&Key, &Value)> = entries.map.iter().collect();
            // The order of a map is nobody's; this one is always the same.
            pairs.sort_by(|left, right| left.0.cmp(right.0));
            let pairs = pairs.into_iter();
            pairs
                .map(|(key, value)| (named(key), value.clone()))
                .collect()
        }
        _ => return fail("no such overload"),
    })
}

/// A map with another entry, or with those of another map; none may be there already.
pub(crate) fn inserted(args: Vec<Value>) -> Result<Value> {
    let mut args = args.into_iter();
    let (Some(Value::Map(mut entries)), Some(first)) = (args.next(), args.next()) else {
        return fail("no such overload");
    };
    let added = match (args.next(), first) {
        (Some(value), first) => vec![(key(&first)?, value)],
        (None, Value::Map(added)) => {
            let added = added.map.iter();
            added
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect()
        }
        (None, _) => return fail("no such overload"),
    };
    let known = Arc::make_mut(&mut entries.map);
    for (key, value) in added {
        if known.contains_key(&key) {
            let shown = cost::shown(&named(&key));
            return fail(format!("insert failed: key {shown} already exists"));
        }
        known.insert(key, value);
    }
    Ok(Value::Map(entries))
}

/// A list in the order of the keys that go with its items.
pub(crate) fn sorted(list: &Value, keys: &Value) -> Result<Value> {
    let (Value::List(items), Value::List(keys)) = (list, keys) else {
        return fail("no such overload");
    };
    let mut pairs: Vec<(&Value, &Value)> = keys.iter().zip(items.iter()).collect();
    let mut comparable = true;
    pairs.sort_by(|left, right| {
        left.0.partial_cmp(right.0).unwrap_or_else(|| {
            comparable = false;
            Ordering::Equal
        })
    });
    if !comparable {
        return fail("no such overload");
    }
    let items = pairs.into_iter().map(|(_, item)| item.clone());
    Ok(Value::List(Arc::new(items.collect())))
}

/// What the optional values of a list hold.
pub(crate) fn unwrapped(list: Option<&Value>) -> Result<Value> {
    let Some(Value::List(items)) = list else {
        return fail("no such overload");
    };
    let held: Option<Vec<Option<Value>>> = items.iter().map(held).collect();
    match held {
        Some(held) => Ok(Value::List(Arc::new(held.into_iter().flatten().collect()))),
        None => fail("no such overload"),
    }
}
