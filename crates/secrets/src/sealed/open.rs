//! Opens a SealedSecret into the Secret that its controller would make of it. All of it opens, or none.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_go::base64;
use holdfast_model::Value;
use holdfast_model::secret::Secret;
use holdfast_model::time::Time;
use holdfast_template::{Inputs, Limits as TemplateLimits, Run, Set, Value as Data, parse};
use holdfast_yaml::{Limits, read_values, to_yaml};
use serde_json::{Map, json};
use zeroize::{Zeroize as _, Zeroizing};

use super::{API_VERSION, Scope, hybrid, keys::SealingKeys};
use crate::Clear;
use crate::error::Error;

/// What a template is given besides the values: time, and what everything random is derived from.
#[derive(Clone, Copy)]
pub struct Chances<'a> {
    /// The moment that `now` gives.
    pub now: Time,
    /// What `randAlphaNum` and the like are derived from.
    pub entropy: &'a [u8; 32],
}

type Entries = BTreeMap<String, Zeroizing<Vec<u8>>>;

/// Whether an object is a SealedSecret.
pub fn is_sealed(object: &Value) -> bool {
    object["kind"] == "SealedSecret"
        && object["apiVersion"]
            .as_str()
            .is_some_and(|version| version.starts_with("bitnami.com/"))
}

/// The Secret of a SealedSecret, both as YAML. Values of the template that are rendered are those that
/// are not sealed; sealed ones win over them.
///
/// # Errors
/// What is wrong with its form, or every entry that does not open.
pub fn open(text: &str, keys: &SealingKeys, chances: Chances<'_>) -> Result<Clear, Error> {
    let object = read_one(text)?;
    if !is_sealed(&object) {
        return Err(form(&format!("it is no SealedSecret of {API_VERSION}")));
    }
    let mut secret = match &object["spec"]["data"] {
        Value::Null => opened(&object, keys, chances)?,
        legacy => open_legacy(&object, legacy, keys)?,
    };
    for part in ["name", "namespace"] {
        let said = object["metadata"][part].clone();
        if let Some(metadata) = secret["metadata"].as_object_mut() {
            match said {
                Value::Null => metadata.remove(part),
                said => metadata.insert(part.to_owned(), said),
            };
        }
    }
    let text = Zeroizing::new(to_yaml(&secret).into_bytes());
    erase(&mut secret);
    Ok(Secret::new(text, &keys.digest_key))
}

/// The only object of a text.
pub(super) fn read_one(text: &str) -> Result<Value, Error> {
    let limits = Limits {
        bytes: crate::MOST_BYTES,
        depth: 100,
        alias_nodes: 20_000,
        ..Limits::strict()
    };
    let documents = read_values(text, &limits).map_err(|error| Error::Syntax {
        format: "YAML",
        problem: error.to_string(),
    })?;
    let mut objects = documents
        .into_iter()
        .map(|(_, object)| object)
        .filter(|object| !object.is_null());
    match (objects.next(), objects.next()) {
        (Some(object), None) if object.is_object() => Ok(object),
        (Some(_), Some(_)) => Err(form("there is more than one object in it; give one a file")),
        _ => Err(form("there is no object in it")),
    }
}

fn form(problem: &str) -> Error {
    Error::Form {
        problem: problem.to_owned(),
    }
}

fn opened(object: &Value, keys: &SealingKeys, chances: Chances<'_>) -> Result<Value, Error> {
    let spec = &object["spec"];
    let mut entries = Entries::new();
    let mut refused = Vec::new();
    for (key, sealed) in texts(&spec["encryptedData"], "encryptedData")? {
        let bytes = base64::decode(sealed.unwrap_or_default().as_bytes()).ok();
        match bytes.and_then(|bytes| open_bytes(object, &bytes, keys)) {
            Some(clear) => drop(entries.insert(key.to_owned(), clear)),
            None => refused.push(key.to_owned()),
        }
    }
    if !refused.is_empty() {
        return Err(unsealable(object, refused, keys));
    }
    let template = texts(&spec["template"]["data"], "template.data")?;
    for (key, rendered) in render(&template, &entries, chances)? {
        entries.entry(key).or_insert(rendered);
    }
    let mut data = Map::new();
    for (key, clear) in &entries {
        data.insert(key.clone(), Value::String(base64::encode(clear)));
    }
    let mut secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": {}, "data": data });
    if let Some(metadata) = spec["template"]["metadata"].as_object() {
        let mut metadata = metadata.clone();
        metadata.remove("creationTimestamp");
        secret["metadata"] = Value::Object(metadata);
    }
    for field in ["type", "immutable"] {
        if !spec["template"][field].is_null() {
            secret[field] = spec["template"][field].clone();
        }
    }
    Ok(secret)
}

