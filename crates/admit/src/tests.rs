//! Verdicts on objects with a server that is a list: whole requests are compared with a real API
//! server by the conformance scripts.

use holdfast_model::Value;
use holdfast_model::time::Time;
use holdfast_schema::Schema;
use serde_json::json;

use crate::{ApiError, ObjectName, ResourceId, Served, Server, Setting};

/// A server with these objects, at the start of time, whose chance is always the same.
struct Listed(Vec<(ResourceId, Value)>);

impl Server for Listed {
    fn get(&self, resource: &ResourceId, name: &ObjectName) -> Option<Value> {
        let namespace = Some(name.namespace.as_str()).filter(|namespace| !namespace.is_empty());
        let found = self.list(resource, namespace).into_iter();
        let mut found = found.filter(|object| object["metadata"]["name"] == name.name);
        found.next()
    }

    fn list(&self, resource: &ResourceId, namespace: Option<&str>) -> Vec<Value> {
        let known = self.0.iter().filter(|(known, object)| {
            let home = object["metadata"]["namespace"].as_str();
            known == resource && (namespace.is_none() || home == namespace)
        });
        known.map(|(_, object)| object.clone()).collect()
    }

    fn now(&self) -> Time {
        Time::from_millis(0)
    }

    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

fn served(group: &str, kind: &str) -> Served {
    let mut kinds = Schema::builtin().kinds().iter();
    let found = kinds.find(|known| known.group == group && known.kind == kind);
    Served::built_in(found.expect("it is a built-in kind"))
}

/// What becomes of a new object of a group and kind.
fn created(
    server: &Listed,
    (group, kind): (&str, &str),
    mut value: Value,
) -> Result<Value, ApiError> {
    let served = served(group, kind);
    let setting = Setting {
        server,
        served: &served,
        subresource: "",
        dry_run: false,
    };
    crate::default(&served, &mut value);
    crate::admit_create(&setting, &mut value)?;
    crate::prepare_create(&setting, &mut value)?;
    let errors = crate::validate(&served, &value, None);
    if errors.is_empty() {
        return Ok(value);
    }
    let subject = served.subject();
    Err(ApiError::invalid(&subject, "x", &errors))
}

fn pod(spec: Value) -> Value {
    let mut spec = spec;
    spec["containers"] = json!([{"name": "c", "image": "i"}]);
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "x", "namespace": "n"}, "spec": spec,
    })
}

#[test]
fn a_pod_is_completed_with_what_other_objects_say() {
    let server = Listed(vec![
        (
            ResourceId::new("", "serviceaccounts"),
            json!({
                "metadata": {"name": "a", "namespace": "n"},
                "automountServiceAccountToken": false, "imagePullSecrets": [{"name": "s"}],
            }),
        ),
        (
            ResourceId::new("scheduling.k8s.io", "priorityclasses"),
            json!({
                "metadata": {"name": "p"}, "value": 5, "globalDefault": true,
                "preemptionPolicy": "Never",
            }),
        ),
    ]);
    let asked = pod(json!({"serviceAccountName": "a"}));
    let found = created(&server, ("", "Pod"), asked).expect("it is accepted");
    assert_eq!(found["spec"]["imagePullSecrets"], json!([{"name": "s"}]));
    assert_eq!(found["spec"]["priorityClassName"], "p");
    assert_eq!(found["spec"]["priority"], 5);
    assert_eq!(found["spec"]["preemptionPolicy"], "Never");
    assert_eq!(found["spec"].get("volumes"), None);
    assert_eq!(found["status"]["phase"], "Pending");
}

#[test]
fn what_a_pod_names_has_to_be_there() {
    let server = Listed(Vec::new());
    for (spec, expected) in [
        (
            json!({"serviceAccountName": "a"}),
            "serviceaccount \"a\" not found",
        ),
        (
            json!({"priorityClassName": "p"}),
            "no PriorityClass with name p was found",
        ),
        (
            json!({"runtimeClassName": "r"}),
            "RuntimeClass \"r\" not found",
        ),
    ] {
        let refused = created(&server, ("", "Pod"), pod(spec)).expect_err(expected);
        assert_eq!(refused.code, 403);
        assert!(refused.message.contains(expected), "{}", refused.message);
    }
}

#[test]
fn a_service_is_given_what_nobody_has() {
    let service = |name: &str, fields: Value| {
        let mut service = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": "n", "uid": name},
            "spec": {"type": "NodePort", "ports": [{"port": 80, "protocol": "TCP"}]},
        });
        for (name, value) in fields.as_object().into_iter().flatten() {
            service["spec"][name] = value.clone();
        }
        service
    };
    let kind = ("", "Service");
    let first = created(&Listed(Vec::new()), kind, service("a", json!({})));
    let first = first.expect("there is room");
    let services = ResourceId::new("", "services");
    let server = Listed(vec![(services, first.clone())]);
    // The same chance hits the same number first, which is taken.
    let second = created(&server, kind, service("b", json!({}))).expect("there is room");
    for path in ["/spec/clusterIP", "/spec/ports/0/nodePort"] {
        let found = (first.pointer(path), second.pointer(path));
        assert!(found.0.is_some() && found.0 != found.1, "{path}: {found:?}");
    }
    let wanted = json!({"clusterIP": first["spec"]["clusterIP"]});
    let refused = created(&server, kind, service("c", wanted)).expect_err("it is taken");
    assert!(refused.message.contains("provided IP is already allocated"));
}

#[test]
fn a_budget_refuses_the_eviction_of_the_pods_that_it_covers() {
    let budget = |allowed: i64| {
        json!({
            "metadata": {"name": "b"},
            "spec": {"selector": {"matchLabels": {"app": "web"}}},
            "status": {
                "disruptionsAllowed": allowed, "desiredHealthy": 2, "currentHealthy": 2,
            },
        })
    };
    let pod = |app: &str| json!({"metadata": {"labels": {"app": app}}});
    let refused = crate::disruption_refused(&pod("web"), &[budget(0)]);
    assert_eq!(
        refused.as_deref(),
        Some("The disruption budget b needs 2 healthy pods and has 2 currently")
    );
    assert_eq!(crate::disruption_refused(&pod("web"), &[budget(1)]), None);
    assert_eq!(crate::disruption_refused(&pod("db"), &[budget(0)]), None);
}

#[test]
fn of_a_definition_every_version_is_a_kind() {
    let definition = json!({
        "metadata": {"name": "things.example.com"},
        "spec": {
            "group": "example.com", "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing"},
            "versions": [
                {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                    "type": "object", "properties": {"size": {
                        "type": "integer",
                        "x-kubernetes-validations": [{"rule": "self > 1", "message": "too small"}],
                    }},
                }}},
                {"name": "v2", "served": true, "storage": false,
                 "schema": {"openAPIV3Schema": {"type": "object"}}},
            ],
        },
    });
    let (name, kinds) = Served::of_definition(&definition).expect("it defines something");
    assert_eq!(name, "things.example.com");
    let versions: Vec<&str> = kinds.iter().map(|kind| &*kind.kind.version).collect();
    assert_eq!(versions, ["v1", "v2"]);
    assert!(
        kinds
            .iter()
            .all(|kind| kind.storage_version == "example.com/v1")
    );
    let errors = crate::validate(&kinds[0], &json!({"size": 1}), None);
    let lines: Vec<String> = errors.iter().map(|error| error.line()).collect();
    assert_eq!(lines, ["size: Invalid value: too small"]);
    assert!(crate::validate(&kinds[0], &json!({"size": 2}), None).is_empty());
}
