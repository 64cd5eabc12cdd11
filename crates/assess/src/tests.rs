//! Tests of the differ and of health.

use std::sync::Arc;

use holdfast_kinds::Typing;
use holdfast_merge::fields::FieldSet;
use holdfast_merge::typed::field_set;
use holdfast_model::Value;
use holdfast_model::object::{
    GroupKind, LiveObject, Manager, ManagerOperation, Object, Origin, split_api_version,
};
use holdfast_model::packed::Packed;
use holdfast_schema::kinds_of_crd;
use serde_json::json;

use crate::diff::{Difference, Learned, OWNERSHIP, differences};
use crate::health::{Health, judge};
use crate::predict::{CLIENT_SIDE_APPLY, Unpredictable, predict};
use crate::{ownership, theirs};

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
        api_version: "v1".into(),
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

/// Everything of a value, as an apply by this program owns it.
fn ours(value: &Value) -> Manager {
    let typing = typing(value);
    let mut value = value.clone();
    typing.drop_nulls(&mut value);
    let fields = field_set(&value, typing.type_ref());
    let unowned: [&[&str]; 4] = [
        &["apiVersion"],
        &["kind"],
        &["metadata", "name"],
        &["metadata", "namespace"],
    ];
    let fields = fields.difference(&FieldSet::of_fields(&unowned));
    let mut manager = manager("holdfast", ManagerOperation::Apply, fields.write());
    manager.api_version = value["apiVersion"].as_str().unwrap_or_default().into();
    manager
}

fn typing(value: &Value) -> Typing {
    let (group, version) = split_api_version(value["apiVersion"].as_str().unwrap_or_default());
    let kind = value["kind"].as_str().unwrap_or_default();
    Typing::built_in(group, version, kind).expect("the kind is built in")
}

/// What an apply of `desired` would change about an object that `managers` have written.
fn found(desired: &Value, given: Value, managers: Vec<Manager>) -> Vec<Difference> {
    let typing = typing(desired);
    let after = predict(desired, &live(given, managers), &typing, "holdfast");
    let after = after.expect("the apply can be predicted");
    differences(&after, typing.type_ref())
}

fn paths(found: &[Difference]) -> Vec<&str> {
    let paths = found.iter();
    paths.map(|difference| difference.path.as_str()).collect()
}

/// Places that differ between what is desired, of which everything was applied, and a live value.
fn check(desired: Value, given: Value, expected: &[&str]) {
    let managers = vec![ours(&desired)];
    assert_eq!(paths(&found(&desired, given, managers)), expected);
}

/// Places that differ when Git goes from `before` to `after` and `before` is what is live.
fn check_commit(before: Value, after: Value, expected: &[&str]) {
    let managers = vec![ours(&before)];
    assert_eq!(paths(&found(&after, before, managers)), expected);
}

/// The object as the API server would show it.
fn defaulted(value: Value) -> Value {
    let typing = typing(&value);
    let mut value = typing.canonical(value).expect("it fits its type").value;
    typing.default(&mut value);
    value
}

#[test]
fn what_the_server_adds_is_no_difference() {
    let mut given = defaulted(deployment());
    given["metadata"]["uid"] = json!("u");
    given["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": "1"});
    given["status"] = json!({"replicas": 2});
    check(deployment(), given, &[]);
}

#[test]
fn a_changed_field_is_named_by_its_place() {
    let place = "/spec/template/spec/containers/0/image";
    let given = defaulted(with(deployment(), place, json!("web:2")));
    check(deployment(), given, &[place]);
    let given = defaulted(with(deployment(), "/metadata/labels", json!({})));
    check(deployment(), given, &["/metadata/labels"]);
}

#[test]
fn a_container_that_others_put_in_front_does_not_shift_ours() {
    let place = "/spec/template/spec/containers";
    let ours = deployment()["spec"]["template"]["spec"]["containers"][0].clone();
    let given = with(
        deployment(),
        place,
        json!([{"name": "sidecar", "image": "mesh:1"}, ours]),
    );
    check(deployment(), defaulted(given), &[]);
}

#[test]
fn reordered_containers_are_applied() {
    let place = "/spec/template/spec/containers";
    let two = json!([{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]);
    let other = json!([{"name": "b", "image": "b:1"}, {"name": "a", "image": "a:1"}]);
    let before = defaulted(with(deployment(), place, two));
    let after = with(deployment(), place, other);
    let managers = vec![ours(&after)];
    assert_eq!(paths(&found(&after, before, managers)), [place]);
}

fn config(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data})
}

#[test]
fn a_key_that_git_drops_goes() {
    check_commit(
        config(json!({"a": "1", "b": "2"})),
        config(json!({"a": "1"})),
        &["/data/b"],
    );
}

#[test]
fn a_key_of_somebody_else_stays() {
    let desired = config(json!({"a": "1"}));
    check(desired, config(json!({"a": "1", "theirs": "2"})), &[]);
}

