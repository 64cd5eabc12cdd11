//! The OpenAPI 2 document of the embedded cluster beside that of a real kube-apiserver: what both
//! tell of a kind has to be the same.

use std::collections::BTreeSet;

use holdfast_cluster::{Cluster, Options};
use holdfast_model::Value;
use http::Request;
use http_body_util::BodyExt as _;
use kube::Client;
use kube::client::Body;

const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

struct Answer {
    code: u16,
    media: String,
    tag: String,
    bytes: Vec<u8>,
}

async fn get(client: &Client, accept: &str, known: &str) -> anyhow::Result<Answer> {
    let mut request = Request::get("/openapi/v2").header("accept", accept);
    if !known.is_empty() {
        request = request.header("if-none-match", known);
    }
    let response = client.send(request.body(Body::empty())?).await?;
    let header = |name: &str| {
        let value = response.headers().get(name);
        let value = value.and_then(|value| value.to_str().ok());
        value.unwrap_or_default().to_owned()
    };
    let (code, media, tag) = (
        response.status().as_u16(),
        header("content-type"),
        header("etag"),
    );
    let bytes = response.into_body().collect().await?.to_bytes().to_vec();
    Ok(Answer {
        code,
        media,
        tag,
        bytes,
    })
}

/// The definition that a reference leads to, where it is no object with fields of its own.
fn resolved<'a>(document: &'a Value, schema: &'a Value) -> Option<&'a Value> {
    let pointer = schema.get("$ref").and_then(Value::as_str)?;
    document.pointer(pointer.trim_start_matches('#'))
}

fn has_fields(schema: &Value) -> bool {
    schema.get("properties").is_some()
}

/// How a field differs, as far as both documents speak of it.
fn field_problems(place: &str, ours: (&Value, &Value), theirs: (&Value, &Value)) -> Vec<String> {
    let ((document, own), (other_document, other)) = (ours, theirs);
    let mut problems = Vec::new();
    for name in [
        "$ref",
        "type",
        "format",
        "x-kubernetes-patch-strategy",
        "x-kubernetes-patch-merge-key",
        "x-kubernetes-list-type",
        "x-kubernetes-list-map-keys",
        "x-kubernetes-map-type",
    ] {
        let (left, right) = (own.get(name), other.get(name));
        // A list that says nothing is atomic, and a map granular; free JSON has a name of its own on the real server.
        let is_default = name == "x-kubernetes-list-type"
            && right.is_none()
            && left.and_then(Value::as_str) == Some("atomic");
        let free =
            |document, schema| resolved(document, schema).is_some_and(|schema| !has_fields(schema));
        let is_free = matches!(name, "$ref" | "type")
            && own.get("$ref").is_none()
            && free(other_document, other);
        let is_granular = right.and_then(Value::as_str) == Some("granular") && left.is_none();
        if left != right && !is_default && !is_free && !is_granular {
            problems.push(format!("{place} {name}: {left:?}, and there {right:?}"));
        }
    }
    for name in ["items", "additionalProperties"] {
        if let (Some(left), Some(right)) = (own.get(name), other.get(name)) {
            let place = format!("{place}.{name}");
            let found = field_problems(&place, (document, left), (other_document, right));
            problems.extend(found);
        }
    }
    problems
}

fn names<'a>(value: &'a Value, part: &str) -> BTreeSet<&'a str> {
    let fields = value.get(part).and_then(Value::as_object);
    fields
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect()
}

fn definition_problems(ours: &Value, theirs: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for name in names(ours, "definitions") {
        let (own, other) = (&ours["definitions"][name], &theirs["definitions"][name]);
        if other.is_null() {
            problems.push(format!("{name} is no definition there"));
            continue;
        }
        let is_shared = name.contains(".meta.v1.");
        if !is_shared {
            let gvk = "x-kubernetes-group-version-kind";
            if own.get(gvk) != other.get(gvk) {
                problems.push(format!(
                    "{name}: {:?}, and there {:?}",
                    own.get(gvk),
                    other.get(gvk)
                ));
            }
        }
        let required = |schema: &Value| -> BTreeSet<String> {
            let list = schema.get("required").and_then(Value::as_array);
            let names = list.into_iter().flatten().filter_map(Value::as_str);
            names.map(str::to_owned).collect()
        };
        if required(own) != required(other) {
            problems.push(format!("{name} asks for other fields"));
        }
        let (left, right) = (names(own, "properties"), names(other, "properties"));
        if left != right {
            let differing: Vec<&&str> = left.symmetric_difference(&right).collect();
            problems.push(format!("{name} has other fields: {differing:?}"));
        }
        for field in left.intersection(&right) {
            let place = format!("{name}.{field}");
            let (left, right) = (&own["properties"][*field], &other["properties"][*field]);
            problems.extend(field_problems(&place, (ours, left), (theirs, right)));
        }
    }
    problems
}

