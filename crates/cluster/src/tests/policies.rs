//! Admission policies on a cluster that lives: they count as soon as they are written, for everybody,
//! and after the cluster has been opened again.

use std::time::Duration;

use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use super::{api, client, config_map, living, object, reopened};
use crate::{Cluster, Options};

const VERSION: &str = "admissionregistration.k8s.io/v1";

fn whole(client: &Client, version: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
    let (group, version) = version.split_once('/').expect("it has a group");
    let kind = GroupVersionKind::gvk(group, version, kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, plural);
    Api::all_with(client.clone(), &resource)
}

fn policies(client: &Client) -> Api<DynamicObject> {
    let plural = "validatingadmissionpolicies";
    whole(client, VERSION, "ValidatingAdmissionPolicy", plural)
}

fn bindings(client: &Client) -> Api<DynamicObject> {
    let plural = "validatingadmissionpolicybindings";
    whole(client, VERSION, "ValidatingAdmissionPolicyBinding", plural)
}

/// A policy about a resource with one validation.
async fn enforce(client: &Client, rule: Value, expression: &str, message: &str) {
    let policy = object(json!({
        "apiVersion": VERSION, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "p"},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": expression, "message": message}],
        },
    }));
    let made = policies(client)
        .create(&PostParams::default(), &policy)
        .await;
    made.expect("the policy is made");
    let binding = object(json!({
        "apiVersion": VERSION, "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "p"},
        "spec": {"policyName": "p", "validationActions": ["Deny"]},
    }));
    let made = bindings(client)
        .create(&PostParams::default(), &binding)
        .await;
    made.expect("the binding is made");
}

fn rule(group: &str, resource: &str) -> Value {
    json!({
        "apiGroups": [group], "apiVersions": ["*"], "operations": ["*"], "resources": [resource],
    })
}

/// What is said when a ConfigMap cannot be made; nothing when it can.
async fn refusal(client: &Client) -> Option<String> {
    let maps = api(client, "v1", "ConfigMap", "configmaps");
    let options = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    match maps.create(&options, &config_map("a", json!({}))).await {
        Ok(_) => None,
        Err(kube::Error::Api(status)) => Some(status.message.clone()),
        Err(error) => panic!("{error}"),
    }
}

/// Waits for as long as a slow machine may take.
async fn patiently(api: &Api<DynamicObject>, name: &str, done: impl Fn(&Value) -> bool) {
    let mut last = Value::Null;
    for _ in 0..6_000 {
        if let Some(found) = api.get_opt(name).await.expect("it answers") {
            last = serde_json::to_value(found).expect("it is JSON");
            if done(&last) {
                return;
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{name} never came to be as wanted: {last:#}");
}

#[tokio::test]
async fn a_policy_counts_from_the_request_after_it_was_written_or_changed() {
    let client = client();
    assert_eq!(refusal(&client).await, None);
    enforce(&client, rule("", "configmaps"), "false", "first").await;
    let said = refusal(&client).await.expect("it is refused");
    assert!(said.ends_with("denied request: first"), "{said}");
    let patch = json!({"spec": {"validations": [{"expression": "false", "message": "second"}]}});
    let patched = policies(&client)
        .patch("p", &PatchParams::default(), &Patch::Merge(patch))
        .await;
    patched.expect("it is changed");
    let said = refusal(&client).await.expect("it is refused");
    assert!(said.ends_with("denied request: second"), "{said}");
    let warns = json!({"spec": {"validationActions": ["Audit"]}});
    let patched = bindings(&client)
        .patch("p", &PatchParams::default(), &Patch::Merge(warns))
        .await;
    patched.expect("it is changed");
    assert_eq!(refusal(&client).await, None);
}

#[tokio::test]
async fn a_policy_that_is_gone_counts_no_longer_and_cannot_lock_itself_in() {
    let client = client();
    enforce(&client, rule("*", "*"), "false", "nothing goes").await;
    assert!(refusal(&client).await.is_some());
    let gone = bindings(&client)
        .delete("p", &DeleteParams::default())
        .await;
    gone.expect("it may always go");
    assert_eq!(refusal(&client).await, None);
}

#[tokio::test]
async fn policies_count_again_after_the_cluster_was_opened_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cluster.db");
    let cluster = Cluster::open(&path, Options::default()).expect("it opens");
    let client = Client::new(cluster.service(), "default");
    enforce(&client, rule("", "configmaps"), "false", "kept").await;
    drop((client, cluster));
    let cluster = reopened(&path).await;
    let client = Client::new(cluster.service(), "default");
    let said = refusal(&client).await.expect("it is refused");
    assert!(said.ends_with("denied request: kept"), "{said}");
}

#[tokio::test]
async fn controllers_are_judged_by_their_own_names_and_ask_again() {
    let (client, _tasks) = living();
    let whose = "request.userInfo.username != 'system:kube-controller-manager'";
    enforce(&client, rule("", "pods"), whose, "no pods").await;
    let sets = api(&client, "apps/v1", "ReplicaSet", "replicasets");
    let set = object(json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "s"},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "i"}]},
            },
        },
    }));
    let made = sets.create(&PostParams::default(), &set).await;
    made.expect("a set is no pod");
    let failure = |set: &Value| {
        let message = set["status"]["conditions"][0]["message"].as_str();
        message.unwrap_or_default().to_owned()
    };
    patiently(&sets, "s", |set| failure(set).ends_with("no pods")).await;
    let pods = api(&client, "v1", "Pod", "pods");
    let found = pods.list(&ListParams::default()).await.expect("a list");
    assert!(found.items.is_empty(), "the controller was let in");
    let gone = bindings(&client)
        .delete("p", &DeleteParams::default())
        .await;
    gone.expect("it goes");
    // Nothing tells the controller, which asks again by itself.
    let is_ready = |set: &Value| set["status"]["readyReplicas"] == 1;
    patiently(&sets, "s", |set| is_ready(set) && failure(set).is_empty()).await;
}
