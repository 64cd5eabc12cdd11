//! OpenAPI 3: a document for each group and version, with types for `explain` and for checks, and
//! paths with the parameters that tell what the server can do. It must not know objects.

use holdfast_admit::{ApiError, Result, Served};
use holdfast_model::Value;
use serde_json::{Map, json};

use super::names::{group_path, schema_name};
use super::shapes::{Types, Version};
use crate::body::Reply;
use crate::groups::{groups, versions_of};
use crate::registry::Registry;

/// The document of one version of a group.
pub(super) fn group_document(registry: &Registry, group: &str, version: &str) -> Result<Reply> {
    let groups = groups(registry);
    let mut found = versions_of(&groups, group).into_iter().flatten();
    let (_, kinds) = found
        .find(|(known, _)| known == version)
        .ok_or_else(ApiError::no_route)?;
    let mut types = Types::new(Version::Three);
    let mut paths = Map::new();
    for served in kinds {
        types.add_kind(served, custom_kind);
        add_paths(served, &mut paths);
    }
    types.want("meta.v1.DeleteOptions");
    types.want("meta.v1.Status");
    types.finish();
    let value = json!({
        "openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "unversioned"},
        "paths": paths, "components": {"schemas": types.done},
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
    let schema = Version::Three.reference(&schema_name(served));
    let operation = |action: &str, parameters: &Value| {
        json!({
            "parameters": parameters,
            "responses": {"200": {"description": "OK", "content": {"application/json": {
                "schema": schema}}}},
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

fn custom_kind(types: &mut Types, schema: Option<&Value>) -> Value {
    let mut schema = schema.cloned().unwrap_or_else(|| json!({}));
    let text = json!({"type": "string"});
    if !schema["properties"].is_object() {
        schema["properties"] = json!({});
    }
    schema["properties"]["apiVersion"] = text.clone();
    schema["properties"]["kind"] = text;
    schema["properties"]["metadata"] = types.want("meta.v1.ObjectMeta");
    schema
}
