//! What a person confirmed counts once, and what waits for health needs no source.

use std::sync::Arc;

use holdfast_model::Value;
use holdfast_testbed::bed::{Bed, Stage, config, find_condition};
use holdfast_testbed::undo::Back;
use serde_json::json;

use crate::scenario;
use crate::shop::Shop;

fn pending(stack: &Value) -> Option<&str> {
    stack.pointer("/status/pending/plan")?.as_str()
}

scenario!(a_confirmation_is_taken_away_when_it_was_used_and_never_counts_again);
async fn a_confirmation_is_taken_away_when_it_was_used_and_never_counts_again(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "spent").await?;
    for name in ["a", "b", "c"] {
        let path = format!("app/{name}.yaml");
        stage.repository.write(&path, &config(name, "one"))?;
    }
    let all = stage.repository.commit("three")?;
    stage.stack("s", json!({})).await?;
    stage.wait_ready("s", &all).await?;
    for name in ["a", "b"] {
        let path = format!("app/{name}.yaml");
        stage.repository.write(&path, "# nothing\n")?;
    }
    let one = stage.repository.commit("one")?;
    let stack = stage
        .wait_reason("s", "Ready", "ConfirmationNeeded")
        .await?;
    let plan = pending(&stack).unwrap_or_default().to_owned();

    let path = stage.stack_path("s");
    let approve = json!({"metadata": {"annotations": {"holdfast.dev/approve": plan}}});
    stage.api.merge(&path, "test", &approve).await?;
    stage.wait_gone(&stage.config_path("a")).await?;
    stage.wait_ready("s", &one).await?;
    let is_taken_away = |stack: Option<&Value>| {
        stack.is_some_and(|stack| {
            stack
                .pointer("/metadata/annotations/holdfast.dev~1approve")
                .is_none()
        })
    };
    stage.api.wait(&path, "taken away", is_taken_away).await?;

    // The same plan, of the same revision, waits for a person again, who may confirm it again.
    let back = Back {
        to: Some(&all),
        expires: None,
    };
    stage.roll_back("s", back).await?;
    stage.wait_config("a", "one").await?;
    stage.wait_reason("s", "Ready", "Pinned").await?;
    stage.resume("s").await?;
    let stack = stage
        .wait_reason("s", "Ready", "ConfirmationNeeded")
        .await?;
    assert_eq!(pending(&stack), Some(plan.as_str()));
    stage.wait_config("a", "one").await?;
    stage.api.merge(&path, "test", &approve).await?;
    stage.wait_gone(&stage.config_path("a")).await?;
    stage.wait_ready("s", &one).await?;
    stage.api.wait(&path, "taken away", is_taken_away).await?;
    Ok(())
}

const CLAIM: &str = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec:\n  \
    accessModes: [ReadWriteOnce]\n  storageClassName: nobody-provides-it\n  \
    resources: {requests: {storage: 1Gi}}\n";

const SECOND: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  \
    annotations: {holdfast.dev/wave: \"1\"}\ndata: {text: one}\n";

scenario!(a_rollout_that_waits_for_health_goes_on_while_its_source_is_away);
async fn a_rollout_that_waits_for_health_goes_on_while_its_source_is_away(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "goes-on").await?;
    stage.repository.write("app/claim.yaml", CLAIM)?;
    stage.repository.write("app/a.yaml", SECOND)?;
    let commit = stage.repository.commit("two waves")?;
    stage.stack("s", json!({})).await?;
    stage.wait_reason("s", "Ready", "Progressing").await?;

    let git = stage.repository.path().join(".git");
    let aside = stage.repository.path().join("aside");
    std::fs::rename(&git, &aside)?;
    stage
        .wait_reason("s", "SourceReady", "SourceFailed")
        .await?;
    let path = format!(
        "/api/v1/namespaces/{}/persistentvolumeclaims/data/status",
        stage.namespace
    );
    let bound = json!({"status": {"phase": "Bound"}});
    stage.api.merge(&path, "test", &bound).await?;
    stage.wait_config("a", "one").await?;
    let stack = stage.wait_ready("s", &commit).await?;
    let message = find_condition(&stack, "Ready", "message");
    assert!(message.contains("cannot be read since"), "{message}");
    assert_eq!(find_condition(&stack, "SourceReady", "status"), "False");

    std::fs::rename(&aside, &git)?;
    stage.wait_reason("s", "SourceReady", "Succeeded").await?;
    stage.wait_reason("s", "Synced", "Succeeded").await?;
    Ok(())
}

#[test]
fn a_sync_that_could_not_be_had_says_only_that() {
    crate::block_on(async {
        let shop = Shop::start().await?;
        let commit = shop.put("one")?;
        shop.stack(json!({})).await?;
        shop.wait(&commit, "Succeeded").await?;
        let git = shop.repository.path().join(".git");
        let aside = shop.repository.path().join("aside");
        std::fs::rename(&git, &aside)?;
        let (said, code) = shop.run(&["sync", "s"])?;
        assert_eq!(code, Some(1), "{said}");
        for words in [
            "s was not synced: ",
            &commit[..12],
            "is in place; the source cannot be read since",
        ] {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(!said.contains("Succeeded"), "{said}");
        std::fs::rename(&aside, &git)?;
        shop.ends(&["sync", "s"], 0, "Succeeded")?;
        Ok(())
    });
}
