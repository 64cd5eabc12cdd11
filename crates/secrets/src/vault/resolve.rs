//! References within objects and values of charts, replaced by what they name. It must not know how that is
//! read.

use std::collections::BTreeMap;

use holdfast_model::{Value, base64};
use serde_json::Map;

use super::error::Error;
use super::reference::{Location, Malformed, Part, Reference, parse};
use super::shape::{Shaped, shape};

/// The annotation of an object that names the path of its `<KEY>`s.
pub const PATH_ANNOTATION: &str = "holdfast.dev/vault";
/// The annotation by which an object is left as it is.
pub const IGNORE_ANNOTATION: &str = "avp.kubernetes.io/ignore";
/// The annotation of an object that was given values: the versions that they have, by path, as JSON.
pub const VERSIONS_ANNOTATION: &str = "holdfast.dev/vault-versions";

/// The annotations of argocd-vault-plugin.
const PLUGIN_PATH: &str = "avp.kubernetes.io/path";
const PLUGIN_VERSION: &str = "avp.kubernetes.io/secret-version";
const PLUGIN_REMOVE: &str = "avp.kubernetes.io/remove-missing";

/// A reference that could not be followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The place, as a JSON pointer; empty where it is the object as a whole.
    pub pointer: String,
    /// What is wrong.
    pub message: String,
    /// What a person can do.
    pub hint: Option<&'static str>,
}

/// Who answers for references.
pub trait Answers {
    /// The value of a reference, before its modifiers.
    ///
    /// # Errors
    /// Why it cannot be had.
    fn value(&mut self, reference: &Reference) -> Result<Value, Error>;

    /// Takes note of a text that must not be shown.
    fn note(&mut self, text: &str);

    /// The version of what was read at a path, for people.
    fn version(&self, path: &str) -> Option<String>;
}

/// An object in which references are replaced by what they name; nothing where it has none.
///
/// # Errors
/// All that could not be followed; nothing of the object is given out then.
pub fn resolve(object: &Value, answers: &mut dyn Answers) -> Result<Option<Value>, Vec<Problem>> {
    if annotation(object, IGNORE_ANNOTATION).is_some_and(is_true) {
        return Ok(None);
    }
    let default = default_location(object).map_err(|problem| vec![problem])?;
    let may_lack = annotation(object, PLUGIN_REMOVE).is_some_and(is_true);
    let mut work = Work {
        answers,
        default,
        may_lack,
        has_texts: object["kind"] == "Secret" || object["kind"] == "ConfigMap",
        is_secret: object["kind"] == "Secret",
        paths: BTreeMap::new(),
        has_any: false,
        problems: Vec::new(),
    };
    let mut resolved = object.clone();
    let mut pointer = String::new();
    work.walk(&mut resolved, &mut pointer);
    if !work.problems.is_empty() {
        return Err(work.problems);
    }
    let paths = work.paths;
    if !work.has_any {
        return Ok(None);
    }
    let versions: Map<String, Value> = paths
        .into_iter()
        .map(|(path, version)| (path, version.into()))
        .collect();
    annotate(&mut resolved, Value::Object(versions).to_string());
    Ok(Some(resolved))
}

/// The values of a chart that stand for values in Vault, as a layer over those: mappings of nothing but
/// `vault: PATH#KEY`. Nothing where there are none.
///
/// # Errors
/// All that could not be followed.
pub fn overlay(values: &Value, answers: &mut dyn Answers) -> Result<Option<Value>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut made = |text: &str, pointer: &str| replaced(text, answers, pointer, &mut problems);
    let found = layer(values, &mut String::new(), &mut made);
    match problems.is_empty() {
        true => Ok(found),
        false => Err(problems),
    }
}

/// The values of a chart that stand for values in Vault, as a layer of placeholders that name the same.
/// Nothing where there are none.
pub fn placeholders(values: &Value) -> Option<Value> {
    let mut made = |text: &str, _: &str| Some(Value::String(format!("<path:{text}>")));
    layer(values, &mut String::new(), &mut made)
}

/// The references of an object, each with the JSON pointer of its text. What cannot be read as one is left
/// out.
pub fn references(object: &Value) -> Vec<(String, Reference)> {
    if annotation(object, IGNORE_ANNOTATION).is_some_and(is_true) {
        return Vec::new();
    }
    let default = default_location(object).unwrap_or_default();
    let mut found = Vec::new();
    collect(object, default.as_ref(), &mut String::new(), &mut found);
    found
}

