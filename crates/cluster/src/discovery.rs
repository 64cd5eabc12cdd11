//! What the server serves: versions, groups, resources, health.
//! It must not know objects.

use std::sync::Arc;

use holdfast_admit::{ApiError, Result, Served};
use holdfast_model::Value;
use holdfast_schema::Schema;
use http::Method;
use serde_json::{Map, json};

use crate::body::Reply;
use crate::call::Call;
use crate::groups::{groups, versions_of};
use crate::openapi;
use crate::registry::Registry;

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
const AGGREGATED_BETA: &str =
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList";

/// Answers what is no resource.
pub(crate) fn answer(registry: &Registry, call: &Call, parts: &[&str]) -> Result<Reply> {
    if !matches!(call.method, Method::GET | Method::HEAD) {
        return Err(ApiError::wrong_method());
    }
    match parts {
        ["healthz" | "livez" | "readyz", ..] => Ok(Reply::text(200, "ok")),
        ["version"] => Ok(Reply::json(200, &version())),
        ["api"] => match aggregated(call) {
            Some(media) => Ok(groups_aggregated(registry, true, media)),
            None => Ok(Reply::json(
                200,
                &json!({
                    "kind": "APIVersions", "versions": ["v1"],
                    "serverAddressByClientCIDRs": [
                        {"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}
                    ],
                }),
            )),
        },
        ["apis"] => match aggregated(call) {
            Some(media) => Ok(groups_aggregated(registry, false, media)),
            None => {
                let groups: Vec<Value> = groups(registry)
                    .iter()
                    .filter(|(group, _)| !group.is_empty())
                    .map(|(group, versions)| group_value(group, versions))
                    .collect();
                let list = json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups});
                Ok(Reply::json(200, &list))
            }
        },
        ["apis", group] => {
            let groups = groups(registry);
            let Some(versions) = versions_of(&groups, group) else {
                return Ok(no_page());
            };
            let mut value = group_value(group, versions);
            value["kind"] = json!("APIGroup");
            value["apiVersion"] = json!("v1");
            Ok(Reply::json(200, &value))
        }
        ["api", version] => resources(registry, "", version),
        ["apis", group, version] => resources(registry, group, version),
        ["openapi", rest @ ..] => openapi::answer(registry, call, rest),
        [] => Ok(Reply::json(
            200,
            &json!({"paths": ["/api", "/apis", "/healthz", "/livez", "/openapi/v3", "/readyz", "/version"]}),
        )),
        ["apis", group, ..] if versions_of(&groups(registry), group).is_none() => Ok(no_page()),
        _ => Err(ApiError::no_route()),
    }
}

fn version() -> Value {
    let release = Schema::builtin().release();
    let mut numbers = release.split('.');
    json!({
        "major": numbers.next(), "minor": numbers.next(),
        "gitVersion": format!("v{release}"), "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none", "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, std::env::consts::ARCH),
    })
}

/// What is no path of the API at all.
pub(crate) fn no_page() -> Reply {
    Reply::text(404, "404 page not found\n")
}

fn group_value(group: &str, versions: &[(String, Vec<Arc<Served>>)]) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|(version, _)| {
            json!({"groupVersion": format!("{group}/{version}"), "version": version})
        })
        .collect();
    json!({"name": group, "versions": versions, "preferredVersion": versions.first()})
}

