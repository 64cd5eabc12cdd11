//! The document in both of its forms. What the real server says beside it is in the scenarios.

use std::collections::BTreeMap;

use holdfast_model::Value;
use http::Method;
use serde_json::{Map, json};

use super::{Form, gnostic, is_listed, swagger, wanted_form};
use crate::cluster::{Cluster, Options};

fn cluster() -> Cluster {
    let cluster = Cluster::new(Options::default());
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.shop.example.org"},
        "spec": {
            "group": "shop.example.org", "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}, "scale": {
                    "specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size",
                }},
                "schema": {"openAPIV3Schema": {
                    "type": "object", "required": ["spec"], "description": "A thing.",
                    "properties": {"spec": {
                        "type": "object", "required": ["size", "none"],
                        "properties": {
                            "size": {"type": "integer", "minimum": 0, "maximum": 1.5},
                            "none": {"type": "object", "nullable": true, "properties": {
                                "a": {"type": "string"},
                            }},
                            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
                            "any": {"x-kubernetes-int-or-string": true, "anyOf": [
                                {"type": "integer"}, {"type": "string"},
                            ]},
                            "map": {"type": "object", "additionalProperties": {
                                "type": "string", "maxLength": 3, "enum": ["a", "b"],
                            }},
                            "whole": {"type": "object", "x-kubernetes-embedded-resource": true},
                        },
                    }},
                }},
            }],
        },
    });
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let made = cluster.state().ask("test", Method::POST, path, &definition);
    assert_eq!(made.code, 201, "{}", made.value);
    cluster
}

fn document() -> Value {
    swagger::document(&cluster().state().registry().all())
}

/// A value on the wire: a number, or bytes.
enum Wire<'a> {
    Number(u64),
    Real(f64),
    Bytes(&'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut number, mut shift) = (0, 0);
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        number |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return number;
        }
    }
}

fn wire(mut bytes: &[u8]) -> Vec<(u64, Wire<'_>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let value = match key & 7 {
            0 => Wire::Number(varint(&mut bytes)),
            1 => {
                let (real, rest) = bytes.split_at(8);
                bytes = rest;
                Wire::Real(f64::from_le_bytes(real.try_into().expect("eight bytes")))
            }
            2 => {
                let length = varint(&mut bytes) as usize;
                let (chunk, rest) = bytes.split_at(length);
                bytes = rest;
                Wire::Bytes(chunk)
            }
            other => panic!("wire type {other}"),
        };
        found.push((key >> 3, value));
    }
    found
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("texts are UTF-8")
}

/// The only field of a message that is a choice.
fn chosen(bytes: &[u8]) -> (u64, &[u8]) {
    match wire(bytes).as_slice() {
        [(number, Wire::Bytes(inner))] => (*number, inner),
        _ => panic!("a choice is one message"),
    }
}

fn entry(bytes: &[u8]) -> (String, &[u8]) {
    let mut name = String::new();
    let mut value = &[][..];
    for (number, wire) in wire(bytes) {
        match (number, wire) {
            (1, Wire::Bytes(bytes)) => name = text(bytes),
            (2, Wire::Bytes(bytes)) => value = bytes,
            _ => panic!("an entry has a name and a value"),
        }
    }
    (name, value)
}

/// Reads a message again.
fn read(kind: &str, bytes: &[u8]) -> Value {
    let inner = |kind: &str, open: char, close: char| {
        let kind = kind.strip_prefix(open)?.strip_suffix(close)?;
        Some(kind.to_owned())
    };
    if let Some(kind) = inner(kind, '{', '}') {
        let entries = wire(bytes).into_iter().map(|(_, wire)| match wire {
            Wire::Bytes(bytes) => entry(bytes),
            _ => panic!("a map has entries"),
        });
        let entries = entries.map(|(name, value)| (name, read(&kind, value)));
        return Value::Object(entries.collect());
    }
    let choice = |numbers: &[(u64, &str)]| {
        let (number, inner) = chosen(bytes);
        let found = numbers.iter().find(|(known, _)| *known == number);
        read(found.expect("a known choice").1, inner)
    };
    match kind {
        "any" => serde_json::from_slice(chosen(bytes).1).expect("JSON"),
        "Texts" | "Type" => {
            let texts: Vec<String> = wire(bytes)
                .into_iter()
                .map(|(_, wire)| match wire {
                    Wire::Bytes(bytes) => text(bytes),
                    _ => panic!("a text"),
                })
                .collect();
            if kind == "Type" {
                json!(texts[0])
            } else {
                json!(texts)
            }
        }
        "ParametersItem" => choice(&[(1, "Parameter"), (2, "Reference")]),
        "Parameter" => choice(&[(1, "BodyParameter"), (2, "Plain")]),
        "Plain" => choice(&[(3, "QueryParameter"), (4, "PathParameter")]),
        "ResponseValue" => choice(&[(1, "Response"), (2, "Reference")]),
        "SchemaItem" | "Items" | "Additional" => choice(&[(1, "Schema")]),
        "Security" => choice(&[(2, "ApiKey")]),
        kind => message(kind, bytes),
    }
}

