//! OpenAPI 2: the one document of everything that older clients read, and newer ones fall back to.
//! It must not know how it is sent.

use std::collections::BTreeSet;
use std::sync::Arc;

use holdfast_model::Value;
use holdfast_schema::{ListRelation, Scalar, Schema, Shape, Struct, TypeRef};
use serde_json::{Map, json};

use super::{full_name, patch_strategy, paths, schema_name};
use crate::registry::Served;

/// Prefix of the names of what every group shares.
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
/// The deepest nesting of a custom schema that is copied; definitions allow no more.
const MAX_DEPTH: usize = 128;

/// The document of these kinds.
pub(super) fn document(kinds: &[Arc<Served>]) -> Value {
    let mut definitions = Definitions::default();
    let mut paths = Map::new();
    for served in kinds {
        definitions.add_kind(served);
        definitions.add_list(served);
        paths::add(served, &mut paths);
    }
    for served in kinds {
        definitions.add_subresources(served);
    }
    for name in [
        "meta.v1.DeleteOptions",
        "meta.v1.Status",
        "meta.v1.ListMeta",
    ] {
        definitions.want(name);
    }
    definitions.finish();
    json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": format!("v{}", Schema::builtin().release())},
        "paths": paths,
        "definitions": definitions.done,
        "parameters": paths::parameters(),
        "securityDefinitions": {"BearerToken": {
            "type": "apiKey", "name": "authorization", "in": "header",
            "description": "Bearer Token authentication",
        }},
        "security": [{"BearerToken": []}],
    })
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/definitions/{name}")})
}

/// The name of the list type of a kind.
pub(super) fn list_name(served: &Served) -> String {
    let own = schema_name(served);
    let home = own.strip_suffix(&served.kind.kind).unwrap_or(&own);
    format!("{home}{}", served.kind.list_kind)
}

/// The name of a type of a group and version that need not be a kind with a path of its own.
pub(super) fn name_of_kind(group: &str, version: &str, kind: &str) -> String {
    let short = match (group.split('.').next().unwrap_or(""), kind) {
        ("", _) => format!("core.{version}.{kind}"),
        (group, _) => format!("{group}.{version}.{kind}"),
    };
    full_name(&short)
}

#[derive(Default)]
struct Definitions {
    done: Map<String, Value>,
    open: Vec<String>,
    seen: BTreeSet<String>,
}

impl Definitions {
    fn add_kind(&mut self, served: &Served) {
        let kind = &served.kind;
        let gvk = json!([{"group": kind.group, "version": kind.version, "kind": kind.kind}]);
        let name = schema_name(served);
        let mut schema = match &served.custom {
            None => {
                let Shape::Struct(object) = kind.type_ref.shape() else {
                    return;
                };
                self.seen.insert(object.name.clone());
                self.object(object)
            }
            Some(custom) => self.custom_kind(custom.schema.as_deref()),
        };
        schema["x-kubernetes-group-version-kind"] = gvk;
        self.done.insert(name, schema);
    }

    fn add_list(&mut self, served: &Served) {
        let kind = &served.kind;
        if !kind.allows("list") {
            return;
        }
        let schema = json!({
            "type": "object", "required": ["items"],
            "properties": {
                "apiVersion": {"type": "string"},
                "items": {"type": "array", "items": reference(&schema_name(served))},
                "kind": {"type": "string"},
                "metadata": reference(&format!("{META}.ListMeta")),
            },
            "x-kubernetes-group-version-kind": [
                {"group": kind.group, "version": kind.version, "kind": kind.list_kind}
            ],
        });
        self.done.insert(list_name(served), schema);
    }

    /// The types that subresources answer with, such as `Scale`.
    fn add_subresources(&mut self, served: &Served) {
        for sub in &served.kind.subresources {
            let name = name_of_kind(&sub.group, &sub.version, &sub.kind);
            if self.done.contains_key(&name) {
                continue;
            }
            let found = Schema::builtin().type_named(&name);
            if let Some(Shape::Struct(object)) = found.as_ref().map(TypeRef::shape) {
                self.seen.insert(object.name.clone());
                let mut schema = self.object(object);
                schema["x-kubernetes-group-version-kind"] =
                    json!([{"group": sub.group, "version": sub.version, "kind": sub.kind}]);
                self.done.insert(name, schema);
            }
        }
    }

    fn want(&mut self, short: &str) {
        if self.seen.insert(short.to_owned()) {
            self.open.push(short.to_owned());
        }
    }

    /// Writes the types that others refer to.
    fn finish(&mut self) {
        while let Some(short) = self.open.pop() {
            let found = Schema::builtin().type_named(&short);
            if let Some(Shape::Struct(object)) = found.as_ref().map(TypeRef::shape) {
                let schema = self.object(object);
                self.done.insert(full_name(&short), schema);
            }
        }
        let text = |format: &str| json!({"type": "string", "format": format});
        let scalars = [
            (
                "io.k8s.apimachinery.pkg.api.resource.Quantity",
                json!({"type": "string"}),
            ),
            (
                "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
                text("int-or-string"),
            ),
            (
                "io.k8s.apimachinery.pkg.apis.meta.v1.Time",
                text("date-time"),
            ),
            (
                "io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime",
                text("date-time"),
            ),
            (
                "io.k8s.apimachinery.pkg.apis.meta.v1.Patch",
                json!({"type": "object"}),
            ),
        ];
        for (name, schema) in scalars {
            self.done.insert(name.to_owned(), schema);
        }
    }

