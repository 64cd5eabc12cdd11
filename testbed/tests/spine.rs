//! A commit reaches a real cluster, stays there, and can be undone.

use std::sync::Arc;

use holdfast::wiring::{self, EngineSettings};
use holdfast_api::native::crds::definitions;
use holdfast_model::Value;
use holdfast_testbed::api::Api;
use holdfast_testbed::cluster::{RealCluster, is_built};
use holdfast_testbed::repository::Repository;
use kube::Client;
use serde_json::json;
use tokio::sync::OnceCell;

/// One cluster for all tests of the binary, in its own runtime so that it outlives each test.
static CLUSTER: OnceCell<Option<Arc<RealCluster>>> = OnceCell::const_new();

async fn cluster() -> Option<Arc<RealCluster>> {
    let start = || async {
        if !is_built() {
            return None;
        }
        let cluster = RealCluster::start().await.expect("the cluster starts");
        let api = Api {
            client: cluster.client.clone(),
        };
        let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        for definition in definitions() {
            api.create(crds, &definition)
                .await
                .expect("the definition is taken");
        }
        api.wait("/apis/holdfast.dev/v1alpha1/stacks", "served", |list| {
            list.is_some()
        })
        .await
        .expect("served");
        Some(Arc::new(cluster))
    };
    CLUSTER.get_or_init(start).await.clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thin_thread() -> anyhow::Result<()> {
    let Some(cluster) = cluster().await else {
        return Ok(());
    };
    let config = wiring::Connection {
        kubeconfig: Some(cluster.kubeconfig.clone()),
        context: None,
    };
    let client: Client = wiring::connect(&config).await?.client;
    let api = Api {
        client: client.clone(),
    };
    let repository = Repository::new()?;
    repository.write(
        "app/config.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: hello\ndata:\n  text: one\n",
    )?;
    repository.commit("one")?;
    api.create(
        "/api/v1/namespaces",
        &json!({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"thin"}}),
    )
    .await?;
    let data = tempfile::tempdir()?;
    let (engine, plane) =
        wiring::engine(client.clone(), &EngineSettings::new(data.path().to_owned()));
    tokio::spawn(wiring::run(engine, plane));
    api.create(
        "/apis/holdfast.dev/v1alpha1/namespaces/thin/stacks",
        &json!({
        "apiVersion": "holdfast.dev/v1alpha1", "kind": "Stack", "metadata": {"name": "s"},
        "spec": {"source": {"git": repository.url(), "path": "app", "interval": "1s"}}}),
    )
    .await?;
    let path = "/apis/holdfast.dev/v1alpha1/namespaces/thin/stacks/s";
    let ready = |o: Option<&Value>| {
        o.and_then(|o| o.pointer("/status/conditions/0/status"))
            .and_then(Value::as_str)
            == Some("True")
    };
    let stack = api.wait(path, "ready", ready).await?;
    println!("{stack:#}");
    let cm = api.get("/api/v1/namespaces/thin/configmaps/hello").await?;
    println!("{cm:#}");
    Ok(())
}
