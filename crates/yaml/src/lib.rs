//! Reads and writes YAML and JSON exactly as Go's libraries do: `go-yaml` v2 and v3,
//! `sigs.k8s.io/yaml` and `encoding/json`. Pure; it must not know Kubernetes, charts or overlays.
//!
//! ```text
//! text ─scan─▶ tokens ─parse─▶ Node ─resolve─▶ Scalar
//!   │                           └────value───▶ Value ─emit─▶ text
//!   └─quick, for simple documents────────────────▲
//! ```

mod analyze;
mod emit;
mod error;
mod json;
mod limits;
mod node;
mod number;
mod parse;
mod quick;
mod resolve;
mod scan;
mod sort;
mod tree;
mod value;

#[cfg(test)]
mod tests;

pub use analyze::default_style;
pub use emit::{Dialect, Emitter, Sequences};
pub use error::Error;
pub use json::{HtmlEscape, json_string, to_json, to_json_indent};
pub use limits::{DuplicateKeys, Limits};
pub use node::{Comment, Document, Node, NodeValue, Style};
pub use number::{format_float, format_json_float};
pub use resolve::{Rules, Scalar, resolve, resolve_plain};
pub use sort::compare_keys;
pub use tree::{Tree, to_yaml, to_yaml_v3, tree_to_yaml};
pub use value::{expand_merges, node_to_value};

use holdfast_model::Value;

/// Every document of a stream, with tags, styles and places; aliases are expanded.
///
/// # Errors
/// The first thing that is no YAML, or that exceeds a limit, with its line and column.
pub fn read_nodes(text: &str, limits: &Limits) -> Result<Vec<Document>, Error> {
    let mut parser = parse::Parser::new(text, limits)?;
    let mut documents = Vec::new();
    while let Some(document) = parser.next_document()? {
        documents.push(document);
    }
    Ok(documents)
}

/// As [`read_nodes`], with the comments of the whole stream in their order.
///
/// # Errors
/// As [`read_nodes`].
pub fn read_commented(text: &str, limits: &Limits) -> Result<(Vec<Document>, Vec<Comment>), Error> {
    let mut parser = parse::Parser::new(text, limits)?;
    parser.keep_comments();
    let mut documents = Vec::new();
    while let Some(document) = parser.next_document()? {
        documents.push(document);
    }
    Ok((documents, parser.into_comments()))
}

/// Every document of a stream as a JSON value by the rules of `sigs.k8s.io/yaml`, with the line
/// on which it begins.
///
/// # Errors
/// As [`read_nodes`], and what has no JSON form, such as a null key.
pub fn read_values(text: &str, limits: &Limits) -> Result<Vec<(u32, Value)>, Error> {
    values(text, limits)?.collect()
}

/// As [`read_values`], one document at a time: of a long stream only one is held. After an error
/// nothing follows.
///
/// # Errors
/// What keeps the stream from being read at all, such as its size; the rest are among the items.
pub fn values<'a>(text: &'a str, limits: &'a Limits) -> Result<Values<'a>, Error> {
    let rest = match read_quickly(text, limits)? {
        Some(document) => Rest::Known(Some(document)),
        None => Rest::Text(Some(Box::new(parse::Parser::new(text, limits)?))),
    };
    let duplicates = limits.duplicate_keys;
    Ok(Values { rest, duplicates })
}

/// The documents of a stream, one after the other; see [`values`].
pub struct Values<'a> {
    rest: Rest<'a>,
    duplicates: DuplicateKeys,
}

/// What has not been given yet.
enum Rest<'a> {
    Known(Option<(u32, Value)>),
    Text(Option<Box<parse::Parser<'a>>>),
}

impl Iterator for Values<'_> {
    type Item = Result<(u32, Value), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        let parser = match &mut self.rest {
            Rest::Known(document) => return document.take().map(Ok),
            Rest::Text(parser) => parser,
        };
        let document = parser.as_mut()?.next_document();
        let value = match document.transpose()? {
            Ok(document) => node_to_value(document.node, Rules::V2, self.duplicates)
                .map(|value| (document.line, value)),
            Err(error) => Err(error),
        };
        if value.is_err() {
            *parser = None;
        }
        Some(value)
    }
}

/// The first document of a stream, as `sigs.k8s.io/yaml.Unmarshal` reads it: what follows the
/// first document is not even looked at. Null when there is none.
///
/// # Errors
/// As [`read_values`].
pub fn read_value(text: &str, limits: &Limits) -> Result<Value, Error> {
    if let Some((_, value)) = read_quickly(text, limits)? {
        return Ok(value);
    }
    let mut parser = parse::Parser::new(text, limits)?;
    match parser.next_document()? {
        Some(document) => node_to_value(document.node, Rules::V2, limits.duplicate_keys),
        None => Ok(Value::Null),
    }
}

/// The only document of a text that is simple enough.
fn read_quickly(text: &str, limits: &Limits) -> Result<Option<(u32, Value)>, Error> {
    let is_bounded = text.len() <= limits.bytes && limits.depth > 2 * quick::MAX_DEPTH;
    let marked = text.starts_with('\u{feff}');
    if !is_bounded || marked || limits.duplicate_keys != DuplicateKeys::LastWins {
        return Ok(None);
    }
    scan::refuse_control_characters(text)?;
    Ok(quick::read(text))
}

/// The first document of a stream with tags, styles and places; `None` when there is none. What
/// follows it is not looked at.
///
/// # Errors
/// As [`read_nodes`].
pub fn read_first_node(text: &str, limits: &Limits) -> Result<Option<Document>, Error> {
    parse::Parser::new(text, limits)?.next_document()
}
