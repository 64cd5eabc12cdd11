//! Nodes to JSON values, as `sigs.k8s.io/yaml` (v2 rules) and Kustomize (v3 rules) convert them.

use std::collections::HashMap;

use holdfast_model::Value;

use crate::error::Error;
use crate::limits::DuplicateKeys;
use crate::node::{Node, NodeValue};
use crate::number::format_float;
use crate::resolve::{Rules, Scalar, resolve};

/// Like `serde_json::Map`.
type Map = serde_json::Map<String, Value>;

/// The JSON value of a node. Keys become texts; `<<` is merged; what comes later wins by v2's
/// rules, what is written in the mapping itself by v3's.
///
/// # Errors
/// Null, sequences and mappings as keys, infinities, and duplicate keys where they are refused.
pub fn node_to_value(node: Node, rules: Rules, duplicates: DuplicateKeys) -> Result<Value, Error> {
    Converter { rules, duplicates }.convert(node)
}

struct Converter {
    rules: Rules,
    duplicates: DuplicateKeys,
}

impl Converter {
    fn convert(&self, node: Node) -> Result<Value, Error> {
        if let NodeValue::Scalar(_) = node.value {
            return self.scalar(node);
        }
        match node.value {
            NodeValue::Scalar(_) => Ok(Value::Null),
            NodeValue::Sequence(items) => items
                .into_iter()
                .map(|item| self.convert(item))
                .collect::<Result<Vec<Value>, Error>>()
                .map(Value::Array),
            NodeValue::Mapping(entries) => self.mapping(entries).map(Value::Object),
        }
    }

    fn scalar(&self, node: Node) -> Result<Value, Error> {
        let (line, column) = (node.line, node.column);
        let meaning = match resolve(&node, self.rules)? {
            Scalar::Timestamp(moment) if self.rules == Rules::V3 => {
                return Ok(Value::String(moment));
            }
            // The text is taken over where it is the value.
            Scalar::Str(_) | Scalar::Timestamp(_) | Scalar::Merge => None,
            meaning => Some(scalar_of(meaning, "")),
        };
        match (meaning, node.value) {
            (Some(Some(value)), _) => Ok(value),
            (Some(None), _) => {
                let message = "a number that is infinite or not a number has no JSON form";
                Err(Error::new(line, column, message))
            }
            (None, NodeValue::Scalar(text)) => Ok(Value::String(text)),
            (None, _) => Ok(Value::Null),
        }
    }

    fn mapping(&self, entries: Vec<(Node, Node)>) -> Result<Map, Error> {
        let mut map = Map::new();
        let mut lines: HashMap<String, u32> = HashMap::new();
        let mut merged = None;
        for (key, value) in entries {
            let line = key.line;
            if is_merge(&key) {
                match self.rules {
                    Rules::V2 => self.merge(value, &mut map, Winner::Later)?,
                    Rules::V3 => merged = Some(value),
                }
                continue;
            }
            let name = self.key(&key)?;
            if self.duplicates == DuplicateKeys::Refused
                && let Some(before) = lines.insert(name.clone(), line)
            {
                let message = format!("key `{name}` is already set on line {before}");
                return Err(Error::new(line, key.column, message));
            }
            map.insert(name, self.convert(value)?);
        }
        if let Some(value) = merged {
            self.merge(value, &mut map, Winner::Earlier)?;
        }
        Ok(map)
    }

    fn merge(&self, value: Node, map: &mut Map, winner: Winner) -> Result<(), Error> {
        let (line, column) = (value.line, value.column);
        let refuse = || {
            let message = "map merge requires map or sequence of maps as the value";
            Err(Error::new(line, column, message))
        };
        let mut sources = match value.value {
            NodeValue::Mapping(entries) => vec![entries],
            NodeValue::Sequence(items) => {
                let mut sources = Vec::new();
                for item in items {
                    let NodeValue::Mapping(entries) = item.value else {
                        return refuse();
                    };
                    sources.push(entries);
                }
                sources
            }
            NodeValue::Scalar(_) => return refuse(),
        };
        // Of several sources the first one counts.
        if winner == Winner::Later {
            sources.reverse();
        }
        for source in sources {
            for (name, value) in self.mapping(source)? {
                if winner == Winner::Later || !map.contains_key(&name) {
                    map.insert(name, value);
                }
            }
        }
        Ok(())
    }