/// The old form: a whole Secret, sealed at once.
fn open_legacy(object: &Value, sealed: &Value, keys: &SealingKeys) -> Result<Value, Error> {
    let both = object["spec"]["encryptedData"]
        .as_object()
        .is_some_and(|entries| !entries.is_empty());
    if both {
        return Err(form("it has both `encryptedData` and the old `data`"));
    }
    let sealed = sealed.as_str().unwrap_or_default();
    let clear = base64::decode(sealed.as_bytes())
        .ok()
        .and_then(|bytes| open_bytes(object, &bytes, keys))
        .ok_or_else(|| unsealable(object, vec!["data".to_owned()], keys))?;
    let secret: Value =
        serde_json::from_slice(&clear).map_err(|_| form("what its `data` holds is no JSON"))?;
    if secret["kind"] != "Secret" || !secret["metadata"].is_object() {
        return Err(form("what its `data` holds is no Secret"));
    }
    Ok(secret)
}

fn open_bytes(object: &Value, sealed: &[u8], keys: &SealingKeys) -> Option<Zeroizing<Vec<u8>>> {
    let part = |name: &str| object["metadata"][name].as_str().unwrap_or_default();
    let label = Scope::of(object).label(part("namespace"), part("name"));
    hybrid::open(sealed, &label, keys)
}

fn unsealable(object: &Value, refused: Vec<String>, keys: &SealingKeys) -> Error {
    let part = |name: &str| {
        let said = object["metadata"][name].as_str();
        said.unwrap_or("(none)").to_owned()
    };
    Error::Unsealable {
        name: part("name"),
        namespace: part("namespace"),
        scope: Scope::of(object).name(),
        keys: refused,
        held: keys.len(),
    }
}

type Texts<'a> = Vec<(&'a str, Option<&'a str>)>;

/// A mapping of texts; a null stands for an entry that is left out.
fn texts<'a>(value: &'a Value, field: &str) -> Result<Texts<'a>, Error> {
    let wrong = || form(&format!("`spec.{field}` is no mapping of texts"));
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| match value {
                Value::Null => Ok((key.as_str(), None)),
                Value::String(text) => Ok((key.as_str(), Some(text.as_str()))),
                _ => Err(wrong()),
            })
            .collect(),
        _ => Err(wrong()),
    }
}

/// Renders the entries of the template with the opened values, and its own unrendered ones, as context.
fn render(
    template: &[(&str, Option<&str>)],
    entries: &Entries,
    chances: Chances<'_>,
) -> Result<Entries, Error> {
    let mut context: BTreeMap<&str, Data> = BTreeMap::new();
    for (key, text) in template {
        if let Some(text) = text {
            context.insert(key, Data::text(text));
        }
    }
    for (key, clear) in entries {
        context.insert(key, Data::string(clear.to_vec()));
    }
    let context = Data::map_of(context);
    let mut rendered = Entries::new();
    for (key, text) in template {
        let Some(text) = text else { continue };
        // What the renderer says may quote a value, so only the key is named.
        let refuse = || form(&format!("the template of `{key}` cannot be rendered"));
        let parsed = parse(key, *text).map_err(|_| refuse())?;
        let parsed: Vec<Arc<_>> = parsed.into_iter().map(Arc::new).collect();
        let mut set = Set::new();
        set.add_file(key, &parsed);
        let inputs = Inputs {
            now: chances.now,
            entropy: chances.entropy,
            lookup: None,
            strict: true,
            limits: TemplateLimits {
                steps: 1_000_000,
                text: crate::MOST_BYTES,
                bytes: 4 * crate::MOST_BYTES as u64,
                ..TemplateLimits::default()
            },
        };
        let mut run = Run::new(&set, inputs);
        let outcome = run.render(key, &context);
        run.finish();
        let out = outcome.map_err(|_| refuse())?;
        rendered.insert((*key).to_owned(), Zeroizing::new(out));
    }
    Ok(rendered)
}

/// Overwrites the texts of a value.
pub(super) fn erase(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(erase),
        Value::Object(map) => map.values_mut().for_each(erase),
        _ => {}
    }
}