fn message(name: &str, bytes: &[u8]) -> Value {
    let fields: BTreeMap<u64, (&str, &str)> = gnostic::fields(name)
        .map(|(field, number, kind)| (number, (field, kind)))
        .collect();
    let mut value = Map::new();
    for (number, wire) in wire(bytes) {
        let (field, kind) = fields[&number];
        if matches!(field, "*" | "map") {
            let Wire::Bytes(bytes) = wire else {
                panic!("an entry is a message");
            };
            let (name, inner) = entry(bytes);
            value.insert(name, read(kind, inner));
            continue;
        }
        let is_list = kind.starts_with('[');
        let kind = kind.trim_start_matches('[').trim_end_matches(']');
        let value_read = match (kind, wire) {
            ("flag", Wire::Number(number)) => json!(number == 1),
            ("whole", Wire::Number(number)) => json!(number),
            ("real", Wire::Real(real)) => json!(real),
            ("text", Wire::Bytes(bytes)) => json!(text(bytes)),
            (kind, Wire::Bytes(bytes)) => read(kind, bytes),
            _ => panic!("{field} has another wire type"),
        };
        if is_list {
            let list = value.entry(field).or_insert_with(|| json!([]));
            list.as_array_mut().expect("a list").push(value_read);
        } else {
            value.insert(field.to_owned(), value_read);
        }
    }
    Value::Object(value)
}

/// The value without what the protobuf form leaves out, and with its numbers as it has them.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let is_kept = |(_, value): &(&String, &Value)| {
                !(value.is_array() && value.as_array().is_some_and(Vec::is_empty)
                    || **value == Value::Bool(false))
            };
            let fields = fields.iter().filter(is_kept);
            fields
                .map(|(name, value)| {
                    let is_real = matches!(name.as_str(), "minimum" | "maximum");
                    let real = value.as_f64().filter(|_| is_real).map(|real| json!(real));
                    (name.clone(), real.unwrap_or_else(|| plain(value)))
                })
                .collect()
        }
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

#[test]
fn the_protobuf_form_says_what_the_json_form_says() {
    let document = document();
    let bytes = gnostic::write(&document);
    let again = read("Document", &bytes);
    for part in ["definitions", "paths", "parameters"] {
        let parts = document[part].as_object().expect("a map");
        for (name, value) in parts {
            assert_eq!(plain(&again[part][name]), plain(value), "{part} {name}");
        }
    }
    let mut rest = document;
    rest["security"] = json!([{}]);
    let mut again = again;
    again["security"] = json!([{}]);
    assert_eq!(plain(&again), plain(&rest));
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut open = vec![&document];
    let mut count = 0;
    while let Some(value) = open.pop() {
        if let Some(pointer) = value.get("$ref").and_then(Value::as_str) {
            let found = document.pointer(pointer.trim_start_matches('#'));
            assert!(found.is_some(), "{pointer}");
            count += 1;
        }
        match value {
            Value::Object(fields) => open.extend(fields.values()),
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    assert!(count > 1000, "{count} references");
}

#[test]
fn a_custom_kind_is_told_as_far_as_older_clients_understand_it() {
    let document = document();
    let widget = &document["definitions"]["org.example.shop.v1.Widget"];
    let gvk = json!([{"group": "shop.example.org", "version": "v1", "kind": "Widget"}]);
    assert_eq!(widget["x-kubernetes-group-version-kind"], gvk);
    assert_eq!(widget["description"], "A thing.");
    let spec = &widget["properties"]["spec"];
    assert_eq!(
        spec["required"],
        json!(["size"]),
        "what may be null need not be there"
    );
    let fields = &spec["properties"];
    assert_eq!(fields["none"], json!({}));
    assert_eq!(
        fields["free"],
        json!({"x-kubernetes-preserve-unknown-fields": true})
    );
    assert_eq!(fields["any"], json!({"x-kubernetes-int-or-string": true}));
    assert!(fields["whole"]["properties"]["metadata"]["$ref"].is_string());
    let scale = "/apis/shop.example.org/v1/namespaces/{namespace}/widgets/{name}/scale";
    let kind = &document["paths"][scale]["get"]["x-kubernetes-group-version-kind"]["kind"];
    assert_eq!(kind, "Scale");
}

#[test]
fn the_form_is_the_one_that_a_client_likes_best() {
    let new = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
    let old = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
    let cases = [
        ("", Some(Form::Json)),
        ("*/*", Some(Form::Json)),
        ("application/json", Some(Form::Json)),
        (new, Some(Form::Protobuf)),
        (old, Some(Form::Protobuf)),
        (
            "application/json;q=0.5, application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
            Some(Form::Protobuf),
        ),
        ("text/html, application/*", Some(Form::Json)),
        ("text/html", None),
    ];
    for (accept, expected) in cases {
        assert_eq!(wanted_form(accept), expected, "{accept:?}");
    }
}

#[test]
fn a_client_that_has_the_document_is_told_so() {
    assert!(is_listed("\"a\", W/\"b\"", "\"b\""));
    assert!(is_listed("*", "\"b\""));
    assert!(!is_listed("", "\"b\""));
    assert!(!is_listed("\"a\"", "\"b\""));
}
