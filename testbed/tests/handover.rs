//! Nothing is lost between clusters, namespaces and Stacks.

use std::process::{Command, Stdio};
use std::sync::Arc;

use holdfast_model::Value;
use holdfast_testbed::api::Api;
use holdfast_testbed::bed::{Bed, Stage, config};
use holdfast_testbed::process::Victim;
use serde_json::json;

use crate::scenario;

fn path(namespace: &str, name: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps/{name}")
}

async fn make_namespace(api: &Api, name: &str) -> anyhow::Result<()> {
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
    api.create("/api/v1/namespaces", &object).await?;
    Ok(())
}

fn uid(object: &Value) -> Option<String> {
    let uid = object.pointer("/metadata/uid").and_then(Value::as_str);
    uid.map(str::to_owned)
}

scenario!(a_stack_arrives_on_another_cluster_and_then_leaves_the_first);
async fn a_stack_arrives_on_another_cluster_and_then_leaves_the_first(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "goes").await?;
    let data = tempfile::tempdir()?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
    command.args(["cluster", "up", "--data"]).arg(data.path());
    let _other = Victim::start(command.stdout(Stdio::null()))?;
    let kubeconfig = data.path().join("kubeconfig");
    let other = Api::connect(&kubeconfig, "/api/v1/namespaces/default").await?;
    make_namespace(&other, "goes").await?;
    let text = std::fs::read_to_string(&kubeconfig)?;
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other"},
        "stringData": {"kubeconfig": text}});
    stage
        .api
        .create("/api/v1/namespaces/goes/secrets", &secret)
        .await?;
    let target = json!({"apiVersion": "holdfast.dev/v1alpha1", "kind": "Target",
        "metadata": {"name": "goes-other"},
        "spec": {"kubernetes": {"kubeconfig": {"namespace": "goes", "name": "other"}}}});
    stage
        .api
        .create("/apis/holdfast.dev/v1alpha1/targets", &target)
        .await?;
    for name in ["a", "b"] {
        stage
            .repository
            .write(&format!("app/{name}.yaml"), &config(name, "one"))?;
    }
    let commit = stage.repository.commit("one")?;
    stage.stack("s", json!({})).await?;
    stage.wait_ready("s", &commit).await?;

    // Git drops `a` while the Stack is suspended, and somebody else has an `a` where it goes.
    let suspend = |word: bool| json!({"spec": {"suspend": word}});
    stage
        .api
        .merge(&stage.stack_path("s"), "test", &suspend(true))
        .await?;
    stage.wait_reason("s", "Ready", "Suspended").await?;
    stage.repository.git(&["rm", "--quiet", "app/a.yaml"])?;
    let commit = stage.repository.commit("two")?;
    let stranger = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"},
        "data": {"text": "somebody else"}});
    other
        .create("/api/v1/namespaces/goes/configmaps", &stranger)
        .await?;
    let send = json!({"spec": {"suspend": false, "target": {"name": "goes-other"}}});
    stage
        .api
        .merge(&stage.stack_path("s"), "test", &send)
        .await?;
    stage.wait_gone(&stage.config_path("a")).await?;
    stage.wait_gone(&stage.config_path("b")).await?;
    stage.wait_ready("s", &commit).await?;
    let there = other.get(&path("goes", "b")).await?;
    assert_eq!(there["data"]["text"], "one");
    let there = other.get(&path("goes", "a")).await?;
    assert_eq!(there["data"]["text"], "somebody else");
    Ok(())
}

scenario!(a_stack_arrives_in_another_namespace_and_then_leaves_the_first);
async fn a_stack_arrives_in_another_namespace_and_then_leaves_the_first(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "leaves").await?;
    make_namespace(&stage.api, "leaves-for").await?;
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    let commit = stage.repository.commit("one")?;
    stage.stack("s", json!({})).await?;
    stage.wait_ready("s", &commit).await?;
    let send = json!({"spec": {"target": {"namespace": "leaves-for"}}});
    stage
        .api
        .merge(&stage.stack_path("s"), "test", &send)
        .await?;
    stage.wait_gone(&stage.config_path("a")).await?;
    stage.api.get(&path("leaves-for", "a")).await?;
    stage.wait_ready("s", &commit).await?;
    Ok(())
}

