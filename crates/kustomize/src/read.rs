//! Files to resources: documents are split as Kustomize splits them, lists are opened, anchors and
//! merge keys expanded.

use std::borrow::Cow;

use holdfast_yaml::{Limits, Node, expand_merges, read_first_node};

use crate::node::{is_empty, text_at};
use crate::value::{Through, to_node, to_value};

/// A resource's node and the line of the file on which it begins.
pub(crate) type Read = (Node, u32);

/// Reads all resources of a file.
///
/// # Errors
/// What is no YAML, and documents without kind or name.
pub(crate) fn read_resources(bytes: &[u8]) -> Result<Vec<Read>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "the file is not UTF-8".to_owned())?;
    let text = if text.contains('\r') {
        Cow::Owned(text.replace("\r\n", "\n"))
    } else {
        Cow::Borrowed(text)
    };
    let documents = split_documents(&text)?;
    let only = documents.len() == 1;
    let mut nodes = Vec::new();
    for (text, line) in documents {
        read_document(text, line, only, &mut nodes)?;
    }
    open_lists(check_resources(nodes)?)
}

/// Reads the first document of a part; Kustomize does not look at what it holds behind that.
fn read_document(text: &str, line: u32, only: bool, nodes: &mut Vec<Read>) -> Result<(), String> {
    let document = match read_first_node(text, &Limits::default()) {
        Ok(Some(document)) => document,
        Ok(None) => return Ok(()),
        Err(error) => return Err(at_line(line, &error)),
    };
    let place = line + document.line - 1;
    let mut node = document.node;
    expand_merges(&mut node).map_err(|error| at_line(line, &error))?;
    if crate::node::is_null(&node) {
        return Ok(());
    }
    let kind = text_at(&node, &["kind"]).unwrap_or_default();
    let opens = only && matches!(kind, "List" | "ResourceList");
    if opens && (node.get("items").is_some() || node.get("functionConfig").is_some()) {
        let items = node.get("items").and_then(Node::items).unwrap_or_default();
        for item in items {
            nodes.push((item.clone(), line + item.line - 1));
        }
        return Ok(());
    }
    nodes.push((node, place));
    Ok(())
}

fn at_line(line: u32, error: &holdfast_yaml::Error) -> String {
    let line = line + error.line - 1;
    format!("line {line}, column {}: {}", error.column, error.message)
}

/// Splits at lines that begin with `---`, with the line on which each part begins.
fn split_documents(text: &str) -> Result<Vec<(&str, u32)>, String> {
    let mut documents = Vec::new();
    let (mut start, mut start_line) = (0, 1);
    let (mut at, mut line) = (0, 1);
    // A separator takes the line breaks on both sides, so it never follows another one directly.
    let mut after_separator = true;
    for piece in text.split_inclusive('\n') {
        if !after_separator && piece.starts_with("---") && piece.ends_with('\n') {
            let rest = piece[3..].trim();
            if !rest.is_empty() && !rest.starts_with('#') {
                return Err(format!(
                    "line {line}: invalid document separator: {}",
                    piece.trim()
                ));
            }
            documents.push((&text[start..at], start_line));
            start = at + piece.len();
            start_line = line + 1;
            after_separator = true;
        } else {
            after_separator = false;
        }
        at += piece.len();
        line += 1;
    }
    documents.push((&text[start..], start_line));
    Ok(documents)
}

/// Drops what is empty and refuses what is no resource.
fn check_resources(nodes: Vec<Read>) -> Result<Vec<Read>, String> {
    let mut kept = Vec::new();
    for (node, line) in nodes {
        if is_empty(&node) {
            continue;
        }
        let kind = text_at(&node, &["kind"]).unwrap_or_default();
        if kind.is_empty() {
            return Err(format!("line {line}: missing kind in object"));
        }
        let name = text_at(&node, &["metadata", "name"]).unwrap_or_default();
        if name.is_empty() && !kind.ends_with("List") {
            return Err(format!(
                "line {line}: missing metadata.name in object of kind {kind}"
            ));
        }
        kept.push((node, line));
    }
    Ok(kept)
}

/// Replaces lists by their items, which go behind everything else of the file.
fn open_lists(nodes: Vec<Read>) -> Result<Vec<Read>, String> {
    let mut queue = std::collections::VecDeque::from(nodes);
    let mut opened = Vec::new();
    while let Some((node, line)) = queue.pop_front() {
        let is_list = text_at(&node, &["kind"]).is_some_and(|kind| kind.ends_with("List"));
        let Some(items) = node.get("items").filter(|_| is_list) else {
            opened.push((node, line));
            continue;
        };
        if crate::node::is_null(items) {
            continue;
        }
        let Some(items) = items.items() else {
            return Err(format!(
                "line {line}: `items` of a list has to be a sequence"
            ));
        };
        let mut inner = Vec::new();
        for item in items {
            // Kustomize writes the items as JSON and reads them again.
            let value = to_value(item)?;
            inner.push((to_node(&value, Through::Json), item.line.max(line)));
        }
        queue.extend(check_resources(inner)?);
    }
    Ok(opened)
}
