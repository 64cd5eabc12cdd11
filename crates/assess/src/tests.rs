//! Tests of the differ and of health.

use holdfast_model::Value;
use holdfast_model::object::{GroupKind, LiveObject, Manager, ManagerOperation, Object, Origin};
use holdfast_model::packed::Packed;
use serde_json::json;

use crate::diff::{differences, learn};
use crate::health::{Health, judge};
use crate::ownership;

fn object(value: Value) -> Object {
    Object::new(value, Origin::default()).expect("the test gives an object")
}

fn live(value: Value, managers: Vec<Manager>) -> LiveObject {
    LiveObject {
        key: object(value.clone()).versioned_key(),
        value: Packed::new(&value),
        managers: managers.into(),
    }
}

fn manager(name: &str, operation: ManagerOperation, fields: Value) -> Manager {
    Manager {
        name: name.into(),
        operation,
        subresource: "".into(),
        time: "2026-01-01T00:00:00Z".into(),
        fields: Packed::new(&fields),
    }
}

fn with(mut base: Value, pointer: &str, value: Value) -> Value {
    crate::pointer::set(&mut base, pointer, value);
    base
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}},
        "spec": {"replicas": 2, "template": {"spec": {"containers": [
            {"name": "web", "image": "web:1", "ports": [{"containerPort": 80}],
             "resources": {"limits": {"cpu": "0.5", "memory": "1Gi"}}}]}}},
    })
}

/// Paths of the differences between a desired and a live value.
fn check(desired: Value, given: Value, expected: &[&str]) {
    let found = differences(
        &object(desired),
        &live(given, vec![]),
        &[],
        None,
        "holdfast",
    );
    let paths: Vec<&str> = found
        .iter()
        .map(|difference| difference.path.as_str())
        .collect();
    assert_eq!(paths, expected);
}

#[test]
fn what_the_server_adds_is_no_difference() {
    let given = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "uid": "u",
            "annotations": {"deployment.kubernetes.io/revision": "1"}},
        "spec": {"replicas": 2, "revisionHistoryLimit": 10, "template": {"spec": {
            "restartPolicy": "Always", "containers": [
            {"name": "web", "image": "web:1", "imagePullPolicy": "IfNotPresent",
             "ports": [{"containerPort": 80, "protocol": "TCP"}],
             "resources": {"limits": {"cpu": "500m", "memory": "1Gi"}}}]}}},
        "status": {"replicas": 2},
    });
    check(deployment(), given, &[]);
}

#[test]
fn a_changed_field_is_named_by_its_place() {
    check(
        deployment(),
        with(
            deployment(),
            "/spec/template/spec/containers/0/image",
            json!("web:2"),
        ),
        &["/spec/template/spec/containers/0/image"],
    );
    check(
        deployment(),
        with(deployment(), "/metadata/labels", json!({})),
        &["/metadata/labels/app"],
    );
}

#[test]
fn a_container_that_others_put_in_front_does_not_shift_ours() {
    let given = with(
        deployment(),
        "/spec/template/spec/containers",
        json!([{"name": "sidecar", "image": "mesh:1"},
            deployment()["spec"]["template"]["spec"]["containers"][0].clone()]),
    );
    check(deployment(), given, &[]);
}

#[test]
fn a_list_without_keys_is_compared_in_full() {
    let base = json!({"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"}, "args": ["a"]});
    check(
        base.clone(),
        with(base, "/args", json!(["a", "b"])),
        &["/args"],
    );
}

#[test]
fn string_data_is_compared_with_what_the_server_made_of_it() {
    let desired = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "stringData": {"password": "hunter2", "user": "me"}});
    let given = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
        "data": {"password": "aHVudGVyMg==", "user": "eW91"}});
    check(desired, given, &["/stringData/user"]);
}

#[test]
fn a_field_that_we_applied_and_dropped_is_to_go() {
    let desired = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"},
        "immutable": false});
    let given = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "c", "labels": {"old": "1", "theirs": "1"}}, "immutable": false});
    let managers = vec![
        manager(
            "holdfast",
            ManagerOperation::Apply,
            json!({"f:metadata": {"f:labels": {"f:old": {}}}, "f:immutable": {}}),
        ),
        manager(
            "other",
            ManagerOperation::Update,
            json!({"f:metadata": {"f:labels": {"f:theirs": {}}}}),
        ),
    ];
    let found = differences(
        &object(desired),
        &live(given, managers),
        &[],
        None,
        "holdfast",
    );
    let paths: Vec<&str> = found
        .iter()
        .map(|difference| difference.path.as_str())
        .collect();
    assert_eq!(paths, ["/metadata/labels"]);
}

