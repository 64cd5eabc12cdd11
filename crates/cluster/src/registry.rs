//! Which kinds are served: the built-in ones, and those that CustomResourceDefinitions add.
//! It must not know objects.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use holdfast_kinds::zero;
use holdfast_merge::fields::FieldSet;
use holdfast_model::Value;
use holdfast_schema::{CustomKind, Kind, Schema, kinds_of_crd};
use serde_json::{Map, json};

use crate::store::ResourceId;
use holdfast_cel::Rules;

/// Groups of the tables that are not served: nothing here would act on them.
const UNSERVED_GROUPS: [&str; 2] = ["apiregistration.k8s.io", "internal.apiserver.k8s.io"];
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
pub(crate) struct Served {
    pub(crate) kind: Kind,
    /// What it is stored under.
    pub(crate) storage: ResourceId,
    /// The `apiVersion` that it is stored in.
    pub(crate) storage_version: String,
    /// For kinds of definitions, what the definition says.
    pub(crate) custom: Option<Arc<CustomKind>>,
    /// Whether `metadata.generation` counts changes.
    pub(crate) counted: bool,
    /// What Go writes for an object that nobody has set.
    pub(crate) empty: Value,
    /// The rules of a custom kind, ready to be evaluated.
    pub(crate) rules: Option<Rules>,
}

impl Served {
    /// `group` and kind as messages of validation name it.
    pub(crate) fn subject(&self) -> crate::error::Subject<'_> {
        crate::error::Subject {
            group: &self.kind.group,
            name: &self.kind.kind,
        }
    }

    /// `group` and resource as messages of storage name it.
    pub(crate) fn resource(&self) -> crate::error::Subject<'_> {
        crate::error::Subject {
            group: &self.kind.group,
            name: &self.kind.plural,
        }
    }

    /// Whether writes to the object leave `status` alone.
    pub(crate) fn has_status(&self) -> bool {
        self.kind.subresource("status").is_some()
    }

    /// Whether it is this built-in kind.
    pub(crate) fn is(&self, group: &str, kind: &str) -> bool {
        self.custom.is_none() && self.kind.group == group && self.kind.kind == kind
    }

    /// Fields that a request of this subresource does not write.
    pub(crate) fn ignored(&self, subresource: &str) -> FieldSet {
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
            _ if self.has_status() => FieldSet::of_fields(&[&["status"]]),
            _ => FieldSet::default(),
        }
    }
}

/// A kind by group, version and plural.
type ByPath = HashMap<(String, String, String), Arc<Served>>;

/// The kinds of a cluster.
#[derive(Default)]
pub(crate) struct Registry {
    custom: RwLock<BTreeMap<String, Vec<Arc<Served>>>>,
}

fn built_in() -> &'static ByPath {
    static BUILT_IN: OnceLock<ByPath> = OnceLock::new();
    BUILT_IN.get_or_init(|| {
        let kinds = Schema::builtin().kinds().iter();
        let served = kinds.filter(|kind| !UNSERVED_GROUPS.contains(&kind.group.as_str()));
        served
            .map(|kind| {
                let served = serve_built_in(kind);
                let key = (
                    kind.group.clone(),
                    kind.version.clone(),
                    kind.plural.clone(),
                );
                (key, Arc::new(served))
            })
            .collect()
    })
}

fn serve_built_in(kind: &Kind) -> Served {
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
    Served {
        storage: ResourceId::new(group, &kind.plural),
        storage_version: holdfast_model::object::join_api_version(group, version),
        custom: None,
        counted: COUNTED.contains(&id.as_str()),
        empty,
        rules: None,
        kind: kind.clone(),
    }
}

impl Registry {
    /// The kind that a path names.
    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<Arc<Served>> {
        let key = (group.to_owned(), version.to_owned(), plural.to_owned());
        if let Some(found) = built_in().get(&key) {
            return Some(found.clone());
        }
        let custom = self.custom.read().unwrap_or_else(PoisonError::into_inner);
        let found = custom.get(&format!("{plural}.{group}"))?;
        let found = found
            .iter()
            .find(|served| served.kind.version == version)
            .filter(|served| served.custom.as_ref().is_some_and(|custom| custom.served));
        found.cloned()
    }

    /// Whether anything of a group is served.
    pub(crate) fn has_group(&self, group: &str) -> bool {
        self.find_by(|served| served.kind.group == group).is_some()
    }

    /// The kind that a stored resource is kept in.
    pub(crate) fn of_storage(&self, storage: &ResourceId) -> Option<Arc<Served>> {
        self.find_by(|served| {
            served.storage == *storage && served.storage_version == served.kind.api_version()
        })
    }

    fn find_by(&self, wanted: impl Fn(&Served) -> bool) -> Option<Arc<Served>> {
        let fits = |served: &&Arc<Served>| wanted(served);
        if let Some(found) = built_in().values().find(fits) {
            return Some(found.clone());
        }
        let custom = self.custom.read().unwrap_or_else(PoisonError::into_inner);
        custom.values().flatten().find(fits).cloned()
    }

    /// Every kind that is served, by group, version and plural.
    pub(crate) fn all(&self) -> Vec<Arc<Served>> {
        let mut found: Vec<Arc<Served>> = built_in().values().cloned().collect();
        let custom = self.custom.read().unwrap_or_else(PoisonError::into_inner);
        let served = custom.values().flatten();
        found.extend(
            served
                .filter(|served| served.custom.as_ref().is_some_and(|custom| custom.served))
                .cloned(),
        );
        found.sort_by(|left, right| {
            let order = |served: &Served| {
                (
                    served.kind.group.clone(),
                    served.kind.version.clone(),
                    served.kind.plural.clone(),
                )
            };
            order(left).cmp(&order(right))
        });
        found
    }

    /// Serves what a definition defines, in place of what it defined before.
    pub(crate) fn define(&self, crd: &Value) {
        let name = crd.pointer("/metadata/name").and_then(Value::as_str);
        let (Some(name), Ok(kinds)) = (name, kinds_of_crd(crd)) else {
            return;
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
            Arc::new(Served {
                storage: ResourceId::new(&kind.group, &kind.plural),
                storage_version: storage_version.clone(),
                counted: true,
                empty: Value::Object(empty),
                rules: custom.schema.as_deref().and_then(holdfast_cel::compile),
                custom: Some(Arc::new(custom)),
                kind,
            })
        });
        let served = served.collect();
        let mut custom = self.custom.write().unwrap_or_else(PoisonError::into_inner);
        custom.insert(name.to_owned(), served);
    }

    /// Serves no longer what other definitions than these defined.
    pub(crate) fn keep(&self, names: &BTreeSet<&str>) {
        let mut custom = self.custom.write().unwrap_or_else(PoisonError::into_inner);
        custom.retain(|name, _| names.contains(&**name));
    }

    /// Serves no longer what a definition defined.
    pub(crate) fn undefine(&self, name: &str) {
        let mut custom = self.custom.write().unwrap_or_else(PoisonError::into_inner);
        custom.remove(name);
    }
}