fn collect(
    value: &Value,
    default: Option<&Location>,
    pointer: &mut String,
    found: &mut Vec<(String, Reference)>,
) {
    let length = pointer.len();
    match value {
        Value::String(text) => {
            let clear = decoded(text).filter(|_| pointer.starts_with("/data/"));
            let text = clear.as_deref().unwrap_or(text);
            for part in parse(text, default).unwrap_or_default() {
                if let Part::Reference(reference) = part {
                    found.push((pointer.clone(), reference));
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                pointer.push_str(&format!("/{index}"));
                collect(item, default, pointer, found);
                pointer.truncate(length);
            }
        }
        Value::Object(map) => {
            for (name, value) in map {
                pointer.push_str(&format!("/{}", name.replace('~', "~0").replace('/', "~1")));
                collect(value, default, pointer, found);
                pointer.truncate(length);
            }
        }
        _ => {}
    }
}

fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object
        .get("metadata")?
        .get("annotations")?
        .get(name)?
        .as_str()
}

fn is_true(text: &str) -> bool {
    matches!(text, "true" | "True" | "TRUE" | "t" | "T" | "1")
}

fn default_location(object: &Value) -> Result<Option<Location>, Problem> {
    let own = annotation(object, PATH_ANNOTATION);
    let plugin = annotation(object, PLUGIN_PATH);
    let refused = |name: &str, message: String| Problem {
        pointer: format!("/metadata/annotations/{}", name.replace('/', "~1")),
        message,
        hint: None,
    };
    let (name, path) = match (own, plugin) {
        (None, None) => return Ok(None),
        (Some(_), Some(_)) => {
            let message = format!("both {PATH_ANNOTATION} and {PLUGIN_PATH} name a path");
            return Err(refused(PATH_ANNOTATION, message));
        }
        (Some(path), None) => (PATH_ANNOTATION, path),
        (None, Some(path)) => (PLUGIN_PATH, path),
    };
    if name == PATH_ANNOTATION && object["kind"] != "Secret" {
        let message = format!("{PATH_ANNOTATION} is for Secrets; write <path:PATH#KEY> elsewhere");
        return Err(refused(name, message));
    }
    let (path, version) = match path.split_once('#') {
        Some((path, version)) => (path, Some(version)),
        None => (path, annotation(object, PLUGIN_VERSION)),
    };
    let version = version.filter(|version| *version != "latest");
    let location = Location::parse(path, version);
    let malformed = |error: Malformed| refused(name, error.to_string());
    location.map(Some).map_err(malformed)
}

fn annotate(object: &mut Value, versions: String) {
    let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) else {
        return;
    };
    let annotations = metadata.entry("annotations").or_insert(Value::Null);
    if annotations.is_null() {
        *annotations = Value::Object(Map::new());
    }
    if let Some(annotations) = annotations.as_object_mut() {
        annotations.insert(VERSIONS_ANNOTATION.to_owned(), versions.into());
    }
}

struct Work<'a> {
    answers: &'a mut dyn Answers,
    default: Option<Location>,
    may_lack: bool,
    /// Whether the values of its data are texts, whatever they were in Vault.
    has_texts: bool,
    is_secret: bool,
    /// What was read, and its version.
    paths: BTreeMap<String, String>,
    /// Whether a reference was followed.
    has_any: bool,
    problems: Vec<Problem>,
}

