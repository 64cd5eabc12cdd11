//! What the server sets on objects as they come in: statuses, addresses, counts of changes; and
//! which deletes it refuses. It must not know what controllers do later.

use holdfast_kinds::{fill, items, items_mut, text};
use holdfast_merge::typed::same;
use holdfast_model::Value;
use serde_json::{Map, json};

use crate::classes::SYSTEM_CLASSES;
use crate::error::{ApiError, Result};
use crate::labels::{labels_match, of_label_selector};
use crate::served::Served;
use crate::services;
use crate::setting::Setting;

/// The finalizer in the spec of a namespace.
const NAMESPACE_FINALIZER: &str = "kubernetes";
/// Namespaces that cannot be deleted.
const IMMORTAL: [&str; 3] = ["default", "kube-public", "kube-system"];

/// Sets what the server sets on a new object.
///
/// # Errors
/// What the object wants cannot be given.
pub fn prepare_create(setting: &Setting<'_>, value: &mut Value) -> Result<()> {
    let Setting { server, served, .. } = *setting;
    let kind = (served.kind.group.as_str(), served.kind.kind.as_str());
    first_status(served, value);
    match kind {
        ("", "Namespace") => prepare_namespace(value),
        ("", "Pod") => prepare_pod(value, &server.now().to_string()),
        ("", "PersistentVolumeClaim" | "PersistentVolume") => {
            value["status"] = json!({"phase": "Pending"});
            if served.kind.kind == "PersistentVolume" {
                let now = server.now().to_string();
                value["status"]["lastPhaseTransitionTime"] = json!(now);
            }
            protect(value, served);
            if served.kind.kind == "PersistentVolumeClaim" {
                source_of_claim(&mut value["spec"], None);
            }
        }
        ("", "Service") => services::allocate(setting, value, None)?,
        ("batch", "Job") => label_job(value),
        ("coordination.k8s.io", "Lease") => forget_election(value),
        ("discovery.k8s.io", "EndpointSlice") => {
            forget_topology(value);
            if items(value, "ports").is_empty() {
                value["ports"] = Value::Null;
            }
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            let stored = value["spec"]["versions"].as_array().into_iter().flatten();
            let stored: Vec<&Value> = stored
                .filter(|version| version["storage"] == true)
                .map(|version| &version["name"])
                .collect();
            value["status"] = json!({
                "acceptedNames": {"kind": "", "plural": ""}, "conditions": null,
                "storedVersions": stored,
            });
        }
        _ => {}
    }
    Ok(())
}

/// A new object has the status of its type, whatever it says.
fn first_status(served: &Served, value: &mut Value) {
    let Some(fields) = value.as_object_mut().filter(|_| served.has_status()) else {
        return;
    };
    fields.remove("status");
    let empty = served.empty.get("status");
    if let Some(empty) = empty.filter(|_| served.custom.is_none()) {
        fields.insert("status".to_owned(), empty.clone());
    }
}

