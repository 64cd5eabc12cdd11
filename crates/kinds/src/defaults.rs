//! The values that absent fields of built-in kinds stand for.
//! It must not know whether an object is new.

use holdfast_model::Value;
use holdfast_schema::{Kind, Shape, TypeRef};
use serde_json::json;

use crate::fields::{fill, items, items_mut, text};
use crate::{autoscalers, pods, secret as secrets};

/// How long a client is sent to the same endpoint when nothing else is said, in seconds.
const AFFINITY_SECONDS: i64 = 10_800;

/// Puts in what absent fields of an object of a built-in kind stand for.
pub fn default_built_in(kind: &Kind, value: &mut Value) {
    marked(value, &kind.type_ref);
    match (kind.group.as_str(), kind.kind.as_str()) {
        ("", "Pod") => pods::default_pod(value),
        ("", "PodTemplate") => pods::default_template(&mut value["template"]),
        ("", "ReplicationController") => replication_controller(value),
        ("", "Service") => service(value),
        ("", "Secret") => secret(value),
        ("", "Namespace") => namespace(value),
        ("", "PersistentVolumeClaim") => claim(value),
        ("", "PersistentVolume") => volume(value),
        ("apps", "Deployment") => deployment(value),
        ("apps", "ReplicaSet") => {
            fill(&mut value["spec"], "replicas", 1);
            pods::default_template(&mut value["spec"]["template"]);
        }
        ("apps", "DaemonSet") => daemon_set(value),
        ("apps", "StatefulSet") => stateful_set(value),
        ("batch", "Job") => job_spec(&mut value["spec"]),
        ("batch", "CronJob") => cron_job(value),
        ("autoscaling", "HorizontalPodAutoscaler") => autoscaler(value),
        ("networking.k8s.io", "NetworkPolicy") => network_policy(value),
        ("networking.k8s.io", "IngressClass") => ingress_class(value),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => binding(value),
        ("storage.k8s.io", "StorageClass") => {
            fill(value, "reclaimPolicy", "Delete");
            fill(value, "volumeBindingMode", "Immediate");
        }
        ("storage.k8s.io", "CSIDriver") => csi_driver(value),
        ("scheduling.k8s.io", "PriorityClass") => {
            fill(value, "preemptionPolicy", "PreemptLowerPriority");
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(value),
        ("admissionregistration.k8s.io", kind) => admission(kind, value),
        ("resource.k8s.io", "ResourceClaim") => {
            device_requests(value.pointer_mut("/spec/devices"));
        }
        ("resource.k8s.io", "ResourceClaimTemplate") => {
            device_requests(value.pointer_mut("/spec/spec/devices"));
        }
        ("discovery.k8s.io", "EndpointSlice") => {
            for port in items_mut(value, "ports") {
                fill(port, "name", "");
                fill(port, "protocol", "TCP");
            }
        }
        ("", "LimitRange") => limit_range(value),
        ("", "Endpoints") => {
            for subset in items_mut(value, "subsets") {
                for port in items_mut(subset, "ports") {
                    fill(port, "protocol", "TCP");
                }
            }
        }
        _ => {}
    }
}

/// Defaults that the type itself is marked with, beyond Go's zeros.
fn marked(value: &mut Value, type_ref: &TypeRef) {
    match (value, type_ref.shape()) {
        (Value::Object(fields), Shape::Struct(object)) => {
            for field in &object.fields {
                if let Some(default) = &field.default
                    && !is_zero(default)
                    && fields.get(&field.name).is_none_or(Value::is_null)
                {
                    fields.insert(field.name.clone(), default.clone());
                }
                if let Some(child) = fields.get_mut(&field.name) {
                    marked(child, &field.type_ref);
                }
            }
        }
        (Value::Object(fields), Shape::Map(map)) => {
            fields
                .values_mut()
                .for_each(|child| marked(child, &map.item));
        }
        (Value::Array(items), Shape::List(list)) => {
            items.iter_mut().for_each(|item| marked(item, &list.item));
        }
        _ => {}
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(truth) => !truth,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

fn replication_controller(value: &mut Value) {
    let spec = &mut value["spec"];
    fill(spec, "replicas", 1);
    let labels = spec["template"]["metadata"]["labels"].clone();
    if spec["template"].is_object() {
        pods::default_template(&mut spec["template"]);
    }
    if labels.is_object() {
        fill(spec, "selector", labels.clone());
        fill(&mut value["metadata"], "labels", labels);
    }
}

fn deployment(value: &mut Value) {
    let spec = &mut value["spec"];
    fill(spec, "replicas", 1);
    fill(spec, "revisionHistoryLimit", 10);
    fill(spec, "progressDeadlineSeconds", 600);
    let strategy = &mut spec["strategy"];
    if text(strategy, "type").is_empty() {
        strategy["type"] = json!("RollingUpdate");
    }
    if strategy["type"] == "RollingUpdate" {
        fill(strategy, "rollingUpdate", json!({}));
        fill(&mut strategy["rollingUpdate"], "maxUnavailable", "25%");
        fill(&mut strategy["rollingUpdate"], "maxSurge", "25%");
    }
    pods::default_template(&mut spec["template"]);
}

fn daemon_set(value: &mut Value) {
    let metadata = &mut value["metadata"];
    fill(metadata, "annotations", json!({}));
    let annotations = &mut metadata["annotations"];
    fill(annotations, "deprecated.daemonset.template.generation", "1");
    let spec = &mut value["spec"];
    fill(spec, "revisionHistoryLimit", 10);
    let strategy = &mut spec["updateStrategy"];
    if text(strategy, "type").is_empty() {
        strategy["type"] = json!("RollingUpdate");
    }
    if strategy["type"] == "RollingUpdate" {
        fill(strategy, "rollingUpdate", json!({}));
        fill(&mut strategy["rollingUpdate"], "maxUnavailable", 1);
        fill(&mut strategy["rollingUpdate"], "maxSurge", 0);
    }
    pods::default_template(&mut spec["template"]);
}

fn stateful_set(value: &mut Value) {
    let spec = &mut value["spec"];
    fill(spec, "replicas", 1);
    fill(spec, "revisionHistoryLimit", 10);
    if text(spec, "podManagementPolicy").is_empty() {
        spec["podManagementPolicy"] = json!("OrderedReady");
    }
    let strategy = &mut spec["updateStrategy"];
    if text(strategy, "type").is_empty() {
        strategy["type"] = json!("RollingUpdate");
        fill(strategy, "rollingUpdate", json!({}));
    }
    if strategy["type"] == "RollingUpdate" && strategy["rollingUpdate"].is_object() {
        fill(&mut strategy["rollingUpdate"], "partition", 0);
        fill(&mut strategy["rollingUpdate"], "maxUnavailable", 1);
    }
    fill(spec, "persistentVolumeClaimRetentionPolicy", json!({}));
    let retention = &mut spec["persistentVolumeClaimRetentionPolicy"];
    fill(retention, "whenDeleted", "Retain");
    fill(retention, "whenScaled", "Retain");
    for template in items_mut(spec, "volumeClaimTemplates") {
        fill(template, "apiVersion", "v1");
        fill(template, "kind", "PersistentVolumeClaim");
        claim(template);
    }
    pods::default_template(&mut spec["template"]);
}

fn job_spec(spec: &mut Value) {
    let unset = |spec: &Value, name: &str| spec.get(name).is_none_or(Value::is_null);
    if unset(spec, "completions") && unset(spec, "parallelism") {
        fill(spec, "completions", 1);
    }
    fill(spec, "parallelism", 1);
    fill(spec, "backoffLimit", 6);
    fill(spec, "completionMode", "NonIndexed");
    fill(spec, "suspend", false);
    fill(spec, "manualSelector", false);
    let policy = match spec.get("podFailurePolicy") {
        Some(_) => "Failed",
        None => "TerminatingOrFailed",
    };
    fill(spec, "podReplacementPolicy", policy);
    failure_conditions(spec);
    pods::default_template(&mut spec["template"]);
}

/// A condition of a pod that a policy names is asked for as true.
fn failure_conditions(spec: &mut Value) {
    let rules = spec.pointer_mut("/podFailurePolicy/rules");
    for rule in rules.and_then(Value::as_array_mut).into_iter().flatten() {
        for pattern in items_mut(rule, "onPodConditions") {
            if text(pattern, "status").is_empty() {
                pattern["status"] = json!("True");
            }
        }
    }
}

fn limit_range(value: &mut Value) {
    for limit in items_mut(&mut value["spec"], "limits") {
        if limit["type"] != "Container" {
            continue;
        }
        for (from, to) in [
            ("max", "default"),
            ("default", "defaultRequest"),
            ("min", "defaultRequest"),
        ] {
            let amounts = limit[from].as_object().cloned().unwrap_or_default();
            for (name, amount) in amounts {
                fill(limit, to, json!({}));
                fill(&mut limit[to], &name, amount);
            }
        }
    }
}

fn cron_job(value: &mut Value) {
    let spec = &mut value["spec"];
    fill(spec, "concurrencyPolicy", "Allow");
    fill(spec, "suspend", false);
    fill(spec, "successfulJobsHistoryLimit", 3);
    fill(spec, "failedJobsHistoryLimit", 1);
    let job = &mut spec["jobTemplate"]["spec"];
    // What a job is created from has no counts of its own until then.
    failure_conditions(job);
    pods::default_template(&mut job["template"]);
}

fn service(value: &mut Value) {
    let spec = &mut value["spec"];
    fill(spec, "sessionAffinity", "None");
    if spec["sessionAffinity"] == "None"
        && let Some(fields) = spec.as_object_mut()
    {
        fields.remove("sessionAffinityConfig");
    }
    if spec["sessionAffinity"] == "ClientIP"
        && spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"].is_null()
    {
        spec["sessionAffinityConfig"] = json!({"clientIP": {"timeoutSeconds": AFFINITY_SECONDS}});
    }
    fill(spec, "type", "ClusterIP");
    let kind = text(spec, "type").to_owned();
    for port in items_mut(spec, "ports") {
        fill(port, "protocol", "TCP");
        let number = port["port"].clone();
        let target = port.get("targetPort");
        if target.is_none_or(|target| target == 0 || target == "" || target.is_null()) {
            port["targetPort"] = number;
        }
    }
    let is_outward = match kind.as_str() {
        "NodePort" | "LoadBalancer" => true,
        "ClusterIP" => !items(spec, "externalIPs").is_empty(),
        _ => false,
    };
    if is_outward {
        fill(spec, "externalTrafficPolicy", "Cluster");
    }
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer" | "ClusterIP") {
        fill(spec, "internalTrafficPolicy", "Cluster");
    }
    if kind == "LoadBalancer" {
        fill(spec, "allocateLoadBalancerNodePorts", true);
        let ways = value.pointer_mut("/status/loadBalancer/ingress");
        for way in ways.and_then(Value::as_array_mut).into_iter().flatten() {
            if !text(way, "ip").is_empty() {
                fill(way, "ipMode", "VIP");
            }
        }
    }
}

fn secret(value: &mut Value) {
    secrets::fold_string_data(value);
    fill(value, "type", "Opaque");
    if value["type"] == "" {
        value["type"] = json!("Opaque");
    }
}

fn namespace(value: &mut Value) {
    let name = value["metadata"]["name"].clone();
    if name.is_string() {
        let metadata = &mut value["metadata"];
        fill(metadata, "labels", json!({}));
        metadata["labels"]["kubernetes.io/metadata.name"] = name;
    }
}

fn claim(value: &mut Value) {
    fill(&mut value["spec"], "volumeMode", "Filesystem");
    fill(value, "status", json!({}));
    fill(&mut value["status"], "phase", "Pending");
}

fn volume(value: &mut Value) {
    let spec = &mut value["spec"];
    fill(spec, "persistentVolumeReclaimPolicy", "Retain");
    fill(spec, "volumeMode", "Filesystem");
    if spec["hostPath"].is_object() {
        fill(&mut spec["hostPath"], "type", "");
    }
    fill(&mut value["status"], "phase", "Pending");
}

fn autoscaler(value: &mut Value) {
    let spec = &mut value["spec"];
    fill(spec, "minReplicas", 1);
    if value["apiVersion"] == "autoscaling/v1" {
        // What it is aimed at comes of the other version, which knows all of it.
        autoscalers::to_second(value);
        autoscalers::to_first(value);
    } else {
        let spec = &mut value["spec"];
        fill(
            spec,
            "metrics",
            json!([{"type": "Resource", "resource": {"name": "cpu", "target": {
                "type": "Utilization", "averageUtilization": 80}}}]),
        );
        if let Some(behaviour) = spec.get_mut("behavior").filter(|found| found.is_object()) {
            scaling(behaviour);
        }
    }
}

/// Rules that say something about scaling say all of it.
fn scaling(behaviour: &mut Value) {
    let percent = json!({"type": "Percent", "value": 100, "periodSeconds": 15});
    let pods = json!({"type": "Pods", "value": 4, "periodSeconds": 15});
    for (direction, policies) in [
        ("scaleUp", json!([pods, percent])),
        ("scaleDown", json!([percent])),
    ] {
        fill(behaviour, direction, json!({}));
        let rules = &mut behaviour[direction];
        fill(rules, "selectPolicy", "Max");
        fill(rules, "policies", policies);
        if direction == "scaleUp" {
            fill(rules, "stabilizationWindowSeconds", 0);
        }
    }
}

fn ingress_class(value: &mut Value) {
    if let Some(parameters) = value.pointer_mut("/spec/parameters")
        && parameters.is_object()
    {
        fill(parameters, "scope", "Cluster");
    }
}

fn network_policy(value: &mut Value) {
    let spec = &mut value["spec"];
    for direction in ["ingress", "egress"] {
        for rule in items_mut(spec, direction) {
            for port in items_mut(rule, "ports") {
                fill(port, "protocol", "TCP");
            }
        }
    }
    let egress = spec.get("egress").is_some();
    let types = if egress {
        json!(["Ingress", "Egress"])
    } else {
        json!(["Ingress"])
    };
    fill(spec, "policyTypes", types);
}

fn binding(value: &mut Value) {
    const GROUP: &str = "rbac.authorization.k8s.io";
    if text(&value["roleRef"], "apiGroup").is_empty() {
        value["roleRef"]["apiGroup"] = json!(GROUP);
    }
    for subject in items_mut(value, "subjects") {
        if text(subject, "apiGroup").is_empty() && text(subject, "kind") != "ServiceAccount" {
            subject["apiGroup"] = json!(GROUP);
        }
    }
}

fn csi_driver(value: &mut Value) {
    let spec = &mut value["spec"];
    fill(spec, "attachRequired", true);
    fill(spec, "podInfoOnMount", false);
    fill(spec, "storageCapacity", false);
    fill(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    fill(spec, "requiresRepublish", false);
    fill(spec, "volumeLifecycleModes", json!(["Persistent"]));
    fill(spec, "seLinuxMount", false);
}

fn definition(value: &mut Value) {
    let spec = &mut value["spec"];
    let kind = text(&spec["names"], "kind").to_owned();
    fill(&mut spec["names"], "singular", kind.to_lowercase());
    fill(&mut spec["names"], "listKind", format!("{kind}List"));
    fill(spec, "conversion", json!({"strategy": "None"}));
    let stored = items(spec, "versions")
        .iter()
        .find(|version| version["storage"] == true)
        .map(|version| version["name"].clone());
    let status = &mut value["status"];
    if items(status, "storedVersions").is_empty()
        && let Some(stored) = stored
    {
        status["storedVersions"] = json!([stored]);
    }
}

fn webhooks(value: &mut Value, mutating: bool) {
    for hook in items_mut(value, "webhooks") {
        fill(hook, "failurePolicy", "Fail");
        fill(hook, "matchPolicy", "Equivalent");
        fill(hook, "namespaceSelector", json!({}));
        fill(hook, "objectSelector", json!({}));
        fill(hook, "timeoutSeconds", 10);
        if mutating {
            fill(hook, "reinvocationPolicy", "Never");
        }
        for rule in items_mut(hook, "rules") {
            fill(rule, "scope", "*");
        }
        if hook["clientConfig"]["service"].is_object() {
            fill(&mut hook["clientConfig"]["service"], "port", 443);
        }
    }
}

fn admission(kind: &str, value: &mut Value) {
    match kind {
        "ValidatingWebhookConfiguration" => webhooks(value, false),
        "MutatingWebhookConfiguration" => webhooks(value, true),
        "ValidatingAdmissionPolicy" | "MutatingAdmissionPolicy" => {
            fill(&mut value["spec"], "failurePolicy", "Fail");
            matched(&mut value["spec"], "matchConstraints");
        }
        "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding" => {
            matched(&mut value["spec"], "matchResources");
        }
        _ => {}
    }
}

/// What an admission policy, or a binding of one, matches.
fn matched(spec: &mut Value, place: &str) {
    let Some(resources) = spec.get_mut(place).filter(|found| found.is_object()) else {
        return;
    };
    fill(resources, "matchPolicy", "Equivalent");
    fill(resources, "namespaceSelector", json!({}));
    fill(resources, "objectSelector", json!({}));
    for rules in ["resourceRules", "excludeResourceRules"] {
        for rule in items_mut(resources, rules) {
            fill(rule, "scope", "*");
        }
    }
}

/// How many devices each request of a claim is for.
fn device_requests(devices: Option<&mut Value>) {
    let Some(devices) = devices else {
        return;
    };
    let count = |request: &mut Value| {
        fill(request, "allocationMode", "ExactCount");
        if request["allocationMode"] == "ExactCount" {
            fill(request, "count", 1);
        }
    };
    for request in items_mut(devices, "requests") {
        if let Some(exactly) = request.get_mut("exactly").filter(|found| found.is_object()) {
            count(exactly);
        }
        items_mut(request, "firstAvailable")
            .iter_mut()
            .for_each(count);
    }
}
