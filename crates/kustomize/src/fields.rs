//! Walks to the fields that a field spec names, making what is absent where the spec says so.

use holdfast_yaml::{Node, NodeValue};

use crate::config::{FieldSpec, Gvk};
use crate::node::{is_null, string};
use crate::resource::Resource;

/// What the last field of a path is made as when it is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Make {
    Nothing,
    Scalar,
    Mapping,
}

/// Changes a field.
pub(crate) type Change<'a> = &'a mut dyn FnMut(&mut Node) -> Result<(), String>;

/// Changes every field of a resource that a spec names, where the spec is for its kind.
pub(crate) fn change(
    resource: &mut Resource,
    spec: &FieldSpec,
    make: Make,
    change: Change<'_>,
) -> Result<(), String> {
    if !resource.is_selected(&spec.gvk) {
        return Ok(());
    }
    change_path(&mut resource.node, spec, make, change)
}

/// Changes every field at a spec's path; the spec's kind is not looked at.
pub(crate) fn change_path(
    node: &mut Node,
    spec: &FieldSpec,
    make: Make,
    change: Change<'_>,
) -> Result<(), String> {
    let make = if spec.create { make } else { Make::Nothing };
    let path = split_path(&spec.path);
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    walk(node, &path, make, change)
        .map_err(|error| format!("considering field '{}': {error}", spec.path))
}

/// Splits at `/`, where `\/` stands for one that is part of a name.
pub(crate) fn split_path(path: &str) -> Vec<String> {
    split_escaped(path, '/')
}

/// Splits a path at a delimiter that a backslash may escape.
pub(crate) fn split_escaped(path: &str, delimiter: char) -> Vec<String> {
    let mut parts = path.split(delimiter).peekable();
    if path.contains(delimiter) && path.starts_with(delimiter) {
        parts.next();
    }
    let mut result: Vec<String> = Vec::new();
    for part in parts {
        match result.last_mut() {
            Some(last) if last.ends_with('\\') => {
                last.pop();
                last.push(delimiter);
                last.push_str(part);
            }
            _ => result.push(part.to_owned()),
        }
    }
    result
}

fn walk(node: &mut Node, path: &[&str], make: Make, change: Change<'_>) -> Result<(), String> {
    let Some((first, rest)) = path.split_first() else {
        return change(node);
    };
    if is_null(node) {
        return Ok(());
    }
    match &mut node.value {
        NodeValue::Scalar(_) => Err("expected sequence or mapping node".to_owned()),
        NodeValue::Sequence(items) => items
            .iter_mut()
            .try_for_each(|item| walk(item, path, make, change)),
        NodeValue::Mapping(entries) => {
            let (name, is_sequence) = match first.strip_suffix("[]") {
                Some(name) => (name, true),
                None => (*first, false),
            };
            if name.is_empty() {
                return Err("cannot set or create an empty field name".to_owned());
            }
            check_name(name)?;
            let found = entries.iter().position(|(key, _)| key.text() == Some(name));
            let fresh = match (make, is_sequence, rest.is_empty()) {
                (_, true, _) => Some(Node::sequence(Vec::new())),
                (Make::Nothing, ..) => None,
                (Make::Scalar, _, true) => Some(string("")),
                (Make::Scalar | Make::Mapping, ..) => Some(Node::mapping(Vec::new())),
            };
            let at = match (found, fresh) {
                (Some(at), fresh) => {
                    // A null stands for what would be made here.
                    if let Some(fresh) = fresh.filter(|_| is_null(&entries[at].1)) {
                        entries[at].1 = fresh;
                    }
                    at
                }
                (None, Some(fresh)) if !is_sequence => {
                    entries.push((Node::scalar(name, holdfast_yaml::Style::Plain), fresh));
                    entries.len() - 1
                }
                (None, _) => return Ok(()),
            };
            walk(&mut entries[at].1, rest, make, change)
        }
    }
}

/// Kustomize looks a field up as a path of its own, in which some names mean elements of a list.
fn check_name(name: &str) -> Result<(), String> {
    if name == "*" {
        return Err("fieldName: *: wildcard is not supported in PathGetter".to_owned());
    }
    let is_index = name == "-" || name.parse::<i64>().is_ok();
    if is_index || (name.starts_with('[') && name.ends_with(']')) {
        return Err(format!(
            "fieldName: {name}: wrong node kind: expected SequenceNode but got MappingNode"
        ));
    }
    Ok(())
}

/// A spec for all kinds.
pub(crate) fn any_kind(path: &str, create: bool) -> FieldSpec {
    FieldSpec {
        gvk: Gvk::default(),
        path: path.to_owned(),
        create,
    }
}
