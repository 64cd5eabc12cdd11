//! OpenAPI 2: the one document of everything that older clients read, and newer ones fall back to.
//! It must not know how it is sent.

use std::sync::Arc;

use holdfast_admit::Served;
use holdfast_model::Value;
use holdfast_schema::{Schema, Shape, TypeRef};
use serde_json::{Map, json};

use super::names::{list_name, name_of_kind, schema_name};
use super::paths;
use super::shapes::{META, Types, Version};

/// The deepest nesting of a custom schema that is copied; definitions allow no more.
const MAX_DEPTH: usize = 128;

/// The document of these kinds.
pub(super) fn document(kinds: &[Arc<Served>]) -> Value {
    let mut types = Types::new(Version::Two);
    let mut paths = Map::new();
    for served in kinds {
        types.add_kind(served, custom_kind);
        add_list(&mut types, served);
        paths::add(served, &mut paths);
    }
    for served in kinds {
        add_subresources(&mut types, served);
    }
    for name in [
        "meta.v1.DeleteOptions",
        "meta.v1.Status",
        "meta.v1.ListMeta",
    ] {
        types.want(name);
    }
    finish(&mut types);
    json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": format!("v{}", Schema::builtin().release())},
        "paths": paths,
        "definitions": types.done,
        "parameters": paths::parameters(),
        "securityDefinitions": {"BearerToken": {
            "type": "apiKey", "name": "authorization", "in": "header",
            "description": "Bearer Token authentication",
        }},
        "security": [{"BearerToken": []}],
    })
}

fn reference(name: &str) -> Value {
    Version::Two.reference(name)
}

fn add_list(types: &mut Types, served: &Served) {
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
    types.done.insert(list_name(served), schema);
}

/// The types that subresources answer with, such as `Scale`.
fn add_subresources(types: &mut Types, served: &Served) {
    for sub in &served.kind.subresources {
        let name = name_of_kind(&sub.group, &sub.version, &sub.kind);
        if types.done.contains_key(&name) {
            continue;
        }
        let found = Schema::builtin().type_named(&name);
        if let Some(Shape::Struct(object)) = found.as_ref().map(TypeRef::shape) {
            let mut schema = types.object(object);
            schema["x-kubernetes-group-version-kind"] =
                json!([{"group": sub.group, "version": sub.version, "kind": sub.kind}]);
            types.done.insert(name, schema);
        }
    }
}

/// Writes the types that others refer to, and those of scalars.
fn finish(types: &mut Types) {
    types.finish();
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
        types.done.insert(name.to_owned(), schema);
    }
}

/// A custom kind. Clients of this form take what is not listed for forbidden, so that a kind
/// that keeps unknown fields lists nothing.
fn custom_kind(types: &mut Types, schema: Option<&Value>) -> Value {
    let open = "x-kubernetes-preserve-unknown-fields";
    let Some(schema) = schema.filter(|schema| schema[open] != true) else {
        return json!({"type": "object"});
    };
    types.want("meta.v1.ObjectMeta");
    let mut copied = reduced(schema, 0);
    if !copied["properties"].is_object() {
        copied["properties"] = json!({});
    }
    add_head(&mut copied);
    copied
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
