//! The paths of the OpenAPI 2 document: what can be asked of a kind, and with which parameters.
//! It must not know what types look like.

use holdfast_admit::Served;
use holdfast_model::Value;
use holdfast_schema::Subresource;
use serde_json::{Map, json};

use super::names::{group_path, schema_name};
use super::names::{list_name, name_of_kind};

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";
/// Parameters of a list, beside those of a watch.
const LIST: [&str; 7] = [
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "timeoutSeconds",
];
const WATCH: [&str; 3] = ["allowWatchBookmarks", "sendInitialEvents", "watch"];
const WRITE: [&str; 3] = ["dryRun", "fieldManager", "fieldValidation"];
const DELETE: [&str; 4] = [
    "dryRun",
    "gracePeriodSeconds",
    "orphanDependents",
    "propagationPolicy",
];

/// The parameters that operations refer to, by name.
pub(super) fn parameters() -> Map<String, Value> {
    let flags = [
        "allowWatchBookmarks",
        "force",
        "orphanDependents",
        "sendInitialEvents",
        "watch",
    ];
    let numbers = ["gracePeriodSeconds", "limit", "timeoutSeconds"];
    let mut found = Map::new();
    let names = LIST.iter().chain(&WATCH).chain(&WRITE).chain(&DELETE);
    for name in names.chain(&["force", "pretty"]) {
        let kind = if flags.contains(name) {
            "boolean"
        } else if numbers.contains(name) {
            "integer"
        } else {
            "string"
        };
        let parameter = json!({"name": name, "in": "query", "type": kind, "uniqueItems": true});
        found.insert((*name).to_owned(), parameter);
    }
    for name in ["name", "namespace"] {
        let parameter = json!({
            "name": name, "in": "path", "type": "string", "required": true, "uniqueItems": true,
        });
        found.insert(name.to_owned(), parameter);
    }
    found
}

/// Adds the paths of a kind.
pub(super) fn add(served: &Served, paths: &mut Map<String, Value>) {
    let kind = &served.kind;
    let base = format!("/{}", group_path(&kind.group, &kind.version));
    let across = format!("{base}/{}", kind.plural);
    let collection = if kind.namespaced {
        format!("{base}/namespaces/{{namespace}}/{}", kind.plural)
    } else {
        across.clone()
    };
    let of_all = Operations::of(served, "");
    if kind.namespaced && kind.allows("list") {
        let mut item = of_all.item(&["list_all"]);
        item["parameters"] = references(LIST.iter().chain(&WATCH).chain(&["pretty"]));
        paths.insert(across, item);
    }
    let home: &[&str] = if kind.namespaced { &["namespace"] } else { &[] };
    let mut add = |path: String, mut item: Value, own: &[&str]| {
        if item.as_object().is_some_and(|item| !item.is_empty()) {
            item["parameters"] = references(own.iter().chain(home).chain(&["pretty"]));
            paths.insert(path, item);
        }
    };
    let verbs: Vec<&str> = kind.verbs.iter().map(String::as_str).collect();
    let wanted = |names: &[&'static str]| -> Vec<&'static str> {
        let known = names.iter().filter(|name| verbs.contains(name));
        known.copied().collect()
    };
    let many = wanted(&["list", "create", "deletecollection"]);
    add(collection.clone(), of_all.item(&many), &[]);
    let one = wanted(&["get", "update", "patch", "delete"]);
    let object = format!("{collection}/{{name}}");
    add(object.clone(), of_all.item(&one), &["name"]);
    for sub in &kind.subresources {
        // What is connected to is no operation on an object.
        if sub.kind.ends_with("Options") || sub.name == "proxy" {
            continue;
        }
        let operations = Operations::of_part(served, sub);
        let verbs: Vec<&str> = sub.verbs.iter().map(String::as_str).collect();
        add(
            format!("{object}/{}", sub.name),
            operations.item(&verbs),
            &["name"],
        );
    }
}

fn references<'a>(names: impl Iterator<Item = &'a &'a str>) -> Value {
    names
        .map(|name| json!({"$ref": format!("#/parameters/{name}")}))
        .collect()
}

/// What the operations of a path have in common.
struct Operations<'a> {
    served: &'a Served,
    /// `CoreV1`, then `NamespacedPod`, then what the subresource is called.
    group: String,
    subject: String,
    part: String,
    /// The names of the types of what is written and of what is answered.
    written: String,
    gvk: Value,
}

impl<'a> Operations<'a> {
    fn of(served: &'a Served, part: &str) -> Self {
        let kind = &served.kind;
        let group = kind.group.strip_suffix(".k8s.io").unwrap_or(&kind.group);
        let group = if group.is_empty() { "core" } else { group };
        let words = group.split(['.', '-']).chain([kind.version.as_str()]);
        let home = if kind.namespaced { "Namespaced" } else { "" };
        Self {
            served,
            group: words.map(capital).collect(),
            subject: format!("{home}{}", kind.kind),
            part: part.split('.').map(capital).collect(),
            written: schema_name(served),
            gvk: json!({"group": kind.group, "version": kind.version, "kind": kind.kind}),
        }
    }

    fn of_part(served: &'a Served, sub: &Subresource) -> Self {
        let mut operations = Self::of(served, &sub.name);
        let own = (&sub.group, &sub.version, &sub.kind);
        let kind = &served.kind;
        if own != (&kind.group, &kind.version, &kind.kind) {
            operations.written = name_of_kind(&sub.group, &sub.version, &sub.kind);
            operations.gvk = json!({"group": sub.group, "version": sub.version, "kind": sub.kind});
        }
        operations
    }

