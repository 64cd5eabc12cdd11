//! The API as a client in the same process sees it.

mod disk;
mod hostile;
mod on_purpose;
mod policies;
mod workloads;

use std::path::Path;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use kube::Client;
use kube::api::{
    Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, WatchEvent,
    WatchParams,
};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use crate::{Cluster, Options, Simulation};

fn client() -> Client {
    Client::new(Cluster::new(Options::default()).service(), "default")
}

fn api(client: &Client, version: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let kind = GroupVersionKind::gvk(group, version, kind);
    let resource = ApiResource::from_gvk_with_plural(&kind, plural);
    Api::namespaced_with(client.clone(), "default", &resource)
}

/// The cluster in a file, whose client is gone: the client's task lets go of it a moment later.
async fn reopened(path: &Path) -> Cluster {
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        if let Ok(cluster) = Cluster::open(path, Options::default()) {
            return cluster;
        }
    }
    panic!("it does not open again");
}

fn object(value: Value) -> DynamicObject {
    serde_json::from_value(value).expect("it is an object")
}

fn config_map(name: &str, data: Value) -> DynamicObject {
    object(json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data
    }))
}

#[tokio::test]
async fn an_object_is_created_read_changed_and_deleted() {
    let maps = api(&client(), "v1", "ConfigMap", "configmaps");
    let created = maps
        .create(&PostParams::default(), &config_map("a", json!({"x": "1"})))
        .await;
    let created = created.expect("it is created");
    assert!(created.metadata.uid.is_some() && created.metadata.resource_version.is_some());
    let again = maps
        .create(&PostParams::default(), &config_map("a", json!({})))
        .await;
    let Err(kube::Error::Api(status)) = again else {
        panic!("it exists");
    };
    assert_eq!(
        (status.code, status.reason.as_str()),
        (409, "AlreadyExists")
    );
    let mut changed = created.clone();
    changed.data["data"]["x"] = json!("2");
    let changed = maps
        .replace("a", &PostParams::default(), &changed)
        .await
        .expect("it changes");
    assert_eq!(changed.data["data"]["x"], json!("2"));
    let stale = maps.replace("a", &PostParams::default(), &created).await;
    assert!(matches!(stale, Err(kube::Error::Api(status)) if status.reason == "Conflict"));
    maps.delete("a", &DeleteParams::default())
        .await
        .expect("it is deleted");
    let gone = maps.get("a").await;
    assert!(matches!(gone, Err(kube::Error::Api(status)) if status.code == 404));
}

#[tokio::test]
async fn an_apply_owns_its_fields_and_a_dry_run_leaves_no_trace() {
    let client = client();
    let maps = api(&client, "v1", "ConfigMap", "configmaps");
    let params = PatchParams::apply("holdfast").force();
    let patch = config_map("a", json!({"x": "1"}));
    let dry = maps
        .patch("a", &params.clone().dry_run(), &Patch::Apply(&patch))
        .await;
    assert_eq!(dry.expect("it would do").data["data"]["x"], json!("1"));
    assert!(maps.get_opt("a").await.expect("it answers").is_none());
    let applied = maps
        .patch("a", &params, &Patch::Apply(&patch))
        .await
        .expect("it applies");
    let fields = applied.metadata.managed_fields.expect("it has owners");
    assert_eq!(fields[0].manager.as_deref(), Some("holdfast"));
    assert_eq!(fields[0].operation.as_deref(), Some("Apply"));
    let same = maps
        .patch("a", &params, &Patch::Apply(&patch))
        .await
        .expect("it applies");
    assert_eq!(
        same.metadata.resource_version,
        applied.metadata.resource_version
    );
    let other = PatchParams::apply("other");
    let refused = maps
        .patch(
            "a",
            &other,
            &Patch::Apply(&config_map("a", json!({"x": "2"}))),
        )
        .await;
    let Err(kube::Error::Api(status)) = refused else {
        panic!("it conflicts");
    };
    assert!(
        status
            .message
            .contains("conflict with \"holdfast\": .data.x"),
        "{}",
        status.message
    );
}

