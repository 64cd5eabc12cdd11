//! An object as it is kept and sent: JSON bytes, and what is asked for without reading them.
//! It must not know where it is kept.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_admit::ObjectName;
use holdfast_model::Value;
use serde_json::json;

/// An object as it was written.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) name: ObjectName,
    pub(crate) revision: u64,
    pub(crate) labels: Vec<(String, String)>,
    /// `apiVersion` and `kind` as they stand in JSON; items of a list of a built-in kind are
    /// sent without them.
    pub(crate) head: Arc<str>,
    /// The object without them.
    pub(crate) rest: Bytes,
}

impl Stored {
    /// An object as a file has it.
    pub(crate) fn restored(name: ObjectName, revision: u64, head: Arc<str>, rest: Bytes) -> Self {
        let mut stored = Self {
            name,
            revision,
            labels: Vec::new(),
            head,
            rest,
        };
        let value = stored.value();
        let labels = value["metadata"]["labels"].as_object();
        for (key, value) in labels.into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            stored.labels.push((key.clone(), value.to_owned()));
        }
        stored
    }

    /// The whole object as JSON.
    pub(crate) fn bytes(&self) -> Bytes {
        let mut bytes = Vec::with_capacity(self.head.len() + self.rest.len() + 1);
        self.write_to(&mut bytes);
        Bytes::from(bytes)
    }

    /// Appends the whole object.
    pub(crate) fn write_to(&self, bytes: &mut Vec<u8>) {
        bytes.push(b'{');
        bytes.extend_from_slice(self.head.as_bytes());
        bytes.extend_from_slice(self.rest.get(1..).unwrap_or_default());
    }

    /// The object as a value.
    pub(crate) fn value(&self) -> Value {
        serde_json::from_slice(&self.bytes()).unwrap_or_default()
    }
}

/// An object with its revision in it. Every object has metadata, so that something follows the
/// head.
pub(crate) fn stamped(name: &ObjectName, revision: u64, value: &mut Value) -> Stored {
    let mut labels = Vec::new();
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".to_owned(), json!(revision.to_string()));
        for (key, value) in metadata
            .get("labels")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            labels.push((key.clone(), value.as_str().unwrap_or_default().to_owned()));
        }
    }
    let (api_version, kind) = (value["apiVersion"].take(), value["kind"].take());
    if let Some(fields) = value.as_object_mut() {
        fields.remove("apiVersion");
        fields.remove("kind");
    }
    let rest = Bytes::from(value.to_string());
    let head = format!("\"apiVersion\":{api_version},\"kind\":{kind},");
    value["apiVersion"] = api_version;
    value["kind"] = kind;
    Stored {
        name: name.clone(),
        revision,
        labels,
        head: head.into(),
        rest,
    }
}
