//! What one kind in one version is, as far as predicting a write asks: its type, its defaults, what
//! its canonical form is. It must not know where the types were read.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_model::Value;
use holdfast_model::object::VersionedKey;
use holdfast_schema::{CustomKind, Kind, Schema, TypeRef};
use serde_json::json;

use crate::canonical::{Decoded, decode, zero};
use crate::custom::{default_custom, drop_nulls, prune_custom};
use crate::defaults::default_built_in;

/// A kind in one version, built in or of a definition.
#[derive(Clone, Debug)]
pub enum Typing {
    /// It is in the tables of this program.
    BuiltIn(Kind),
    /// A CustomResourceDefinition of the target defines it.
    Custom(Arc<CustomKind>),
}

impl Typing {
    /// A kind that the tables have.
    pub fn built_in(group: &str, version: &str, kind: &str) -> Option<Self> {
        let found = Schema::builtin().kind(group, version, kind)?;
        Some(Self::BuiltIn(found.clone()))
    }

    /// What discovery says of it.
    pub fn kind(&self) -> &Kind {
        match self {
            Self::BuiltIn(kind) => kind,
            Self::Custom(custom) => &custom.kind,
        }
    }

    /// The type of its objects.
    pub fn type_ref(&self) -> &TypeRef {
        &self.kind().type_ref
    }

    /// Whether writes to an object leave its status alone.
    pub fn has_status(&self) -> bool {
        self.kind().subresource("status").is_some()
    }

    /// What an object has that nobody has written to.
    pub fn empty(&self) -> Value {
        let mut empty = match self {
            Self::BuiltIn(kind) => zero(&kind.type_ref),
            Self::Custom(_) => json!({}),
        };
        empty["apiVersion"] = json!(self.kind().api_version());
        empty["kind"] = json!(self.kind().kind);
        empty
    }

    /// The form in which the API server keeps and shows an object, and the paths of fields that its
    /// type does not have.
    ///
    /// # Errors
    /// The message of Go's decoder for a value of the wrong type.
    pub fn canonical(&self, value: Value) -> Result<Decoded, String> {
        match self {
            Self::BuiltIn(kind) => decode(value, &kind.type_ref),
            Self::Custom(custom) => canonical_custom(&custom.kind.type_ref, value),
        }
    }

    /// Puts in what absent fields stand for.
    pub fn default(&self, value: &mut Value) {
        match self {
            Self::BuiltIn(kind) => default_built_in(kind, value),
            Self::Custom(custom) => default_custom(value, &custom.kind.type_ref),
        }
    }

    /// Takes out nulls that say nothing: all of a built-in kind, and those of a custom one that its
    /// schema does not allow.
    pub fn drop_nulls(&self, value: &mut Value) {
        match self {
            Self::BuiltIn(_) => drop_all_nulls(value),
            Self::Custom(custom) => {
                if let Some(metadata) = value.get_mut("metadata") {
                    drop_all_nulls(metadata);
                }
                if let Some(schema) = &custom.schema {
                    drop_nulls(value, schema);
                }
            }
        }
    }
}

/// A custom object in its canonical form; its metadata have a built-in type.
///
/// # Errors
/// The message of Go's decoder for metadata of the wrong type.
pub fn canonical_custom(type_ref: &TypeRef, mut value: Value) -> Result<Decoded, String> {
    let mut unknown = Vec::new();
    if let (Some(metadata), Some(field)) = (value.get_mut("metadata"), type_ref.field("metadata")) {
        let decoded = decode(metadata.take(), &field.type_ref)?;
        value["metadata"] = decoded.value;
        let paths = decoded.unknown.into_iter();
        unknown.extend(paths.map(|path| format!("metadata.{path}")));
    }
    unknown.extend(prune_custom(&mut value, type_ref));
    Ok(Decoded { value, unknown })
}

/// Fields whose value is null, at any depth; items of lists stay.
fn drop_all_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, child| !child.is_null());
            fields.values_mut().for_each(drop_all_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_all_nulls),
        _ => {}
    }
}

/// The kinds of a target that are known, by group, kind and version.
#[derive(Clone, Debug, Default)]
pub struct Typings(BTreeMap<(String, String, String), Arc<Typing>>);

impl Typings {
    /// Adds a kind.
    pub fn insert(&mut self, typing: Arc<Typing>) {
        let kind = typing.kind();
        let place = (kind.group.clone(), kind.kind.clone(), kind.version.clone());
        self.0.insert(place, typing);
    }

    /// The kind of an object in the version in which it is written.
    pub fn get(&self, key: &VersionedKey) -> Option<&Arc<Typing>> {
        let kind = &key.key.kind;
        let place = (
            kind.group.clone(),
            kind.kind.clone(),
            key.version.to_string(),
        );
        self.0.get(&place)
    }
}