#[tokio::test]
async fn a_watch_tells_what_there_is_and_what_changes() {
    let maps = api(&client(), "v1", "ConfigMap", "configmaps");
    let mut first = config_map("a", json!({}));
    first.metadata.labels = Some([("app".to_owned(), "web".to_owned())].into());
    maps.create(&PostParams::default(), &first)
        .await
        .expect("it is created");
    let params = WatchParams::default().labels("app=web").timeout(5);
    let events = maps.watch(&params, "0").await.expect("it watches");
    let mut events = events.boxed();
    let mut next = async || {
        let event = tokio::time::timeout(Duration::from_secs(5), events.try_next()).await;
        match event
            .expect("in time")
            .expect("no error")
            .expect("an event")
        {
            WatchEvent::Added(object) => {
                format!("added {}", object.metadata.name.unwrap_or_default())
            }
            WatchEvent::Modified(object) => {
                format!("modified {}", object.metadata.name.unwrap_or_default())
            }
            WatchEvent::Deleted(object) => {
                format!("deleted {}", object.metadata.name.unwrap_or_default())
            }
            other => format!("{other:?}"),
        }
    };
    assert_eq!(next().await, "added a");
    let patch = Patch::Merge(json!({"data": {"x": "1"}}));
    maps.patch("a", &PatchParams::default(), &patch)
        .await
        .expect("it changes");
    assert_eq!(next().await, "modified a");
    let patch = Patch::Merge(json!({"metadata": {"labels": {"app": null}}}));
    maps.patch("a", &PatchParams::default(), &patch)
        .await
        .expect("it changes");
    assert_eq!(next().await, "deleted a");
    maps.create(&PostParams::default(), &config_map("b", json!({})))
        .await
        .expect("it is created");
    let patch = Patch::Merge(json!({"metadata": {"labels": {"app": "web"}}}));
    maps.patch("b", &PatchParams::default(), &patch)
        .await
        .expect("it changes");
    assert_eq!(next().await, "added b");
}

#[tokio::test]
async fn a_list_comes_in_pages_of_one_revision() {
    let maps = api(&client(), "v1", "ConfigMap", "configmaps");
    for name in ["a", "b", "c", "d", "e"] {
        maps.create(&PostParams::default(), &config_map(name, json!({})))
            .await
            .expect("created");
    }
    let first = maps
        .list(&ListParams::default().limit(2))
        .await
        .expect("it lists");
    maps.delete("d", &DeleteParams::default())
        .await
        .expect("it is deleted");
    let token = first.metadata.continue_.expect("there is more");
    assert_eq!(first.metadata.remaining_item_count, Some(3));
    let rest = maps
        .list(&ListParams::default().continue_token(&token))
        .await
        .expect("it lists");
    let names: Vec<String> = rest
        .items
        .into_iter()
        .filter_map(|item| item.metadata.name)
        .collect();
    assert_eq!(names, ["c", "d", "e"]);
}

#[tokio::test]
async fn a_definition_adds_a_kind_with_pruning_defaults_and_status() {
    let client = client();
    let definitions = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition"),
        "customresourcedefinitions",
    );
    let definitions: Api<DynamicObject> = Api::all_with(client.clone(), &definitions);
    let definition = object(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": {
                        "size": {"type": "integer", "default": 3}}},
                    "status": {"type": "object", "properties": {
                        "ready": {"type": "boolean"}}}}}}}]}}));
    definitions
        .create(&PostParams::default(), &definition)
        .await
        .expect("it is created");
    let widgets = api(&client, "example.com/v1", "Widget", "widgets");
    let widget = object(json!({
        "apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"},
        "spec": {"bogus": 1}, "status": {"ready": true}}));
    let created = widgets
        .create(&PostParams::default(), &widget)
        .await
        .expect("it is created");
    assert_eq!(created.data["spec"], json!({"size": 3}));
    assert_eq!(created.data.get("status"), None);
    assert_eq!(created.metadata.generation, Some(1));
    let status = Patch::Merge(json!({"status": {"ready": true}, "spec": {"size": 9}}));
    let patched = widgets
        .patch_status("w", &PatchParams::default(), &status)
        .await;
    let patched = patched.expect("it changes");
    assert_eq!(patched.data["status"], json!({"ready": true}));
    assert_eq!(patched.data["spec"], json!({"size": 3}));
    assert_eq!(patched.metadata.generation, Some(1));
    definitions
        .delete("widgets.example.com", &DeleteParams::default())
        .await
        .expect("deleted");
    assert!(
        definitions
            .get_opt("widgets.example.com")
            .await
            .expect("it answers")
            .is_none()
    );
    // As of a real one, the answer is a page that says so, and no Status.
    let gone = widgets.get("w").await;
    assert!(matches!(gone, Err(kube::Error::Api(status)) if status.code == 404));
}

#[tokio::test]
async fn finalizers_hold_an_object_that_is_deleted() {
    let maps = api(&client(), "v1", "ConfigMap", "configmaps");
    let mut held = config_map("a", json!({}));
    held.metadata.finalizers = Some(vec!["example.com/hold".to_owned()]);
    maps.create(&PostParams::default(), &held)
        .await
        .expect("it is created");
    maps.delete("a", &DeleteParams::default())
        .await
        .expect("it is being deleted");
    let waiting = maps.get("a").await.expect("it waits");
    assert!(waiting.metadata.deletion_timestamp.is_some());
    let patch = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    maps.patch("a", &PatchParams::default(), &patch)
        .await
        .expect("it is let go");
    assert!(maps.get_opt("a").await.expect("it answers").is_none());
}

