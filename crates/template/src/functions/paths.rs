//! Go's `path`: base, dir, ext, clean, isAbs. The `os` forms are the same, as on Linux.
//!
//! It must not look at any file.

use super::arguments::text;
use crate::exec::Outcome;
use crate::value::Value;

pub(super) fn base(arguments: &[Value]) -> Outcome {
    Ok(Value::text(base_name(&text(arguments, 0))))
}

/// The last element of a path.
fn base_name(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() {
        return "/";
    }
    trimmed.rsplit('/').next().unwrap_or(trimmed)
}

pub(super) fn dir(arguments: &[Value]) -> Outcome {
    let path = text(arguments, 0);
    let folder = path.rfind('/').map_or("", |at| &path[..=at]);
    Ok(Value::from(clean_path(folder)))
}

pub(super) fn ext(arguments: &[Value]) -> Outcome {
    let path = text(arguments, 0);
    let name = path.rsplit('/').next().unwrap_or_default();
    Ok(Value::text(name.rfind('.').map_or("", |at| &name[at..])))
}

pub(super) fn is_abs(arguments: &[Value]) -> Outcome {
    Ok(Value::Bool(text(arguments, 0).starts_with('/')))
}

pub(super) fn clean(arguments: &[Value]) -> Outcome {
    Ok(Value::from(clean_path(&text(arguments, 0))))
}

/// The shortest path that means the same.
fn clean_path(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            ".." if rooted => {}
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_owned(),
        (false, false) => joined,
    }
}