    fn key(&self, key: &Node) -> Result<String, Error> {
        let refuse = |what: &str| {
            let message = format!("{what} cannot be a key");
            Err(Error::new(key.line, key.column, message))
        };
        if key.text().is_none() {
            return refuse("a sequence or mapping");
        }
        match resolve(key, self.rules)? {
            Scalar::Null => refuse("null"),
            Scalar::Uint(number) if self.rules == Rules::V3 => Ok(number.to_string()),
            Scalar::Uint(_) => refuse("a number above 64 bits with a sign"),
            Scalar::Timestamp(moment) if self.rules == Rules::V3 => Ok(moment),
            Scalar::Merge => Ok(key.text().unwrap_or_default().to_owned()),
            meaning => match key_of(meaning, key.text().unwrap_or_default()) {
                Some(name) => Ok(name),
                None => refuse("this"),
            },
        }
    }
}

/// The JSON value of a scalar by v2's rules; `None` for numbers that JSON does not have.
pub(crate) fn scalar_of(meaning: Scalar<'_>, text: &str) -> Option<Value> {
    Some(match meaning {
        Scalar::Null => Value::Null,
        Scalar::Bool(truth) => Value::Bool(truth),
        Scalar::Int(number) => Value::from(number),
        Scalar::Uint(number) => Value::from(number),
        Scalar::Float(number) => Value::Number(serde_json::Number::from_f64(number)?),
        // Go's JSON replaces what is no UTF-8.
        Scalar::Binary(bytes) => Value::String(String::from_utf8_lossy(&bytes).into_owned()),
        Scalar::Str(_) | Scalar::Timestamp(_) | Scalar::Merge => Value::String(text.to_owned()),
    })
}

/// The name of a key by v2's rules; `None` for what cannot be one, and for `<<`.
pub(crate) fn key_of(meaning: Scalar<'_>, text: &str) -> Option<String> {
    match meaning {
        Scalar::Null | Scalar::Uint(_) | Scalar::Merge => None,
        Scalar::Bool(truth) => Some(truth.to_string()),
        Scalar::Int(number) => Some(number.to_string()),
        Scalar::Float(number) => Some(float_key(number)),
        Scalar::Binary(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Scalar::Str(_) | Scalar::Timestamp(_) => Some(text.to_owned()),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Winner {
    Earlier,
    Later,
}

/// Whether a key is `<<`.
fn is_merge(key: &Node) -> bool {
    key.text() == Some("<<")
        && match key.tag.as_deref() {
            None => key.style == crate::node::Style::Plain,
            Some(tag) => matches!(tag, "!!merge" | "!"),
        }
}

/// A float as a key: Go formats it with the precision of 32 bits here.
fn float_key(number: f64) -> String {
    match number {
        number if number.is_nan() => ".nan".to_owned(),
        f64::INFINITY => ".inf".to_owned(),
        f64::NEG_INFINITY => "-.inf".to_owned(),
        number => format_float(f64::from_bits(shortest_of_single(number).to_bits())),
    }
}

/// The double whose shortest digits are those of the nearest single.
fn shortest_of_single(number: f64) -> f64 {
    let single = number as f32;
    format!("{single:e}").parse().unwrap_or(number)
}

/// Merges `<<` in place, in every mapping at and below the node, by v3's rules: what is written
/// in a mapping wins over what it merges.
///
/// # Errors
/// A `<<` whose value is no mapping and no sequence of mappings.
pub fn expand_merges(node: &mut Node) -> Result<(), Error> {
    match &mut node.value {
        NodeValue::Scalar(_) => Ok(()),
        NodeValue::Sequence(items) => items.iter_mut().try_for_each(expand_merges),
        NodeValue::Mapping(entries) => {
            for (_, value) in entries.iter_mut() {
                expand_merges(value)?;
            }
            while let Some(at) = entries.iter().position(|(key, _)| is_merge(key)) {
                let (_, value) = entries.remove(at);
                for (key, value) in merge_sources(value)? {
                    if !entries.iter().any(|(known, _)| known.text() == key.text()) {
                        entries.push((key, value));
                    }
                }
            }
            Ok(())
        }
    }
}

fn merge_sources(value: Node) -> Result<Vec<(Node, Node)>, Error> {
    let (line, column) = (value.line, value.column);
    let refuse = || {
        let message = "map merge requires map or sequence of maps as the value";
        Error::new(line, column, message)
    };
    match value.value {
        NodeValue::Mapping(entries) => Ok(entries),
        NodeValue::Sequence(items) => {
            let mut all = Vec::new();
            for item in items {
                match item.value {
                    NodeValue::Mapping(entries) => all.extend(entries),
                    _ => return Err(refuse()),
                }
            }
            Ok(all)
        }
        NodeValue::Scalar(_) => Err(refuse()),
    }
}
