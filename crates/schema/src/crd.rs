//! Reads the types of a CustomResourceDefinition. It must not know how a value is checked
//! against them: the schema travels along as it was written.

use std::sync::Arc;

use holdfast_model::Value;

use crate::kind::{Kind, Subresource};
use crate::shape::{Field, List, ListRelation, Map, Patch, Scalar, Shape, Struct, TypeRef};
use crate::table::Schema;

/// The deepest nesting of a schema that is read.
const MAX_DEPTH: usize = 128;

/// A version of a custom kind.
#[derive(Clone, Debug)]
pub struct CustomKind {
    /// What discovery says about it.
    pub kind: Kind,
    /// Whether it can be asked for.
    pub served: bool,
    /// Whether objects are stored in it.
    pub storage: bool,
    /// Its `openAPIV3Schema` as written.
    pub schema: Option<Arc<Value>>,
    /// Whether writes go through `/status` for the status alone.
    pub has_status: bool,
    /// The `scale` subresource as written.
    pub scale: Option<Value>,
    /// `additionalPrinterColumns` as written.
    pub columns: Vec<Value>,
    /// Paths of fields that select, such as `.spec.color`.
    pub selectable: Vec<String>,
}

/// Why a definition cannot be read.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum CrdError {
    /// A field that every definition has is absent.
    #[error("`{field}` is missing")]
    Missing {
        /// The field's path.
        field: &'static str,
    },
    /// The schema is nested deeper than is read.
    #[error("the schema of version `{version}` is nested deeper than {MAX_DEPTH}")]
    TooDeep {
        /// The version that has it.
        version: String,
    },
}

/// The kinds that a definition defines, a version each, in its order.
///
/// # Errors
/// [`CrdError`] when names are missing or a schema is too deep.
pub fn kinds_of_crd(crd: &Value) -> Result<Vec<CustomKind>, CrdError> {
    let text = |pointer: &str| crd.pointer(pointer).and_then(Value::as_str);
    let group = text("/spec/group").ok_or(CrdError::Missing {
        field: "spec.group",
    })?;
    let kind = text("/spec/names/kind").ok_or(CrdError::Missing {
        field: "spec.names.kind",
    })?;
    let plural = text("/spec/names/plural").ok_or(CrdError::Missing {
        field: "spec.names.plural",
    })?;
    let lower = kind.to_lowercase();
    let base = Kind {
        group: group.to_owned(),
        version: String::new(),
        kind: kind.to_owned(),
        list_kind: text("/spec/names/listKind")
            .map_or_else(|| format!("{kind}List"), str::to_owned),
        plural: plural.to_owned(),
        singular: text("/spec/names/singular").unwrap_or(&lower).to_owned(),
        namespaced: text("/spec/scope") == Some("Namespaced"),
        short_names: texts(crd.pointer("/spec/names/shortNames")),
        categories: texts(crd.pointer("/spec/names/categories")),
        verbs: [
            "delete",
            "deletecollection",
            "get",
            "list",
            "patch",
            "create",
            "update",
            "watch",
        ]
        .map(str::to_owned)
        .to_vec(),
        subresources: Vec::new(),
        type_ref: TypeRef::any(),
    };
    let versions = crd.pointer("/spec/versions").and_then(Value::as_array);
    let versions = versions.ok_or(CrdError::Missing {
        field: "spec.versions",
    })?;
    versions
        .iter()
        .map(|version| custom_kind(&base, version))
        .collect()
}

