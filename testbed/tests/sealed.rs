//! What the engine wrote down for itself: that nobody else can write it, and that nobody learns from
//! it what must not be known.

use std::sync::Arc;

use holdfast_model::Value;
use holdfast_testbed::bed::{Bed, Stage, config};
use http::Method;
use serde_json::json;

use crate::scenario;

/// An object that carries the engine's own field manager, as one that an earlier Stack left behind.
async fn left_behind(stage: &Stage, name: &str) -> anyhow::Result<()> {
    let path = format!(
        "{}?fieldManager=holdfast&force=true",
        stage.config_path(name)
    );
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
        "data": {"text": "somebody's"}});
    let content_type = "application/apply-patch+yaml";
    let applied = stage
        .api
        .send(Method::PATCH, &path, content_type, Some(&object));
    applied.await.map(drop)
}

/// The messages of a Stack's Events of one reason.
async fn events(stage: &Stage, reason: &str) -> anyhow::Result<Vec<String>> {
    let path = format!("/api/v1/namespaces/{}/events", stage.namespace);
    let list = stage.api.get(&path).await?;
    let items = list["items"].as_array().into_iter().flatten();
    let messages = items.filter(|event| event["reason"] == reason);
    let text = |event: &Value| event["message"].as_str().unwrap_or_default().to_owned();
    Ok(messages.map(text).collect())
}

scenario!(an_inventory_that_somebody_else_wrote_is_ignored_and_reported);
async fn an_inventory_that_somebody_else_wrote_is_ignored_and_reported(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let mut stage = Stage::new(&bed, "forged").await?;
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    stage.repository.write("app/b.yaml", &config("b", "one"))?;
    let commit = stage.repository.commit("one")?;
    let spec = json!({"sync": {"limits": {"prune": "100%"}}});
    stage.stack("s", spec).await?;
    stage.wait_ready("s", &commit).await?;
    left_behind(&stage, "precious").await?;

    // One line more in what is there, and a part of its own with the same labels and owner.
    stage.stop_engine();
    let line = format!("- v1 ConfigMap {} precious\n", stage.namespace);
    let path = stage.config_path("holdfast-inventory-s");
    let mut chunk = stage.api.get(&path).await?;
    let text = chunk["data"]["inventory"].as_str().unwrap_or_default();
    let longer = json!({"data": {"inventory": format!("{text}{line}")}});
    stage.api.merge(&path, "mallory", &longer).await?;
    let metadata = &mut chunk["metadata"];
    for field in [
        "uid",
        "resourceVersion",
        "managedFields",
        "creationTimestamp",
    ] {
        metadata.as_object_mut().map(|fields| fields.remove(field));
    }
    metadata["name"] = "holdfast-inventory-s-0123456789ab".into();
    chunk["data"]["inventory"] = line.into();
    let list = stage.config_path("");
    stage.api.create(list.trim_end_matches('/'), &chunk).await?;

    // Nothing that they name is touched, and what Git wants belongs to the Stack again.
    stage.start_engine();
    stage.repository.write("app/c.yaml", &config("c", "one"))?;
    let commit = stage.repository.commit("two")?;
    let stack = stage.wait_ready("s", &commit).await?;
    assert_eq!(stack.pointer("/status/inventory/count"), Some(&json!(3)));
    stage.repository.git(&["rm", "--quiet", "app/b.yaml"])?;
    let commit = stage.repository.commit("three")?;
    stage.wait_ready("s", &commit).await?;
    stage.wait_gone(&stage.config_path("b")).await?;
    stage.wait_config("precious", "somebody's").await?;
    let ignored = events(&stage, "InventoryIgnored").await?;
    assert_eq!(ignored.len(), 2, "{ignored:?}");
    let named = |name: &str| ignored.iter().any(|message| message.contains(name));
    assert!(
        named("holdfast-inventory-s-0123456789ab is ignored"),
        "{ignored:?}"
    );
    assert!(named("holdfast-inventory-s is ignored"), "{ignored:?}");

    // What the engine wrote meanwhile it believes.
    let forged = stage.config_path("holdfast-inventory-s-0123456789ab");
    stage.api.delete(&forged).await?;
    stage.stop_engine();
    stage.start_engine();
    stage.repository.git(&["rm", "--quiet", "app/c.yaml"])?;
    let commit = stage.repository.commit("four")?;
    stage.wait_ready("s", &commit).await?;
    stage.wait_gone(&stage.config_path("c")).await?;
    assert_eq!(events(&stage, "InventoryIgnored").await?.len(), 2);
    stage.api.delete(&stage.config_path("precious")).await?;
    Ok(())
}
