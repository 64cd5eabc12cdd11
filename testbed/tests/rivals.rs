//! Fields that another writer keeps changing: they are left alone, and not for ever.

use std::sync::Arc;

use holdfast_model::Value;
use holdfast_testbed::bed::{Bed, Stage, config, find_condition};
use serde_json::json;

use crate::scenario;

scenario!(what_was_left_to_another_writer_is_taken_back_when_a_person_asks);
async fn what_was_left_to_another_writer_is_taken_back_when_a_person_asks(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "takeback").await?;
    stage.repository.write("app/a.yaml", &config("a", "ours"))?;
    let commit = stage.repository.commit("ours")?;
    stage.stack("s", json!({})).await?;
    stage.wait_ready("s", &commit).await?;
    let theirs = json!({"data": {"text": "theirs"}});
    let path = stage.config_path("a");
    for _ in 0..3 {
        stage.api.merge(&path, "bob", &theirs).await?;
        stage.wait_config("a", "ours").await?;
    }
    stage.api.merge(&path, "bob", &theirs).await?;
    let is_told = |stack: Option<&Value>| {
        let problem = stack.and_then(|stack| stack.pointer("/status/problems/0"));
        let text = |name: &str| problem.and_then(|problem| problem.get(name)?.as_str());
        text("reason") == Some("Contended")
            && text("message").is_some_and(|said| said.contains(" since "))
    };
    let stack = stage
        .api
        .wait(&stage.stack_path("s"), "left alone", is_told)
        .await?;
    assert!(
        stack.to_string().contains("holdfast sync --take-back"),
        "{stack}"
    );
    stage.wait_config("a", "theirs").await?;

    // Another object is not meant.
    let ask = |word: &str, object: &str| {
        let asked = json!({
            "holdfast.dev/sync": word,
            "holdfast.dev/take-back": format!("{word} {object}"),
        });
        json!({"metadata": {"annotations": asked}})
    };
    let handled = |word: &'static str| {
        move |stack: Option<&Value>| {
            stack.is_some_and(|stack| stack.pointer("/status/handledSync") == Some(&json!(word)))
        }
    };
    let s = stage.stack_path("s");
    let other = ask("one", "ConfigMap/takeback/b");
    stage.api.merge(&s, "test", &other).await?;
    stage.api.wait(&s, "asked", handled("one")).await?;
    stage.wait_config("a", "theirs").await?;
    let this = ask("two", "ConfigMap/takeback/a /data/text");
    stage.api.merge(&s, "test", &this).await?;
    let stack = stage.api.wait(&s, "asked", handled("two")).await?;
    stage.wait_config("a", "ours").await?;
    assert_eq!(find_condition(&stack, "Ready", "status"), "True", "{stack}");
    Ok(())
}
