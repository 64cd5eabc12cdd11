//! The OpenAPI documents that clients read: which there are, and the names that types have in all
//! of them. It must not know objects.
//!
//! ```text
//! /openapi/v3            the paths of the documents below
//! /openapi/v3/apis/G/V   `grouped`
//! /openapi/v2            `swagger`, as JSON or, by `gnostic`, as protobuf
//! ```
//! Descriptions of built-in fields are in none of them: the tables do not have them.

mod gnostic;
mod grouped;
mod names;
mod paths;
mod shapes;
mod swagger;
#[cfg(test)]
mod tests;

use bytes::Bytes;
use holdfast_admit::{ApiError, Result};
use holdfast_model::digest::Digest;
use serde_json::{Map, json};

use names::group_path;

use crate::body::Reply;
use crate::call::Call;
use crate::groups::groups;
use crate::registry::Registry;

/// The media type of the protobuf form, as it is asked for today and as it was at first.
const PROTOBUF: [&str; 2] = [
    "com.github.proto-openapi.spec.v2.v1.0+protobuf",
    "com.github.proto-openapi.spec.v2@v1.0+protobuf",
];

/// Answers `/openapi/...`.
pub(crate) fn answer(registry: &Registry, call: &Call, parts: &[&str]) -> Result<Reply> {
    match parts {
        ["v3"] => {
            let mut paths = Map::new();
            for (group, versions) in groups(registry) {
                for (version, _) in versions {
                    let path = group_path(&group, &version);
                    let url = json!({"serverRelativeURL": format!("/openapi/v3/{path}")});
                    paths.insert(path, url);
                }
            }
            Ok(Reply::json(200, &json!({ "paths": paths })))
        }
        ["v3", "api", "v1"] => grouped::group_document(registry, "", "v1"),
        ["v3", "apis", group, version] => grouped::group_document(registry, group, version),
        ["v2"] => Ok(whole_document(registry, call)),
        _ => Err(ApiError::no_route()),
    }
}

/// The form of the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Json,
    Protobuf,
}

/// The one document of everything. It is made anew for each request, since few ask for it.
fn whole_document(registry: &Registry, call: &Call) -> Reply {
    let Some(form) = wanted_form(call.header("accept")) else {
        return Reply::text(406, "");
    };
    let document = swagger::document(&registry.all());
    let (media, bytes) = match form {
        Form::Json => ("application/json", Bytes::from(document.to_string())),
        Form::Protobuf => (
            "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
            Bytes::from(gnostic::write(&document)),
        ),
    };
    let tag = format!("\"{}\"", Digest::of_bytes(&bytes));
    let is_known = is_listed(call.header("if-none-match"), &tag);
    let mut reply = if is_known {
        Reply::bytes(304, media, Bytes::new())
    } else {
        Reply::bytes(200, media, bytes)
    };
    reply.tag = Some(tag);
    reply
}

/// Whether a client has what it asks for already.
fn is_listed(header: &str, tag: &str) -> bool {
    header.split(',').map(str::trim).any(|known| {
        let known = known.strip_prefix("W/").unwrap_or(known);
        known == "*" || known == tag
    })
}

/// The form that a client likes best: by its weights, then by how exactly it names a type, then in
/// the order in which it names them.
fn wanted_form(accept: &str) -> Option<Form> {
    let accept = if accept.trim().is_empty() {
        "*/*"
    } else {
        accept
    };
    let mut choices: Vec<(u64, u8, &str)> = accept.split(',').map(choice).collect();
    choices.sort_by_key(|(weight, exactness, _)| std::cmp::Reverse((*weight, *exactness)));
    choices.into_iter().find_map(|(_, _, media)| {
        let (kind, name) = media.split_once('/').unwrap_or((media, "*"));
        if !matches!(kind, "application" | "*") {
            return None;
        }
        if matches!(name, "json" | "*") {
            Some(Form::Json)
        } else if PROTOBUF.contains(&name) {
            Some(Form::Protobuf)
        } else {
            None
        }
    })
}

/// The weight of a choice in thousandths, how many of its two parts are no stars, and its type.
fn choice(text: &str) -> (u64, u8, &str) {
    let mut parts = text.split(';').map(str::trim);
    let media = parts.next().unwrap_or("");
    let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f64>().ok());
    let thousandths = (weight.unwrap_or(1.0).clamp(0.0, 1.0) * 1000.0) as u64;
    let (kind, name) = media.split_once('/').unwrap_or((media, "*"));
    let exactness = u8::from(kind != "*") + u8::from(name != "*");
    (thousandths, exactness, media)
}
