//! Field paths of replacements: `spec.containers.[name=web].image`, `a.*.b`, `list.0`.

use holdfast_go::regexp::Regex;
use holdfast_yaml::{Node, NodeValue, Style};

use super::{made, written};
use crate::fields::split_escaped;
use crate::node::{field_mut, is_null, kind_name};
use crate::resources::go_regex;

/// The position of an entry or item on the way to a node.
pub(super) type Steps = Vec<usize>;

/// Splits at dots, but not within brackets; `[a.b/c]` is the key `a.b/c`.
pub(super) fn split_smart(path: &str) -> Vec<String> {
    let mut result = Vec::new();
    let mut parts = split_escaped(path, '.').into_iter();
    while let Some(part) = parts.next() {
        if !part.starts_with('[') || part.ends_with(']') {
            result.push(part);
            continue;
        }
        let mut joined = part;
        for more in parts.by_ref() {
            joined.push('.');
            joined.push_str(&more);
            if more.ends_with(']') {
                break;
            }
        }
        if joined.contains('=') {
            result.push(joined);
        } else {
            result.push(joined.trim_matches(['[', ']']).to_owned());
        }
    }
    result
}

fn as_index(part: &str) -> Option<usize> {
    part.parse().ok()
}

/// The field and value of `[field=value]`.
fn as_selector(part: &str) -> Result<Option<(&str, &str)>, String> {
    let Some(inner) = part
        .strip_prefix('[')
        .and_then(|part| part.strip_suffix(']'))
    else {
        return Ok(None);
    };
    match inner.split_once('=') {
        Some(pair) => Ok(Some(pair)),
        None => Err(
            "list path element must contain fieldName=fieldValue for element to match".to_owned(),
        ),
    }
}

fn expected(wanted: &str, node: &Node) -> String {
    format!(
        "wrong node kind: expected {wanted} but got {}",
        kind_name(node)
    )
}

/// The node at a path without wildcards, if there is one.
pub(super) fn look_up<'a>(node: &'a Node, path: &[String]) -> Result<Option<&'a Node>, String> {
    let mut node = node;
    for part in path
        .iter()
        .map(|part| part.trim())
        .filter(|part| !part.is_empty())
    {
        if is_null(node) {
            return Ok(None);
        }
        let next = if let Some(index) = as_index(part) {
            let items = node.items().ok_or_else(|| expected("a sequence", node))?;
            items.get(index)
        } else if part == "-" {
            node.items()
                .ok_or_else(|| expected("a sequence", node))?
                .last()
        } else if part == "*" {
            return Err("wildcard is not supported here".to_owned());
        } else if let Some((field, value)) = as_selector(part)? {
            let items = node.items().ok_or_else(|| expected("a sequence", node))?;
            items.iter().find(|item| match field {
                "" => item.text() == Some(value),
                field => item.get(field).and_then(Node::text) == Some(value),
            })
        } else {
            node.entries().ok_or_else(|| expected("a mapping", node))?;
            node.get(part)
        };
        match next {
            Some(next) => node = next,
            None => return Ok(None),
        }
    }
    Ok(Some(node))
}

/// The node that was found, for changing it.
pub(super) fn at_steps<'a>(node: &'a mut Node, steps: &[usize]) -> Option<&'a mut Node> {
    let mut node = node;
    for &step in steps {
        node = match &mut node.value {
            NodeValue::Sequence(items) => items.get_mut(step)?,
            NodeValue::Mapping(entries) => &mut entries.get_mut(step)?.1,
            NodeValue::Scalar(_) => return None,
        };
    }
    Some(node)
}

/// All nodes at a path. With a value to create for, what is absent is made.
pub(super) fn find(
    node: &mut Node,
    path: &[String],
    create: Option<&Node>,
) -> Result<Vec<Steps>, String> {
    let Some((first, rest)) = path.split_first() else {
        return Ok(vec![Vec::new()]);
    };
    if as_index(first).is_some() {
        return find_index(node, path, create);
    }
    if let Some((field, pattern)) = as_selector(first)? {
        return find_elements(node, (field, pattern), rest, create);
    }
    if first == "*" {
        let Some(items) = sequence(node)? else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for (at, item) in items.iter_mut().enumerate() {
            found.extend(within(at, find(item, rest, create)?));
        }
        return Ok(found);
    }
    find_field(node, first, rest, create)
}

