//! `vars`: `$(NAME)` in configured fields becomes the value of a field of a resource.

use std::collections::BTreeMap;

use holdfast_yaml::{Node, NodeValue, Style};

use crate::config::{Config, Gvk};
use crate::fields::{Make, change, split_escaped};
use crate::file::Var;
use crate::node::{Tag, is_null, string, tag_of};
use crate::resource::{Resource, effective};
use crate::resources::Resources;
use crate::tables::Types;

/// Remembers which resource each var is taken from.
pub(crate) fn claim_vars(
    resources: &mut Resources,
    vars: &[Var],
    types: &Types,
) -> Result<(), String> {
    for var in vars {
        let Gvk {
            group,
            version,
            kind,
        } = &var.target;
        let any_namespace = var.target_namespace.is_empty();
        let found = resources.positions(|resource| {
            !resource.is_gone()
                && resource.ids(types).iter().any(|id| {
                    id.name == var.target_name
                        && id.group == *group
                        && id.version == *version
                        && id.kind == *kind
                        && (any_namespace || id.namespace == effective(&var.target_namespace))
                })
        });
        match found[..] {
            [] => {}
            [at] => resources.list[at].var_names.push(var.name.clone()),
            _ => {
                return Err(format!(
                    "found {} resId matches for var {} (unable to disambiguate)",
                    found.len(),
                    var.name
                ));
            }
        }
    }
    Ok(())
}

/// Replaces vars in all fields that the config names.
pub(crate) fn resolve_vars(
    resources: &mut Resources,
    vars: &BTreeMap<String, Var>,
    config: &Config,
) -> Result<(), String> {
    if vars.is_empty() {
        return Ok(());
    }
    let mut values = BTreeMap::new();
    for (name, var) in vars {
        values.insert(name.as_str(), var_value(&resources.list, var)?);
    }
    for resource in &mut resources.list {
        for spec in &config.var_reference {
            change(resource, spec, Make::Nothing, &mut |node| {
                replace(node, &values)
            })?;
            // A text that stands in several places is replaced again where another spec meets it.
            resource.sync_shared();
        }
    }
    Ok(())
}

fn var_value(resources: &[Resource], var: &Var) -> Result<Option<Node>, String> {
    let named = |resource: &&Resource| resource.var_names.contains(&var.name);
    let Some(resource) = resources.iter().find(named) else {
        return Err(format!(
            "var '{}' cannot be mapped to a field in the set of known resources",
            var.name
        ));
    };
    let mut node = &resource.node;
    for part in field_path(&var.field_path) {
        let next = match (&node.value, part.parse::<usize>()) {
            (NodeValue::Sequence(items), Ok(index)) => items.get(index),
            _ => node.get(&part),
        };
        node = next.ok_or_else(|| {
            format!(
                "field specified in var '{}' not found in corresponding resource",
                var.name
            )
        })?;
    }
    // Only scalars can be put in; for others the reference stays as it is written.
    Ok(node.text().is_some().then(|| node.clone()))
}

/// Splits `a.b[0].c` into its parts.
fn field_path(path: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for part in split_escaped(path, '.') {
        match part.strip_suffix(']').and_then(|part| part.split_once('[')) {
            Some((name, index)) if index.parse::<usize>().is_ok() => {
                if !name.is_empty() {
                    parts.push(name.to_owned());
                }
                parts.push(index.to_owned());
            }
            Some(_) if part.starts_with('[') => {
                parts.push(part.trim_matches(['[', ']']).to_owned());
            }
            _ => parts.push(part),
        }
    }
    parts
}

type Values<'a> = BTreeMap<&'a str, Option<Node>>;

fn replace(node: &mut Node, values: &Values<'_>) -> Result<(), String> {
    if is_null(node) {
        return Ok(());
    }
    match &mut node.value {
        NodeValue::Scalar(_) => {
            if tag_of(node) == Tag::Str {
                replace_text(node, values);
            }
        }
        NodeValue::Mapping(entries) => {
            for (key, value) in entries {
                if tag_of(key) != Tag::Str {
                    let name = key.text().unwrap_or_default();
                    return Err(format!("invalid map key: value='{name}'"));
                }
                if tag_of(value) == Tag::Str {
                    replace_text(value, values);
                }
            }
        }
        NodeValue::Sequence(items) => {
            for item in items {
                if tag_of(item) != Tag::Str {
                    return Err("invalid value type expect a string".to_owned());
                }
                replace_text(item, values);
            }
        }
    }
    Ok(())
}

/// Replaces the references in a text. A text that is one reference and nothing else becomes the
/// value with its type.
fn replace_text(node: &mut Node, values: &Values<'_>) {
    let text = node.text().unwrap_or_default();
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$').filter(|&at| at + 1 < rest.len()) {
        result.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        let name = behind
            .strip_prefix('(')
            .and_then(|behind| behind.split_once(')'));
        if let Some((name, after)) = name {
            match values.get(name) {
                Some(Some(value)) => {
                    let whole = text.len() == name.len() + 3;
                    if whole {
                        let value = typed(value);
                        substitute(node, value);
                        return;
                    }
                    result.push_str(&shown(value));
                }
                _ => {
                    result.push_str("$(");
                    result.push_str(name);
                    result.push(')');
                }
            }
            rest = after;
        } else if let Some(after) = behind.strip_prefix('$') {
            result.push('$');
            rest = after;
        } else {
            let length = behind.chars().next().map_or(0, char::len_utf8);
            result.push('$');
            result.push_str(&behind[..length]);
            rest = &behind[length..];
        }
    }
    result.push_str(rest);
    substitute(node, string(result));
}

/// Puts a value in a node's place; its style goes, its place stays.
fn substitute(node: &mut Node, value: Node) {
    let place = (node.line, node.column);
    *node = value;
    (node.line, node.column) = place;
}

/// A value on its own, with its type.
fn typed(value: &Node) -> Node {
    let text = value.text().unwrap_or_default();
    match tag_of(value) {
        Tag::Int | Tag::Bool | Tag::Float => Node::scalar(shown(value), Style::Plain),
        _ => string(text),
    }
}

/// A value within a text.
fn shown(value: &Node) -> String {
    let text = value.text().unwrap_or_default();
    match tag_of(value) {
        Tag::Bool => text.to_ascii_lowercase(),
        _ => text.to_owned(),
    }
}
