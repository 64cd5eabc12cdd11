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
        let ask = json!({"metadata": {"annotations": {"holdfast.dev/sync": text}}});
        stage
            .api
            .merge(&stage.stack_path("s"), "test", &ask)
            .await?;
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
