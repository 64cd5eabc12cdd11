//! What one kind in one version is, as far as predicting a write asks: its type, its defaults, what
//! its canonical form is. It must not know where the types were read.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_model::Value;
use holdfast_model::object::VersionedKey;
use holdfast_schema::{CustomKind, Kind, Schema, Shape, TypeRef};
use serde_json::json;

use crate::canonical::{Decoded, decode, zero};
use crate::custom::{default_custom, drop_nulls, prune_custom};
use crate::defaults::default_built_in;
use crate::pods::tolerate_trouble;

/// A kind in one version, built in or of a definition.
#[derive(Clone, Debug)]
pub enum Typing {
    /// It is in the tables of this program.
    BuiltIn(Box<Kind>),
    /// A CustomResourceDefinition of the target defines it.
    Custom(Arc<CustomKind>),
}

/// Whether a kind is that of requests for certificates, of which nothing but labels and annotations can
/// be changed: what is asked for is what is signed. Kubernetes 1.37 keeps the spec without a word.
pub fn is_signing_request(group: &str, kind: &str) -> bool {
    group == "certificates.k8s.io" && kind == "CertificateSigningRequest"
}

impl Typing {
    /// A kind that the tables have.
    pub fn built_in(group: &str, version: &str, kind: &str) -> Option<Self> {
        let found = Schema::builtin().kind(group, version, kind)?;
        Some(Self::BuiltIn(Box::new(found.clone())))
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

    /// The fields at the top of an object that writes to it leave as they are, and that nobody owns.
    pub fn unwritten(&self) -> Vec<&'static str> {
        let mut fields = Vec::new();
        fields.extend(self.has_status().then_some("status"));
        let is_request = matches!(self, Self::BuiltIn(kind)
            if is_signing_request(&kind.group, &kind.kind));
        fields.extend(is_request.then_some("spec"));
        fields
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

    /// Puts in what the server's own admission adds at every write.
    pub fn admit(&self, value: &mut Value) {
        if let Self::BuiltIn(kind) = self
            && kind.group.is_empty()
            && kind.kind == "Pod"
            && value["spec"].is_object()
        {
            tolerate_trouble(value);
        }
    }

    /// Takes out fields that are null and so say nothing: those of built-in types, and those of a custom
    /// one that its schema does not allow. A key of a mapping with null stays: the server takes it for
    /// an empty value (seen with kube-apiserver 1.37).
    pub fn drop_nulls(&self, value: &mut Value) {
        match self {
            Self::BuiltIn(kind) => drop_null_fields(value, &kind.type_ref),
            Self::Custom(custom) => {
                let metadata = custom.kind.type_ref.field("metadata");
                if let (Some(value), Some(field)) = (value.get_mut("metadata"), metadata) {
                    drop_null_fields(value, &field.type_ref);
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

/// Fields of objects whose value is null, at any depth; keys of mappings and items of lists stay.
fn drop_null_fields(value: &mut Value, type_ref: &TypeRef) {
    match (value, type_ref.shape()) {
        (Value::Object(fields), Shape::Struct(object)) => {
            fields.retain(|_, child| !child.is_null());
            for (name, child) in fields {
                if let Some(field) = object.field(name) {
                    drop_null_fields(child, &field.type_ref);
                }
            }
        }
        (Value::Object(fields), Shape::Map(map)) => {
            for child in fields.values_mut() {
                drop_null_fields(child, &map.item);
            }
        }
        (Value::Array(items), Shape::List(list)) => {
            for item in items {
                drop_null_fields(item, &list.item);
            }
        }
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
