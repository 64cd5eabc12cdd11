//! Stacks that read several sources: a chart in one repository, its values in others.

use std::sync::Arc;
use std::time::Duration;

use holdfast_model::Value;
use holdfast_testbed::bed::{Bed, Stage, config};
use holdfast_testbed::repository::Repository;
use holdfast_testbed::shelf::Shelf;
use serde_json::json;

use crate::scenario;

fn write_chart(stage: &Stage, folder: &str) -> anyhow::Result<String> {
    let template = config(
        "{{ .Chart.Name }}",
        "{{ .Values.size }} {{ .Values.place }} {{ .Values.banner }}",
    );
    let chart = format!("apiVersion: v2\nname: {folder}\nversion: 1.0.0\n");
    let repository = &stage.repository;
    repository.write(&format!("{folder}/Chart.yaml"), &chart)?;
    let defaults = "{size: default, place: nowhere, banner: ''}\n";
    repository.write(&format!("{folder}/values.yaml"), defaults)?;
    repository.write(&format!("{folder}/templates/config.yaml"), &template)?;
    repository.commit("a chart")
}

/// A repository and a server with values, not committed yet.
fn outside() -> anyhow::Result<(Repository, Shelf)> {
    let values = Repository::new()?;
    values.write("prod/size.yaml", "size: small\n")?;
    values.write("prod/banner.txt", "hello")?;
    let shelf = Shelf::start()?;
    shelf.put("place.yaml", "place: here\n");
    Ok((values, shelf))
}

/// A Stack of a chart in the repository's folder, with values of another repository and of a server.
fn spec(stage: &Stage, folder: &str, values: &Repository, shelf: &Shelf) -> Value {
    json!({
        "source": {"git": stage.repository.url(), "path": folder, "interval": "1s"},
        "sources": [{"name": "env", "git": values.url(), "path": "prod", "interval": "1s"}],
        "render": {"helm": {
            "valueFiles": ["$env/size.yaml", shelf.url("place.yaml")],
            "fileParameters": [{"name": "banner", "path": "$env/banner.txt"}],
        }},
    })
}

/// Waits until a commit of the other repository is in place; the Stack.
async fn wait_other(stage: &Stage, commit: &str) -> anyhow::Result<Value> {
    let holds = |stack: Option<&Value>| {
        let other = stack.and_then(|stack| stack.pointer("/status/applied/others/env"));
        other.and_then(Value::as_str) == Some(commit)
    };
    let path = stage.stack_path("s");
    stage.api.wait(&path, &format!("at {commit}"), holds).await
}

scenario!(a_chart_takes_values_from_another_repository_and_follows_both);
async fn a_chart_takes_values_from_another_repository_and_follows_both(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "several").await?;
    let (values, shelf) = outside()?;
    let first = values.commit("values")?;
    let own = write_chart(&stage, "shop")?;
    stage
        .stack("s", spec(&stage, "shop", &values, &shelf))
        .await?;
    stage.wait_ready("s", &own).await?;
    wait_other(&stage, &first).await?;
    stage.wait_config("shop", "small here hello").await?;

    // What the Stack does not read is no news, in either repository.
    let renders = stage.telemetry().renders;
    values.write("staging/size.yaml", "size: huge\n")?;
    values.commit("for others")?;
    stage.repository.write("elsewhere.yaml", "{}\n")?;
    stage.repository.commit("elsewhere")?;
    values.write("prod/size.yaml", "size: big\n")?;
    let second = values.commit("bigger")?;
    stage.wait_config("shop", "big here hello").await?;
    assert_eq!(stage.telemetry().renders, renders + 1);
    let stack = wait_other(&stage, &second).await?;

    // A rollback goes back in both.
    let past = stack.pointer("/status/history/1");
    let past = past.cloned().unwrap_or_default();
    assert_eq!(past["others"]["env"], first.as_str(), "{stack}");
    let pin = json!({
        "commit": past["commit"],
        "others": past["others"],
        "skip": stack["status"]["history"][0]["rendered"],
    });
    let pin = json!({"metadata": {"annotations": {"holdfast.dev/pin": pin.to_string()}}});
    stage
        .api
        .merge(&stage.stack_path("s"), "test", &pin)
        .await?;
    stage.wait_config("shop", "small here hello").await?;
    stage.wait_reason("s", "Ready", "Pinned").await?;
    values.write("prod/banner.txt", "newer")?;
    values.commit("news end the pin")?;
    stage.wait_config("shop", "big here newer").await?;
    Ok(())
}

scenario!(a_source_that_is_away_or_unnamed_leaves_what_is_deployed);
async fn a_source_that_is_away_or_unnamed_leaves_what_is_deployed(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "severed").await?;
    let (values, shelf) = outside()?;
    values.commit("values")?;
    let own = write_chart(&stage, "cart")?;
    stage
        .stack("s", spec(&stage, "cart", &values, &shelf))
        .await?;
    stage.wait_ready("s", &own).await?;

    let path = stage.stack_path("s");
    let sources = |git: &str, name: &str| {
        let source = json!({"name": name, "git": git, "path": "prod", "interval": "1s"});
        json!({"spec": {"sources": [source]}})
    };
    let unnamed = sources(&values.url(), "other");
    stage.api.merge(&path, "test", &unnamed).await?;
    let stack = stage.wait_reason("s", "Ready", "RenderFailed").await?;
    let text = stack.to_string();
    assert!(text.contains("there is no source `env`"), "{text}");
    let away = sources("file:///nowhere/values.git", "env");
    stage.api.merge(&path, "test", &away).await?;
    let stack = stage.wait_reason("s", "Ready", "SourceFailed").await?;
    assert!(stack.to_string().contains("nowhere"), "{stack}");
    stage.wait_config("cart", "small here hello").await?;
    let back = sources(&values.url(), "env");
    stage.api.merge(&path, "test", &back).await?;
    stage.wait_reason("s", "Ready", "Succeeded").await?;
    Ok(())
}

scenario!(a_source_of_the_same_repository_that_is_no_longer_named_wakes_nobody);
async fn a_source_of_the_same_repository_that_is_no_longer_named_wakes_nobody(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "sibling").await?;
    let repository = &stage.repository;
    repository.write("prod/size.yaml", "size: small\n")?;
    repository.commit("values")?;
    repository.git(&["branch", "values"])?;
    let own = write_chart(&stage, "app")?;
    let source =
        json!({"name": "env", "git": repository.url(), "branch": "values", "path": "prod"});
    let helm = json!({"helm": {"valueFiles": ["$env/size.yaml"]}});
    stage
        .stack("s", json!({"sources": [source], "render": helm}))
        .await?;
    stage.wait_ready("s", &own).await?;
    stage.wait_config("app", "small nowhere").await?;
    let alone = json!({"spec": {"sources": null, "render": null}});
    let path = stage.stack_path("s");
    stage.api.merge(&path, "test", &alone).await?;
    stage.wait_config("app", "default nowhere").await?;
    stage.wait_reason("s", "Ready", "Succeeded").await?;

    // A status that says the same again waits five seconds, and then the Stack is at rest.
    let mut looks = stage.telemetry().looks;
    loop {
        tokio::time::sleep(Duration::from_secs(6)).await;
        let now = stage.telemetry().looks;
        if now == looks {
            break;
        }
        looks = now;
    }
    repository.write("prod/size.yaml", "size: big\n")?;
    repository.commit("bigger")?;
    repository.git(&["branch", "--force", "values"])?;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(stage.telemetry().looks, looks, "the other branch woke it");
    Ok(())
}
