//! Functions on lists. None of them changes the list it is given.
//!
//! It must not know templates.

use super::arguments::{any, check_items, int, items};
use crate::cast;
use crate::equal::deep_equal;
use crate::error::Error;
use crate::exec::{Outcome, Run};
use crate::value::{Element, List, Value};

/// The items of a list, or Go's complaint about what was given instead.
fn list_of(value: &Value, doing: &str) -> Result<Vec<Value>, Error> {
    match items(value) {
        Some(items) => Ok(items.into_owned()),
        None if value.is_nil() => Err(Error::execute(
            "runtime error: invalid memory address or nil pointer dereference",
        )),
        None => Err(Error::execute(format!(
            "Cannot {doing} type {}",
            value.kind()
        ))),
    }
}

pub(super) fn list(arguments: &[Value]) -> Outcome {
    Ok(Value::list(arguments.to_vec()))
}

pub(super) fn append(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let mut found = list_of(any(arguments, 0), "push on")?;
    check_items(run, found.len() as u128 + 1)?;
    run.charge(found.len() * size_of::<Value>())?;
    found.push(any(arguments, 1).clone());
    Ok(Value::list(found))
}

pub(super) fn prepend(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let found = list_of(any(arguments, 0), "prepend on")?;
    check_items(run, found.len() as u128 + 1)?;
    run.charge(found.len() * size_of::<Value>())?;
    let mut out = Vec::with_capacity(found.len() + 1);
    out.push(any(arguments, 1).clone());
    out.extend(found);
    Ok(Value::list(out))
}

pub(super) fn concat(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let mut out = Vec::new();
    for value in arguments {
        let found = list_of(value, "concat").map_err(|error| match value.is_nil() {
            true => error,
            false => Error::execute(format!("Cannot concat type {} as list", value.kind())),
        })?;
        out.extend(found);
        check_items(run, out.len() as u128)?;
    }
    run.charge(out.len() * size_of::<Value>())?;
    if out.is_empty() {
        return Ok(Value::List(List::nil(Element::Any)));
    }
    Ok(Value::list(out))
}

pub(super) fn first(arguments: &[Value]) -> Outcome {
    let found = list_of(any(arguments, 0), "find first on")?;
    Ok(found.first().cloned().unwrap_or(Value::Nil))
}

pub(super) fn last(arguments: &[Value]) -> Outcome {
    let found = list_of(any(arguments, 0), "find last on")?;
    Ok(found.last().cloned().unwrap_or(Value::Nil))
}

pub(super) fn rest(arguments: &[Value]) -> Outcome {
    let mut found = list_of(any(arguments, 0), "find rest on")?;
    if found.is_empty() {
        return Ok(Value::List(List::nil(Element::Any)));
    }
    found.remove(0);
    Ok(Value::list(found))
}

pub(super) fn initial(arguments: &[Value]) -> Outcome {
    let mut found = list_of(any(arguments, 0), "find initial on")?;
    match found.pop() {
        Some(_) => Ok(Value::list(found)),
        None => Ok(Value::List(List::nil(Element::Any))),
    }
}

pub(super) fn reverse(arguments: &[Value]) -> Outcome {
    let mut found = list_of(any(arguments, 0), "find reverse on")?;
    found.reverse();
    Ok(Value::list(found))
}

pub(super) fn compact(arguments: &[Value]) -> Outcome {
    let mut found = list_of(any(arguments, 0), "compact on")?;
    found.retain(Value::truth);
    Ok(Value::list(found))
}

pub(super) fn uniq(arguments: &[Value]) -> Outcome {
    let found = list_of(any(arguments, 0), "find uniq on")?;
    let mut kept: Vec<Value> = Vec::new();
    for item in found {
        if !kept.iter().any(|known| deep_equal(known, &item)) {
            kept.push(item);
        }
    }
    Ok(Value::list(kept))
}

pub(super) fn without(arguments: &[Value]) -> Outcome {
    let mut found = list_of(any(arguments, 0), "find without on")?;
    found.retain(|item| !arguments[1..].iter().any(|left| deep_equal(left, item)));
    Ok(Value::list(found))
}

