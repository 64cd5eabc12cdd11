//! What leads to what, and that a view gives no value away.

use std::sync::Arc;

use serde_json::json;

use super::{Objects, words};
use crate::Value;
use crate::object::{Object, Origin};
use crate::time::Time;

fn object(value: Value) -> Object {
    Object::new(value, Origin::default()).expect("it is an object")
}

fn shop() -> Objects {
    let meta = |name: &str| json!({"name": name, "namespace": "shop"});
    let pods = json!({
        "metadata": {"labels": {"app": "web", "tier": "front"}},
        "spec": {
            "serviceAccountName": "runner",
            "containers": [{"name": "web", "envFrom": [{"secretRef": {"name": "login"}}]}],
            "volumes": [{"name": "files", "configMap": {"name": "files"}}],
        },
    });
    let objects = [
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("files")}),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": meta("login"),
               "stringData": {"password": "hunter2"}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta("runner")}),
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta("web"),
               "spec": {"template": pods}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": meta("web"),
               "spec": {"selector": {"app": "web"}}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": meta("all"), "spec": {"selector": {}}}),
        json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta("web"),
               "spec": {"rules": [{"http": {"paths": [
                   {"backend": {"service": {"name": "web"}}}]}}]}}),
    ];
    let objects: Arc<[Object]> = objects.into_iter().map(object).collect();
    Objects::of(&objects)
}

#[test]
fn services_lead_to_what_they_select_and_workloads_to_what_they_need() {
    let shop = shop();
    let names: Vec<String> = shop.iter().map(|(key, _)| key.to_string()).collect();
    let links = shop.links();
    let links: Vec<String> = links
        .iter()
        .map(|link| format!("{} > {}", names[link.from], names[link.to]))
        .collect();
    assert_eq!(
        links,
        [
            "Deployment.apps/shop/web > ConfigMap/shop/files",
            "Deployment.apps/shop/web > Secret/shop/login",
            "Deployment.apps/shop/web > ServiceAccount/shop/runner",
            "Service/shop/web > Deployment.apps/shop/web",
            "Ingress.networking.k8s.io/shop/web > Service/shop/web",
        ]
    );
}

#[test]
fn what_is_published_shows_no_value_of_an_object() {
    assert!(!format!("{:?}", shop()).contains("hunter2"));
}

#[test]
fn times_are_said_as_people_say_them() {
    let at = Time::from_millis;
    assert_eq!(
        words::progress(at(0), at(600_000), at(125_000)),
        "2m of 10m"
    );
    assert_eq!(words::ahead(at(5_000), at(9_000)), "now");
    let names = ["a", "b", "c", "d"].map(str::to_owned);
    assert_eq!(words::names(&names), "a, b, c and 1 other");
}
