//! A kind as it is served. It must not know which others are.

use std::sync::Arc;

use holdfast_cel::Rules;
use holdfast_kinds::zero;
use holdfast_merge::fields::FieldSet;
use holdfast_model::Value;
use holdfast_schema::{CustomKind, Kind, kinds_of_crd};
use serde_json::{Map, json};

use crate::error::Subject;
use crate::place::ResourceId;

/// Built-in kinds whose `metadata.generation` counts changes of the spec.
const COUNTED: [&str; 28] = [
    "/PodTemplate",
    "admissionregistration.k8s.io/MutatingAdmissionPolicyBinding",
    "resource.k8s.io/DeviceClass",
    "resource.k8s.io/DeviceTaintRule",
    "resource.k8s.io/ResourceSlice",
    "autoscaling/HorizontalPodAutoscaler",
    "discovery.k8s.io/EndpointSlice",
    "scheduling.k8s.io/PriorityClass",
    "apps/DaemonSet",
    "apps/Deployment",
    "apps/ReplicaSet",
    "apps/StatefulSet",
    "batch/CronJob",
    "batch/Job",
    "networking.k8s.io/Ingress",
    "networking.k8s.io/IngressClass",
    "networking.k8s.io/NetworkPolicy",
    "policy/PodDisruptionBudget",
    "/Pod",
    "/ReplicationController",
    "apiextensions.k8s.io/CustomResourceDefinition",
    "admissionregistration.k8s.io/ValidatingAdmissionPolicy",
    "admissionregistration.k8s.io/ValidatingAdmissionPolicyBinding",
    "admissionregistration.k8s.io/MutatingAdmissionPolicy",
    "admissionregistration.k8s.io/ValidatingWebhookConfiguration",
    "admissionregistration.k8s.io/MutatingWebhookConfiguration",
    "flowcontrol.apiserver.k8s.io/FlowSchema",
    "flowcontrol.apiserver.k8s.io/PriorityLevelConfiguration",
];

/// A kind in one version, as it is served.
#[derive(Debug)]
pub struct Served {
    /// The kind itself.
    pub kind: Kind,
    /// What it is stored under.
    pub storage: ResourceId,
    /// The `apiVersion` that it is stored in.
    pub storage_version: String,
    /// For kinds of definitions, what the definition says.
    pub custom: Option<Arc<CustomKind>>,
    /// Whether `metadata.generation` counts changes.
    pub counted: bool,
    /// What Go writes for an object that nobody has set.
    pub empty: Value,
    /// The rules of a custom kind, ready to be evaluated.
    pub rules: Option<Rules>,
}

impl Served {
    /// `group` and kind as messages of validation name it.
    pub fn subject(&self) -> Subject<'_> {
        Subject {
            group: &self.kind.group,
            name: &self.kind.kind,
        }
    }

    /// `group` and resource as messages of storage name it.
    pub fn resource(&self) -> Subject<'_> {
        Subject {
            group: &self.kind.group,
            name: &self.kind.plural,
        }
    }

    /// The path of an object.
    pub fn path(&self, namespace: &str, name: &str) -> String {
        let kind = &self.kind;
        let base = if kind.group.is_empty() {
            format!("/api/{}", kind.version)
        } else {
            format!("/apis/{}/{}", kind.group, kind.version)
        };
        if namespace.is_empty() {
            format!("{base}/{}/{name}", kind.plural)
        } else {
            format!("{base}/namespaces/{namespace}/{}/{name}", kind.plural)
        }
    }

    /// Whether writes to the object leave `status` alone.
    pub fn has_status(&self) -> bool {
        self.kind.subresource("status").is_some()
    }

    /// Whether it is this built-in kind.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.custom.is_none() && self.kind.group == group && self.kind.kind == kind
    }

    /// Fields at the top of the object that writes to it leave as they are.
    pub fn unwritten(&self) -> &'static [&'static str] {
        let (group, kind) = (&self.kind.group, &self.kind.kind);
        if self.custom.is_none() && holdfast_kinds::is_signing_request(group, kind) {
            return &["status", "spec"];
        }
        if self.has_status() { &["status"] } else { &[] }
    }

    /// Fields that a request of this subresource does not write.
    pub fn ignored(&self, subresource: &str) -> FieldSet {
        match subresource {
            "status" if self.custom.is_some() => {
                // All but the status. Custom objects may have any fields at their top.
                let mut paths: Vec<Vec<&str>> = vec![vec!["metadata"]];
                if let holdfast_schema::Shape::Struct(object) = self.kind.type_ref.shape() {
                    let names = object.fields.iter().map(|field| field.name.as_str());
                    let others = names.filter(|name| {
                        !matches!(*name, "status" | "metadata" | "apiVersion" | "kind")
                    });
                    paths.extend(others.map(|name| vec![name]));
                }
                let paths: Vec<&[&str]> = paths.iter().map(Vec::as_slice).collect();
                FieldSet::of_fields(&paths)
            }
            "status" if self.is("apps", "Deployment") => {
                FieldSet::of_fields(&[&["spec"], &["metadata", "labels"]])
            }
            "status" => FieldSet::of_fields(&[&["spec"]]),
            _ => {
                let paths = self.unwritten().iter().map(std::slice::from_ref);
                FieldSet::of_fields(&paths.collect::<Vec<_>>())
            }
        }
    }

    /// A built-in kind.
    pub fn built_in(kind: &Kind) -> Self {
        // One object, two names: events, and autoscalers in two versions.
        let (group, version) = match (kind.group.as_str(), kind.kind.as_str()) {
            ("events.k8s.io", "Event") => ("", "v1"),
            ("autoscaling", "HorizontalPodAutoscaler") => ("autoscaling", "v2"),
            _ => (kind.group.as_str(), kind.version.as_str()),
        };
        let mut empty = zero(&kind.type_ref);
        empty["apiVersion"] = json!(kind.api_version());
        empty["kind"] = json!(kind.kind);
        let id = format!("{}/{}", kind.group, kind.kind);
        Self {
            storage: ResourceId::new(group, &kind.plural),
            storage_version: holdfast_model::object::join_api_version(group, version),
            custom: None,
            counted: COUNTED.contains(&id.as_str()),
            empty,
            rules: None,
            kind: kind.clone(),
        }
    }

    /// The name of a definition, and the kinds that it defines, one a version; nothing when it
    /// defines none.
    pub fn of_definition(crd: &Value) -> Option<(&str, Vec<Self>)> {
        let name = crd.pointer("/metadata/name").and_then(Value::as_str);
        let (Some(name), Ok(kinds)) = (name, kinds_of_crd(crd)) else {
            return None;
        };
        let storage_version = kinds
            .iter()
            .find(|kind| kind.storage)
            .map(|kind| kind.kind.api_version())
            .unwrap_or_default();
        let served = kinds.into_iter().map(|custom| {
            let kind = custom.kind.clone();
            let mut empty = Map::new();
            empty.insert("apiVersion".to_owned(), json!(kind.api_version()));
            empty.insert("kind".to_owned(), json!(kind.kind));
            Self {
                storage: ResourceId::new(&kind.group, &kind.plural),
                storage_version: storage_version.clone(),
                counted: true,
                empty: Value::Object(empty),
                rules: custom.schema.as_deref().and_then(holdfast_cel::compile),
                custom: Some(Arc::new(custom)),
                kind,
            }
        });
        Some((name, served.collect()))
    }
}