pub(super) fn has(arguments: &[Value]) -> Outcome {
    let haystack = any(arguments, 1);
    if haystack.is_nil() {
        return Ok(Value::Bool(false));
    }
    let found = list_of(haystack, "find has on")?;
    let needle = any(arguments, 0);
    Ok(Value::Bool(
        found.iter().any(|item| deep_equal(needle, item)),
    ))
}

pub(super) fn slice(arguments: &[Value]) -> Outcome {
    let value = any(arguments, 0);
    let found = list_of(value, "slice").map_err(|error| match value.is_nil() {
        true => error,
        false => Error::execute(format!(
            "list should be type of slice or array but {}",
            value.kind()
        )),
    })?;
    if found.is_empty() {
        return Ok(Value::Nil);
    }
    let index = |at: usize, default: usize| match arguments.get(at) {
        Some(value) => usize::try_from(cast::to_int(value)).ok(),
        None => Some(default),
    };
    let range = index(1, 0).zip(index(2, found.len()));
    let part = range.and_then(|(start, end)| found.get(start..end));
    let Some(part) = part else {
        return Err(Error::execute(
            "reflect.Value.Slice: slice index out of bounds",
        ));
    };
    match value {
        Value::List(list) => Ok(Value::List(List::new(list.element(), part.to_vec()))),
        _ => Ok(Value::list(part.to_vec())),
    }
}

pub(super) fn chunk(arguments: &[Value]) -> Outcome {
    let found = list_of(any(arguments, 1), "chunk")?;
    let wanted = int(arguments, 0);
    let size = match usize::try_from(wanted) {
        Ok(size) if size > 0 => size,
        // A small negative size makes no chunk at all, any other a slice of negative length.
        Err(_) if (1..=wanted.unsigned_abs() + 1).contains(&(found.len() as u64)) => usize::MAX,
        _ => return Err(Error::execute("runtime error: makeslice: len out of range")),
    };
    if size == usize::MAX {
        return Ok(Value::List(List::new(Element::List, Vec::new())));
    }
    let chunks = found.chunks(size).map(|chunk| Value::list(chunk.to_vec()));
    Ok(Value::List(List::new(Element::List, chunks.collect())))
}

pub(super) fn until(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let count = int(arguments, 0);
    numbers(run, (0, count, if count < 0 { -1 } else { 1 }))
}

pub(super) fn until_step(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let range = (int(arguments, 0), int(arguments, 1), int(arguments, 2));
    numbers(run, range)
}

fn numbers(run: &Run<'_>, range: (i64, i64, i64)) -> Outcome {
    let numbers = count(run, range)?.into_iter().map(Value::int).collect();
    Ok(Value::List(List::new(Element::Int, numbers)))
}

/// The numbers from a start up or down to a stop; none when the step leads away from it.
fn count(run: &Run<'_>, (start, stop, step): (i64, i64, i64)) -> Outcome<Vec<i64>> {
    if step == 0 || (stop < start) != (step < 0) {
        return Ok(Vec::new());
    }
    let length = start.abs_diff(stop).div_ceil(step.unsigned_abs());
    check_items(run, u128::from(length))?;
    let mut out = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    let mut number = start;
    for _ in 0..length {
        out.push(number);
        number = number.saturating_add(step);
    }
    Ok(out)
}

pub(super) fn sequence(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let at = |index| int(arguments, index);
    let toward = |start: i64, end: i64| if end < start { -1 } else { 1 };
    let range = match arguments.len() {
        1 => {
            let step = toward(1, at(0));
            (1, at(0).saturating_add(step), step)
        }
        2 => {
            let step = toward(at(0), at(1));
            (at(0), at(1).saturating_add(step), step)
        }
        3 => {
            let (start, step, end) = (at(0), at(1), at(2));
            let towards = toward(start, end);
            if towards < 0 && step > 0 {
                return Ok(Value::text(""));
            }
            (start, end.saturating_add(towards), step)
        }
        _ => return Ok(Value::text("")),
    };
    let numbers = count(run, range)?;
    let words: Vec<String> = numbers.iter().map(i64::to_string).collect();
    Ok(Value::from(words.join(" ")))
}
