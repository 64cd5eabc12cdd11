//! Whatever a client sends is answered: nothing panics, and nothing but objects is stored.

use std::sync::OnceLock;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::call::{Call, Query, User};
use crate::{Cluster, Options};

const NAMES: [&str; 54] = [
    "metadata",
    "spec",
    "status",
    "name",
    "namespace",
    "labels",
    "annotations",
    "template",
    "containers",
    "ports",
    "data",
    "rules",
    "subjects",
    "roleRef",
    "selector",
    "matchLabels",
    "strategy",
    "rollingUpdate",
    "replicas",
    "volumes",
    "volumeMounts",
    "env",
    "valueFrom",
    "resources",
    "limits",
    "requests",
    "names",
    "versions",
    "schema",
    "openAPIV3Schema",
    "properties",
    "type",
    "clusterIP",
    "finalizers",
    "ownerReferences",
    "managedFields",
    "fieldsV1",
    "metrics",
    "resource",
    "behavior",
    "scaleUp",
    "ingress",
    "from",
    "ipBlock",
    "http",
    "paths",
    "conditions",
    "$patch",
    "$retainKeys",
    "$setElementOrder/containers",
    "f:spec",
    "k:{}",
    "kind",
    "apiVersion",
];

const KINDS: [(&str, &str, &str); 21] = [
    ("/api/v1/namespaces/default/configmaps", "v1", "ConfigMap"),
    ("/api/v1/namespaces/default/secrets", "v1", "Secret"),
    ("/api/v1/namespaces/default/pods", "v1", "Pod"),
    ("/api/v1/namespaces/default/services", "v1", "Service"),
    (
        "/api/v1/namespaces/default/persistentvolumeclaims",
        "v1",
        "PersistentVolumeClaim",
    ),
    ("/api/v1/namespaces", "v1", "Namespace"),
    (
        "/apis/apps/v1/namespaces/default/deployments",
        "apps/v1",
        "Deployment",
    ),
    (
        "/apis/apps/v1/namespaces/default/statefulsets",
        "apps/v1",
        "StatefulSet",
    ),
    ("/apis/batch/v1/namespaces/default/jobs", "batch/v1", "Job"),
    (
        "/apis/batch/v1/namespaces/default/cronjobs",
        "batch/v1",
        "CronJob",
    ),
    (
        "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers",
        "autoscaling/v1",
        "HorizontalPodAutoscaler",
    ),
    (
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
    ),
    (
        "/apis/example.com/v1/namespaces/default/widgets",
        "example.com/v1",
        "Widget",
    ),
    (
        "/apis/events.k8s.io/v1/namespaces/default/events",
        "events.k8s.io/v1",
        "Event",
    ),
    (
        "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers",
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
    ),
    (
        "/apis/networking.k8s.io/v1/namespaces/default/ingresses",
        "networking.k8s.io/v1",
        "Ingress",
    ),
    (
        "/apis/networking.k8s.io/v1/namespaces/default/networkpolicies",
        "networking.k8s.io/v1",
        "NetworkPolicy",
    ),
    (
        "/apis/policy/v1/namespaces/default/poddisruptionbudgets",
        "policy/v1",
        "PodDisruptionBudget",
    ),
    (
        "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
        "discovery.k8s.io/v1",
        "EndpointSlice",
    ),
    (
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        "authentication.k8s.io/v1",
        "SelfSubjectReview",
    ),
    (
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        "authorization.k8s.io/v1",
        "SelfSubjectRulesReview",
    ),
];

fn arbitrary_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3_i64..100_000).prop_map(Value::from),
        prop_oneof![
            Just("a"),
            Just(""),
            Just("1Gi"),
            Just("x y"),
            Just("2026-01-01T00:00:00Z")
        ]
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| {
        let name = proptest::sample::select(&NAMES[..]);
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((name, inner), 0..5).prop_map(|fields| {
                let fields = fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value));
                Value::Object(fields.collect::<Map<_, _>>())
            }),
        ]
    })
}

fn call(method: Method, path: &str, media: &str, body: &Value) -> Call {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut headers = HeaderMap::new();
    let media = HeaderValue::from_str(media).expect("it is a header");
    headers.insert("content-type", media);
    Call {
        method,
        path: path.to_owned(),
        query: Query::read(query),
        headers,
        body: Bytes::from(body.to_string()),
        user: User::admin(),
        choice: OnceLock::new(),
    }
}

