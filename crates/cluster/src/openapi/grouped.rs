//! OpenAPI 3: a document for each group and version, with types for `explain` and for checks, and
//! paths with the parameters that tell what the server can do. It must not know objects.

use std::collections::BTreeSet;

use holdfast_model::Value;
use holdfast_schema::{ListRelation, Scalar, Schema, Shape, TypeRef};
use serde_json::{Map, json};

use super::{full_name, group_path, patch_strategy, schema_name};
use crate::body::Reply;
use crate::cluster::Cluster;
use crate::discovery::{groups, versions_of};
use crate::error::{ApiError, Result};
use crate::registry::Served;

/// The document of one version of a group.
pub(super) fn group_document(cluster: &Cluster, group: &str, version: &str) -> Result<Reply> {
    let groups = groups(cluster);
    let mut found = versions_of(&groups, group).into_iter().flatten();
    let (_, kinds) = found
        .find(|(known, _)| known == version)
        .ok_or_else(ApiError::no_route)?;
    let mut document = Document::default();
    let mut paths = Map::new();
    for served in kinds {
        document.add_kind(served);
        add_paths(served, &mut paths);
    }
    document.add_named("meta.v1.DeleteOptions");
    document.add_named("meta.v1.Status");
    while let Some(name) = document.open.pop() {
        document.add_type(&name);
    }
    let value = json!({
        "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": paths, "components": {"schemas": document.schemas},
    });
    Ok(Reply::json(200, &value))
}

fn add_paths(served: &Served, paths: &mut Map<String, Value>) {
    let kind = &served.kind;
    let base = format!("/{}", group_path(&kind.group, &kind.version));
    let collection = if kind.namespaced {
        format!("{base}/namespaces/{{namespace}}/{}", kind.plural)
    } else {
        format!("{base}/{}", kind.plural)
    };
    let parameter = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    let writes = json!([
        parameter("dryRun"),
        parameter("fieldManager"),
        parameter("fieldValidation")
    ]);
    let gvk = json!({"group": kind.group, "version": kind.version, "kind": kind.kind});
    let name = schema_name(served);
    let operation = |action: &str, parameters: &Value| {
        json!({
            "parameters": parameters,
            "responses": {"200": {"description": "OK", "content": {"application/json": {
                "schema": {"$ref": format!("#/components/schemas/{name}")}}}}},
            "x-kubernetes-action": action, "x-kubernetes-group-version-kind": gvk,
        })
    };
    let none = json!([]);
    let many = json!({"get": operation("list", &none), "post": operation("post", &writes)});
    let one = json!({
        "get": operation("get", &none), "put": operation("put", &writes),
        "patch": operation("patch", &writes), "delete": operation("delete", &none),
    });
    paths.insert(format!("{collection}/{{name}}"), one);
    paths.insert(collection, many);
}

#[derive(Default)]
struct Document {
    schemas: Map<String, Value>,
    open: Vec<String>,
    seen: BTreeSet<String>,
}

impl Document {
    fn add_kind(&mut self, served: &Served) {
        let kind = &served.kind;
        let gvk = json!([{"group": kind.group, "version": kind.version, "kind": kind.kind}]);
        let Some(custom) = &served.custom else {
            if let Shape::Struct(object) = kind.type_ref.shape() {
                self.add_type(&object.name);
                if let Some(schema) = self.schemas.get_mut(&full_name(&object.name)) {
                    schema["x-kubernetes-group-version-kind"] = gvk;
                }
            }
            return;
        };
        let mut schema = custom
            .schema
            .as_deref()
            .cloned()
            .unwrap_or_else(|| json!({}));
        let text = json!({"type": "string"});
        if !schema["properties"].is_object() {
            schema["properties"] = json!({});
        }
        schema["properties"]["apiVersion"] = text.clone();
        schema["properties"]["kind"] = text;
        self.add_named("meta.v1.ObjectMeta");
        let metadata = full_name("meta.v1.ObjectMeta");
        schema["properties"]["metadata"] =
            json!({"$ref": format!("#/components/schemas/{metadata}")});
        schema["x-kubernetes-group-version-kind"] = gvk;
        self.schemas.insert(schema_name(served), schema);
    }

    fn add_named(&mut self, name: &str) {
        if self.seen.insert(name.to_owned()) {
            self.open.push(name.to_owned());
        }
    }

    fn add_type(&mut self, name: &str) {
        self.seen.insert(name.to_owned());
        let Some(type_ref) = Schema::builtin().type_named(name) else {
            return;
        };
        let Shape::Struct(object) = type_ref.shape() else {
            return;
        };
        let mut properties = Map::new();
        let mut required = Vec::new();
        for field in &object.fields {
            let mut schema = self.type_schema(&field.type_ref);
            if let Some(strategy) = patch_strategy(field.patch) {
                schema["x-kubernetes-patch-strategy"] = json!(strategy);
            }
            if let Some(key) = &field.merge_key {
                schema["x-kubernetes-patch-merge-key"] = json!(key);
            }
            if let Some(default) = &field.default {
                schema["default"] = default.clone();
            }
            if field.required {
                required.push(field.name.clone());
            }
            properties.insert(field.name.clone(), schema);
        }
        let mut schema = json!({"type": "object", "properties": properties});
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
        if object.atomic {
            schema["x-kubernetes-map-type"] = json!("atomic");
        }
        self.schemas.insert(full_name(name), schema);
    }

    fn type_schema(&mut self, type_ref: &TypeRef) -> Value {
        match type_ref.shape() {
            Shape::Any { .. } => json!({"type": "object"}),
            Shape::Scalar(scalar) => scalar_schema(*scalar),
            Shape::List(list) => {
                let mut schema = json!({"type": "array", "items": self.type_schema(&list.item)});
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
                    json!({"type": "object", "additionalProperties": self.type_schema(&map.item)});
                if type_ref.is_atomic() {
                    schema["x-kubernetes-map-type"] = json!("atomic");
                }
                schema
            }
            Shape::Struct(object) => {
                self.add_named(&object.name);
                let name = full_name(&object.name);
                json!({"allOf": [{"$ref": format!("#/components/schemas/{name}")}]})
            }
        }
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
        Scalar::Quantity => json!({"oneOf": [{"type": "string"}, {"type": "number"}]}),
        Scalar::Time | Scalar::MicroTime => json!({"type": "string", "format": "date-time"}),
        Scalar::IntOrString => {
            json!({"oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"})
        }
    }
}