fn within(at: usize, found: Vec<Steps>) -> impl Iterator<Item = Steps> {
    found.into_iter().map(move |mut steps| {
        steps.insert(0, at);
        steps
    })
}

fn sequence(node: &mut Node) -> Result<Option<&mut Vec<Node>>, String> {
    if is_null(node) {
        return Ok(None);
    }
    let message = expected("a sequence", node);
    match &mut node.value {
        NodeValue::Sequence(items) => Ok(Some(items)),
        _ => Err(message),
    }
}

/// A node of the kind that the next part of the path, or else the value, asks for.
fn fresh(next: Option<&String>, value: &Node) -> Node {
    match next {
        Some(part) if part.starts_with('[') && part.ends_with(']') || as_index(part).is_some() => {
            Node::sequence(Vec::new())
        }
        Some(_) => Node::mapping(Vec::new()),
        None => match value.value {
            NodeValue::Scalar(_) => Node {
                // Marks a scalar that takes on whatever its text will mean.
                tag: Some("!".into()),
                ..Node::scalar("", Style::Plain)
            },
            NodeValue::Sequence(_) => Node::sequence(Vec::new()),
            NodeValue::Mapping(_) => Node::mapping(Vec::new()),
        },
    }
}

fn find_field(
    node: &mut Node,
    name: &str,
    rest: &[String],
    create: Option<&Node>,
) -> Result<Vec<Steps>, String> {
    if is_null(node) {
        return Ok(Vec::new());
    }
    let message = expected("a mapping", node);
    if field_mut(node, name).is_none() {
        let Some(value) = create else {
            return match node.value {
                NodeValue::Mapping(_) => Ok(Vec::new()),
                _ => Err(message),
            };
        };
        let NodeValue::Mapping(entries) = &mut node.value else {
            return Err(message);
        };
        entries.push((Node::scalar(name, Style::Plain), fresh(rest.first(), value)));
    }
    let NodeValue::Mapping(entries) = &mut node.value else {
        return Err(message);
    };
    let Some(at) = entries.iter().position(|(key, _)| key.text() == Some(name)) else {
        return Ok(Vec::new());
    };
    let field = &mut entries[at].1;
    if field.text().is_some() && !rest.is_empty() && !is_null(field) {
        // What lies in a text cannot be changed from here.
        return Ok(Vec::new());
    }
    Ok(within(at, find(field, rest, create)?).collect())
}

fn find_index(
    node: &mut Node,
    path: &[String],
    create: Option<&Node>,
) -> Result<Vec<Steps>, String> {
    let index = path.first().and_then(|part| as_index(part)).unwrap_or(0);
    let Some(items) = sequence(node)? else {
        return Err(format!("index {index} specified but only 0 elements found"));
    };
    if items.len() == index
        && let Some(value) = create
    {
        items.push(fresh(path.get(1), value));
    }
    let count = items.len();
    let Some(item) = items.get_mut(index) else {
        return Err(format!(
            "index {index} specified but only {count} elements found"
        ));
    };
    Ok(within(index, find(item, &path[1..], create)?).collect())
}

fn find_elements(
    node: &mut Node,
    (field, pattern): (&str, &str),
    rest: &[String],
    create: Option<&Node>,
) -> Result<Vec<Steps>, String> {
    let regex = go_regex(pattern).ok_or_else(|| format!("`{pattern}` is no regular expression"))?;
    let Some(items) = sequence(node)? else {
        return Ok(Vec::new());
    };
    let found = matching(items, field, &regex, rest, create)?;
    if !found.is_empty() || create.is_none() {
        return Ok(found);
    }
    let value = made(pattern);
    items.push(match field {
        "" => value,
        field => Node::mapping(vec![(Node::scalar(field, Style::Plain), value)]),
    });
    matching(items, field, &regex, rest, create)
}

fn matching(
    items: &mut [Node],
    field: &str,
    regex: &Regex,
    rest: &[String],
    create: Option<&Node>,
) -> Result<Vec<Steps>, String> {
    let mut found = Vec::new();
    for (at, item) in items.iter_mut().enumerate() {
        if field.is_empty() {
            if regex.is_match(&written(item)) {
                found.push(vec![at]);
            }
            continue;
        }
        let fits = item
            .get(field)
            .is_some_and(|value| regex.is_match(&written(value)));
        if fits {
            found.extend(within(at, find(item, rest, create)?));
        }
    }
    Ok(found)
}
