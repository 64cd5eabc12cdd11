//! What a cluster leaves alone until somebody wants it, and what it does by itself.

use std::time::Duration;

use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use super::{api, is_true, living, object, until};
use crate::{Cluster, Options};

const RBAC: &str = "rbac.authorization.k8s.io/v1";

fn role(name: &str, labels: Value, rules: Value) -> DynamicObject {
    object(json!({
        "apiVersion": RBAC, "kind": "ClusterRole",
        "metadata": {"name": name, "labels": labels}, "rules": rules,
    }))
}

async fn until_gone(api: &Api<DynamicObject>, name: &str) {
    for _ in 0..500 {
        if api.get_opt(name).await.expect("it answers").is_none() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{name} never went");
}

/// Objects of a kind that lives in no namespace.
fn everywhere(client: &Client, version: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let kind = GroupVersionKind::gvk(group, version, kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, plural);
    Api::all_with(client.clone(), &resource)
}

fn rule(resource: &str) -> Value {
    json!({"apiGroups": [""], "resources": [resource], "verbs": ["get"]})
}

#[tokio::test]
async fn an_aggregated_role_has_the_rules_of_the_roles_that_it_selects() {
    let (client, _tasks) = living();
    let roles = everywhere(&client, RBAC, "ClusterRole", "clusterroles");
    let selectors = json!([{"matchLabels": {"to": "all"}}, {"matchLabels": {"too": "all"}}]);
    let all = object(json!({
        "apiVersion": RBAC, "kind": "ClusterRole",
        "metadata": {"name": "all", "labels": {"to": "all"}},
        "aggregationRule": {"clusterRoleSelectors": selectors}, "rules": [],
    }));
    let twice = json!([rule("pods"), rule("services")]);
    for role in [
        all,
        role("b", json!({"to": "all"}), json!([rule("pods")])),
        role("a", json!({"to": "all"}), twice),
        role("c", json!({"too": "all"}), json!([rule("nodes")])),
        role("d", json!({"to": "other"}), json!([rule("secrets")])),
    ] {
        let created = roles.create(&PostParams::default(), &role).await;
        created.expect("created");
    }
    let has = |wanted: Value| move |role: &Value| role["rules"] == wanted;
    let wanted = json!([rule("pods"), rule("services"), rule("nodes")]);
    let all = until(&roles, "all", has(wanted)).await;
    let managers = all["metadata"]["managedFields"]
        .as_array()
        .expect("managers");
    let aggregator = managers
        .iter()
        .find(|manager| manager["manager"] == "clusterrole-aggregation-controller");
    let aggregator = aggregator.expect("it owns the rules");
    assert_eq!(aggregator["operation"], "Apply");
    assert_eq!(aggregator["fieldsV1"], json!({"f:rules": {}}));

    // Whoever takes the rules away loses them again; what is no longer selected goes.
    let none = Patch::Merge(json!({"rules": []}));
    let patched = roles.patch("all", &PatchParams::default(), &none).await;
    patched.expect("patched");
    let wanted = json!([rule("pods"), rule("services"), rule("nodes")]);
    until(&roles, "all", has(wanted)).await;
    let other = Patch::Merge(json!({"metadata": {"labels": {"to": null}}}));
    let patched = roles.patch("a", &PatchParams::default(), &other).await;
    patched.expect("patched");
    until(&roles, "all", has(json!([rule("pods"), rule("nodes")]))).await;
}

fn class(name: &str, mode: &str) -> DynamicObject {
    class_of(name, mode, "simulation.holdfast.dev")
}

fn class_of(name: &str, mode: &str, provisioner: &str) -> DynamicObject {
    object(json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": name}, "provisioner": provisioner,
        "volumeBindingMode": mode,
    }))
}

fn claim(name: &str, spec: Value) -> DynamicObject {
    let mut claim = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    });
    for (field, value) in spec.as_object().into_iter().flatten() {
        claim["spec"][field] = value.clone();
    }
    object(claim)
}

async fn make(api: &Api<DynamicObject>, object: DynamicObject) {
    let made = api.create(&PostParams::default(), &object).await;
    made.expect("created");
}

/// Why Events say that an object waits.
async fn reasons(events: &Api<DynamicObject>, name: &str) -> Vec<String> {
    let said = events.list(&ListParams::default()).await;
    let said = said.expect("a list").items.into_iter();
    let of_it = said.filter(|event| event.data["involvedObject"]["name"] == name);
    of_it
        .filter_map(|event| event.data["reason"].as_str().map(str::to_owned))
        .collect()
}

