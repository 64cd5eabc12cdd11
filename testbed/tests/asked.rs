//! What a person asks for is done at once, and with what is newest.

use std::sync::Arc;

use holdfast_model::Value;
use holdfast_testbed::bed::{Bed, Stage, config};
use serde_json::json;

use crate::scenario;

scenario!(a_stack_that_is_asked_to_sync_looks_for_what_is_newest_first);
async fn a_stack_that_is_asked_to_sync_looks_for_what_is_newest_first(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "newest").await?;
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    let first = stage.repository.commit("one")?;
    let source = json!({"git": stage.repository.url(), "path": "app", "interval": "1h"});
    stage.stack("s", json!({"source": source})).await?;
    stage.wait_ready("s", &first).await?;
    for text in ["two", "three", "four"] {
        stage.repository.write("app/a.yaml", &config("a", text))?;
        let commit = stage.repository.commit(text)?;
        stage.ask("s", text).await?;
        let handled = |stack: Option<&Value>| {
            stack.is_some_and(|stack| stack.pointer("/status/handledSync") == Some(&json!(text)))
        };
        // Whenever the request counts as followed, the newest commit is in place.
        let stack = stage
            .api
            .wait(&stage.stack_path("s"), "followed", handled)
            .await?;
        assert_eq!(
            stack.pointer("/status/applied/commit"),
            Some(&json!(commit))
        );
        stage.wait_config("a", text).await?;
    }
    Ok(())
}

scenario!(an_atomic_stack_checks_what_cannot_be_asked_yet_against_its_schema);
async fn an_atomic_stack_checks_what_cannot_be_asked_yet_against_its_schema(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "schemas").await?;
    let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: \
        gadgets.schemas.example.org}\nspec:\n  group: schemas.example.org\n  scope: Namespaced\n  names: {kind: \
        Gadget, plural: gadgets}\n  versions:\n  - name: v1\n    served: true\n    storage: true\n    schema:\n      \
        openAPIV3Schema: {type: object, properties: {spec: {type: object, properties: {size: {type: \
        integer}}}}}\n";
    let gadget = |size: &str| {
        format!(
            "apiVersion: schemas.example.org/v1\nkind: Gadget\nmetadata: {{name: g}}\nspec: {{size: {size}}}\n"
        )
    };
    stage.repository.write("app/definition.yaml", definition)?;
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    stage.repository.write("app/gadget.yaml", &gadget("big"))?;
    stage
        .repository
        .commit("a definition, and an object that does not fit it")?;
    stage
        .stack("s", json!({"sync": {"mode": "atomic"}}))
        .await?;
    let stack = stage.wait_reason("s", "Ready", "ApplyFailed").await?;
    assert!(
        stack
            .to_string()
            .contains("spec.size: takes a whole number"),
        "{stack}"
    );
    assert!(
        stage.api.get(&stage.config_path("a")).await.is_err(),
        "nothing is applied"
    );
    stage.repository.write("app/gadget.yaml", &gadget("3"))?;
    let commit = stage.repository.commit("it fits")?;
    stage.wait_ready("s", &commit).await?;
    let path = "/apis/schemas.example.org/v1/namespaces/schemas/gadgets/g";
    assert_eq!(
        stage.api.get(path).await?.pointer("/spec/size"),
        Some(&json!(3))
    );
    Ok(())
}

scenario!(an_engine_that_starts_again_writes_no_status_that_says_nothing_new);
async fn an_engine_that_starts_again_writes_no_status_that_says_nothing_new(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let mut stage = Stage::new(&bed, "silent").await?;
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    let first = stage.repository.commit("one")?;
    stage.stack("s", json!({})).await?;
    let before = stage.wait_ready("s", &first).await?;
    stage.stop_engine();
    stage
        .repository
        .write("elsewhere/b.yaml", "is: no news\n")?;
    stage.repository.commit("elsewhere")?;
    stage.start_engine();
    let renders = async {
        while stage.telemetry().looks < 1 || stage.telemetry().renders < 1 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), renders).await?;
    // What the look that follows the render has to say is said soon, if it says anything.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let hand = json!({"data": {"text": "hand"}});
    let version = |stack: &Value| stack.pointer("/metadata/resourceVersion").cloned();
    let after = stage.api.get(&stage.stack_path("s")).await?;
    assert_eq!(version(&after), version(&before), "{after}");
    stage
        .api
        .merge(&stage.config_path("a"), "alice", &hand)
        .await?;
    stage.wait_config("a", "one").await?;
    Ok(())
}