#[tokio::test]
async fn discovery_lists_built_in_and_custom_kinds() {
    let client = client();
    let discovery = kube::discovery::Discovery::new(client.clone())
        .run_aggregated()
        .await;
    let discovery = discovery.expect("it answers");
    let group = discovery.get("apps").expect("it is served");
    let kinds: Vec<String> = group
        .recommended_resources()
        .into_iter()
        .map(|(resource, _)| resource.kind)
        .collect();
    assert!(kinds.contains(&"Deployment".to_owned()), "{kinds:?}");
    let plain = kube::discovery::Discovery::new(client)
        .run()
        .await
        .expect("it answers");
    assert!(
        plain
            .get("")
            .expect("it is served")
            .recommended_kind("Pod")
            .is_some()
    );
}

#[tokio::test]
async fn a_cluster_in_a_file_is_there_again_after_it_was_closed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cluster.db");
    let version = {
        let cluster = Cluster::open(&path, Options::default()).expect("it opens");
        let maps = api(
            &Client::new(cluster.service(), "default"),
            "v1",
            "ConfigMap",
            "configmaps",
        );
        let params = PatchParams::apply("holdfast").force();
        let patch = Patch::Apply(config_map("a", json!({"x": "1"})));
        let applied = maps.patch("a", &params, &patch).await.expect("it applies");
        maps.create(&PostParams::default(), &config_map("b", json!({})))
            .await
            .expect("created");
        maps.delete("b", &DeleteParams::default())
            .await
            .expect("it is deleted");
        assert!(
            Cluster::open(&path, Options::default()).is_err(),
            "one process has it"
        );
        applied.metadata.resource_version
    };
    let cluster = reopened(&path).await;
    let maps = api(
        &Client::new(cluster.service(), "default"),
        "v1",
        "ConfigMap",
        "configmaps",
    );
    let found = maps.get("a").await.expect("it is there");
    assert_eq!(found.metadata.resource_version, version);
    assert_eq!(found.data["data"], json!({"x": "1"}));
    assert!(maps.get_opt("b").await.expect("it answers").is_none());
    let next = maps
        .create(&PostParams::default(), &config_map("c", json!({})))
        .await;
    let next = next
        .expect("it is created")
        .metadata
        .resource_version
        .expect("it has one");
    let number = |text: Option<String>| text.and_then(|text| text.parse::<u64>().ok());
    assert!(number(Some(next)) > number(version), "revisions only grow");
}

