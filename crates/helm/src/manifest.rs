//! What templates print, as documents: manifests and hooks in the order in which Helm has them.
//!
//! It must not know templates or values.

use holdfast_model::Value as Json;
use holdfast_model::packed::Packed;
use memchr::{memchr, memchr_iter, memmem};

use crate::error::Error;
use crate::metadata::scalar_text;
use crate::request::Level;

/// One document that a template printed.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The template, by its path from the root chart down.
    pub path: String,
    /// The text.
    pub text: String,
    /// The line of the template's output on which it begins.
    pub line: u32,
    /// What it says; null for a document of comments. A tree would be many times the text.
    pub value: Packed,
}

/// A document that is not part of the release but run at some event.
#[derive(Clone, Debug)]
pub struct Hook {
    /// The document.
    pub manifest: Manifest,
    /// When it runs.
    pub events: Vec<HookEvent>,
    /// Hooks of the same event run by weight, then by name.
    pub weight: i64,
    /// When it is deleted, in Helm's words.
    pub delete_policies: Vec<String>,
}

/// When a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the event it names")]
pub enum HookEvent {
    PreInstall,
    PostInstall,
    PreDelete,
    PostDelete,
    PreUpgrade,
    PostUpgrade,
    PreRollback,
    PostRollback,
    Test,
}

impl HookEvent {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "pre-install" => Self::PreInstall,
            "post-install" => Self::PostInstall,
            "pre-delete" => Self::PreDelete,
            "post-delete" => Self::PostDelete,
            "pre-upgrade" => Self::PreUpgrade,
            "post-upgrade" => Self::PostUpgrade,
            "pre-rollback" => Self::PreRollback,
            "post-rollback" => Self::PostRollback,
            "test" | "test-success" => Self::Test,
            _ => return None,
        })
    }
}

/// The kinds whose order matters, first ones first.
const ORDER: [&str; 38] = [
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// How many of the kinds Helm 3 knows.
const ORDER_OF_HELM3: usize = 36;

/// Splits the outputs of templates, sorted by path, into manifests and hooks, sorted by kind.
pub(crate) fn sort(
    outputs: Vec<(String, String)>,
    level: Level,
) -> Result<(Vec<Manifest>, Vec<Hook>), Error> {
    let mut manifests: Vec<(Rank, Manifest)> = Vec::new();
    let mut hooks: Vec<(Rank, Hook)> = Vec::new();
    for (path, output) in outputs {
        let documents = split(&output, level);
        drop(output);
        for (line, mut text) in documents {
            // It is read as it is printed, with a line break behind it, which block texts keep.
            text.push('\n');
            let value = read(&path, line, &text)?;
            text.pop();
            let head = Head::read(&path, line, &value)?;
            let rank = Rank::of(&head.kind, level);
            let manifest = Manifest {
                path: path.clone(),
                text,
                line,
                value: Packed::new(&value),
            };
            match head.hook(manifest) {
                Sorted::Manifest(manifest) => manifests.push((rank, manifest)),
                Sorted::Hook(hook) => hooks.push((rank, hook)),
                // A hook of an event that nobody knows is never run.
                Sorted::Nothing => {}
            }
        }
    }
    manifests.sort_by(|left, right| left.0.cmp(&right.0));
    hooks.sort_by(|left, right| left.0.cmp(&right.0));
    Ok((
        manifests
            .into_iter()
            .map(|(_, manifest)| manifest)
            .collect(),
        hooks.into_iter().map(|(_, hook)| hook).collect(),
    ))
}

/// Known kinds by their place, then unknown ones by name.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Known(usize),
    Unknown(String),
}

impl Rank {
    fn of(kind: &str, level: Level) -> Self {
        let known = match level {
            Level::Helm3 => &ORDER[..ORDER_OF_HELM3],
            _ => &ORDER[..],
        };
        match known.iter().position(|known| *known == kind) {
            Some(place) => Self::Known(place),
            None => Self::Unknown(kind.to_owned()),
        }
    }
}

