//! What the server sets on objects as they come in: statuses, addresses, counts of changes; and
//! which deletes it refuses. It must not know what controllers do later.

use holdfast_merge::typed::same;
use holdfast_model::Value;
use serde_json::{Map, json};

use super::{fill, items, text};
use crate::cluster::{Cluster, random};
use crate::error::{ApiError, Result};
use crate::registry::Served;
use crate::rest::Target;
use crate::store::{ObjectName, ResourceId};

/// The finalizer in the spec of a namespace.
const NAMESPACE_FINALIZER: &str = "kubernetes";
/// Namespaces that cannot be deleted.
const IMMORTAL: [&str; 3] = ["default", "kube-public", "kube-system"];

/// Sets what the server sets on a new object.
pub(crate) fn prepare_create(cluster: &Cluster, served: &Served, value: &mut Value) -> Result<()> {
    let kind = (served.kind.group.as_str(), served.kind.kind.as_str());
    if served.custom.is_none() && served.has_status() {
        let empty = served.empty.get("status").cloned();
        match empty {
            Some(empty) => value["status"] = empty,
            None => {
                if let Some(fields) = value.as_object_mut() {
                    fields.remove("status");
                }
            }
        }
    } else if served.has_status()
        && let Some(fields) = value.as_object_mut()
    {
        fields.remove("status");
    }
    match kind {
        ("", "Namespace") => {
            value["status"] = json!({"phase": "Active"});
            let spec = &mut value["spec"];
            if !items(spec, "finalizers").contains(&json!(NAMESPACE_FINALIZER)) {
                let mut finalizers = items(spec, "finalizers").to_vec();
                finalizers.push(json!(NAMESPACE_FINALIZER));
                spec["finalizers"] = json!(finalizers);
            }
        }
        ("", "Pod") => prepare_pod(value),
        ("", "PersistentVolumeClaim" | "PersistentVolume") => {
            value["status"] = json!({"phase": "Pending"});
            if served.kind.kind == "PersistentVolume" {
                let now = cluster.now().to_string();
                value["status"]["lastPhaseTransitionTime"] = json!(now);
            }
            protect(value, served);
        }
        ("", "Service") => allocate(cluster, value, None),
        ("batch", "Job") => label_job(value),
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

fn prepare_pod(pod: &mut Value) {
    pod["status"] = json!({"phase": "Pending", "qosClass": quality(&pod["spec"])});
    let spec = &mut pod["spec"];
    fill(spec, "priority", 0);
    fill(spec, "preemptionPolicy", "PreemptLowerPriority");
    if text(spec, "serviceAccountName").is_empty() {
        spec["serviceAccountName"] = json!("default");
        spec["serviceAccount"] = json!("default");
    }
    let mut tolerations = items(spec, "tolerations").to_vec();
    for key in [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ] {
        let covered = tolerations.iter().any(|toleration| {
            let effect = text(toleration, "effect");
            matches!(text(toleration, "key"), found if found == key || found.is_empty())
                && matches!(effect, "NoExecute" | "")
        });
        if !covered {
            tolerations.push(json!({
                "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300,
            }));
        }
    }
    spec["tolerations"] = json!(tolerations);
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

/// Moves `stringData` into `data`.
pub(super) fn fold_string_data(secret: &mut Value) {
    let Some(fields) = secret.as_object_mut() else {
        return;
    };
    let Some(Value::Object(texts)) = fields.remove("stringData") else {
        return;
    };
    let data = fields.entry("data").or_insert_with(|| json!({}));
    if !data.is_object() {
        *data = json!({});
    }
    for (name, text) in texts {
        data[name] = json!(base64(text.as_str().unwrap_or("").as_bytes()));
    }
}

/// Base64 with padding.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = u32::from(chunk[0]) << 16
            | u32::from(chunk.get(1).copied().unwrap_or(0)) << 8
            | u32::from(chunk.get(2).copied().unwrap_or(0));
        for place in 0..4 {
            if place > chunk.len() {
                text.push('=');
            } else {
                let index = (word >> (18 - 6 * place)) & 63;
                text.push(char::from(LETTERS[index as usize]));
            }
        }
    }
    text
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
    fill(
        &mut spec["selector"]["matchLabels"],
        "batch.kubernetes.io/controller-uid",
        uid,
    );
}

/// Gives a Service its addresses and ports, keeping those that it has.
fn allocate(cluster: &Cluster, service: &mut Value, old: Option<&Value>) {
    let kind = text(&service["spec"], "type").to_owned();
    let spec = &mut service["spec"];
    if kind == "ExternalName" {
        return;
    }
    for name in [
        "clusterIP",
        "clusterIPs",
        "ipFamilies",
        "ipFamilyPolicy",
        "healthCheckNodePort",
    ] {
        let known = old.and_then(|old| old["spec"].get(name));
        if let Some(known) = known
            && spec.get(name).is_none()
        {
            spec[name] = known.clone();
        }
    }
    fill(spec, "ipFamilies", json!(["IPv4"]));
    fill(spec, "ipFamilyPolicy", "SingleStack");
    if text(spec, "clusterIP").is_empty() {
        spec["clusterIP"] = json!(free_address(cluster));
    }
    let address = spec["clusterIP"].clone();
    fill(spec, "clusterIPs", json!([address]));
    if let Some(fields) = spec.as_object_mut() {
        if !matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
            fields.remove("externalTrafficPolicy");
        }
        if kind != "LoadBalancer" {
            fields.remove("allocateLoadBalancerNodePorts");
        }
    }
    let wants_ports = kind == "NodePort"
        || kind == "LoadBalancer" && spec["allocateLoadBalancerNodePorts"] != false;
    let mut taken: Vec<i64> = Vec::new();
    if let Some(ports) = spec.get_mut("ports").and_then(Value::as_array_mut) {
        for port in ports {
            if !wants_ports {
                if let Some(fields) = port.as_object_mut() {
                    fields.remove("nodePort");
                }
                continue;
            }
            let known = old.and_then(|old| {
                let same = |other: &&Value| {
                    other["port"] == port["port"] && other["protocol"] == port["protocol"]
                };
                items(&old["spec"], "ports").iter().find(same)?["nodePort"].as_i64()
            });
            let wanted = port["nodePort"]
                .as_i64()
                .filter(|number| *number != 0)
                .or(known);
            let number = wanted.unwrap_or_else(|| free_port(cluster, &taken));
            taken.push(number);
            port["nodePort"] = json!(number);
        }
    }
}