#[test]
fn texts_are_texts_whatever_they_look_like() {
    for (git, live) in [
        ("1.10", "1.1"),
        ("0700", "700"),
        ("1000m", "1"),
        ("1e3", "1k"),
    ] {
        let desired = config(json!({"a": git}));
        check(desired, config(json!({"a": live})), &["/data/a"]);
    }
    let labels = |text: &str| with(config(json!({})), "/metadata/labels", json!({"v": text}));
    check(labels("1.10"), labels("1.1"), &["/metadata/labels/v"]);
}

#[test]
fn quantities_are_the_same_by_value() {
    let place = "/spec/template/spec/containers/0/resources/limits";
    let given = with(
        deployment(),
        place,
        json!({"cpu": "500m", "memory": "1024Mi"}),
    );
    check(deployment(), defaulted(given), &[]);
}

fn network_policy(peer: Value) -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "n"}, "spec": {"podSelector": {}, "policyTypes": ["Ingress"],
        "ingress": [{"from": [peer]}]}})
}

#[test]
fn a_field_that_git_drops_inside_an_item_of_a_list_goes() {
    let wide = json!({"namespaceSelector": {"matchLabels": {"a": "b"}}, "podSelector": {}});
    let narrow = json!({"podSelector": {}});
    check_commit(
        network_policy(wide),
        network_policy(narrow),
        &["/spec/ingress/0/from/0/namespaceSelector"],
    );
}

#[test]
fn an_empty_mapping_is_a_choice_where_the_type_has_one() {
    check_commit(
        network_policy(json!({"ipBlock": {"cidr": "10.0.0.0/8"}})),
        network_policy(json!({"podSelector": {}})),
        &[
            "/spec/ingress/0/from/0/ipBlock",
            "/spec/ingress/0/from/0/podSelector",
        ],
    );
}

#[test]
fn an_item_that_somebody_adds_to_a_list_that_is_one_value_is_drift() {
    let binding = |names: &[&str]| {
        let subjects: Vec<Value> = names
            .iter()
            .map(|name| json!({"kind": "User", "name": name, "apiGroup": "rbac.authorization.k8s.io"}))
            .collect();
        json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": "r"}, "subjects": subjects,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"}})
    };
    check(binding(&["a"]), binding(&["a", "mallory"]), &["/subjects"]);
    check(binding(&["a", "b"]), binding(&["a"]), &["/subjects"]);
}

#[test]
fn a_null_in_git_says_nothing() {
    let desired = with(deployment(), "/spec/replicas", Value::Null);
    let desired = with(desired, "/metadata/annotations", Value::Null);
    let given = defaulted(with(deployment(), "/spec/replicas", json!(5)));
    check(desired, given, &[]);
}

#[test]
fn rights_that_somebody_else_took_are_a_difference_of_their_own() {
    let desired = config(json!({"a": "1"}));
    let other = Manager {
        name: "other".into(),
        ..ours(&desired)
    };
    let changes = found(&desired, desired.clone(), vec![other]);
    assert_eq!(paths(&changes), [OWNERSHIP]);
}

#[test]
fn what_kubectl_applied_from_the_client_is_taken_over_once() {
    let desired = config(json!({"a": "1"}));
    let client = Manager {
        name: CLIENT_SIDE_APPLY.into(),
        operation: ManagerOperation::Update,
        ..ours(&config(json!({"a": "1", "old": "2"})))
    };
    let given = config(json!({"a": "1", "old": "2"}));
    // What Git no longer has goes with it.
    assert_eq!(paths(&found(&desired, given, vec![client])), ["/data/old"]);
}

#[test]
fn what_does_not_fit_the_known_type_is_not_predicted() {
    let desired = with(config(json!({"a": "1"})), "/newer", json!(true));
    let given = live(config(json!({"a": "1"})), vec![]);
    let problem = predict(&desired, &given, &typing(&desired), "holdfast");
    assert!(matches!(problem, Err(Unpredictable::Unfit { .. })));
}

#[test]
fn what_the_server_insists_on_is_learned_until_it_changes() {
    let desired = config(json!({"a": "1"}));
    let normalised = live(config(json!({"a": "one"})), vec![ours(&desired)]);
    let changes = |given: &LiveObject| {
        let after = predict(&desired, given, &typing(&desired), "holdfast");
        differences(
            &after.expect("it can be predicted"),
            typing(&desired).type_ref(),
        )
    };
    let digest = object(desired.clone()).digest();
    let learned = Learned::of(digest, &normalised, &changes(&normalised));
    let left = |given: &LiveObject| {
        let mut found = changes(given);
        learned.forgive(digest, given, &mut found);
        found.len()
    };
    assert_eq!(left(&normalised), 0);
    assert_eq!(
        left(&live(config(json!({"a": "two"})), vec![ours(&desired)])),
        1
    );
}

fn custom(object: &str, live: &str) -> (Value, Value) {
    let read = |text: &str| serde_json::from_str(text).expect("the test gives JSON");
    (read(object), read(live))
}