/// The documents of an output with the lines on which they begin.
fn split(output: &str, level: Level) -> Vec<(u32, String)> {
    let mut documents = Vec::new();
    let mut push = |text: &str, start: u32| {
        let trimmed = text.trim_start();
        if !trimmed.trim_end().is_empty() {
            let line = start + lines(&text[..text.len() - trimmed.len()]);
            let kept = match level {
                Level::Helm42 => trimmed,
                _ => trimmed.trim_end(),
            };
            let mut text = String::with_capacity(kept.len() + 1);
            text.push_str(kept);
            documents.push((line, text));
        }
    };
    // Where the document that is read begins, and the line of its separator.
    let (mut begin, mut start) = (0, 1);
    let (mut counted, mut number) = (0, 1);
    for place in dashes(output) {
        let rest = &output[place + 3..];
        let end = memchr(b'\n', rest.as_bytes()).map_or(rest.len(), |end| end + 1);
        // Before 4.2 three dashes had to stand alone on their line.
        if level != Level::Helm42 && !rest[..end].trim().is_empty() {
            continue;
        }
        push(&output[begin..place], start);
        number += lines(&output[counted..place]);
        (counted, start) = (place, number);
        let kept = rest.trim_start_matches([' ', '\t']);
        begin = output.len() - kept.len();
    }
    push(&output[begin..], start);
    documents
}

/// Where lines begin with three dashes.
fn dashes(output: &str) -> impl Iterator<Item = usize> {
    let first = output.starts_with("---").then_some(0);
    let others = memmem::find_iter(output.as_bytes(), "\n---");
    first.into_iter().chain(others.map(|place| place + 1))
}

/// How many lines end in a text.
fn lines(text: &str) -> u32 {
    let count = memchr_iter(b'\n', text.as_bytes()).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn read(path: &str, line: u32, text: &str) -> Result<Json, Error> {
    let limits = holdfast_yaml::Limits::default();
    holdfast_yaml::read_value(text, &limits).map_err(|error| Error::Manifest {
        path: path.to_owned(),
        line: line + error.line.saturating_sub(1),
        message: format!("error converting YAML to JSON: yaml: {error}"),
    })
}

/// What Helm itself reads of a document.
struct Head {
    kind: String,
    annotations: Vec<(String, String)>,
}

impl Head {
    fn read(path: &str, line: u32, value: &Json) -> Result<Self, Error> {
        let wrong = |found: &str, wanted: &str| Error::Manifest {
            path: path.to_owned(),
            line,
            message: format!(
                "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go value of type {wanted}"
            ),
        };
        let text = |value: Option<&Json>| match value {
            None | Some(Json::Null) => Ok(String::new()),
            Some(value) => scalar_text(value).ok_or_else(|| wrong("object", "string")),
        };
        let object = match value {
            Json::Object(object) => object,
            Json::Null => {
                return Ok(Self {
                    kind: String::new(),
                    annotations: Vec::new(),
                });
            }
            Json::Array(_) => return Err(wrong("array", "util.SimpleHead")),
            Json::String(_) => return Err(wrong("string", "util.SimpleHead")),
            Json::Number(_) => return Err(wrong("number", "util.SimpleHead")),
            Json::Bool(_) => return Err(wrong("bool", "util.SimpleHead")),
        };
        text(object.get("apiVersion"))?;
        let kind = text(object.get("kind"))?;
        let mut annotations = Vec::new();
        match object.get("metadata") {
            None | Some(Json::Null) => {}
            Some(Json::Object(metadata)) => {
                text(metadata.get("name"))?;
                match metadata.get("annotations") {
                    None | Some(Json::Null) => {}
                    Some(Json::Object(entries)) => {
                        for (key, value) in entries {
                            annotations.push((key.clone(), text(Some(value))?));
                        }
                    }
                    Some(_) => return Err(wrong("value", "map[string]string")),
                }
            }
            Some(_) => return Err(wrong("value", "struct")),
        }
        Ok(Self { kind, annotations })
    }

    fn annotation(&self, name: &str) -> Option<&str> {
        let found = self.annotations.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    fn hook(&self, manifest: Manifest) -> Sorted {
        let Some(events) = self.annotation("helm.sh/hook") else {
            return Sorted::Manifest(manifest);
        };
        let words = |text: &str| -> Vec<String> {
            text.split(',')
                .map(|word| word.trim().to_lowercase())
                .collect()
        };
        let events: Option<Vec<HookEvent>> = words(events)
            .iter()
            .map(|event| HookEvent::parse(event))
            .collect();
        let Some(events) = events else {
            return Sorted::Nothing;
        };
        let weight = self.annotation("helm.sh/hook-weight").unwrap_or_default();
        let policies = self.annotation("helm.sh/hook-delete-policy");
        Sorted::Hook(Hook {
            manifest,
            events,
            weight: weight.parse().unwrap_or(0),
            delete_policies: policies.map(words).unwrap_or_default(),
        })
    }
}

enum Sorted {
    Manifest(Manifest),
    Hook(Hook),
    Nothing,
}