/// The names of the parameters of an operation and of its path.
fn parameters(document: &Value, path: &Value, operation: &Value) -> BTreeSet<String> {
    let lists = [path.get("parameters"), operation.get("parameters")];
    let lists = lists.into_iter().flatten().filter_map(Value::as_array);
    lists
        .flatten()
        .filter_map(|parameter| {
            let parameter = resolved(document, parameter).unwrap_or(parameter);
            Some(parameter.get("name")?.as_str()?.to_owned())
        })
        .collect()
}

fn path_problems(ours: &Value, theirs: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    for path in names(ours, "paths") {
        let (own, other) = (&ours["paths"][path], &theirs["paths"][path]);
        if other.is_null() {
            problems.push(format!("{path} is no path there"));
            continue;
        }
        for (method, operation) in own.as_object().into_iter().flatten() {
            if method == "parameters" {
                continue;
            }
            let there = &other[method.as_str()];
            for name in [
                "operationId",
                "x-kubernetes-action",
                "x-kubernetes-group-version-kind",
                "tags",
            ] {
                if operation.get(name) != there.get(name) {
                    problems.push(format!(
                        "{method} {path} {name}: {:?}, and there {:?}",
                        operation.get(name),
                        there.get(name)
                    ));
                }
            }
            let known = parameters(theirs, other, there);
            let own = parameters(ours, own, operation);
            let unknown: Vec<&String> = own.difference(&known).collect();
            if !unknown.is_empty() {
                problems.push(format!("{method} {path} has other parameters: {unknown:?}"));
            }
        }
    }
    problems
}

#[test]
fn the_one_document_of_everything_tells_what_the_real_server_tells() {
    crate::block_on(async {
        let Some(bed) = crate::real_bed().await? else {
            return Ok(());
        };
        let theirs = get(&bed.client().await?, "application/json", "").await?;
        let theirs: Value = serde_json::from_slice(&theirs.bytes)?;
        let cluster = Cluster::new(Options::default());
        let client = Client::new(cluster.service(), "default");
        let ours = get(&client, "application/json", "").await?;
        let ours: Value = serde_json::from_slice(&ours.bytes)?;
        let mut problems = definition_problems(&ours, &theirs);
        problems.extend(path_problems(&ours, &theirs));
        assert!(
            problems.is_empty(),
            "{} differences:\n{}",
            problems.len(),
            problems.join("\n")
        );
        Ok(())
    });
}

#[test]
fn the_document_comes_in_the_form_that_is_asked_for_and_only_when_it_is_new() {
    crate::block_on(async {
        let cluster = Cluster::new(Options::default());
        let ours = Client::new(cluster.service(), "default");
        let theirs = match crate::real_bed().await? {
            Some(bed) => Some(bed.client().await?),
            None => None,
        };
        for client in [Some(&ours), theirs.as_ref()].into_iter().flatten() {
            let json = get(client, "*/*", "").await?;
            assert_eq!((json.code, json.media.as_str()), (200, "application/json"));
            let again = get(client, "application/json", &json.tag).await?;
            assert_eq!((again.code, again.bytes.len()), (304, 0));
            let protobuf = get(client, PROTOBUF, "").await?;
            let media = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
            assert_eq!((protobuf.code, protobuf.media.as_str()), (200, media));
            assert!(protobuf.bytes.starts_with(b"\x0a\x032.0"));
            assert_eq!(get(client, "text/html", "").await?.code, 406);
        }
        Ok(())
    });
}
