//! What modifiers make of a value of Vault. Pure; no error holds the value.

use holdfast_model::{Value, base64};
use holdfast_yaml::Limits;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::error::Error;
use super::reference::{Hop, Modifier, Reference};

/// A value as it is put in its place.
pub enum Shaped {
    /// A text.
    Text(Zeroizing<String>),
    /// What a text was read as.
    Tree(Value),
}

impl Shaped {
    /// The value as a text.
    pub fn text(&self) -> Zeroizing<String> {
        match self {
            Self::Text(text) => text.clone(),
            Self::Tree(Value::String(text)) => Zeroizing::new(text.clone()),
            Self::Tree(value) => Zeroizing::new(value.to_string()),
        }
    }

    /// The value in the place of a whole text.
    pub fn into_value(self) -> Value {
        match self {
            Self::Text(text) => Value::String(text.as_str().to_owned()),
            Self::Tree(value) => value,
        }
    }

    /// Every text in it.
    pub fn each_text(&self, note: &mut dyn FnMut(&str)) {
        match self {
            Self::Text(text) => note(text),
            Self::Tree(value) => each_text(value, note),
        }
    }
}

fn each_text(value: &Value, note: &mut dyn FnMut(&str)) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => note(&number.to_string()),
        Value::String(text) => note(text),
        Value::Array(items) => items.iter().for_each(|item| each_text(item, note)),
        Value::Object(map) => map.values().for_each(|value| each_text(value, note)),
    }
}

/// What the modifiers of a reference make of its value; `note` is given each text on the way.
pub(crate) fn shape(
    reference: &Reference,
    value: &Value,
    note: &mut dyn FnMut(&str),
) -> Result<Shaped, Error> {
    let mut shaped = match value {
        Value::String(text) => Shaped::Text(Zeroizing::new(text.clone())),
        other => Shaped::Tree(other.clone()),
    };
    shaped.each_text(note);
    for modifier in &reference.modifiers {
        let made = modified(shaped, modifier);
        shaped = made.map_err(|(modifier, problem)| Error::Modifier {
            path: reference.location.path.clone(),
            key: reference.key.clone(),
            modifier,
            problem,
        })?;
        shaped.each_text(note);
    }
    Ok(shaped)
}

/// The lines as the plug-in indents them: each without what is around it, the first where the placeholder
/// stands, and none that is empty.
fn indented(text: &str, depth: usize) -> String {
    let lines: Vec<&str> = text.split('\n').collect();
    let mut out = lines[0].trim().to_owned();
    if lines.len() > 1 {
        out.push('\n');
    }
    for (index, line) in lines.iter().enumerate().skip(1) {
        if !line.is_empty() {
            out.push_str(&" ".repeat(depth));
            out.push_str(line.trim());
            if index + 1 < lines.len() {
                out.push('\n');
            }
        }
    }
    out
}

type Unmade = (&'static str, &'static str);

fn modified(shaped: Shaped, modifier: &Modifier) -> Result<Shaped, Unmade> {
    let text = |text: String| Ok(Shaped::Text(Zeroizing::new(text)));
    match modifier {
        Modifier::Base64Encode => text(base64::encode(shaped.text().as_bytes())),
        Modifier::Base64Decode => {
            let bytes = base64::decode(shaped.text().trim());
            let bytes = bytes.ok_or(("base64decode", "it is no base64"))?;
            let clear = String::from_utf8(bytes);
            text(clear.map_err(|_| ("base64decode", "what is in it is no text"))?)
        }
        Modifier::Sha256Sum => {
            let digest = Sha256::digest(shaped.text().as_bytes());
            text(digest.iter().map(|byte| format!("{byte:02x}")).collect())
        }
        Modifier::Indent(depth) => text(indented(&shaped.text(), *depth)),
        Modifier::JsonParse => {
            let value = serde_json::from_str(&shaped.text());
            Ok(Shaped::Tree(
                value.map_err(|_| ("jsonParse", "it is no JSON"))?,
            ))
        }
        Modifier::YamlParse => {
            let value = holdfast_yaml::read_value(&shaped.text(), &Limits::strict());
            Ok(Shaped::Tree(
                value.map_err(|_| ("yamlParse", "it is no YAML"))?,
            ))
        }
        Modifier::JsonPath(hops) => {
            let tree = match shaped {
                Shaped::Tree(value) => value,
                Shaped::Text(text) => {
                    let value = serde_json::from_str(&text);
                    value.map_err(|_| ("jsonPath", "it is no JSON"))?
                }
            };
            let found = hops.iter().try_fold(&tree, |value, hop| match hop {
                Hop::Field(name) => value.get(name),
                Hop::Item(index) => value.get(index),
            });
            let found = found.ok_or(("jsonPath", "there is nothing at that path"))?;
            text(match found {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
        }
    }
}
