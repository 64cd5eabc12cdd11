//! Which objects lead to which: a Service to the workloads that its selector means, a workload to its
//! configuration. It reads bodies and gives out nothing but that two objects belong together.

use std::collections::HashMap;

use crate::Value;
use crate::object::{Key, Object};

/// That one object leads to another, by their indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Link {
    /// The one that names or selects the other.
    pub from: usize,
    /// The other.
    pub to: usize,
}

/// The most objects whose bodies are read: a picture of more helps nobody.
const LIMIT: usize = 400;

/// The links between objects, sorted, each once.
pub(super) fn of(objects: &[Object]) -> Vec<Link> {
    let objects = &objects[..objects.len().min(LIMIT)];
    let bodies: Vec<Value> = objects.iter().map(Object::value).collect();
    let index = Index {
        named: named(objects),
        labelled: bodies.iter().map(labels).collect(),
        keys: objects.iter().map(Object::key).collect(),
    };
    let mut links = Vec::new();
    for (from, (object, body)) in objects.iter().zip(&bodies).enumerate() {
        let mut found = Found {
            index: &index,
            namespace: object.key().namespace.as_deref(),
            to: Vec::new(),
        };
        found.read(object.key(), body);
        let to = found.to.into_iter().filter(|to| *to != from);
        links.extend(to.map(|to| Link { from, to }));
    }
    links.sort_unstable();
    links.dedup();
    links
}

type Named<'a> = HashMap<(&'a str, Option<&'a str>, &'a str), usize>;

struct Index<'a> {
    named: Named<'a>,
    /// The labels of each object's pods.
    labelled: Vec<Option<&'a Value>>,
    keys: Vec<&'a Key>,
}

fn named(objects: &[Object]) -> Named<'_> {
    objects
        .iter()
        .enumerate()
        .map(|(at, object)| {
            let key = object.key();
            let name = (&*key.kind.kind, key.namespace.as_deref(), &*key.name);
            (name, at)
        })
        .collect()
}

/// The labels of the pods that a workload makes.
fn labels(body: &Value) -> Option<&Value> {
    let at = |pointer| body.pointer(pointer);
    at("/spec/template/metadata/labels")
        .or_else(|| at("/spec/jobTemplate/spec/template/metadata/labels"))
        .or_else(|| (body.get("kind")? == "Pod").then(|| at("/metadata/labels"))?)
}

struct Found<'a> {
    index: &'a Index<'a>,
    namespace: Option<&'a str>,
    to: Vec<usize>,
}

impl Found<'_> {
    fn read(&mut self, key: &Key, body: &Value) {
        match &*key.kind.kind {
            "Service" => self.selected(body.pointer("/spec/selector")),
            "PodDisruptionBudget" | "NetworkPolicy" => {
                let field = match &*key.kind.kind {
                    "NetworkPolicy" => "/spec/podSelector/matchLabels",
                    _ => "/spec/selector/matchLabels",
                };
                self.selected(body.pointer(field));
            }
            "Ingress" => self.everywhere(body, "service", "Service"),
            "HTTPRoute" | "GRPCRoute" | "TLSRoute" => self.backends(body),
            "HorizontalPodAutoscaler" => self.reference(body.pointer("/spec/scaleTargetRef")),
            "RoleBinding" | "ClusterRoleBinding" => {
                self.reference(body.get("roleRef"));
                let subjects = body.get("subjects").and_then(Value::as_array);
                for subject in subjects.into_iter().flatten() {
                    self.reference(Some(subject));
                }
            }
            _ => self.pods(body),
        }
    }

    fn named(&mut self, kind: &str, name: Option<&Value>) {
        let Some(name) = name.and_then(Value::as_str) else {
            return;
        };
        let named = &self.index.named;
        let found = named.get(&(kind, self.namespace, name));
        let found = found.or_else(|| named.get(&(kind, None, name)));
        self.to.extend(found);
    }

    /// A reference that has a kind and a name.
    fn reference(&mut self, reference: Option<&Value>) {
        let kind = reference.and_then(|reference| reference.get("kind")?.as_str());
        if let Some(kind) = kind {
            self.named(kind, reference.and_then(|reference| reference.get("name")));
        }
    }

    fn selected(&mut self, selector: Option<&Value>) {
        let Some(selector) = selector.and_then(Value::as_object) else {
            return;
        };
        if selector.is_empty() {
            return;
        }
        let matches = |labels: &Value| {
            let mut wanted = selector.iter();
            wanted.all(|(name, value)| labels.get(name) == Some(value))
        };
        for (at, labels) in self.index.labelled.iter().enumerate() {
            let is_here = self.index.keys[at].namespace.as_deref() == self.namespace;
            if is_here && labels.is_some_and(matches) {
                self.to.push(at);
            }
        }
    }

    /// What is named by a field of this name, wherever it is.
    fn everywhere(&mut self, value: &Value, field: &str, kind: &str) {
        match value {
            Value::Object(map) => {
                for (name, value) in map {
                    if name == field {
                        self.named(kind, value.get("name"));
                    }
                    self.everywhere(value, field, kind);
                }
            }
            Value::Array(values) => {
                for value in values {
                    self.everywhere(value, field, kind);
                }
            }
            _ => {}
        }
    }

    fn backends(&mut self, body: &Value) {
        let rules = body.pointer("/spec/rules").and_then(Value::as_array);
        for rule in rules.into_iter().flatten() {
            let backends = rule.get("backendRefs").and_then(Value::as_array);
            for backend in backends.into_iter().flatten() {
                self.named("Service", backend.get("name"));
            }
        }
    }

    /// What pods need: configuration, volumes and who they are.
    fn pods(&mut self, body: &Value) {
        let at = |pointer| body.pointer(pointer);
        let spec = at("/spec/template/spec")
            .or_else(|| at("/spec/jobTemplate/spec/template/spec"))
            .or_else(|| (body.get("kind")? == "Pod").then(|| body.get("spec"))?);
        let Some(spec) = spec else {
            return;
        };
        self.named("ServiceAccount", spec.get("serviceAccountName"));
        for (field, kind) in [
            ("configMapRef", "ConfigMap"),
            ("configMapKeyRef", "ConfigMap"),
            ("configMap", "ConfigMap"),
            ("secretRef", "Secret"),
            ("secretKeyRef", "Secret"),
        ] {
            self.everywhere(spec, field, kind);
        }
        let volumes = spec.get("volumes").and_then(Value::as_array);
        for volume in volumes.into_iter().flatten() {
            self.named("Secret", volume.pointer("/secret/secretName"));
            let claim = volume.pointer("/persistentVolumeClaim/claimName");
            self.named("PersistentVolumeClaim", claim);
        }
    }
}
