//! Which crate may use which: the table of ARCHITECTURE.md, held against the metadata of cargo.

use serde_json::Value;

/// The crates of the pure ring: values in, values out.
pub(crate) const PURE: [&str; 15] = [
    "go",
    "model",
    "yaml",
    "schema",
    "kinds",
    "cel",
    "merge",
    "admit",
    "template",
    "helm",
    "kustomize",
    "render",
    "assess",
    "policy",
    "plan",
];

/// The crates of the workspace that each crate may use.
const ARROWS: [(&str, &[&str]); 25] = [
    ("go", &[]),
    ("model", &["go"]),
    ("yaml", &["model"]),
    ("schema", &["model", "yaml"]),
    ("kinds", &["go", "model", "schema"]),
    ("cel", &["go", "model", "kinds"]),
    ("merge", &["model", "schema"]),
    ("admit", &["go", "model", "schema", "kinds", "cel", "merge"]),
    ("template", &["go", "model", "yaml"]),
    ("helm", &["go", "model", "yaml", "schema", "template"]),
    ("kustomize", &["go", "model", "yaml", "schema", "merge"]),
    ("render", &["model", "yaml", "helm", "kustomize"]),
    ("assess", &["model", "yaml", "schema", "kinds", "merge"]),
    ("policy", &["model", "yaml", "schema"]),
    ("plan", &["model", "schema", "kinds", "assess"]),
    ("api", &["model"]),
    ("control", &["model", "api"]),
    ("source", &["go", "model", "yaml"]),
    ("secrets", &["go", "model", "yaml", "template"]),
    ("target", &["model", "kinds"]),
    (
        "target-kube",
        &["model", "target", "kinds", "merge", "schema", "assess"],
    ),
    (
        "cluster",
        &[
            "go", "admit", "cel", "model", "yaml", "kinds", "merge", "schema",
        ],
    ),
    ("store", &["model"]),
    ("server", &["model"]),
    (
        "engine",
        &[
            "model",
            "yaml",
            "schema",
            "kinds",
            "merge",
            "template",
            "helm",
            "kustomize",
            "render",
            "assess",
            "policy",
            "plan",
            "secrets",
            "source",
            "target",
            "store",
        ],
    ),
];

/// Packages that do something, which no crate of the pure ring may use. Chance may only be asked
/// for with a seed that comes in.
const IMPURE: [&str; 14] = [
    "tokio",
    "kube",
    "gix",
    "hyper",
    "hyper-util",
    "reqwest",
    "rusqlite",
    "rustls",
    "tempfile",
    "tracing",
    "getrandom",
    "futures",
    "clap",
    "tower",
];

/// Every arrow that the table does not have.
pub(crate) fn check(metadata: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let packages = metadata.get("packages").and_then(Value::as_array);
    for package in packages.into_iter().flatten() {
        let name = package
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let Some(from) = name.strip_prefix("holdfast-") else {
            continue;
        };
        let allowed = ARROWS.iter().find(|(crate_name, _)| *crate_name == from);
        let dependencies = package.get("dependencies").and_then(Value::as_array);
        let is_normal = |dependency: &&Value| dependency.get("kind").is_none_or(Value::is_null);
        for dependency in dependencies.into_iter().flatten().filter(is_normal) {
            let to = dependency
                .get("name")
                .and_then(Value::as_str)
                .unwrap_or_default();
            if PURE.contains(&from) && IMPURE.contains(&to) {
                problems.push(format!("crate {from} is pure and must not use {to}"));
            }
            let (Some((_, allowed)), Some(to)) = (allowed, to.strip_prefix("holdfast-")) else {
                continue;
            };
            if !allowed.contains(&to) {
                problems.push(format!("crate {from} must not use crate {to}"));
            }
        }
    }
    problems
}