#[tokio::test]
async fn a_claim_that_nobody_provides_for_stays_pending_and_says_why() {
    let (client, _tasks) = living();
    let version = "storage.k8s.io/v1";
    let classes = everywhere(&client, version, "StorageClass", "storageclasses");
    let claims = api(
        &client,
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
    );
    let events = api(&client, "v1", "Event", "events");
    until(&classes, "standard", |_| true).await;
    let disks = class_of("disks", "Immediate", "example.org/disk");
    make(&classes, disks).await;
    let cases = [
        (
            "none",
            json!({"storageClassName": ""}),
            Some("FailedBinding"),
        ),
        (
            "gone",
            json!({"storageClassName": "gone"}),
            Some("ProvisioningFailed"),
        ),
        (
            "disk",
            json!({"storageClassName": "disks"}),
            Some("ExternalProvisioning"),
        ),
        ("named", json!({"volumeName": "not-there"}), None),
    ];
    for (name, spec, _) in &cases {
        make(&claims, claim(name, spec.clone())).await;
    }
    // The controllers work through what happens in order: when this one is bound, all others were seen.
    make(&claims, claim("bound", json!({}))).await;
    let bound = until(&claims, "bound", |claim| {
        claim["status"]["phase"] == "Bound"
    })
    .await;
    assert_eq!(bound["spec"]["storageClassName"], "standard");
    for (name, _, reason) in &cases {
        let waits = claims.get(name).await.expect("it is there");
        assert_eq!(waits.data["status"]["phase"], "Pending", "{name}");
        let expected: Vec<&str> = reason.iter().copied().collect();
        assert_eq!(reasons(&events, name).await, expected, "{name}");
    }

    // Who provides comes later.
    make(&classes, class("gone", "Immediate")).await;
    until(&claims, "gone", |claim| claim["status"]["phase"] == "Bound").await;
}

#[tokio::test]
async fn a_pod_whose_claim_has_no_class_yet_is_placed_when_there_is_one() {
    let (client, _tasks) = living();
    let version = "storage.k8s.io/v1";
    let classes = everywhere(&client, version, "StorageClass", "storageclasses");
    let claims = api(
        &client,
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
    );
    let pods = api(&client, "v1", "Pod", "pods");
    make(&claims, claim("data", json!({"storageClassName": "late"}))).await;
    let pod = object(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i"}],
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]},
    }));
    make(&pods, pod).await;
    until(&claims, "data", |claim| {
        claim["status"]["phase"] == "Pending"
    })
    .await;
    make(&classes, class("late", "WaitForFirstConsumer")).await;
    until(&pods, "p", |pod| is_true(pod, "Ready")).await;
}

#[tokio::test]
async fn a_claim_is_bound_to_the_smallest_volume_that_fits_as_soon_as_there_is_one() {
    let (client, _tasks) = living();
    let claims = api(
        &client,
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
    );
    let volumes = everywhere(&client, "v1", "PersistentVolume", "persistentvolumes");
    let wanted = claim("wanted", json!({"storageClassName": "by-hand"}));
    let created = claims.create(&PostParams::default(), &wanted).await;
    created.expect("created");
    until(&claims, "wanted", |claim| {
        claim["status"]["phase"] == "Pending"
    })
    .await;
    let volume = |name: &str, size: &str, class: &str, mode: &str| {
        object(json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
            "spec": {"capacity": {"storage": size}, "accessModes": [mode],
                "storageClassName": class, "hostPath": {"path": "/data"},
                "persistentVolumeReclaimPolicy": "Retain"},
        }))
    };
    for made in [
        volume("small", "512Mi", "by-hand", "ReadWriteOnce"),
        volume("other", "1Gi", "another", "ReadWriteOnce"),
        volume("read", "1Gi", "by-hand", "ReadOnlyMany"),
    ] {
        let created = volumes.create(&PostParams::default(), &made).await;
        created.expect("created");
    }
    for name in ["small", "other", "read"] {
        until(&volumes, name, |volume| {
            volume["status"]["phase"] == "Available"
        })
        .await;
    }
    let waits = claims.get("wanted").await.expect("it is there");
    assert_eq!(waits.data["status"]["phase"], "Pending");
    let made = volume("fits", "2Gi", "by-hand", "ReadWriteOnce");
    let created = volumes.create(&PostParams::default(), &made).await;
    created.expect("created");
    let bound = until(&claims, "wanted", |claim| {
        claim["status"]["phase"] == "Bound"
    })
    .await;
    assert_eq!(bound["spec"]["volumeName"], "fits");
    until(&volumes, "fits", |volume| {
        volume["status"]["phase"] == "Bound"
    })
    .await;
    let deleted = claims.delete("wanted", &DeleteParams::default()).await;
    deleted.expect("deleted");
    until(&volumes, "fits", |volume| {
        volume["status"]["phase"] == "Released"
    })
    .await;
}

