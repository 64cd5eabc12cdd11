//! Charts that look things up on the target that they are rendered for.

use std::sync::Arc;

use holdfast_testbed::bed::{Bed, Stage, config, find_condition};
use serde_json::json;

use crate::scenario;

/// A chart of one ConfigMap with the text of a ConfigMap that somebody else keeps.
fn write_chart(stage: &Stage, namespace: &str) -> anyhow::Result<String> {
    let given = format!("(lookup \"v1\" \"ConfigMap\" {namespace} \"given\").data");
    let text = format!("{{{{ (default dict {given}).text | default \"nothing\" }}}}");
    let repository = &stage.repository;
    repository.write(
        "app/Chart.yaml",
        "apiVersion: v2\nname: app\nversion: 1.0.0\n",
    )?;
    repository.write("app/templates/a.yaml", &config("a", &text))?;
    repository.commit(&format!("looks up in {namespace}"))
}

/// A ConfigMap that no Stack has.
async fn give(stage: &Stage, text: &str) -> anyhow::Result<()> {
    let path = format!("/api/v1/namespaces/{}/configmaps", stage.namespace);
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "given"}, "data": {"text": text}});
    stage.api.create(&path, &object).await?;
    Ok(())
}

scenario!(a_chart_follows_what_it_looks_up);
async fn a_chart_follows_what_it_looks_up(bed: Arc<Bed>) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "lookup").await?;
    let first = write_chart(&stage, ".Release.Namespace")?;
    let allowing = json!({"render": {"helm": {"lookup": "namespace"}}});
    stage.stack("s", allowing).await?;
    stage.wait_ready("s", &first).await?;
    stage.wait_config("a", "nothing").await?;

    // No commit says so: what was looked up is asked for again.
    give(&stage, "one").await?;
    stage.wait_config("a", "one").await?;
    let text = |text: &str| json!({"data": {"text": text}});
    let given = stage.config_path("given");
    stage.api.merge(&given, "alice", &text("two")).await?;
    stage.wait_config("a", "two").await?;

    // Nobody is asked for other namespaces; what is in place is kept meanwhile.
    write_chart(&stage, "\"kube-system\"")?;
    let stack = stage.wait_reason("s", "Ready", "RenderFailed").await?;
    let message = find_condition(&stack, "Ready", "message");
    assert!(message.contains("spec.render.helm.lookup"), "{message}");
    let path = stage.config_path("a");
    stage.api.merge(&path, "alice", &text("hand")).await?;
    stage.wait_config("a", "two").await?;
    Ok(())
}

scenario!(a_chart_finds_nothing_unless_its_stack_allows_it);
async fn a_chart_finds_nothing_unless_its_stack_allows_it(bed: Arc<Bed>) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "lookupless").await?;
    give(&stage, "one").await?;
    let first = write_chart(&stage, ".Release.Namespace")?;
    stage.stack("s", json!({})).await?;
    stage.wait_ready("s", &first).await?;
    stage.wait_config("a", "nothing").await?;
    let path = stage.stack_path("s");
    let all = json!({"spec": {"render": {"helm": {"lookup": "cluster"}}}});
    stage.api.merge(&path, "alice", &all).await?;
    stage.wait_config("a", "one").await?;
    Ok(())
}