fn prepare_namespace(value: &mut Value) {
    value["status"] = json!({"phase": "Active"});
    // A name that was generated is known only now.
    let name = value["metadata"]["name"].clone();
    fill(&mut value["metadata"], "labels", json!({}));
    value["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
    let spec = &mut value["spec"];
    if !items(spec, "finalizers").contains(&json!(NAMESPACE_FINALIZER)) {
        let mut finalizers = items(spec, "finalizers").to_vec();
        finalizers.push(json!(NAMESPACE_FINALIZER));
        spec["finalizers"] = json!(finalizers);
    }
}

/// Claims and volumes stay while they are in use.
fn protect(value: &mut Value, served: &Served) {
    let finalizer = if served.kind.kind == "PersistentVolume" {
        "kubernetes.io/pv-protection"
    } else {
        "kubernetes.io/pvc-protection"
    };
    let metadata = &mut value["metadata"];
    let mut finalizers = items(metadata, "finalizers").to_vec();
    if !finalizers.contains(&json!(finalizer)) {
        finalizers.push(json!(finalizer));
        metadata["finalizers"] = json!(finalizers);
    }
}

/// What a claim starts from is told by an older and a newer field, which say the same.
fn source_of_claim(spec: &mut Value, old: Option<&Value>) {
    let is_set = |spec: &Value, name: &str| spec[name].is_object();
    let is_kept = old.is_some_and(|old| is_set(old, "dataSource") || is_set(old, "dataSourceRef"));
    let source = &spec["dataSource"];
    let is_known = matches!(
        (text(source, "kind"), text(source, "apiGroup")),
        ("PersistentVolumeClaim", "") | ("VolumeSnapshot", "snapshot.storage.k8s.io")
    );
    if !is_kept
        && !is_set(spec, "dataSourceRef")
        && !is_known
        && let Some(fields) = spec.as_object_mut()
    {
        // The older field means nothing else, and always has.
        fields.remove("dataSource");
    }
    let bare = |source: &Value| {
        json!({
            "apiGroup": source["apiGroup"], "kind": text(source, "kind"),
            "name": text(source, "name"),
        })
    };
    match (is_set(spec, "dataSource"), is_set(spec, "dataSourceRef")) {
        (true, false) => spec["dataSourceRef"] = bare(&spec["dataSource"]),
        (false, true) if text(&spec["dataSourceRef"], "namespace").is_empty() => {
            spec["dataSource"] = bare(&spec["dataSourceRef"]);
        }
        _ => {}
    }
}

fn prepare_pod(pod: &mut Value, now: &str) {
    pod["status"] = json!({"phase": "Pending", "qosClass": quality(&pod["spec"])});
    if !items(&pod["spec"], "schedulingGates").is_empty() {
        pod["status"]["conditions"] = json!([{
            "type": "PodScheduled", "status": "False", "lastProbeTime": null,
            "lastTransitionTime": now, "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
        }]);
    }
}

/// The class that a pod's requests and limits give it.
fn quality(spec: &Value) -> &'static str {
    let containers = items(spec, "containers")
        .iter()
        .chain(items(spec, "initContainers"));
    let mut any = false;
    let mut guaranteed = true;
    for container in containers {
        let (requests, limits) = (
            &container["resources"]["requests"],
            &container["resources"]["limits"],
        );
        for name in ["cpu", "memory"] {
            let (request, limit) = (requests.get(name), limits.get(name));
            any |= request.is_some() || limit.is_some();
            guaranteed &= limit.is_some() && (request.is_none() || request == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// A job's pods are told from others' by labels that carry its uid.
fn label_job(job: &mut Value) {
    if job["spec"]["manualSelector"] == true {
        return;
    }
    let uid = job["metadata"]["uid"].clone();
    let name = job["metadata"]["name"].clone();
    let template = &mut job["spec"]["template"]["metadata"];
    if !template.is_object() {
        *template = json!({});
    }
    fill(template, "labels", json!({}));
    let labels = &mut template["labels"];
    fill(labels, "job-name", name.clone());
    fill(labels, "batch.kubernetes.io/job-name", name);
    fill(labels, "controller-uid", uid.clone());
    fill(labels, "batch.kubernetes.io/controller-uid", uid.clone());
    let labels = labels.clone();
    fill(&mut job["metadata"], "labels", labels);
    let spec = &mut job["spec"];
    fill(spec, "selector", json!({}));
    fill(&mut spec["selector"], "matchLabels", json!({}));
    spec["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"] = uid;
}

/// Leases that servers agree on among themselves are switched off in Kubernetes 1.37.
fn forget_election(lease: &mut Value) {
    if let Some(spec) = lease["spec"].as_object_mut() {
        spec.remove("strategy");
        spec.remove("preferredHolder");
    }
}

/// The first version of slices has other fields for where an endpoint is.
fn forget_topology(slice: &mut Value) {
    for endpoint in items_mut(slice, "endpoints") {
        if let Some(fields) = endpoint.as_object_mut() {
            fields.remove("deprecatedTopology");
        }
    }
}

/// Whether a PUT has to say which state it is for.
pub fn needs_version(served: &Served) -> bool {
    let kind = (served.kind.group.as_str(), served.kind.kind.as_str());
    served.custom.is_some()
        || matches!(
            kind,
            (
                "admissionregistration.k8s.io" | "storagemigration.k8s.io",
                _
            ) | ("coordination.k8s.io", "Lease" | "LeaseCandidate")
                | ("node.k8s.io", "RuntimeClass")
                | ("policy", "PodDisruptionBudget")
                | (
                    "scheduling.k8s.io",
                    "CompositePodGroup" | "PodGroup" | "Workload"
                )
                | (
                    "storage.k8s.io",
                    "CSIDriver" | "CSINode" | "CSIStorageCapacity" | "VolumeAttachment"
                )
                | (
                    "certificates.k8s.io",
                    "ClusterTrustBundle" | "PodCertificateRequest"
                )
        )
}

/// Keeps what a request of this subresource does not write, and counts the change.
///
/// # Errors
/// What the object wants cannot be given.
pub fn prepare_update(setting: &Setting<'_>, old: &Value, new: &mut Value) -> Result<()> {
    let Setting {
        served,
        subresource,
        ..
    } = *setting;
    let keep = |new: &mut Value, name: &str| match (old.get(name), new.as_object_mut()) {
        (Some(value), Some(fields)) => {
            fields.insert(name.to_owned(), value.clone());
        }
        (None, Some(fields)) => {
            fields.remove(name);
        }
        _ => {}
    };
    match subresource {
        "status" if served.custom.is_some() => {
            let names: Vec<String> = names_of(old, new);
            for name in names
                .iter()
                .filter(|name| *name != "status" && *name != "metadata")
            {
                keep(new, name);
            }
        }
        "status" => {
            keep(new, "spec");
            // Its labels are not the status's to write; those of other kinds are.
            if served.is("apps", "Deployment") {
                keep_labels(old, new);
            }
        }
        "finalize" => keep(new, "status"),
        _ => served.unwritten().iter().for_each(|name| keep(new, name)),
    }
    if served.is("", "Namespace") && subresource != "finalize" {
        new["spec"]["finalizers"] = old["spec"]["finalizers"].clone();
    }
    if served.is("", "Service") && subresource.is_empty() {
        services::allocate(setting, new, Some(old))?;
    }
    if served.is("", "PersistentVolumeClaim") && subresource.is_empty() {
        source_of_claim(&mut new["spec"], Some(&old["spec"]));
    }
    if served.is("coordination.k8s.io", "Lease") {
        forget_election(new);
    }
    let endpoints = |value: &Value| value["endpoints"].clone();
    if served.is("discovery.k8s.io", "EndpointSlice") && !same(&endpoints(old), &endpoints(new)) {
        forget_topology(new);
    }
    if served.is("apiextensions.k8s.io", "CustomResourceDefinition") && subresource.is_empty() {
        remember_versions(new);
    }
    if subresource != "status" && is_counted_change(served, old, new) {
        let generation = old["metadata"]["generation"].as_i64().unwrap_or(0);
        new["metadata"]["generation"] = json!(generation + 1);
    }
    Ok(())
}

/// Whether a change is one that the generation counts.
fn is_counted_change(served: &Served, old: &Value, new: &Value) -> bool {
    // What a priority class says about itself is not counted.
    if !served.counted || served.is("scheduling.k8s.io", "PriorityClass") {
        return false;
    }
    // Of a Deployment annotations count too: the controller hands them on. Of a slice labels do.
    let also = if served.is("apps", "Deployment") {
        "annotations"
    } else if served.is("discovery.k8s.io", "EndpointSlice") {
        "labels"
    } else {
        return spec_changed(served, old, new);
    };
    let differs = !same(&old["metadata"][also], &new["metadata"][also]);
    differs || spec_changed(served, old, new)
}

fn keep_labels(old: &Value, new: &mut Value) {
    let labels = old["metadata"].get("labels").cloned();
    if let Some(fields) = new["metadata"].as_object_mut() {
        fields.remove("labels");
        fields.extend(labels.map(|labels| ("labels".to_owned(), labels)));
    }
}

fn names_of(old: &Value, new: &Value) -> Vec<String> {
    let mut names = Map::new();
    for value in [old, new] {
        for name in value
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name)
        {
            names.insert(name.clone(), Value::Null);
        }
    }
    names.into_iter().map(|(name, _)| name).collect()
}

/// Versions that objects may be stored in are never forgotten.
fn remember_versions(definition: &mut Value) {
    let storage = items(&definition["spec"], "versions")
        .iter()
        .find(|version| version["storage"] == true)
        .map(|version| version["name"].clone());
    let mut stored = items(&definition["status"], "storedVersions").to_vec();
    if let Some(storage) = storage
        && !stored.contains(&storage)
    {
        stored.push(storage);
        definition["status"]["storedVersions"] = json!(stored);
    }
}

fn spec_changed(served: &Served, old: &Value, new: &Value) -> bool {
    if served.custom.is_none() && served.empty.get("spec").is_some() {
        return !same(&old["spec"], &new["spec"]);
    }
    let bare = |value: &Value| {
        let mut value = value.clone();
        if let Some(fields) = value.as_object_mut() {
            fields.remove("metadata");
            if served.has_status() {
                fields.remove("status");
            }
        }
        value
    };
    !same(&bare(old), &bare(new))
}

/// Whether PUT makes an object that is not there.
pub fn created_by_update(served: &Served) -> bool {
    let kind = (served.kind.group.as_str(), served.kind.kind.as_str());
    served.custom.is_none()
        && matches!(
            kind,
            ("coordination.k8s.io", "Lease")
                | ("", "Event" | "Endpoints" | "LimitRange" | "Service")
                | ("events.k8s.io", "Event")
        )
}

/// Refuses the deletes that are never allowed.
///
/// # Errors
/// Why it is not.
pub fn admit_delete(served: &Served, value: &Value) -> Result<()> {
    let name = text(&value["metadata"], "name");
    let is_of_system = SYSTEM_CLASSES.iter().any(|(known, ..)| *known == name);
    if served.is("scheduling.k8s.io", "PriorityClass") && is_of_system {
        let message = "this is a system priority class and cannot be deleted";
        return Err(ApiError::forbidden(&served.resource(), name, message));
    }
    if served.is("", "Namespace") && IMMORTAL.contains(&name) {
        let message = "this namespace may not be deleted";
        return Err(ApiError::forbidden(&served.resource(), name, message));
    }
    Ok(())
}

/// Why one of the disruption budgets of its namespace refuses the eviction of a pod.
pub fn disruption_refused(pod: &Value, budgets: &[Value]) -> Option<String> {
    for budget in budgets {
        let selector = of_label_selector(&budget["spec"]["selector"]);
        let covers =
            selector.is_some_and(|selector| labels_match(&selector, pod["metadata"].get("labels")));
        let allowed = budget["status"]["disruptionsAllowed"].as_i64().unwrap_or(0);
        if covers && allowed < 1 {
            let status = &budget["status"];
            return Some(format!(
                "The disruption budget {} needs {} healthy pods and has {} currently",
                text(&budget["metadata"], "name"),
                status["desiredHealthy"].as_i64().unwrap_or(0),
                status["currentHealthy"].as_i64().unwrap_or(0),
            ));
        }
    }
    None
}
