//! Functions on maps. Maps are shared: `set`, `unset` and `merge` change what they are given.
//!
//! It must not know templates.

use std::rc::Rc;

use super::arguments::{any, map, string_text, text};
use crate::error::Error;
use crate::exec::{Outcome, Run};
use crate::value::{Element, Entries, List, Map, Shape, Value};

/// How deep maps are merged and copied. Deeper ones are circles.
const MAX_DEPTH: usize = 200;

pub(super) fn dict(arguments: &[Value]) -> Outcome {
    let mut entries = Entries::new();
    for pair in arguments.chunks(2) {
        let key = key_text(&pair[0]);
        let value = pair.get(1).cloned().unwrap_or_else(|| Value::text(""));
        entries.insert(key, value);
    }
    Ok(Value::map(entries))
}

fn key_text(value: &Value) -> Rc<str> {
    match value {
        Value::Text(text) => Rc::clone(text),
        Value::Nil | Value::Invalid => Rc::from("<nil>"),
        other => Rc::from(string_text(other)),
    }
}

pub(super) fn get(arguments: &[Value]) -> Outcome {
    let found = map(arguments, 0).and_then(|map| map.get(&text(arguments, 1)));
    Ok(found.unwrap_or_else(|| Value::text("")))
}

pub(super) fn set(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let Some(map) = map(arguments, 0) else {
        return Err(Error::execute("assignment to entry in nil map"));
    };
    let value = any(arguments, 2).clone();
    if matches!(value, Value::Map(_) | Value::List(_)) {
        run.note_change(map);
    }
    match &arguments[1] {
        Value::Text(key) => map.set(Rc::clone(key), value),
        _ => map.set(&*text(arguments, 1), value),
    }
    Ok(as_plain(map))
}

/// A map as `map[string]interface {}`, which is what Go's functions return.
fn as_plain(map: &Map) -> Value {
    Value::Map(map.shaped(Shape::Any))
}

pub(super) fn unset(arguments: &[Value]) -> Outcome {
    let Some(map) = map(arguments, 0) else {
        return Ok(Value::map(Entries::new()));
    };
    let old = map.entries_mut().remove(&*text(arguments, 1));
    drop(old);
    Ok(as_plain(map))
}

pub(super) fn has_key(arguments: &[Value]) -> Outcome {
    let has = map(arguments, 0).is_some_and(|map| map.entries().contains_key(&*text(arguments, 1)));
    Ok(Value::Bool(has))
}

pub(super) fn pluck(arguments: &[Value]) -> Outcome {
    let key = text(arguments, 0);
    let found = (1..arguments.len()).filter_map(|index| map(arguments, index)?.get(&key));
    Ok(Value::list(found.collect()))
}

pub(super) fn keys(arguments: &[Value]) -> Outcome {
    let mut keys = Vec::new();
    for index in 0..arguments.len() {
        if let Some(map) = map(arguments, index) {
            keys.extend(map.entries().keys().map(|key| Value::Text(Rc::clone(key))));
        }
    }
    Ok(Value::List(List::new(Element::Text, keys)))
}

pub(super) fn values(arguments: &[Value]) -> Outcome {
    let found = map(arguments, 0).map(|map| map.entries().values().cloned().collect());
    Ok(Value::list(found.unwrap_or_default()))
}

pub(super) fn pick(arguments: &[Value]) -> Outcome {
    let mut entries = Entries::new();
    if let Some(map) = map(arguments, 0) {
        for index in 1..arguments.len() {
            let key = text(arguments, index);
            if let Some(value) = map.get(&key) {
                entries.insert(Rc::from(&*key), value);
            }
        }
    }
    Ok(Value::map(entries))
}

pub(super) fn omit(arguments: &[Value]) -> Outcome {
    let mut entries = map(arguments, 0).map_or_else(Entries::new, |map| map.entries().clone());
    for index in 1..arguments.len() {
        entries.remove(&*text(arguments, index));
    }
    Ok(Value::map(entries))
}

/// Which of two maps wins where both have a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Winner {
    First,
    Last,
}