fn with_widgets() -> Cluster {
    let cluster = Cluster::new(Options::default());
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas",
                    "statusReplicasPath": ".status.replicas"}},
                "schema": {"openAPIV3Schema": {"type": "object",
                    "x-kubernetes-preserve-unknown-fields": true}}}]}});
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let reply = cluster
        .state()
        .answer(&call(Method::POST, path, "application/json", &definition));
    assert_eq!(reply.code, 201);
    cluster
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_document_is_answered(
        kind in proptest::sample::select(&KINDS[..]),
        bodies in proptest::collection::vec(arbitrary_json(), 4),
        media in proptest::sample::select(&[
            "application/merge-patch+json", "application/strategic-merge-patch+json",
            "application/json-patch+json", "application/apply-patch+yaml",
        ][..]),
        sub in proptest::sample::select(&["", "/status", "/scale"][..]),
    ) {
        let cluster = with_widgets();
        let (path, version, kind) = kind;
        let named = |mut body: Value| {
            if body.is_object() {
                body["apiVersion"] = json!(version);
                body["kind"] = json!(kind);
                if body["metadata"].is_object() || body["metadata"].is_null() {
                    body["metadata"]["name"] = json!("a");
                }
            }
            body
        };
        let mut bodies = bodies.into_iter();
        let mut next = || bodies.next().unwrap_or_default();
        let plain = "application/json";
        let one = format!("{path}/a{sub}?fieldManager=m&force=true");
        let requests = [
            call(Method::POST, path, plain, &named(next())),
            call(Method::POST, path, plain, &named(json!({}))),
            call(Method::PATCH, &one, media, &next()),
            call(Method::PATCH, &one, "application/apply-patch+yaml", &named(next())),
            call(Method::PUT, &one, plain, &named(next())),
            call(Method::GET, &format!("{path}/a"), plain, &Value::Null),
            call(Method::DELETE, &format!("{path}/a"), plain, &Value::Null),
        ];
        for request in &requests {
            let reply = cluster.state().answer(request);
            prop_assert!((200..600).contains(&reply.code));
            let whole = reply.whole().cloned().unwrap_or_default();
            let value: Value = serde_json::from_slice(&whole).unwrap_or_default();
            prop_assert!(value.is_object() || reply.code == 404, "{request:?}");
        }
    }
}

#[test]
fn a_question_that_is_no_object_is_refused() {
    let cluster = Cluster::new(Options::default());
    for path in [
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
    ] {
        for body in [json!([]), json!("x"), json!(5)] {
            let reply =
                cluster
                    .state()
                    .answer(&call(Method::POST, path, "application/json", &body));
            assert_eq!(reply.code, 400, "{path} {body}");
        }
    }
}

#[test]
fn annotations_that_stand_for_fields_are_taken_over_as_far_as_they_fit() {
    let cluster = Cluster::new(Options::default());
    let older = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers";
    for (metrics, behaviour) in [
        ("[5]", "[]"),
        ("{", "{\"ScaleUp\": 5}"),
        (
            "[{\"type\": 5, \"object\": []}]",
            "{\"ScaleUp\": {\"Policies\": [5]}}",
        ),
        (
            "[{\"type\": \"Object\", \"object\": {\"target\": 5, \"selector\": []}}]",
            "{\"ScaleDown\": {\"StabilizationWindowSeconds\": \"x\"}}",
        ),
    ] {
        let body = json!({
            "apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "a", "annotations": {
                "autoscaling.alpha.kubernetes.io/metrics": metrics,
                "autoscaling.alpha.kubernetes.io/behavior": behaviour,
                "autoscaling.alpha.kubernetes.io/conditions": "[5]",
                "autoscaling.alpha.kubernetes.io/current-metrics": "[{\"pods\": {}}]",
            }},
            "spec": {"maxReplicas": 2, "scaleTargetRef": {
                "apiVersion": "apps/v1", "kind": "Deployment", "name": "web"
            }},
        });
        let reply = cluster
            .state()
            .answer(&call(Method::POST, older, "application/json", &body));
        assert!(matches!(reply.code, 201 | 409 | 422), "{metrics}");
        let newer = older.replace("v1/", "v2/");
        let list = call(Method::GET, &newer, "application/json", &Value::Null);
        assert_eq!(cluster.state().answer(&list).code, 200);
    }
}