fn resources(registry: &Registry, group: &str, version: &str) -> Result<Reply> {
    let groups = groups(registry);
    let found = versions_of(&groups, group).into_iter().flatten();
    let found = found
        .filter(|(known, _)| known == version)
        .map(|(_, kinds)| kinds)
        .next();
    let Some(kinds) = found else {
        return if versions_of(&groups, group).is_some() {
            Err(ApiError::no_route())
        } else {
            Ok(no_page())
        };
    };
    let mut resources = Vec::new();
    for served in kinds {
        let kind = &served.kind;
        let mut resource = Map::new();
        resource.insert("name".to_owned(), json!(kind.plural));
        resource.insert("singularName".to_owned(), json!(kind.singular));
        resource.insert("namespaced".to_owned(), json!(kind.namespaced));
        resource.insert("kind".to_owned(), json!(kind.kind));
        resource.insert("verbs".to_owned(), json!(kind.verbs));
        if !kind.short_names.is_empty() {
            resource.insert("shortNames".to_owned(), json!(kind.short_names));
        }
        if !kind.categories.is_empty() {
            resource.insert("categories".to_owned(), json!(kind.categories));
        }
        if kind.allows("list") {
            let hash = storage_hash(served);
            resource.insert("storageVersionHash".to_owned(), json!(hash));
        }
        resources.push(Value::Object(resource));
        for sub in &kind.subresources {
            let mut resource = json!({
                "name": format!("{}/{}", kind.plural, sub.name), "singularName": "",
                "namespaced": kind.namespaced, "kind": sub.kind, "verbs": sub.verbs,
            });
            if (sub.group.as_str(), sub.version.as_str()) != (group, version) {
                resource["group"] = json!(sub.group);
                resource["version"] = json!(sub.version);
            }
            resources.push(resource);
        }
    }
    let group_version = holdfast_model::object::join_api_version(group, version);
    let list = json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version,
        "resources": resources,
    });
    Ok(Reply::json(200, &list))
}

/// What tells whether a kind is stored in another form than before.
fn storage_hash(served: &Served) -> String {
    let text = format!(
        "{}/{}",
        if served.kind.group.is_empty() {
            format!("/{}", served.storage_version)
        } else {
            served.storage_version.clone()
        },
        served.kind.kind
    );
    let digest = holdfast_model::digest::Digest::of_bytes(text.as_bytes());
    holdfast_model::base64::encode(&digest.as_bytes()[..8])
}

/// The media type of aggregated discovery, where it is asked for before the plain form.
fn aggregated(call: &Call) -> Option<&'static str> {
    for choice in call.header("accept").split(',') {
        if choice.contains("APIGroupDiscoveryList") {
            return Some(if choice.contains("v=v2beta1") {
                AGGREGATED_BETA
            } else {
                AGGREGATED
            });
        }
        if choice.trim() == "application/json" {
            return None;
        }
    }
    None
}

fn groups_aggregated(registry: &Registry, core: bool, media: &'static str) -> Reply {
    let mut items = Vec::new();
    for (group, versions) in groups(registry) {
        if group.is_empty() != core {
            continue;
        }
        let versions: Vec<Value> = versions
            .iter()
            .map(|(version, kinds)| {
                let resources: Vec<Value> =
                    kinds.iter().map(|kind| aggregated_kind(kind)).collect();
                json!({"version": version, "resources": resources, "freshness": "Current"})
            })
            .collect();
        let mut metadata = json!({"creationTimestamp": null});
        if !group.is_empty() {
            metadata["name"] = json!(group);
        }
        items.push(json!({"metadata": metadata, "versions": versions}));
    }
    let version = if media == AGGREGATED { "v2" } else { "v2beta1" };
    let list = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{version}"),
        "metadata": {}, "items": items,
    });
    Reply::bytes(200, media, bytes::Bytes::from(list.to_string()))
}

fn aggregated_kind(served: &Served) -> Value {
    let kind = &served.kind;
    let mut resource = json!({
        "resource": kind.plural,
        "responseKind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": kind.singular,
        "verbs": kind.verbs,
    });
    if !kind.short_names.is_empty() {
        resource["shortNames"] = json!(kind.short_names);
    }
    if !kind.categories.is_empty() {
        resource["categories"] = json!(kind.categories);
    }
    if !kind.subresources.is_empty() {
        let subs: Vec<Value> = kind
            .subresources
            .iter()
            .map(|sub| {
                json!({
                    "subresource": sub.name, "verbs": sub.verbs,
                    "responseKind": {
                        "group": sub.group, "version": sub.version, "kind": sub.kind
                    },
                })
            })
            .collect();
        resource["subresources"] = json!(subs);
    }
    resource
}