fn custom_kind(base: &Kind, version: &Value) -> Result<CustomKind, CrdError> {
    let name = version.get("name").and_then(Value::as_str);
    let name = name.ok_or(CrdError::Missing {
        field: "spec.versions[].name",
    })?;
    let schema = version.pointer("/schema/openAPIV3Schema");
    let type_ref = match schema {
        Some(schema) => root_type(schema).ok_or_else(|| CrdError::TooDeep {
            version: name.to_owned(),
        })?,
        None => TypeRef::any(),
    };
    let has_status = version
        .pointer("/subresources/status")
        .is_some_and(Value::is_object);
    let scale = version.pointer("/subresources/scale").cloned();
    let mut kind = Kind {
        version: name.to_owned(),
        type_ref,
        ..base.clone()
    };
    let verbs = || ["get", "patch", "update"].map(str::to_owned).to_vec();
    if has_status {
        kind.subresources.push(Subresource {
            name: "status".to_owned(),
            group: kind.group.clone(),
            version: kind.version.clone(),
            kind: kind.kind.clone(),
            verbs: verbs(),
        });
    }
    if scale.is_some() {
        kind.subresources.push(Subresource {
            name: "scale".to_owned(),
            group: "autoscaling".to_owned(),
            version: "v1".to_owned(),
            kind: "Scale".to_owned(),
            verbs: verbs(),
        });
    }
    let columns = version.get("additionalPrinterColumns");
    let selectable = version.get("selectableFields").and_then(Value::as_array);
    let selectable = selectable.into_iter().flatten();
    let selectable = selectable.filter_map(|field| field.get("jsonPath")?.as_str());
    Ok(CustomKind {
        kind,
        served: version.get("served") == Some(&Value::Bool(true)),
        storage: version.get("storage") == Some(&Value::Bool(true)),
        schema: schema.cloned().map(Arc::new),
        has_status,
        scale,
        columns: columns
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default(),
        selectable: selectable.map(str::to_owned).collect(),
    })
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The type of a whole custom object: its schema, with the metadata that every object has.
fn root_type(schema: &Value) -> Option<TypeRef> {
    struct_type(schema, false, true, 0)
}

/// The type that a structural schema describes; `None` when it is nested too deep.
pub fn type_of_schema(schema: &Value) -> Option<TypeRef> {
    schema_type(schema, false, 0)
}

fn flag(schema: &Value, name: &str) -> bool {
    schema.get(name) == Some(&Value::Bool(true))
}

fn schema_type(schema: &Value, keeps: bool, depth: usize) -> Option<TypeRef> {
    if depth > MAX_DEPTH {
        return None;
    }
    let keeps = keeps || flag(schema, "x-kubernetes-preserve-unknown-fields");
    let text = |name: &str| schema.get(name).and_then(Value::as_str).unwrap_or("");
    if flag(schema, "x-kubernetes-int-or-string") {
        return Some(TypeRef::own(Shape::Scalar(Scalar::IntOrString)));
    }
    let scalar = |scalar| Some(TypeRef::own(Shape::Scalar(scalar)));
    match (text("type"), text("format")) {
        ("string", _) => scalar(Scalar::String),
        ("integer", "int32") => scalar(Scalar::Int32),
        ("integer", _) => scalar(Scalar::Int64),
        ("number", _) => scalar(Scalar::Double),
        ("boolean", _) => scalar(Scalar::Boolean),
        ("array", _) => {
            let item = match schema.get("items") {
                Some(items) => schema_type(items, keeps, depth + 1)?,
                None => TypeRef::own(Shape::Any { atomic: true }),
            };
            let relation = match text("x-kubernetes-list-type") {
                "set" => ListRelation::Set,
                "map" => ListRelation::Map(texts(schema.get("x-kubernetes-list-map-keys"))),
                _ => ListRelation::Atomic,
            };
            Some(TypeRef::own(Shape::List(List { item, relation })))
        }
        ("object", _) => {
            let atomic = text("x-kubernetes-map-type") == "atomic";
            match schema.get("additionalProperties") {
                Some(items) if items.is_object() => {
                    let item = schema_type(items, keeps, depth + 1)?;
                    Some(TypeRef::own(Shape::Map(Map { item, atomic })))
                }
                Some(Value::Bool(true)) => {
                    let item = TypeRef::any();
                    Some(TypeRef::own(Shape::Map(Map { item, atomic })))
                }
                _ => {
                    let embedded = flag(schema, "x-kubernetes-embedded-resource");
                    struct_type(schema, keeps, embedded, depth)
                }
            }
        }
        _ => Some(TypeRef::any()),
    }
}

fn struct_type(schema: &Value, keeps: bool, embedded: bool, depth: usize) -> Option<TypeRef> {
    let own_keeps = flag(schema, "x-kubernetes-preserve-unknown-fields");
    let keeps = keeps || own_keeps;
    let required = texts(schema.get("required"));
    let mut fields = Vec::new();
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        if embedded && matches!(name.as_str(), "apiVersion" | "kind" | "metadata") {
            continue;
        }
        fields.push(Field {
            name: name.clone(),
            type_ref: schema_type(property, keeps, depth + 1)?,
            required: required.contains(name),
            nullable: flag(property, "nullable"),
            default: property.get("default").cloned(),
            ..plain_field()
        });
    }
    let unlisted = fields.is_empty();
    if embedded {
        let metadata = Schema::builtin().type_named("meta.v1.ObjectMeta");
        let string = || TypeRef::own(Shape::Scalar(Scalar::String));
        for (name, type_ref) in [
            ("apiVersion", string()),
            ("kind", string()),
            ("metadata", metadata.unwrap_or_else(TypeRef::any)),
        ] {
            fields.push(Field {
                name: name.to_owned(),
                type_ref,
                ..plain_field()
            });
        }
    }
    fields.sort_by(|left, right| left.name.cmp(&right.name));
    let atomic = schema.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic");
    Some(TypeRef::own(Shape::Struct(Struct {
        name: String::new(),
        fields,
        atomic,
        rest: (keeps || unlisted).then(TypeRef::any),
        keeps_unknown: own_keeps,
        embedded,
    })))
}

fn plain_field() -> Field {
    Field {
        name: String::new(),
        type_ref: TypeRef::any(),
        required: false,
        pointer: true,
        omit_empty: true,
        nullable: false,
        patch: Patch::default(),
        merge_key: None,
        default: None,
    }
}