scenario!(a_file_that_moves_to_another_stack_takes_its_object_along);
async fn a_file_that_moves_to_another_stack_takes_its_object_along(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "passes").await?;
    for place in ["one/a", "one/moved", "two/b"] {
        let (_, name) = place.split_once('/').unwrap_or_default();
        stage
            .repository
            .write(&format!("{place}.yaml"), &config(name, "one"))?;
    }
    let commit = stage.repository.commit("one")?;
    for name in ["one", "two"] {
        let source = json!({"git": stage.repository.url(), "path": name, "interval": "1s"});
        stage.stack(name, json!({"source": source})).await?;
        stage.wait_ready(name, &commit).await?;
    }
    let before = uid(&stage.api.get(&stage.config_path("moved")).await?);
    assert!(before.is_some());
    stage
        .repository
        .git(&["mv", "one/moved.yaml", "two/moved.yaml"])?;
    let commit = stage.repository.commit("move")?;
    for name in ["one", "two"] {
        stage.wait_ready(name, &commit).await?;
    }
    assert_eq!(
        uid(&stage.api.get(&stage.config_path("moved")).await?),
        before
    );

    // The Stack is renamed.
    let orphan = json!({"spec": {"deletion": "orphan"}});
    stage
        .api
        .merge(&stage.stack_path("two"), "test", &orphan)
        .await?;
    stage.api.delete(&stage.stack_path("two")).await?;
    stage.wait_gone(&stage.stack_path("two")).await?;
    let source = json!({"git": stage.repository.url(), "path": "two", "interval": "1s"});
    stage.stack("three", json!({"source": source})).await?;
    stage.wait_ready("three", &commit).await?;
    assert_eq!(
        uid(&stage.api.get(&stage.config_path("moved")).await?),
        before
    );
    Ok(())
}

/// Every order of these.
fn orders(of: &[&'static str]) -> Vec<Vec<&'static str>> {
    if of.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (index, first) in of.iter().enumerate() {
        let mut rest = of.to_vec();
        rest.remove(index);
        for mut order in orders(&rest) {
            order.insert(0, first);
            all.push(order);
        }
    }
    all
}

scenario!(a_stack_its_namespaces_and_its_target_go_in_any_order);
async fn a_stack_its_namespaces_and_its_target_go_in_any_order(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let mut stages = Vec::new();
    let orders = orders(&["stack", "namespace", "destination", "target"]);
    for (index, order) in orders.into_iter().enumerate() {
        let name = format!("ends-{index}");
        let stage = Stage::new(&bed, &name).await?;
        make_namespace(&stage.api, &format!("{name}-at")).await?;
        let target = json!({"apiVersion": "holdfast.dev/v1alpha1", "kind": "Target",
            "metadata": {"name": name}, "spec": {"kubernetes": {}}});
        stage
            .api
            .create("/apis/holdfast.dev/v1alpha1/targets", &target)
            .await?;
        stage.repository.write("app/a.yaml", &config("a", "one"))?;
        stage.repository.commit("one")?;
        let at = json!({"name": name, "namespace": format!("{name}-at")});
        stage.stack("s", json!({"target": at})).await?;
        stages.push((stage, order));
    }
    for (stage, order) in &stages {
        stage.wait_reason("s", "Ready", "Succeeded").await?;
        let name = &stage.namespace;
        for what in order {
            let path = match *what {
                "stack" => stage.stack_path("s"),
                "namespace" => format!("/api/v1/namespaces/{name}"),
                "destination" => format!("/api/v1/namespaces/{name}-at"),
                _ => format!("/apis/holdfast.dev/v1alpha1/targets/{name}"),
            };
            // It may have gone with something else already.
            let _ = stage.api.delete(&path).await;
        }
    }
    for (stage, order) in &stages {
        for name in [stage.namespace.clone(), format!("{}-at", stage.namespace)] {
            let gone = stage.wait_gone(&format!("/api/v1/namespaces/{name}")).await;
            gone.map_err(|error| error.context(format!("{name}: {order:?}")))?;
        }
    }
    Ok(())
}

scenario!(an_object_passes_between_a_stack_and_one_that_depends_on_it);
async fn an_object_passes_between_a_stack_and_one_that_depends_on_it(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "passes-on").await?;
    for (folder, name) in [("p", "a"), ("p", "b"), ("q", "c"), ("q", "d")] {
        let file = format!("{folder}/{name}.yaml");
        stage.repository.write(&file, &config(name, "one"))?;
    }
    let commit = stage.repository.commit("one")?;
    let source =
        |path: &str| json!({"git": stage.repository.url(), "path": path, "interval": "1s"});
    stage.stack("p", json!({"source": source("p")})).await?;
    let depends = json!({"source": source("q"), "dependsOn": [{"name": "p"}]});
    stage.stack("q", depends).await?;
    stage.wait_ready("q", &commit).await?;
    let before = stage.wait_config("a", "one").await?;

    // To the one that depends on it, with a change beside it; and back again.
    stage.repository.git(&["mv", "p/a.yaml", "q/a.yaml"])?;
    stage.repository.write("q/c.yaml", &config("c", "two"))?;
    let commit = stage.repository.commit("two")?;
    stage.wait_ready("p", &commit).await?;
    stage.wait_ready("q", &commit).await?;
    stage.wait_config("c", "two").await?;
    stage.repository.git(&["mv", "q/a.yaml", "p/a.yaml"])?;
    stage.repository.write("p/b.yaml", &config("b", "two"))?;
    let commit = stage.repository.commit("three")?;
    stage.wait_ready("p", &commit).await?;
    stage.wait_ready("q", &commit).await?;
    stage.wait_config("b", "two").await?;
    let after = stage.wait_config("a", "one").await?;
    assert_eq!(uid(&after), uid(&before), "it was not made anew");
    Ok(())
}