#[test]
fn what_the_server_insists_on_is_learned_until_it_changes() {
    let desired = object(with(deployment(), "/spec/replicas", json!(0)));
    let normalised = live(with(deployment(), "/spec/replicas", json!(1)), vec![]);
    let learned = learn(&desired, &normalised, "holdfast");
    assert_eq!(
        differences(&desired, &normalised, &[], Some(&learned), "holdfast"),
        []
    );
    let drifted = live(with(deployment(), "/spec/replicas", json!(7)), vec![]);
    assert_eq!(
        differences(&desired, &drifted, &[], Some(&learned), "holdfast").len(),
        1
    );
}

#[test]
fn the_owner_of_a_field_in_a_keyed_list_is_found() {
    let given = live(
        deployment(),
        vec![
            manager(
                "holdfast",
                ManagerOperation::Apply,
                json!({"f:spec": {"f:replicas": {}}}),
            ),
            manager(
                "kubectl-edit",
                ManagerOperation::Update,
                json!({"f:spec": {"f:template": {
                "f:spec": {"f:containers": {"k:{\"name\":\"web\"}": {"f:image": {}}}}}}}),
            ),
        ],
    );
    let path = "/spec/template/spec/containers/0/image";
    let owners = ownership::other_owners(&given, path, "holdfast");
    assert_eq!(owners.len(), 1);
    assert_eq!(&*owners[0].name, "kubectl-edit");
    assert!(ownership::other_owners(&given, "/spec/replicas", "holdfast").is_empty());
}

fn check_health(group: &str, kind: &str, value: Value, health: Health, message: &str) {
    let verdict = judge(&GroupKind::new(group, kind), &value);
    assert_eq!(
        (verdict.health, verdict.message.as_str()),
        (health, message)
    );
}

#[test]
fn a_deployment_is_healthy_when_every_replica_is_new_and_available() {
    let status = |value: Value| json!({"metadata": {"generation": 2}, "spec": {"replicas": 3}, "status": value});
    let check = |value: Value, health: Health, message: &str| {
        check_health("apps", "Deployment", status(value), health, message);
    };
    check(
        json!({"observedGeneration": 1}),
        Health::Progressing,
        "its controller has not seen the newest change yet",
    );
    check(
        json!({"observedGeneration": 2, "replicas": 4, "updatedReplicas": 2, "availableReplicas": 3}),
        Health::Progressing,
        "2 of 3 replicas updated",
    );
    check(
        json!({"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}),
        Health::Healthy,
        "",
    );
    check(
        json!({"observedGeneration": 2, "conditions": [{"type": "Progressing", "status": "False",
            "reason": "ProgressDeadlineExceeded", "message": "timed out"}]}),
        Health::Degraded,
        "ProgressDeadlineExceeded: timed out",
    );
}

#[test]
fn a_pod_says_which_container_is_stuck() {
    check_health(
        "",
        "Pod",
        json!({"status": {"phase": "Pending", "containerStatuses": [{"name": "web",
            "state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}]}}),
        Health::Degraded,
        "container web: ImagePullBackOff no such image",
    );
}

#[test]
fn an_unknown_kind_is_judged_by_its_ready_condition() {
    let ready = |status: &str| json!({"status": {"conditions": [{"type": "Ready", "status": status, "reason": "R"}]}});
    check_health("example.org", "Widget", ready("True"), Health::Healthy, "");
    check_health(
        "example.org",
        "Widget",
        ready("False"),
        Health::Progressing,
        "R",
    );
    check_health("example.org", "Widget", json!({}), Health::Healthy, "");
}

#[test]
fn what_is_being_deleted_names_its_finalizers() {
    check_health(
        "",
        "Namespace",
        json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["a/b"]}}),
        Health::Terminating,
        "being deleted; waits for a/b",
    );
}