fn services(cluster: &Cluster) -> Vec<Value> {
    let page = cluster
        .store()
        .list(&ResourceId::new("", "services"), None, None);
    let objects = page.map(|page| page.objects).unwrap_or_default();
    objects.iter().map(|stored| stored.value()).collect()
}

fn free_address(cluster: &Cluster) -> String {
    let services = services(cluster);
    loop {
        let [third, fourth] = random::<2>();
        let address = format!("10.96.{third}.{fourth}");
        let taken = services
            .iter()
            .any(|service| service["spec"]["clusterIP"] == address.as_str());
        // The first addresses are for services that everybody knows.
        if !taken && (third, fourth) > (0, 10) && (third, fourth) < (255, 255) {
            return address;
        }
    }
}

fn free_port(cluster: &Cluster, taken: &[i64]) -> i64 {
    let services = services(cluster);
    loop {
        let [high, low] = random::<2>();
        let number = 30000 + i64::from(u16::from_be_bytes([high, low]) % 2768);
        let mut ports = services
            .iter()
            .flat_map(|service| items(&service["spec"], "ports"));
        if !taken.contains(&number) && !ports.any(|port| port["nodePort"] == number) {
            return number;
        }
    }
}

/// Keeps what a request of this subresource does not write, and counts the change.
pub(crate) fn prepare_update(
    cluster: &Cluster,
    served: &Served,
    subresource: &str,
    old: &Value,
    new: &mut Value,
) {
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
        "status" => keep(new, "spec"),
        "finalize" => keep(new, "status"),
        _ if served.has_status() => keep(new, "status"),
        _ => {}
    }
    if served.is("", "Namespace") && subresource != "finalize" {
        new["spec"]["finalizers"] = old["spec"]["finalizers"].clone();
    }
    if served.is("", "Service") && subresource.is_empty() {
        allocate(cluster, new, Some(old));
    }
    if served.is("apiextensions.k8s.io", "CustomResourceDefinition") && subresource.is_empty() {
        remember_versions(new);
    }
    if served.counted && subresource != "status" && spec_changed(served, old, new) {
        let generation = old["metadata"]["generation"].as_i64().unwrap_or(0);
        new["metadata"]["generation"] = json!(generation + 1);
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
pub(crate) fn created_by_update(served: &Served) -> bool {
    let kind = (served.kind.group.as_str(), served.kind.kind.as_str());
    served.custom.is_none()
        && matches!(
            kind,
            ("coordination.k8s.io", "Lease")
                | ("", "Event" | "Endpoints" | "LimitRange" | "Service")
                | ("events.k8s.io", "Event")
        )
        && kind != ("", "Service")
}

/// Refuses the deletes that are never allowed.
pub(crate) fn admit_delete(served: &Served, value: &Value) -> Result<()> {
    let name = text(&value["metadata"], "name");
    if served.is("", "Namespace") && IMMORTAL.contains(&name) {
        let message = "this namespace may not be deleted";
        return Err(ApiError::forbidden(&served.resource(), name, message));
    }
    Ok(())
}

/// Why a disruption budget refuses the eviction of a pod.
pub(crate) fn disruption_refused(
    cluster: &Cluster,
    target: &Target,
    name: &ObjectName,
) -> Option<String> {
    let pod = cluster.store().get(&target.served.storage, name)?;
    let budgets = ResourceId::new("policy", "poddisruptionbudgets");
    let page = cluster
        .store()
        .list(&budgets, Some(&name.namespace), None)
        .ok()?;
    let pod = pod.value();
    for budget in page.objects {
        let budget = budget.value();
        let selector = crate::select::of_label_selector(&budget["spec"]["selector"]);
        let covers = selector.is_some_and(|selector| {
            crate::select::labels_match(&selector, pod["metadata"].get("labels"))
        });
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
