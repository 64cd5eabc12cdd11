//! Regular expressions as Go's `regexp` has them.
//!
//! It must not know templates. Compiled expressions are kept for the render by [`Run`].

use holdfast_go::regexp::{self, Captures, NoExpand, Regex};

use super::arguments::{check_size, int, product, text};
use crate::error::Error;
use crate::exec::{Outcome, Run};
use crate::value::{Element, List, Value};

/// Bytes that a compiled expression may take.
const SIZE_LIMIT: usize = 4 << 20;

/// Compiles Go's syntax.
pub(crate) fn compile(pattern: &str) -> Result<Regex, Error> {
    regexp::compile(pattern, SIZE_LIMIT)
        .map_err(|_| Error::execute(format!("error parsing regexp: {pattern:?}")))
}

pub(super) fn is_match(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let matches = run
        .regex(&text(arguments, 0))
        .is_ok_and(|regex| regex.is_match(&text(arguments, 1)));
    Ok(Value::Bool(matches))
}

pub(super) fn must_match(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let regex = run.regex(&text(arguments, 0))?;
    Ok(Value::Bool(regex.is_match(&text(arguments, 1))))
}

pub(super) fn find(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let regex = run.regex(&text(arguments, 0))?;
    let whole = text(arguments, 1);
    let found = regex.find(&whole).map_or("", |found| found.as_str());
    Ok(Value::text(found))
}

pub(super) fn find_all(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let regex = run.regex(&text(arguments, 0))?;
    let whole = text(arguments, 1);
    let limit = usize::try_from(int(arguments, 2)).unwrap_or(usize::MAX);
    let found: Vec<Value> = regex
        .find_iter(&whole)
        .take(limit)
        .map(|found| Value::text(found.as_str()))
        .collect();
    if found.is_empty() {
        return Ok(Value::List(List::nil(Element::Text)));
    }
    Ok(Value::List(List::new(Element::Text, found)))
}

pub(super) fn replace_all(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let regex = run.regex(&text(arguments, 0))?;
    let (whole, template) = (text(arguments, 1), text(arguments, 2));
    let mut out = String::with_capacity(whole.len());
    let mut last = 0;
    for captures in regex.captures_iter(&whole) {
        let Some(found) = captures.get(0) else {
            continue;
        };
        out.push_str(&whole[last..found.start()]);
        expand(&mut out, &template, &captures);
        check_size(run, out.len() as u128)?;
        last = found.end();
    }
    out.push_str(&whole[last..]);
    Ok(Value::from(out))
}

/// Go's replacement syntax: `$1`, `${1}`, `$name`, `$$`; a name is as long as it can be.
fn expand(out: &mut String, template: &str, captures: &Captures<'_>) {
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let (inside, braces) = match rest.strip_prefix('{') {
            Some(inside) => (inside, true),
            None => (rest, false),
        };
        let length = inside
            .find(|letter: char| letter != '_' && !letter.is_alphanumeric())
            .unwrap_or(inside.len());
        let name = &inside[..length];
        let after = &inside[length..];
        let after = if braces {
            after.strip_prefix('}')
        } else {
            Some(after)
        };
        let (Some(after), false) = (after, name.is_empty()) else {
            out.push('$');
            continue;
        };
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
        let found = if is_number {
            name.parse().ok().and_then(|index| captures.get(index))
        } else {
            captures.name(name)
        };
        out.push_str(found.map_or("", |found| found.as_str()));
        rest = after;
    }
    out.push_str(rest);
}

pub(super) fn replace_all_literal(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let regex = run.regex(&text(arguments, 0))?;
    let (whole, new) = (text(arguments, 1), text(arguments, 2));
    check_size(run, product(whole.len() + 1, new.len()))?;
    let replaced = regex.replace_all(&whole, NoExpand(&new));
    Ok(Value::text(replaced))
}

/// Go's `Split`: the parts between matches, and nothing for a limit of zero.
pub(super) fn split(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let pattern = text(arguments, 0);
    let regex = run.regex(&pattern)?;
    let whole = text(arguments, 1);
    let limit = int(arguments, 2);
    let mut parts: Vec<Value> = Vec::new();
    if limit == 0 {
        return Ok(Value::List(List::nil(Element::Text)));
    }
    {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if !pattern.is_empty() && whole.is_empty() {
            return Ok(Value::texts([""]));
        }
        let (mut start, mut end) = (0, 0);
        for found in regex.find_iter(&whole) {
            if parts.len() + 1 >= limit {
                break;
            }
            end = found.start();
            if found.end() != 0 {
                parts.push(Value::text(&whole[start..end]));
            }
            start = found.end();
        }
        if end != whole.len() {
            parts.push(Value::text(&whole[start..]));
        }
    }
    Ok(Value::List(List::new(Element::Text, parts)))
}
