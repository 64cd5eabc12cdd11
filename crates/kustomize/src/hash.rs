//! The suffix that generated resources get from their content.

use holdfast_model::digest::Digest;
use holdfast_yaml::{HtmlEscape, Node, Tree, to_json};

use crate::value::to_value;

/// The ten letters for a ConfigMap's or Secret's content.
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
        kind => return Err(format!("objects of kind {kind} get no hash")),
    };
    for (name, only_mapping) in further {
        let value = field(node, name)?;
        if !only_mapping || matches!(value, Tree::Map(_)) {
            fields.push(((*name).to_owned(), value));
        }
    }
    let json = to_json(&Tree::Map(fields), HtmlEscape::On);
    let hex = Digest::of_bytes(json.as_bytes()).hex();
    let letter = |digit: char| match digit {
        '0' => 'g',
        '1' => 'h',
        '3' => 'k',
        'a' => 'm',
        'e' => 't',
        digit => digit,
    };
    Ok(hex.chars().take(10).map(letter).collect())
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