impl Work<'_> {
    /// Replaces references below a place. False where the place itself is to go.
    fn walk(&mut self, value: &mut Value, pointer: &mut String) -> bool {
        let length = pointer.len();
        match value {
            Value::String(text) => {
                let is_encoded = self.is_secret && pointer.starts_with("/data/");
                let replaced = match is_encoded.then(|| decoded(text)).flatten() {
                    Some(clear) => self.text(&clear, pointer).map(|made| {
                        made.map(|made| Value::String(base64::encode(plain(&made).as_bytes())))
                    }),
                    None => self.text(text, pointer),
                };
                match replaced {
                    Some(Some(replaced)) => *value = replaced,
                    Some(None) => return false,
                    None => {}
                }
            }
            Value::Array(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    pointer.push_str(&format!("/{index}"));
                    self.walk(item, pointer);
                    pointer.truncate(length);
                }
            }
            Value::Object(map) => {
                let mut gone = Vec::new();
                for (name, value) in map.iter_mut() {
                    let escaped = name.replace('~', "~0").replace('/', "~1");
                    pointer.push_str(&format!("/{escaped}"));
                    if !self.walk(value, pointer) {
                        gone.push(name.clone());
                    }
                    pointer.truncate(length);
                }
                for name in gone {
                    map.remove(&name);
                }
            }
            _ => {}
        }
        true
    }

    /// What a text becomes: nothing where it has no references, and nothing within where it is to go.
    fn text(&mut self, text: &str, pointer: &str) -> Option<Option<Value>> {
        if !text.contains('<') || pointer.starts_with("/metadata/annotations/holdfast.dev~1vault") {
            return None;
        }
        let parts = match parse(text, self.default.as_ref()) {
            Ok(parts) => parts,
            Err(malformed) => {
                self.refuse(pointer, malformed.to_string(), None);
                return None;
            }
        };
        let is_whole = matches!(parts.as_slice(), [Part::Reference(_)]);
        let is_text = self.has_texts || pointer.starts_with("/metadata/");
        let (mut out, mut has_any) = (String::new(), false);
        for part in parts {
            let reference = match part {
                Part::Text(text) => {
                    out.push_str(text);
                    continue;
                }
                Part::Reference(reference) => reference,
            };
            has_any = true;
            match self.follow(&reference) {
                Ok(shaped) if is_whole && !is_text => return Some(Some(shaped.into_value())),
                Ok(shaped) => out.push_str(&shaped.text()),
                Err(Error::NoKey { .. } | Error::Absent { .. }) if self.may_lack && is_whole => {
                    return Some(None);
                }
                Err(error) => self.refuse(pointer, error.to_string(), Some(error.hint())),
            }
        }
        if !has_any {
            return None;
        }
        // Short values are found again by the whole text that they are in.
        self.answers.note(&out);
        Some(Some(Value::String(out)))
    }

    fn follow(&mut self, reference: &Reference) -> Result<Shaped, Error> {
        self.has_any = true;
        let value = self.answers.value(reference)?;
        let location = &reference.location;
        // Of a path that is named with and without a version the newest is what may change.
        match location.version {
            Some(version) => {
                let known = self.paths.entry(location.path.clone());
                known.or_insert_with(|| version.to_string());
            }
            None => {
                let version = self.answers.version(&location.path);
                self.paths
                    .insert(location.path.clone(), version.unwrap_or_default());
            }
        }
        let answers = &mut *self.answers;
        shape(reference, &value, &mut |text| answers.note(text))
    }

    fn refuse(&mut self, pointer: &str, message: String, hint: Option<&'static str>) {
        self.problems.push(Problem {
            pointer: pointer.to_owned(),
            message,
            hint,
        });
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The text in a value of a Secret's data, where it may hold references.
fn decoded(text: &str) -> Option<String> {
    let clear = String::from_utf8(base64::decode(text)?).ok()?;
    clear.contains('<').then_some(clear)
}

fn layer(
    values: &Value,
    pointer: &mut String,
    made: &mut dyn FnMut(&str, &str) -> Option<Value>,
) -> Option<Value> {
    let length = pointer.len();
    match values {
        Value::Object(map) => {
            if let Some(text) = named(map) {
                return made(text, pointer);
            }
            let mut found = Map::new();
            for (name, value) in map {
                pointer.push_str(&format!("/{name}"));
                if let Some(value) = layer(value, pointer, made) {
                    found.insert(name.clone(), value);
                }
                pointer.truncate(length);
            }
            (!found.is_empty()).then_some(Value::Object(found))
        }
        // A list replaces a list as a whole.
        Value::Array(items) => {
            let mut has_any = false;
            let mut whole = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                pointer.push_str(&format!("/{index}"));
                let over = layer(item, pointer, made);
                pointer.truncate(length);
                has_any |= over.is_some();
                whole.push(match over {
                    Some(over) => merged(item, over),
                    None => item.clone(),
                });
            }
            has_any.then_some(Value::Array(whole))
        }
        _ => None,
    }
}

/// The text of `{vault: PATH#KEY}`.
fn named(map: &Map<String, Value>) -> Option<&str> {
    let text = map.get("vault").filter(|_| map.len() == 1)?.as_str()?;
    text.contains('#').then_some(text)
}

fn replaced(
    text: &str,
    answers: &mut dyn Answers,
    pointer: &str,
    problems: &mut Vec<Problem>,
) -> Option<Value> {
    let refuse = |message: String, hint: Option<&'static str>| Problem {
        pointer: pointer.to_owned(),
        message,
        hint,
    };
    let reference = match Reference::parse(text) {
        Ok(reference) => reference,
        Err(malformed) => {
            problems.push(refuse(malformed.to_string(), None));
            return None;
        }
    };
    let value = answers.value(&reference);
    let shaped = value.and_then(|value| shape(&reference, &value, &mut |text| answers.note(text)));
    match shaped {
        Ok(shaped) => Some(shaped.into_value()),
        Err(error) => {
            problems.push(refuse(error.to_string(), Some(error.hint())));
            None
        }
    }
}

/// A value with what is laid over it.
fn merged(value: &Value, over: Value) -> Value {
    match (value, over) {
        (Value::Object(map), Value::Object(over)) if named(map).is_none() => {
            let mut map = map.clone();
            for (name, over) in over {
                let value = map.get(&name).cloned().unwrap_or(Value::Null);
                map.insert(name, merged(&value, over));
            }
            Value::Object(map)
        }
        (_, over) => over,
    }
}