pub(super) fn merge(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    merge_all(run, arguments, Winner::First)
}

pub(super) fn merge_overwrite(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    merge_all(run, arguments, Winner::Last)
}

fn merge_all(run: &mut Run<'_>, arguments: &[Value], winner: Winner) -> Outcome {
    let into = match map(arguments, 0) {
        Some(map) => map.shaped(Shape::Any),
        None => Map::new(Shape::Any, Entries::new()),
    };
    for index in 1..arguments.len() {
        if let Some(from) = map(arguments, index) {
            merge_maps(run, (&into, from), winner, 0)?;
        }
    }
    Ok(Value::Map(into))
}

fn merge_maps(
    run: &mut Run<'_>,
    (into, from): (&Map, &Map),
    winner: Winner,
    depth: usize,
) -> Outcome<()> {
    if into.is(from) {
        return Ok(());
    }
    if depth > MAX_DEPTH {
        return Err(Error::limit("maps are nested too deep to merge"));
    }
    run.note_change(into);
    let additions = from.entries().clone();
    run.charge(additions.len() * size_of::<Value>())?;
    for (key, new) in additions {
        if new.is_nil() {
            if winner == Winner::Last {
                into.set(key, Value::Nil);
            }
            continue;
        }
        let old = into.get(&key);
        if let (Value::Map(new), Some(Value::Map(old))) = (&new, &old) {
            merge_maps(run, (old, new), winner, depth + 1)?;
        }
        // Looked at again: a map that was empty may have been filled just now.
        let keeps = match &old {
            None => false,
            Some(old) if is_empty(old) => false,
            Some(Value::Map(_)) if matches!(new, Value::Map(_)) => true,
            Some(_) => winner == Winner::First,
        };
        if !keeps {
            into.set(key, new);
        }
    }
    Ok(())
}

fn is_empty(value: &Value) -> bool {
    !value.truth()
}

pub(super) fn deep_copy(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let value = any(arguments, 0);
    if value.is_nil() {
        return Err(Error::execute(
            "deepCopy error: reflect: call of a nil value",
        ));
    }
    copy(run, value, 0)
}

fn copy(run: &mut Run<'_>, value: &Value, depth: usize) -> Outcome {
    if depth > MAX_DEPTH {
        return Err(Error::limit("a value is nested too deep to copy"));
    }
    Ok(match value {
        Value::Map(map) => {
            let entries = map.entries().clone();
            run.charge(entries.len() * size_of::<Value>())?;
            let mut copied = Entries::new();
            for (key, item) in entries {
                let item = copy(run, &item, depth + 1)?;
                copied.insert(key, item);
            }
            Value::Map(Map::new(map.shape(), copied))
        }
        Value::List(list) => {
            run.charge(size_of_val(list.items()))?;
            let mut copied = Vec::with_capacity(list.items().len());
            for item in list.items() {
                copied.push(copy(run, item, depth + 1)?);
            }
            Value::List(List::new(list.element(), copied))
        }
        other => other.clone(),
    })
}

pub(super) fn dig(arguments: &[Value]) -> Outcome {
    let [path @ .., default, dict] = arguments else {
        return Err(Error::execute("dig needs at least three arguments"));
    };
    if path.is_empty() {
        return Err(Error::execute("dig needs at least three arguments"));
    }
    let mut current = dict.clone();
    for key in path {
        let wrong = |value: &Value, wanted: &str| {
            let found = match value {
                Value::Nil | Value::Invalid => "nil",
                value => value.type_name(),
            };
            Error::execute(format!(
                "interface conversion: interface {{}} is {found}, not {wanted}"
            ))
        };
        let Value::Text(key) = key else {
            return Err(wrong(key, "string"));
        };
        let next = match &current {
            Value::Map(map) if map.shape() == Shape::Any => map.get(key),
            other => return Err(wrong(other, "map[string]interface {}")),
        };
        match next {
            Some(next) => current = next,
            None => return Ok(default.clone()),
        }
    }
    Ok(current)
}