#[tokio::test]
async fn a_claim_that_waits_for_its_first_consumer_is_bound_when_a_pod_uses_it() {
    let (client, _tasks) = living();
    let version = "storage.k8s.io/v1";
    let classes = everywhere(&client, version, "StorageClass", "storageclasses");
    let claims = api(
        &client,
        "v1",
        "PersistentVolumeClaim",
        "persistentvolumeclaims",
    );
    let events = api(&client, "v1", "Event", "events");
    let pods = api(&client, "v1", "Pod", "pods");
    for class in [
        class("late", "WaitForFirstConsumer"),
        class("now", "Immediate"),
    ] {
        let created = classes.create(&PostParams::default(), &class).await;
        created.expect("created");
    }
    for (name, class) in [("waits", "late"), ("bound", "now")] {
        let claim = object(json!({
            "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
            "spec": {"storageClassName": class, "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}}},
        }));
        let created = claims.create(&PostParams::default(), &claim).await;
        created.expect("created");
    }
    // The controllers work through what happens in order: when this one is bound, the other one,
    // which came first, was seen.
    until(&claims, "bound", |claim| {
        claim["status"]["phase"] == "Bound"
    })
    .await;
    let waits = claims.get("waits").await.expect("it is there");
    assert_eq!(waits.data["status"]["phase"], "Pending");
    assert!(waits.data["spec"].get("volumeName").is_none());
    let told = events.list(&ListParams::default()).await;
    let told = told.expect("a list").items;
    let reasons = told
        .iter()
        .filter(|event| event.data["involvedObject"]["name"] == "waits");
    let reasons: Vec<&Value> = reasons.map(|event| &event.data["reason"]).collect();
    assert_eq!(reasons, ["WaitForFirstConsumer"]);

    let pod = object(json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i"}],
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "waits"}}]},
    }));
    let created = pods.create(&PostParams::default(), &pod).await;
    created.expect("created");
    let bound = until(&claims, "waits", |claim| {
        claim["status"]["phase"] == "Bound"
    })
    .await;
    let node = &bound["metadata"]["annotations"]["volume.kubernetes.io/selected-node"];
    let pod = until(&pods, "p", |pod| is_true(pod, "Ready")).await;
    assert_eq!(&pod["spec"]["nodeName"], node);
}

#[tokio::test]
async fn a_job_that_has_ended_goes_after_its_time_to_live_and_one_that_has_not_stays() {
    let (client, _tasks) = living();
    let jobs = api(&client, "batch/v1", "Job", "jobs");
    let job = |name: &str, ttl: u64, suspend: bool| {
        object(json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
            "spec": {"ttlSecondsAfterFinished": ttl, "suspend": suspend, "template": {
                "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]},
            }},
        }))
    };
    for job in [
        job("kept", 3_600, false),
        job("waits", 0, true),
        job("gone", 0, false),
    ] {
        let created = jobs.create(&PostParams::default(), &job).await;
        created.expect("created");
    }
    until(&jobs, "kept", |job| is_true(job, "Complete")).await;
    until_gone(&jobs, "gone").await;
    let waits = until(&jobs, "waits", |job| is_true(job, "Suspended")).await;
    assert!(waits["status"].get("startTime").is_none());
    jobs.get("kept").await.expect("it is there");
    let resume = Patch::Merge(json!({"spec": {"suspend": false}}));
    let patched = jobs.patch("waits", &PatchParams::default(), &resume).await;
    patched.expect("patched");
    until_gone(&jobs, "waits").await;
}

#[tokio::test]
async fn who_makes_a_mutating_policy_which_is_not_enforced_is_warned() {
    let client = Client::new(Cluster::new(Options::default()).service(), "default");
    let group = "admissionregistration.k8s.io";
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": "a"}, "spec": {"policyName": "a"},
    });
    let request = http::Request::post(format!("/apis/{group}/v1/mutatingadmissionpolicybindings"))
        .header("content-type", "application/json")
        .body(kube::client::Body::from(binding.to_string().into_bytes()))
        .expect("it is a request");
    let response = client.send(request).await.expect("it is answered");
    assert_eq!(response.status(), 201);
    let warning = response.headers().get("warning").expect("it is warned");
    let warning = warning.to_str().expect("it is text");
    assert!(warning.contains("does not enforce them"), "{warning}");
}
