//! Looking things up and setting things in YAML nodes as Kustomize's `kyaml` does, with its rules
//! for tags and styles. It must not know resources or kustomizations.

use holdfast_yaml::{Node, NodeValue, Rules, Scalar, Style, resolve_plain};

/// What a scalar was read as; the tag that `kyaml` keeps beside its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tag {
    Null,
    Bool,
    Int,
    Float,
    Str,
    Other,
}

/// The tag of a scalar; `Other` for collections.
pub(crate) fn tag_of(node: &Node) -> Tag {
    let NodeValue::Scalar(text) = &node.value else {
        return Tag::Other;
    };
    match node.tag.as_deref() {
        Some("!!str") => Tag::Str,
        Some("!!null") => Tag::Null,
        Some("!!bool") => Tag::Bool,
        Some("!!int") => Tag::Int,
        Some("!!float") => Tag::Float,
        Some(tag) if tag != "!" => Tag::Other,
        _ if node.style != Style::Plain => Tag::Str,
        _ => match resolve_plain(text, Rules::V3) {
            Scalar::Null => Tag::Null,
            Scalar::Bool(_) => Tag::Bool,
            Scalar::Int(_) | Scalar::Uint(_) => Tag::Int,
            Scalar::Float(_) => Tag::Float,
            Scalar::Str(_) => Tag::Str,
            Scalar::Timestamp(_) | Scalar::Binary(_) | Scalar::Merge => Tag::Other,
        },
    }
}

pub(crate) fn is_null(node: &Node) -> bool {
    match (&node.value, node.tag.as_deref()) {
        (NodeValue::Scalar(_), Some("!!null")) => true,
        (NodeValue::Scalar(text), None) => {
            node.style == Style::Plain
                && matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL")
        }
        _ => false,
    }
}

/// Whether a node is null, or a collection without anything in it.
pub(crate) fn is_empty(node: &Node) -> bool {
    match &node.value {
        NodeValue::Scalar(_) => is_null(node),
        NodeValue::Sequence(items) => items.is_empty(),
        NodeValue::Mapping(entries) => entries.is_empty(),
    }
}

/// A text that stays one, whatever it looks like.
pub(crate) fn string(text: impl Into<String>) -> Node {
    Node {
        tag: Some("!!str".into()),
        ..Node::scalar(text, Style::Plain)
    }
}

/// The word for a node's kind in messages.
pub(crate) fn kind_name(node: &Node) -> &'static str {
    match &node.value {
        NodeValue::Scalar(_) => "a scalar",
        NodeValue::Sequence(_) => "a sequence",
        NodeValue::Mapping(_) => "a mapping",
    }
}

/// The value of a mapping's field, also when it is null.
pub(crate) fn field_mut<'a>(node: &'a mut Node, name: &str) -> Option<&'a mut Node> {
    let NodeValue::Mapping(entries) = &mut node.value else {
        return None;
    };
    entries
        .iter_mut()
        .find(|(key, _)| key.text() == Some(name))
        .map(|(_, value)| value)
}

/// The node at a path of fields.
pub(crate) fn at_path<'a>(node: &'a Node, path: &[&str]) -> Option<&'a Node> {
    path.iter().try_fold(node, |node, name| node.get(name))
}

/// The text at a path of fields; `None` when it is absent, null or empty of content.
pub(crate) fn text_at<'a>(node: &'a Node, path: &[&str]) -> Option<&'a str> {
    at_path(node, path).filter(|node| !is_null(node))?.text()
}

/// Gives a scalar the style of the one whose place it takes, which is also what decides between
/// text and number: a number put where a quoted text was becomes a text.
pub(crate) fn restyle(mut value: Node, style: Style) -> Node {
    if value.text().is_none() || matches!(style, Style::Block | Style::Flow) {
        return value;
    }
    if style == Style::Plain {
        if value.style != Style::Plain && value.tag.is_none() {
            value.tag = Some("!!str".into());
        }
    } else if value.tag.as_deref().is_none_or(|tag| tag == "!!str") {
        value.tag = None;
    }
    value.style = style;
    value
}

/// Sets a field of a mapping; a null takes the field away. What was there keeps its style.
pub(crate) fn set_field(node: &mut Node, name: &str, value: Node) -> Result<(), String> {
    if is_null(&value) {
        clear_field(node, name);
        return Ok(());
    }
    if let Some(old) = field_mut(node, name) {
        put(old, value);
        return Ok(());
    }
    match &mut node.value {
        NodeValue::Mapping(entries) => {
            entries.push((Node::scalar(name, Style::Plain), value));
            Ok(())
        }
        _ => Err(format!("expected a mapping, found {}", kind_name(node))),
    }
}

/// Sets a field of a mapping to a text. What was there keeps its style, and with it the chance to
/// be read as a number; a new field is a text whatever it looks like.
pub(crate) fn set_text(node: &mut Node, name: &str, text: &str) -> Result<(), String> {
    if let Some(old) = field_mut(node, name) {
        put(old, Node::scalar(text, Style::Plain));
        return Ok(());
    }
    set_field(node, name, string(text))
}

/// Puts a scalar in the place of another one, keeping its style.
pub(crate) fn replace_scalar(node: &mut Node, value: Node) -> Result<(), String> {
    if !is_null(node) && node.text().is_none() {
        return Err(format!("expected a scalar, found {}", kind_name(node)));
    }
    put(node, value);
    Ok(())
}

/// Puts a value in the place of another one, which keeps its style and its place.
pub(crate) fn put(old: &mut Node, value: Node) {
    let place = (old.line, old.column);
    *old = restyle(value, old.style);
    (old.line, old.column) = place;
}

/// Takes a field away and gives what it held.
pub(crate) fn clear_field(node: &mut Node, name: &str) -> Option<Node> {
    let NodeValue::Mapping(entries) = &mut node.value else {
        return None;
    };
    let at = entries
        .iter()
        .position(|(key, _)| key.text() == Some(name))?;
    Some(entries.remove(at).1)
}

/// The field of a mapping, made as an empty mapping when it is absent.
pub(crate) fn mapping_field<'a>(node: &'a mut Node, name: &str) -> Result<&'a mut Node, String> {
    let kind = kind_name(node);
    let NodeValue::Mapping(entries) = &mut node.value else {
        return Err(format!("expected a mapping, found {kind}"));
    };
    let at = match entries.iter().position(|(key, _)| key.text() == Some(name)) {
        Some(at) => at,
        None => {
            let key = Node::scalar(name, Style::Plain);
            entries.push((key, Node::mapping(Vec::new())));
            entries.len() - 1
        }
    };
    let value = &mut entries[at].1;
    if is_null(value) {
        *value = Node::mapping(Vec::new());
    }
    Ok(value)
}