#[test]
fn custom_objects_are_compared_by_their_definition() {
    let (definition, _) = custom(
        r#"{"spec": {"group": "example.org", "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": {"type": "object", "properties": {
                    "parts": {"type": "array", "x-kubernetes-list-type": "map",
                        "x-kubernetes-list-map-keys": ["id"], "items": {"type": "object",
                        "required": ["id"], "properties": {
                            "id": {"type": "integer"},
                            "size": {"type": "string", "default": "small"},
                            "colour": {"type": "string"}}}}}}}}}}]}}"#,
        "{}",
    );
    let kind = kinds_of_crd(&definition)
        .expect("it is a definition")
        .remove(0);
    let typing = Typing::Custom(Arc::new(kind));
    let widget = |parts: Value| {
        json!({"apiVersion": "example.org/v1", "kind": "Widget", "metadata": {"name": "w"},
            "spec": {"parts": parts}})
    };
    let owned = |value: &Value| {
        let fields = field_set(value, typing.type_ref());
        let fields = fields.difference(&FieldSet::of_fields(&[
            &["apiVersion"],
            &["kind"],
            &["metadata", "name"],
        ]));
        let mut manager = manager("holdfast", ManagerOperation::Apply, fields.write());
        manager.api_version = "example.org/v1".into();
        vec![manager]
    };
    let before = widget(json!([{"id": 1, "colour": "red"}, {"id": 2}]));
    let shown =
        widget(json!([{"id": 1, "colour": "red", "size": "small"}, {"id": 2, "size": "small"}]));
    let changes = |desired: &Value| {
        let after = predict(
            desired,
            &live(shown.clone(), owned(&before)),
            &typing,
            "holdfast",
        );
        let after = after.expect("it can be predicted");
        let found = differences(&after, typing.type_ref());
        paths(&found).join(" ")
    };
    assert_eq!(changes(&before), "");
    assert_eq!(
        changes(&widget(json!([{"id": 1}, {"id": 2}]))),
        "/spec/parts/0/colour"
    );
    assert_eq!(
        changes(&widget(json!([{"id": 1, "colour": "red"}]))),
        "/spec/parts/1"
    );
}

#[test]
fn places_that_are_known_to_be_others_are_left_to_them() {
    let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": "all"}, "rules": [],
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]}});
    let kind = GroupKind::new("rbac.authorization.k8s.io", "ClusterRole");
    assert_eq!(
        theirs::left_alone(&kind, &object(role.clone()), false),
        ["/rules"]
    );
    let plain = with(role, "/aggregationRule", Value::Null);
    assert!(theirs::left_alone(&kind, &object(plain), false).is_empty());

    let mut service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
        "spec": {"clusterIP": "", "ports": [{"port": 80, "nodePort": 0}, {"port": 81, "nodePort": 30081}]}});
    theirs::drop_empty(&GroupKind::new("", "Service"), &mut service);
    let ports = json!([{"port": 80}, {"port": 81, "nodePort": 30081}]);
    assert_eq!(service["spec"], json!({"ports": ports}));

    let scaler = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "shop"}, "spec": {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}});
    let scaled = theirs::scaled(&[object(scaler)]);
    let place = (
        GroupKind::new("apps", "Deployment"),
        Some("shop".to_owned()),
        "web".to_owned(),
    );
    assert!(scaled.contains(&place));
    let deploys = GroupKind::new("apps", "Deployment");
    assert_eq!(
        theirs::left_alone(&deploys, &object(deployment()), true),
        ["/spec/replicas"]
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

#[test]
fn the_spec_of_a_request_for_a_certificate_stays_as_it_was_made() {
    let request = |usages: Value, label: &str| {
        json!({"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
            "metadata": {"name": "r", "labels": {"a": label}},
            "spec": {"request": "cmVx", "signerName": "example.org/signer", "usages": usages}})
    };
    let live = request(json!(["client auth"]), "b");
    let labels = json!({"f:metadata": {"f:labels": {"f:a": {}}}});
    let owner = || {
        let mut owner = manager("holdfast", ManagerOperation::Apply, labels.clone());
        owner.api_version = "certificates.k8s.io/v1".into();
        vec![owner]
    };
    let desired = request(json!(["server auth"]), "b");
    assert_eq!(paths(&found(&desired, live.clone(), owner())), [""; 0]);
    let desired = request(json!(["server auth"]), "c");
    assert_eq!(
        paths(&found(&desired, live, owner())),
        ["/metadata/labels/a"]
    );
}

#[test]
fn a_schema_where_something_else_may_stand_is_read_as_a_schema() {
    let definition = |items: Value, rest: Value| {
        let properties = json!({"spec": {"type": "array", "items": items}, "map": {
            "type": "object", "additionalProperties": rest}});
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "things.example.org"},
            "spec": {"group": "example.org", "scope": "Namespaced",
                "names": {"kind": "Thing", "plural": "things"},
                "versions": [{"name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}}}]}})
    };
    let live = defaulted(definition(json!({"type": "string"}), json!(true)));
    // Go drops what no schema has, and what says nothing.
    let items = json!({"type": "string", "added": "1", "nullable": false});
    check(definition(items, json!(true)), live.clone(), &[]);
    let place = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/items/type";
    let items = json!({"type": "integer"});
    check(definition(items, json!(true)), live, &[place]);
}
