//! Folders that are symlinks inside the repository are followed, whatever they hold.

use std::sync::Arc;

use holdfast_testbed::bed::{Bed, Stage, config, find_condition};
use serde_json::json;

use crate::scenario;

scenario!(stacks_on_folders_that_are_links_render_as_the_folders_do);
async fn stacks_on_folders_that_are_links_render_as_the_folders_do(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "linked-folders").await?;
    let files = [
        ("shared/plain/a.yaml", config("plain", "one")),
        ("shared/overlay/a.yaml", config("overlay", "one")),
        (
            "shared/overlay/kustomization.yaml",
            "resources: [a.yaml]\n".to_owned(),
        ),
        (
            "shared/chart/Chart.yaml",
            "apiVersion: v2\nname: chart\nversion: 1.0.0\n".to_owned(),
        ),
        ("shared/chart/templates/a.yaml", config("chart", "one")),
        (
            "one/top/kustomization.yaml",
            "resources: [../overlay]\nnamePrefix: top-\n".to_owned(),
        ),
    ];
    for (path, text) in &files {
        stage.repository.write(path, text)?;
    }
    for name in ["plain", "overlay", "chart"] {
        let target = format!("../shared/{name}");
        stage.repository.link(&format!("one/{name}"), &target)?;
    }
    stage.repository.link("two", "one")?;
    let source =
        |path: &str| json!({"git": stage.repository.url(), "path": path, "interval": "1s"});
    let commit = stage.repository.commit("links")?;
    for (name, path) in [
        ("plain", "one/plain"),
        ("overlay", "two/overlay"),
        ("chart", "two/chart"),
        ("top", "one/top"),
    ] {
        stage.stack(name, json!({"source": source(path)})).await?;
        stage.wait_ready(name, &commit).await?;
    }
    for name in ["plain", "overlay", "chart", "top-overlay"] {
        stage.wait_config(name, "one").await?;
    }

    // What is behind the link changes, and the Stack follows.
    stage
        .repository
        .write("shared/chart/templates/a.yaml", &config("chart", "two"))?;
    let commit = stage.repository.commit("two")?;
    stage.wait_ready("chart", &commit).await?;
    stage.wait_config("chart", "two").await?;

    // A link out of the repository is refused, and said.
    stage.repository.link("out", "../../etc")?;
    stage.repository.commit("out")?;
    stage.stack("out", json!({"source": source("out")})).await?;
    let leaves = |stack: Option<&holdfast_model::Value>| {
        stack.is_some_and(|stack| {
            find_condition(stack, "Ready", "message").contains("leaves the repository")
        })
    };
    let path = stage.stack_path("out");
    stage.api.wait(&path, "refused", leaves).await?;
    Ok(())
}