    fn object(&mut self, object: &Struct) -> Value {
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
            if field.required {
                required.push(field.name.as_str());
            }
            properties.insert(field.name.clone(), schema);
        }
        let mut schema = json!({"type": "object"});
        if !properties.is_empty() {
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
            Shape::Any { atomic: true } => json!({"type": "object"}),
            Shape::Any { atomic: false } => json!({}),
            Shape::Scalar(scalar) => scalar_schema(*scalar),
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
                self.want(&object.name);
                let mut schema = reference(&full_name(&object.name));
                match (type_ref.is_atomic(), object.atomic) {
                    (true, false) => schema["x-kubernetes-map-type"] = json!("atomic"),
                    (false, true) => schema["x-kubernetes-map-type"] = json!("granular"),
                    _ => {}
                }
                schema
            }
        }
    }

    /// A custom kind. Clients of this form take what is not listed for forbidden, so that a kind
    /// that keeps unknown fields lists nothing.
    fn custom_kind(&mut self, schema: Option<&Value>) -> Value {
        let open = "x-kubernetes-preserve-unknown-fields";
        let Some(schema) = schema.filter(|schema| schema[open] != true) else {
            return json!({"type": "object"});
        };
        self.want("meta.v1.ObjectMeta");
        let mut copied = reduced(schema, 0);
        if !copied["properties"].is_object() {
            copied["properties"] = json!({});
        }
        add_head(&mut copied);
        copied
    }
}

/// Adds what every object has.
fn add_head(schema: &mut Value) {
    schema["properties"]["apiVersion"] = json!({"type": "string"});
    schema["properties"]["kind"] = json!({"type": "string"});
    schema["properties"]["metadata"] = reference(&format!("{META}.ObjectMeta"));
}

/// A schema with what this form can say: no alternatives, and nothing inside of what may be null
/// or keeps unknown fields.
fn reduced(schema: &Value, depth: usize) -> Value {
    let Some(fields) = schema.as_object().filter(|_| depth < MAX_DEPTH) else {
        return json!({});
    };
    let flag = |name: &str| fields.get(name) == Some(&Value::Bool(true));
    let nullable = flag("nullable");
    let open = flag("x-kubernetes-preserve-unknown-fields");
    let mut copied = Map::new();
    for (name, value) in fields {
        let copy = match name.as_str() {
            "allOf" | "anyOf" | "oneOf" | "not" | "nullable" => continue,
            "items" | "properties" if nullable || open => continue,
            "type" if nullable => continue,
            "items" => reduced(value, depth + 1),
            "additionalProperties" if value.is_object() => reduced(value, depth + 1),
            "properties" => value
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, inner)| (name.clone(), reduced(inner, depth + 1)))
                .collect(),
            _ => value.clone(),
        };
        copied.insert(name.clone(), copy);
    }
    let has_items = copied.contains_key("items");
    let untyped = match copied.get("type").and_then(Value::as_str) {
        Some("array") => !has_items,
        Some("object") => open,
        _ => false,
    };
    if untyped {
        copied.remove("type");
    }
    optional_nulls(fields, &mut copied);
    let mut copied = Value::Object(copied);
    if flag("x-kubernetes-embedded-resource") && !open {
        add_head(&mut copied);
    }
    copied
}

/// What may be null is not asked for: a client would take null for absent.
fn optional_nulls(fields: &Map<String, Value>, copied: &mut Map<String, Value>) {
    let is_nullable =
        |schema: Option<&Value>| schema.is_some_and(|inner| inner["nullable"] == true);
    if is_nullable(fields.get("additionalProperties")) {
        copied.remove("required");
    }
    let Some(required) = copied.get_mut("required").and_then(Value::as_array_mut) else {
        return;
    };
    required.retain(|name| {
        let property = fields.get("properties").zip(name.as_str());
        !is_nullable(property.and_then(|(properties, name)| properties.get(name)))
    });
    if required.is_empty() {
        copied.remove("required");
    }
}

fn scalar_schema(scalar: Scalar) -> Value {
    match scalar {
        Scalar::String => json!({"type": "string"}),
        Scalar::Bytes => json!({"type": "string", "format": "byte"}),
        Scalar::Int32 => json!({"type": "integer", "format": "int32"}),
        Scalar::Int64 => json!({"type": "integer", "format": "int64"}),
        Scalar::Double => json!({"type": "number", "format": "double"}),
        Scalar::Boolean => json!({"type": "boolean"}),
        Scalar::Quantity => reference("io.k8s.apimachinery.pkg.api.resource.Quantity"),
        Scalar::Time => reference(&format!("{META}.Time")),
        Scalar::MicroTime => reference(&format!("{META}.MicroTime")),
        Scalar::IntOrString => reference("io.k8s.apimachinery.pkg.util.intstr.IntOrString"),
    }
}
