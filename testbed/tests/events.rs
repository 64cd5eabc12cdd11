//! Events: what fails again and again is one Event with a count, whatever engine it fails under.

use std::sync::Arc;

use holdfast_model::Value;
use holdfast_testbed::bed::{Bed, Stage, config, find_condition};
use holdfast_testbed::proxy::Faults;
use http::StatusCode;
use serde_json::json;

use crate::scenario;

/// The counts of the Events with a reason.
fn counts(list: Option<&Value>, reason: &str) -> Vec<u64> {
    let items = list.and_then(|list| list.get("items")?.as_array());
    let items = items.into_iter().flatten();
    items
        .filter(|event| event["reason"] == reason)
        .filter_map(|event| event["count"].as_u64())
        .collect()
}

/// Waits until the one Event with a reason has a count of more than this; the count.
async fn more_than(stage: &Stage, reason: &str, before: u64) -> anyhow::Result<u64> {
    let path = format!("/api/v1/namespaces/{}/events", stage.namespace);
    let what = format!("{reason} more than {before} times");
    let holds = |list: Option<&Value>| counts(list, reason).iter().sum::<u64>() > before;
    let list = stage.api.wait(&path, &what, holds).await?;
    let found = counts(Some(&list), reason);
    anyhow::ensure!(found.len() == 1, "there is one Event: {list:#}");
    Ok(found[0])
}

scenario!(what_fails_again_and_again_is_one_event_with_a_count);
async fn what_fails_again_and_again_is_one_event_with_a_count(bed: Arc<Bed>) -> anyhow::Result<()> {
    let mut stage = Stage::new(&bed, "counted").await?;
    let elsewhere = config("a", "one").replace("  name: a", "  name: a\n  namespace: counted-too");
    stage.repository.write("app/a.yaml", &elsewhere)?;
    let commit = stage.repository.commit("one")?;
    stage.stack("s", json!({})).await?;
    let count = more_than(&stage, "SyncFailed", 1).await?;
    stage.start_engine();
    more_than(&stage, "SyncFailed", count).await?;
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "counted-too"}});
    stage.api.create("/api/v1/namespaces", &namespace).await?;
    stage.ask("s", "now").await?;
    stage.wait_ready("s", &commit).await?;
    more_than(&stage, "Synced", 0).await?;
    Ok(())
}

scenario!(an_event_that_the_server_refuses_is_there_when_it_does_not_any_more);
async fn an_event_that_the_server_refuses_is_there_when_it_does_not_any_more(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let faults = Faults::default();
    let engine = faults.client(bed.client().await?);
    let stage = Stage::through(&bed, "refused", engine).await?;
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    let commit = stage.repository.commit("one")?;
    stage.stack("s", json!({})).await?;
    stage.wait_ready("s", &commit).await?;
    let refusals = [
        StatusCode::FORBIDDEN,
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::UNPROCESSABLE_ENTITY,
    ];
    let path = format!("/api/v1/namespaces/{}/events", stage.namespace);
    for status in refusals {
        faults.refuse(Some(("/events", status)));
        // A text that is longer than a message may be, of letters of several bytes each.
        let broken = format!("{status}: [{}\n", "ü".repeat(2_000));
        stage.repository.write("app/a.yaml", &broken)?;
        let broken = stage.repository.commit("broken")?;
        stage.wait_reason("s", "Ready", "RenderFailed").await?;
        let waits = |_: Option<&Value>| faults.refusals() > 1;
        stage.api.wait(&path, "it is tried again", waits).await?;
        let waiting = stage.telemetry().unread.waiting;
        assert!(waiting > 0, "{status}: nothing waits");
        faults.refuse(None);
        let is_said = |list: Option<&Value>| {
            let items = list.and_then(|list| list.get("items")?.as_array());
            items.into_iter().flatten().any(|event| {
                let message = event["message"].as_str().unwrap_or_default();
                event["reason"] == "RenderFailed" && message.contains(&broken[..12])
            })
        };
        stage.api.wait(&path, "it is said", is_said).await?;
        stage.repository.write("app/a.yaml", &config("a", "one"))?;
        let commit = stage.repository.commit("mended")?;
        stage.wait_ready("s", &commit).await?;
    }
    assert_eq!(stage.telemetry().unread.lost, 0);
    Ok(())
}

scenario!(a_version_of_the_api_that_was_removed_is_named_with_what_replaces_it);
async fn a_version_of_the_api_that_was_removed_is_named_with_what_replaces_it(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "removed").await?;
    let budget = "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {name: web}\n\
                  spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}\n";
    stage.repository.write("app/budget.yaml", budget)?;
    stage.repository.commit("an old one")?;
    stage.stack("s", json!({})).await?;
    let is_said = |stack: Option<&Value>| {
        stack.is_some_and(|stack| {
            let message = find_condition(stack, "Ready", "message");
            message.contains("app/budget.yaml:1")
                && message.contains("write apiVersion: policy/v1,")
        })
    };
    stage
        .api
        .wait(&stage.stack_path("s"), "what replaces it", is_said)
        .await?;
    let new = budget.replace("v1beta1", "v1");
    stage.repository.write("app/budget.yaml", &new)?;
    let commit = stage.repository.commit("the new one")?;
    stage.wait_ready("s", &commit).await?;
    Ok(())
}
