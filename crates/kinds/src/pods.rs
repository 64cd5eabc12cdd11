//! Defaults of pods and of what pods are made from. It must not know workloads.

use holdfast_model::Value;
use serde_json::json;

use crate::fields::{fill, items, items_mut, text};

/// The mode of files that a volume brings, 0644.
const FILE_MODE: i32 = 420;
/// How long a pod tolerates a node in trouble.
const TOLERATION_SECONDS: i64 = 300;
const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// Pods stay for a while on a node that is in trouble, unless they say otherwise: what the admission
/// plug-in DefaultTolerationSeconds adds at every write of a pod.
pub fn tolerate_trouble(pod: &mut Value) {
    let mut tolerations = items(&pod["spec"], "tolerations").to_vec();
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
                "key": key, "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": TOLERATION_SECONDS,
            }));
        }
    }
    pod["spec"]["tolerations"] = json!(tolerations);
}

/// Defaults of a pod.
pub(crate) fn default_pod(pod: &mut Value) {
    // The newer field holds all addresses, of which the older one is the first.
    let address = text(&pod["status"], "podIP").to_owned();
    let first = pod["status"]["podIPs"].get(0);
    if !address.is_empty() && first.is_none_or(|first| text(first, "ip") != address) {
        pod["status"]["podIPs"] = json!([{"ip": address}]);
    }
    let spec = &mut pod["spec"];
    if !spec.is_object() {
        return;
    }
    default_spec(spec);
    if spec["terminationGracePeriodSeconds"]
        .as_i64()
        .is_some_and(|seconds| seconds < 0)
    {
        spec["terminationGracePeriodSeconds"] = json!(1);
    }
    fill(spec, "enableServiceLinks", true);
    let host_network = spec["hostNetwork"] == true;
    for list in ["initContainers", "containers"] {
        for container in items_mut(spec, list) {
            if host_network {
                for port in items_mut(container, "ports") {
                    let number = port["containerPort"].clone();
                    fill(port, "hostPort", number);
                }
            }
            let limits = container["resources"]["limits"].clone();
            for (name, limit) in limits.as_object().into_iter().flatten() {
                fill(&mut container["resources"], "requests", json!({}));
                fill(&mut container["resources"]["requests"], name, limit.clone());
            }
        }
    }
}

/// Defaults of a pod template.
pub(crate) fn default_template(template: &mut Value) {
    if template["spec"].is_object() {
        default_spec(&mut template["spec"]);
    }
}

fn default_spec(spec: &mut Value) {
    fill(spec, "restartPolicy", "Always");
    fill(spec, "dnsPolicy", "ClusterFirst");
    fill(spec, "terminationGracePeriodSeconds", 30);
    fill(spec, "schedulerName", "default-scheduler");
    fill(spec, "securityContext", json!({}));
    // The old name of the field is still written.
    match (
        text(spec, "serviceAccountName"),
        text(spec, "serviceAccount"),
    ) {
        ("", "") => {}
        ("", old) => spec["serviceAccountName"] = json!(old),
        (new, _) => spec["serviceAccount"] = json!(new),
    }
    for list in CONTAINER_LISTS {
        for container in items_mut(spec, list) {
            default_container(container);
        }
    }
    for volume in items_mut(spec, "volumes") {
        default_volume(volume);
    }
}

fn default_container(container: &mut Value) {
    let image = text(container, "image").to_owned();
    if text(container, "imagePullPolicy").is_empty() {
        let policy = if is_latest(&image) {
            "Always"
        } else {
            "IfNotPresent"
        };
        container["imagePullPolicy"] = json!(policy);
    }
    fill(container, "terminationMessagePath", "/dev/termination-log");
    fill(container, "terminationMessagePolicy", "File");
    for port in items_mut(container, "ports") {
        fill(port, "protocol", "TCP");
    }
    for variable in items_mut(container, "env") {
        let source = &mut variable["valueFrom"];
        if source["fieldRef"].is_object() {
            fill(&mut source["fieldRef"], "apiVersion", "v1");
        } else if source.is_null()
            && let Some(fields) = variable.as_object_mut()
        {
            fields.remove("valueFrom");
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe).filter(|probe| probe.is_object()) {
            default_probe(probe);
        }
    }
    for hook in ["postStart", "preStop"] {
        let handler = container
            .get_mut("lifecycle")
            .and_then(|handlers| handlers.get_mut(hook));
        if let Some(handler) = handler {
            default_http(handler);
        }
    }
}

/// Whether an image has no tag, or the tag `latest`, and no digest.
fn is_latest(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    match name.split_once(':') {
        None => true,
        Some((_, tag)) => tag == "latest",
    }
}

fn default_probe(probe: &mut Value) {
    for (name, value) in [
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ] {
        fill(probe, name, value);
    }
    default_http(probe);
    if probe["grpc"].is_object() {
        fill(&mut probe["grpc"], "service", "");
    } else if let Some(fields) = probe.as_object_mut()
        && fields.get("grpc").is_some_and(Value::is_null)
    {
        fields.remove("grpc");
    }
}

fn default_http(handler: &mut Value) {
    if let Some(get) = handler.get_mut("httpGet").filter(|get| get.is_object()) {
        fill(get, "path", "/");
        fill(get, "scheme", "HTTP");
    }
}

fn default_volume(volume: &mut Value) {
    let Some(fields) = volume.as_object_mut() else {
        return;
    };
    if fields.keys().all(|name| name == "name") {
        fields.insert("emptyDir".to_owned(), json!({}));
    }
    for kind in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = volume.get_mut(kind).filter(|source| source.is_object()) {
            fill(source, "defaultMode", FILE_MODE);
        }
    }
    if let Some(path) = volume.get_mut("hostPath").filter(|path| path.is_object()) {
        fill(path, "type", "");
    }
    if let Some(source) = volume.get_mut("downwardAPI") {
        default_downward(source);
    }
    if let Some(projected) = volume.get_mut("projected") {
        for source in items_mut(projected, "sources") {
            if let Some(token) = source.get_mut("serviceAccountToken") {
                fill(token, "expirationSeconds", 3600);
            }
            if let Some(downward) = source.get_mut("downwardAPI") {
                default_downward(downward);
            }
        }
    }
    let template = volume
        .get_mut("ephemeral")
        .and_then(|ephemeral| ephemeral.get_mut("volumeClaimTemplate"))
        .and_then(|template| template.get_mut("spec"));
    if let Some(spec) = template {
        fill(spec, "volumeMode", "Filesystem");
    }
}

fn default_downward(source: &mut Value) {
    for item in items_mut(source, "items") {
        if let Some(field) = item.get_mut("fieldRef") {
            fill(field, "apiVersion", "v1");
        }
    }
}