#[tokio::test]
async fn roles_decide_what_somebody_may_do() {
    let cluster = Cluster::new(Options::default());
    let admin = Client::new(cluster.service(), "default");
    let binding = object(json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "bob"},
        "roleRef": {"kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "User", "name": "bob"}]}));
    let bindings = api(
        &admin,
        "rbac.authorization.k8s.io/v1",
        "RoleBinding",
        "rolebindings",
    );
    bindings
        .create(&PostParams::default(), &binding)
        .await
        .expect("it is created");
    let ask = async |user: &str, method: &str, path: &str| {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("impersonate-user", user)
            .body(kube::client::Body::empty());
        let response = admin.send(request.expect("it is a request")).await;
        response.expect("it answers").status().as_u16()
    };
    let maps = "/api/v1/namespaces/default/configmaps";
    assert_eq!(ask("bob", "GET", maps).await, 200);
    assert_eq!(ask("alice", "GET", maps).await, 403);
    assert_eq!(
        ask("bob", "GET", "/api/v1/namespaces/default/secrets").await,
        403
    );
    assert_eq!(
        ask("bob", "GET", "/api/v1/namespaces/kube-system/configmaps").await,
        403
    );
    assert_eq!(ask("bob", "DELETE", &format!("{maps}/a")).await, 403);
    assert_eq!(ask("bob", "GET", "/apis").await, 200);
}

/// A cluster whose controllers run for as long as the test does, with pods that start at once.
fn living() -> (Client, tokio::task::JoinSet<()>) {
    let simulation = Simulation {
        start_delay: Duration::from_millis(5),
        stop_delay: Duration::ZERO,
        run_for: Duration::from_millis(5),
        nodes: 1,
    };
    let cluster = Cluster::new(Options {
        simulation,
        ..Options::default()
    });
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(cluster.run_controllers());
    (Client::new(cluster.service(), "default"), tasks)
}

async fn until(api: &Api<DynamicObject>, name: &str, done: impl Fn(&Value) -> bool) -> Value {
    let mut last = Value::Null;
    for _ in 0..500 {
        if let Some(found) = api.get_opt(name).await.expect("it answers") {
            last = serde_json::to_value(found).expect("it is JSON");
            if done(&last) {
                return last;
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{name} never came to be as wanted: {last:#}");
}

fn deployment(image: &str) -> DynamicObject {
    object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": image}]}}}}))
}

fn is_true(value: &Value, kind: &str) -> bool {
    let conditions = value["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|condition| condition["type"] == kind && condition["status"] == "True")
}

#[tokio::test]
async fn a_deployment_comes_to_life_rolls_and_goes() {
    let (client, _tasks) = living();
    let deployments = api(&client, "apps/v1", "Deployment", "deployments");
    let params = PatchParams::apply("holdfast").force();
    let ready = |wanted: u64| {
        move |value: &Value| {
            let status = &value["status"];
            status["availableReplicas"] == wanted
                && status["updatedReplicas"] == wanted
                && status["replicas"] == wanted
                && status["observedGeneration"] == value["metadata"]["generation"]
        }
    };
    deployments
        .patch("web", &params, &Patch::Apply(&deployment("web:1")))
        .await
        .expect("applied");
    let live = until(&deployments, "web", ready(2)).await;
    assert!(is_true(&live, "Available"));
    deployments
        .patch("web", &params, &Patch::Apply(&deployment("web:2")))
        .await
        .expect("applied");
    until(&deployments, "web", ready(2)).await;
    let pods = api(&client, "v1", "Pod", "pods");
    let images: Vec<Value> = pods
        .list(&ListParams::default().labels("app=web"))
        .await
        .expect("it lists")
        .items
        .into_iter()
        .map(|pod| pod.data["spec"]["containers"][0]["image"].clone())
        .collect();
    assert_eq!(images, [json!("web:2"), json!("web:2")]);
    deployments
        .delete("web", &DeleteParams::default())
        .await
        .expect("it is deleted");
    let mut left = usize::MAX;
    for _ in 0..500 {
        left = pods
            .list(&ListParams::default())
            .await
            .expect("it lists")
            .items
            .len();
        if left == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(left, 0);
}

#[tokio::test]
async fn a_broken_image_stops_a_roll_and_says_why() {
    let (client, _tasks) = living();
    let deployments = api(&client, "apps/v1", "Deployment", "deployments");
    let params = PatchParams::apply("holdfast").force();
    deployments
        .patch("web", &params, &Patch::Apply(&deployment("web:1")))
        .await
        .expect("applied");
    until(&deployments, "web", |value| is_true(value, "Available")).await;
    let broken = Patch::Apply(deployment("web:broken"));
    deployments
        .patch("web", &params, &broken)
        .await
        .expect("applied");
    until(&deployments, "web", |value| {
        value["status"]["updatedReplicas"] == 1
    })
    .await;
    let pods = api(&client, "v1", "Pod", "pods");
    let waiting = async || {
        let found = pods.list(&ListParams::default()).await.expect("it lists");
        found.items.into_iter().find_map(|pod| {
            let status = &pod.data["status"]["containerStatuses"][0];
            status["state"]["waiting"]["reason"]
                .as_str()
                .map(str::to_owned)
        })
    };
    let mut reason = None;
    for _ in 0..500 {
        reason = waiting().await;
        if reason.as_deref() == Some("ImagePullBackOff") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(reason.as_deref(), Some("ImagePullBackOff"));
    let live = until(&deployments, "web", |_| true).await;
    assert!(is_true(&live, "Available"), "the old pods go on: {live:#}");
}

#[tokio::test]
async fn a_job_completes_and_a_namespace_ends_with_all_that_is_in_it() {
    let (client, _tasks) = living();
    let jobs = api(&client, "batch/v1", "Job", "jobs");
    let job = object(json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "once"},
        "spec": {"template": {"spec": {"restartPolicy": "Never",
            "containers": [{"name": "c", "image": "c:1"}]}}}}));
    jobs.create(&PostParams::default(), &job)
        .await
        .expect("it is created");
    until(&jobs, "once", |value| is_true(value, "Complete")).await;
    let namespaces = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Namespace"));
    let namespaces: Api<DynamicObject> = Api::all_with(client.clone(), &namespaces);
    let namespace = object(json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}}));
    namespaces
        .create(&PostParams::default(), &namespace)
        .await
        .expect("it is created");
    until(&namespaces, "team", |value| {
        value["status"]["phase"] == "Active"
    })
    .await;
    namespaces
        .delete("team", &DeleteParams::default())
        .await
        .expect("it is ending");
    for _ in 0..500 {
        if namespaces
            .get_opt("team")
            .await
            .expect("it answers")
            .is_none()
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the namespace never ended");
}