    /// The operations of a path, by the verbs of discovery.
    fn item(&self, verbs: &[&str]) -> Value {
        let mut item = Map::new();
        for verb in verbs {
            let Some((method, operation)) = self.operation(verb) else {
                continue;
            };
            item.insert(method.to_owned(), operation);
        }
        Value::Object(item)
    }

    fn operation(&self, verb: &str) -> Option<(&'static str, Value)> {
        let Operation {
            method,
            action,
            answer,
            body,
            names,
        } = self.of_verb(verb)?;
        let subject = &self.subject;
        let id = match verb {
            "list_all" => {
                let kind = &self.served.kind.kind;
                format!("list{}{kind}ForAllNamespaces", self.group)
            }
            "deletecollection" => format!("delete{}Collection{subject}", self.group),
            _ => format!("{}{}{subject}{}", word(verb), self.group, self.part),
        };
        let mut parameters: Vec<Value> = body.into_iter().collect();
        let names = names.iter();
        parameters.extend(names.map(|name| json!({"$ref": format!("#/parameters/{name}")})));
        let mut operation = json!({
            "operationId": id, "tags": [self.tag()], "schemes": ["https"],
            "consumes": consumes(verb, self.served), "produces": produces(action),
            "responses": responses(method, &answer),
            "x-kubernetes-action": action, "x-kubernetes-group-version-kind": self.gvk,
        });
        if !parameters.is_empty() {
            operation["parameters"] = json!(parameters);
        }
        Some((method, operation))
    }

    fn of_verb(&self, verb: &str) -> Option<Operation> {
        let own = || self.written.clone();
        let list = || list_name(self.served);
        let status = || format!("{META}.Status");
        let options = || Some(body(&format!("{META}.DeleteOptions"), false));
        let listed = || LIST.iter().chain(&WATCH).copied().collect();
        let of = |method, action, answer, body, names| Operation {
            method,
            action,
            answer,
            body,
            names,
        };
        Some(match verb {
            "get" => of("get", "get", own(), None, Vec::new()),
            "list" => of("get", "list", list(), None, listed()),
            "list_all" => of("get", "list", list(), None, Vec::new()),
            "create" => {
                let body = body(&self.written, true);
                of("post", "post", own(), Some(body), WRITE.to_vec())
            }
            "update" => {
                let body = body(&self.written, true);
                of("put", "put", own(), Some(body), WRITE.to_vec())
            }
            "patch" => {
                let body = body(&format!("{META}.Patch"), true);
                let names = WRITE.iter().chain(&["force"]).copied().collect();
                of("patch", "patch", own(), Some(body), names)
            }
            "delete" => of("delete", "delete", status(), options(), DELETE.to_vec()),
            "deletecollection" => {
                let names = LIST.iter().chain(&WATCH[1..2]).chain(&DELETE);
                let names = names.copied().collect();
                of("delete", "deletecollection", status(), options(), names)
            }
            _ => return None,
        })
    }

    fn tag(&self) -> String {
        let kind = &self.served.kind;
        let group = kind.group.strip_suffix(".k8s.io").unwrap_or(&kind.group);
        let words: String = group.split('.').map(capital).collect();
        let mut letters = words.chars();
        let first = letters.next().map(|letter| letter.to_ascii_lowercase());
        let words: String = first.into_iter().chain(letters).collect();
        let group = if words.is_empty() { "core" } else { &words };
        format!("{group}_{}", kind.version)
    }
}

/// What a verb of discovery is in the document.
struct Operation {
    method: &'static str,
    action: &'static str,
    /// The type of the answer.
    answer: String,
    body: Option<Value>,
    /// The names of its own parameters.
    names: Vec<&'static str>,
}

fn body(name: &str, required: bool) -> Value {
    json!({
        "name": "body", "in": "body", "required": required,
        "schema": {"$ref": format!("#/definitions/{name}")},
    })
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|letter| letter.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

fn word(verb: &str) -> &str {
    match verb {
        "get" => "read",
        "update" => "replace",
        verb => verb,
    }
}

fn consumes(verb: &str, served: &Served) -> Value {
    match verb {
        "patch" if served.custom.is_some() => json!([
            "application/json-patch+json",
            "application/merge-patch+json",
            "application/apply-patch+yaml"
        ]),
        "patch" => json!([
            "application/json-patch+json",
            "application/merge-patch+json",
            "application/strategic-merge-patch+json",
            "application/apply-patch+yaml"
        ]),
        "create" | "update" => json!(["application/json", "application/yaml"]),
        _ => json!(["*/*"]),
    }
}

/// What is answered with here, which is less than what the real server can.
fn produces(action: &str) -> Value {
    match action {
        "list" => json!(["application/json", "application/json;stream=watch"]),
        _ => json!(["application/json"]),
    }
}

fn responses(method: &str, answer: &str) -> Value {
    let answer = |text: &str| json!({"description": text, "schema": {"$ref": format!("#/definitions/{answer}")}});
    let mut responses = Map::new();
    responses.insert("200".to_owned(), answer("OK"));
    if matches!(method, "post" | "put" | "patch") {
        responses.insert("201".to_owned(), answer("Created"));
    }
    if matches!(method, "post" | "delete") {
        responses.insert("202".to_owned(), answer("Accepted"));
    }
    responses.insert("401".to_owned(), json!({"description": "Unauthorized"}));
    Value::Object(responses)
}
