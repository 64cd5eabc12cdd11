//! Kinds and the types below them as schemas, as either document has them. It must not know paths.

use std::collections::BTreeSet;

use holdfast_admit::Served;
use holdfast_model::Value;
use holdfast_schema::{ListRelation, Scalar, Schema, Shape, Struct, TypeRef};
use serde_json::{Map, json};

use super::names::{full_name, patch_strategy, schema_name};

/// Prefix of the names of what every group shares.
pub(super) const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

/// Which document schemas are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// OpenAPI 2: scalars of Kubernetes have definitions of their own, and nothing has a default.
    Two,
    /// OpenAPI 3.
    Three,
}

/// Schemas by their names, and the names that they refer to and that are still to be written.
pub(super) struct Types {
    version: Version,
    pub(super) done: Map<String, Value>,
    open: Vec<String>,
    seen: BTreeSet<String>,
}

impl Types {
    pub(super) fn new(version: Version) -> Self {
        Self {
            version,
            done: Map::new(),
            open: Vec::new(),
            seen: BTreeSet::new(),
        }
    }

    /// Writes a kind; `custom` makes the schema of one that is not built in from its definition's.
    pub(super) fn add_kind(
        &mut self,
        served: &Served,
        custom: impl FnOnce(&mut Self, Option<&Value>) -> Value,
    ) {
        let kind = &served.kind;
        let gvk = json!([{"group": kind.group, "version": kind.version, "kind": kind.kind}]);
        let mut schema = match &served.custom {
            None => {
                let Shape::Struct(object) = kind.type_ref.shape() else {
                    return;
                };
                self.object(object)
            }
            Some(defined) => custom(self, defined.schema.as_deref()),
        };
        schema["x-kubernetes-group-version-kind"] = gvk;
        self.done.insert(schema_name(served), schema);
    }

    /// A reference to the type with a short name, such as `meta.v1.ObjectMeta`, which is written in
    /// the end.
    pub(super) fn want(&mut self, short: &str) -> Value {
        if self.seen.insert(short.to_owned()) {
            self.open.push(short.to_owned());
        }
        self.version.reference(&full_name(short))
    }

    /// Writes the types that others refer to.
    pub(super) fn finish(&mut self) {
        while let Some(short) = self.open.pop() {
            let found = Schema::builtin().type_named(&short);
            if let Some(Shape::Struct(object)) = found.as_ref().map(TypeRef::shape) {
                let schema = self.object(object);
                self.done.insert(full_name(&short), schema);
            }
        }
    }

    /// A type, which whoever asks writes under a name: it is not written again.
    pub(super) fn object(&mut self, object: &Struct) -> Value {
        self.seen.insert(object.name.clone());
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in &object.fields {
            let mut schema = self.any(&field.type_ref);
            if let Some(strategy) = patch_strategy(field.patch) {
                schema["x-kubernetes-patch-strategy"] = json!(strategy);
            }
            if let Some(key) = &field.merge_key {
                schema["x-kubernetes-patch-merge-key"] = json!(key);
            }
            if let Some(default) = &field.default
                && self.version == Version::Three
            {
                schema["default"] = default.clone();
            }
            if field.required {
                required.push(field.name.as_str());
            }
            properties.insert(field.name.clone(), schema);
        }
        let mut schema = json!({"type": "object"});
        if !properties.is_empty() || self.version == Version::Three {
            schema["properties"] = Value::Object(properties);
        }
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        if object.atomic {
            schema["x-kubernetes-map-type"] = json!("atomic");
        }
        schema
    }

    fn any(&mut self, type_ref: &TypeRef) -> Value {
        match type_ref.shape() {
            Shape::Any { atomic } => match self.version {
                Version::Two if !atomic => json!({}),
                _ => json!({"type": "object"}),
            },
            Shape::Scalar(scalar) => self.version.scalar(*scalar),
            Shape::List(list) => {
                let mut schema = json!({"type": "array", "items": self.any(&list.item)});
                match &list.relation {
                    ListRelation::Atomic => schema["x-kubernetes-list-type"] = json!("atomic"),
                    ListRelation::Set => schema["x-kubernetes-list-type"] = json!("set"),
                    ListRelation::Map(keys) => {
                        schema["x-kubernetes-list-type"] = json!("map");
                        schema["x-kubernetes-list-map-keys"] = json!(keys);
                    }
                }
                schema
            }
            Shape::Map(map) => {
                let mut schema =
                    json!({"type": "object", "additionalProperties": self.any(&map.item)});
                if type_ref.is_atomic() {
                    schema["x-kubernetes-map-type"] = json!("atomic");
                }
                schema
            }
            Shape::Struct(object) => {
                let reference = self.want(&object.name);
                self.version.used(reference, type_ref, object)
            }
        }
    }
}

impl Version {
    /// A reference to a type by its full name.
    pub(super) fn reference(self, name: &str) -> Value {
        match self {
            Self::Two => json!({"$ref": format!("#/definitions/{name}")}),
            Self::Three => json!({"$ref": format!("#/components/schemas/{name}")}),
        }
    }

    /// A reference as the schema of a field.
    fn used(self, mut reference: Value, type_ref: &TypeRef, object: &Struct) -> Value {
        if self == Self::Three {
            return json!({"allOf": [reference]});
        }
        match (type_ref.is_atomic(), object.atomic) {
            (true, false) => reference["x-kubernetes-map-type"] = json!("atomic"),
            (false, true) => reference["x-kubernetes-map-type"] = json!("granular"),
            _ => {}
        }
        reference
    }

    fn scalar(self, scalar: Scalar) -> Value {
        match (scalar, self) {
            (Scalar::String, _) => json!({"type": "string"}),
            (Scalar::Bytes, _) => json!({"type": "string", "format": "byte"}),
            (Scalar::Int32, _) => json!({"type": "integer", "format": "int32"}),
            (Scalar::Int64, _) => json!({"type": "integer", "format": "int64"}),
            (Scalar::Double, _) => json!({"type": "number", "format": "double"}),
            (Scalar::Boolean, _) => json!({"type": "boolean"}),
            (Scalar::Quantity, Self::Two) => {
                self.reference("io.k8s.apimachinery.pkg.api.resource.Quantity")
            }
            (Scalar::Quantity, Self::Three) => {
                json!({"oneOf": [{"type": "string"}, {"type": "number"}]})
            }
            (Scalar::Time, Self::Two) => self.reference(&format!("{META}.Time")),
            (Scalar::MicroTime, Self::Two) => self.reference(&format!("{META}.MicroTime")),
            (Scalar::Time | Scalar::MicroTime, Self::Three) => {
                json!({"type": "string", "format": "date-time"})
            }
            (Scalar::IntOrString, Self::Two) => {
                self.reference("io.k8s.apimachinery.pkg.util.intstr.IntOrString")
            }
            (Scalar::IntOrString, Self::Three) => json!({
                "oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string",
            }),
        }
    }
}
