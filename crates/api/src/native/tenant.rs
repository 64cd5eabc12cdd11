//! A Tenant as a person writes it, read into the model, and its schema. It must not know what follows from
//! it.

use holdfast_model::Value;
use holdfast_model::tenant::{Destinations, Patterns, Tenant, spelled_pattern};
use serde_json::json;

use super::crds::{mapping, text, texts, with};
use crate::fields::{Fields, SpecProblem};

/// The fields of a Tenant's `spec`.
const SPEC: [&str; 5] = [
    "namespaces",
    "sources",
    "destinations",
    "kinds",
    "serviceAccount",
];
/// The fields of `spec.kinds`.
const KINDS: [&str; 2] = ["namespaced", "cluster"];
/// How many destinations a Tenant may name.
const DESTINATIONS: usize = 64;

/// Reads a Tenant object. What cannot be read allows nothing, and is among its problems; a Tenant whose
/// namespaces cannot be read is that of all of them.
pub fn read(object: &Value) -> Tenant {
    let mut problems = Vec::new();
    let name = object.pointer("/metadata/name").and_then(Value::as_str);
    let spec_value = object.get("spec").unwrap_or(&Value::Null);
    let spec = Fields::of(spec_value, "spec", &SPEC, &mut problems);
    let kinds = spec.below("kinds", &KINDS, &mut problems);
    let namespaces = required(&spec, "namespaces", &mut problems);
    let everything = || Patterns::read(["**"]).unwrap_or_default();
    let mut tenant = Tenant {
        name: name.unwrap_or_default().to_owned(),
        namespaces: match problems.is_empty() {
            true => namespaces,
            false => read_patterns(&spec, "namespaces", &mut Vec::new()).unwrap_or_else(everything),
        },
        sources: required(&spec, "sources", &mut problems).map(|pattern| spelled_pattern(&pattern)),
        destinations: read_destinations(&spec, &mut problems),
        kinds: match kinds.get("namespaced") {
            None => everything(),
            Some(_) => required(&kinds, "namespaced", &mut problems),
        },
        cluster_kinds: read_patterns(&kinds, "cluster", &mut problems).unwrap_or_default(),
        service_account: spec.text("serviceAccount", &mut problems),
        problems: Vec::new(),
    };
    if let Some(account) = &tenant.service_account
        && !is_name(account)
    {
        let message = format!("`{account}` is no name of a ServiceAccount");
        spec.refuse("serviceAccount", &message, &mut problems);
    }
    tenant.problems = problems.iter().map(ToString::to_string).collect();
    tenant
}

/// Whether a text is a name of an object (RFC 1123 subdomain), and so nothing else in a user's name.
fn is_name(text: &str) -> bool {
    let is_fit = |byte: u8| {
        byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.')
    };
    !text.is_empty() && text.len() <= 253 && text.bytes().all(is_fit)
}

/// A list of patterns; `None` where it is absent or cannot be read.
fn read_patterns(fields: &Fields, name: &str, problems: &mut Vec<SpecProblem>) -> Option<Patterns> {
    let before = problems.len();
    let items = fields.list(name, problems);
    let mut patterns = Vec::new();
    for (path, item) in &items {
        match item.as_str() {
            Some(pattern) => patterns.push(pattern),
            None => problems.push(SpecProblem {
                path: path.clone(),
                message: "takes a text".to_owned(),
            }),
        }
    }
    if problems.len() > before || items.is_empty() {
        return None;
    }
    match Patterns::read(patterns) {
        Ok(patterns) => Some(patterns),
        Err(error) => {
            fields.refuse(name, &error.to_string(), problems);
            None
        }
    }
}

/// A list of patterns that has to be there.
fn required(fields: &Fields, name: &str, problems: &mut Vec<SpecProblem>) -> Patterns {
    let before = problems.len();
    read_patterns(fields, name, problems).unwrap_or_else(|| {
        if problems.len() == before {
            fields.refuse(name, "is required, and has at least one pattern", problems);
        }
        Patterns::default()
    })
}

fn read_destinations(spec: &Fields, problems: &mut Vec<SpecProblem>) -> Vec<Destinations> {
    let items = spec.list("destinations", problems);
    if items.is_empty() {
        spec.refuse(
            "destinations",
            "is required, and has at least one item",
            problems,
        );
    }
    if items.len() > DESTINATIONS {
        spec.refuse(
            "destinations",
            &format!("takes at most {DESTINATIONS}"),
            problems,
        );
    }
    let read = |(path, item): &(String, &Value)| {
        let fields = Fields::of(item, path, &["targets", "namespaces"], problems);
        Destinations {
            targets: required(&fields, "targets", problems),
            namespaces: required(&fields, "namespaces", problems),
        }
    };
    items.iter().take(DESTINATIONS).map(read).collect()
}

/// The schema of a Tenant.
pub(super) fn tenant_schema() -> Value {
    let required = |schema: Value| with(schema, json!({"minItems": 1}));
    let destination = with(
        mapping(
            "Namespaces on some Targets.",
            json!({
                "targets": required(texts("Names of Targets; in-cluster is the cluster of the control plane itself.")),
                "namespaces": required(texts("Names of namespaces there.")),
            }),
        ),
        json!({"required": ["targets", "namespaces"]}),
    );
    let spec = with(
        mapping(
            "What its Stacks may do. In all patterns * stands for any text without /, ** for any text, and what begins with ! takes away from what the others allow.",
            json!({
                "namespaces": required(texts("The namespaces whose Stacks are its own. A namespace that several Tenants name is in none of them, and its Stacks are not applied.")),
                "sources": required(texts("What its Stacks may read: addresses of repositories, charts, remote bases and files, such as https://git.example/team-a/**.")),
                "destinations": {"type": "array", "minItems": 1, "maxItems": DESTINATIONS, "items": destination,
                    "description": "Where its Stacks may go; each object has to be in one of these."},
                "kinds": mapping("What its Stacks may apply.", json!({
                    "namespaced": texts("Kinds that live in a namespace, as KIND of the core group or KIND.GROUP, such as Deployment.apps or *.networking.k8s.io; all when left out."),
                    "cluster": texts("Kinds that live in no namespace, perhaps with names, such as Namespace/team-a-* or ClusterRole.rbac.authorization.k8s.io/team-a-*; none when left out."),
                })),
                "serviceAccount": text("The ServiceAccount of a Stack's own namespace that it acts as on its Target, by impersonation, whatever else the engine may do; the engine acts by itself when left out."),
            }),
        ),
        json!({"required": ["namespaces", "sources", "destinations"]}),
    );
    json!({
        "type": "object",
        "description": "A Tenant says what the Stacks of some namespaces may deploy, from where, to where, and as whom.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": spec,
        },
    })
}
