//! The suffix that generated resources get from their content, and others that ask for one with
//! Kustomize's internal annotation.

use holdfast_model::digest::Digest;
use holdfast_yaml::{HtmlEscape, Node, Tree, to_json};

use crate::value::to_value;

/// The ten letters for an object's content.
///
/// Kustomize hashes objects that are neither a ConfigMap nor a Secret with the places and comments
/// of their text; here only their content counts, so that those letters are others than its own.
pub(crate) fn content_hash(node: &Node) -> Result<String, String> {
    let kind = node.get("kind").and_then(Node::text).unwrap_or_default();
    let mut fields = vec![
        ("data".to_owned(), field(node, "data")?),
        ("kind".to_owned(), Tree::Str(kind.to_owned())),
        // Kustomize looks the name up under a key that never exists.
        ("name".to_owned(), Tree::Str(String::new())),
    ];
    let further: &[(&str, bool)] = match kind {
        "ConfigMap" => &[("binaryData", true)],
        "Secret" => &[("stringData", true), ("type", false)],
        _ => {
            return Ok(letters(&to_json(
                &Tree::from(&to_value(node)?),
                HtmlEscape::On,
            )));
        }
    };
    for (name, only_mapping) in further {
        let value = field(node, name)?;
        if !only_mapping || matches!(value, Tree::Map(_)) {
            fields.push(((*name).to_owned(), value));
        }
    }
    Ok(letters(&to_json(&Tree::Map(fields), HtmlEscape::On)))
}

fn letters(json: &str) -> String {
    let hex = Digest::of_bytes(json.as_bytes()).hex();
    let letter = |digit: char| match digit {
        '0' => 'g',
        '1' => 'h',
        '3' => 'k',
        'a' => 'm',
        'e' => 't',
        digit => digit,
    };
    hex.chars().take(10).map(letter).collect()
}

fn field(node: &Node, name: &str) -> Result<Tree, String> {
    match node.get(name) {
        None => Ok(Tree::Str(String::new())),
        Some(value) => match value.text() {
            Some(text) => Ok(Tree::Str(text.to_owned())),
            None => Ok(Tree::from(&to_value(value)?)),
        },
    }
}
