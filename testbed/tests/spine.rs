//! A commit reaches a cluster, stays there, and can be undone.

use std::sync::Arc;

use holdfast_model::Value;
use holdfast_testbed::bed::{Bed, Stage, config, find_condition};
use serde_json::json;

use crate::scenario;

scenario!(a_commit_arrives_and_is_pruned_when_git_drops_it);
async fn a_commit_arrives_and_is_pruned_when_git_drops_it(bed: Arc<Bed>) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "arrives").await?;
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    stage.repository.write("app/b.yaml", &config("b", "one"))?;
    let first = stage.repository.commit("two objects")?;
    stage.stack("s", json!({})).await?;
    let stack = stage.wait_ready("s", &first).await?;
    assert_eq!(stack.pointer("/status/inventory/count"), Some(&json!(2)));
    assert_eq!(
        stack.pointer("/status/history/0/summary"),
        Some(&json!("2 created"))
    );
    stage.wait_config("a", "one").await?;

    stage.repository.git(&["rm", "--quiet", "app/b.yaml"])?;
    stage.repository.write("app/a.yaml", &config("a", "two"))?;
    let second = stage.repository.commit("one object")?;
    let stack = stage.wait_ready("s", &second).await?;
    assert_eq!(
        stack.pointer("/status/history/0/summary"),
        Some(&json!("1 updated, 1 deleted"))
    );
    assert_eq!(stack.pointer("/status/inventory/count"), Some(&json!(1)));
    stage.wait_config("a", "two").await?;
    stage.wait_gone(&stage.config_path("b")).await
}

scenario!(drift_is_healed_with_its_author_named);
async fn drift_is_healed_with_its_author_named(bed: Arc<Bed>) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "drift").await?;
    stage.repository.write("app/a.yaml", &config("a", "git"))?;
    let commit = stage.repository.commit("a")?;
    stage.stack("s", json!({})).await?;
    stage.wait_ready("s", &commit).await?;
    let path = stage.config_path("a");
    stage
        .api
        .merge(&path, "alice", &json!({"data": {"text": "hand"}}))
        .await?;
    stage.wait_config("a", "git").await?;
    let healed = |stack: Option<&Value>| {
        let summary = stack.and_then(|stack| stack.pointer("/status/history/0/summary")?.as_str());
        summary.is_some_and(|text| text.contains("alice changed /data/text"))
    };
    stage
        .api
        .wait(&stage.stack_path("s"), "healed by name", healed)
        .await?;

    stage.api.delete(&path).await?;
    stage.wait_config("a", "git").await?;
    Ok(())
}

scenario!(a_rival_is_left_alone_after_three_times_and_named);
async fn a_rival_is_left_alone_after_three_times_and_named(bed: Arc<Bed>) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "rival").await?;
    stage.repository.write("app/a.yaml", &config("a", "git"))?;
    let commit = stage.repository.commit("a")?;
    stage.stack("s", json!({})).await?;
    stage.wait_ready("s", &commit).await?;
    let path = stage.config_path("a");
    for round in 0..3 {
        let text = format!("rival {round}");
        stage
            .api
            .merge(&path, "robot", &json!({"data": {"text": text}}))
            .await?;
        stage.wait_config("a", "git").await?;
    }
    stage
        .api
        .merge(&path, "robot", &json!({"data": {"text": "stays"}}))
        .await?;
    let stack = stage.wait_reason("s", "Synced", "Drifted").await?;
    assert!(find_condition(&stack, "Synced", "message").contains("robot keeps changing"));
    stage.wait_config("a", "stays").await?;

    // The rest goes on: another field of the same object still follows Git.
    let more = format!("{}  more: yes please\n", config("a", "git"));
    stage.repository.write("app/a.yaml", &more)?;
    stage.repository.commit("more")?;
    let has_more = |config: Option<&Value>| {
        config.is_some_and(|config| config.pointer("/data/more").is_some())
    };
    stage.api.wait(&path, "grown", has_more).await?;
    Ok(())
}

scenario!(a_revert_goes_back_like_any_other_commit);
async fn a_revert_goes_back_like_any_other_commit(bed: Arc<Bed>) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "revert").await?;
    stage.repository.write("app/a.yaml", &config("a", "good"))?;
    stage.repository.commit("good")?;
    stage.stack("s", json!({})).await?;
    stage.wait_config("a", "good").await?;
    stage.repository.write("app/a.yaml", &config("a", "bad"))?;
    stage.repository.commit("bad")?;
    stage.wait_config("a", "bad").await?;
    stage.repository.git(&["revert", "--no-edit", "HEAD"])?;
    stage.wait_config("a", "good").await?;
    Ok(())
}

scenario!(a_deleted_stack_takes_its_objects_along_or_leaves_them);
async fn a_deleted_stack_takes_its_objects_along_or_leaves_them(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "deleted").await?;
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    stage.repository.write("kept/b.yaml", &config("b", "one"))?;
    stage.repository.commit("both")?;
    stage.stack("goes", json!({})).await?;
    let source = json!({"git": stage.repository.url(), "path": "kept"});
    stage
        .stack("leaves", json!({"source": source, "deletion": "orphan"}))
        .await?;
    stage.wait_config("a", "one").await?;
    stage.wait_config("b", "one").await?;
    for name in ["goes", "leaves"] {
        stage.wait_reason(name, "Ready", "Succeeded").await?;
        stage.api.delete(&stage.stack_path(name)).await?;
        stage.wait_gone(&stage.stack_path(name)).await?;
    }
    stage.wait_gone(&stage.config_path("a")).await?;
    stage.wait_config("b", "one").await?;
    Ok(())
}

scenario!(an_engine_that_starts_again_knows_what_it_owns);
async fn an_engine_that_starts_again_knows_what_it_owns(bed: Arc<Bed>) -> anyhow::Result<()> {
    let mut stage = Stage::new(&bed, "again").await?;
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    stage.repository.write("app/b.yaml", &config("b", "one"))?;
    let first = stage.repository.commit("two")?;
    stage.stack("s", json!({})).await?;
    let before = stage.wait_ready("s", &first).await?;
    stage.stop_engine();
    // While nobody watches, a person changes one object and a commit drops the other.
    stage
        .api
        .merge(
            &stage.config_path("a"),
            "bob",
            &json!({"data": {"text": "x"}}),
        )
        .await?;
    stage.repository.git(&["rm", "--quiet", "app/b.yaml"])?;
    let second = stage.repository.commit("one")?;
    stage.start_engine();
    let after = stage.wait_ready("s", &second).await?;
    stage.wait_config("a", "one").await?;
    stage.wait_gone(&stage.config_path("b")).await?;
    let history = |stack: &Value| {
        stack
            .pointer("/status/history")
            .and_then(Value::as_array)
            .map(Vec::len)
    };
    assert_eq!(history(&before), Some(1));
    assert!(history(&after) >= Some(2), "{after:#}");
    Ok(())
}

scenario!(an_empty_render_waits_for_a_confirmation_that_names_the_plan);
async fn an_empty_render_waits_for_a_confirmation_that_names_the_plan(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "guard").await?;
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    stage.repository.commit("one")?;
    stage.stack("s", json!({})).await?;
    stage.wait_config("a", "one").await?;
    stage.repository.write("app/a.yaml", "# nothing\n")?;
    stage.repository.commit("nothing")?;
    let stack = stage
        .wait_reason("s", "Ready", "ConfirmationNeeded")
        .await?;
    stage.wait_config("a", "one").await?;
    let digest = stack
        .pointer("/status/pending/plan")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let approve =
        |digest: &str| json!({"metadata": {"annotations": {"holdfast.dev/approve": digest}}});
    let path = stage.stack_path("s");
    let other = format!("sha256:{}", "0".repeat(64));
    stage.api.merge(&path, "test", &approve(&other)).await?;
    stage.wait_config("a", "one").await?;
    stage.api.merge(&path, "test", &approve(digest)).await?;
    stage.wait_gone(&stage.config_path("a")).await
}

scenario!(what_a_person_wrote_wrong_is_told_with_file_and_line);
async fn what_a_person_wrote_wrong_is_told_with_file_and_line(bed: Arc<Bed>) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "wrong").await?;
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    stage
        .repository
        .write("app/b.yaml", "apiVersion: v1\nkind: ConfigMap\n")?;
    stage.repository.commit("wrong")?;
    stage.stack("s", json!({})).await?;
    let stack = stage.wait_reason("s", "Ready", "RenderFailed").await?;
    let origin = stack.pointer("/status/problems/0/origin");
    assert_eq!(origin, Some(&json!("app/b.yaml:1")));
    // The Stack's own mistakes are told as well, and nothing is done while they stand.
    stage
        .stack("typo", json!({"snyc": {"prune": false}}))
        .await?;
    let stack = stage.wait_reason("typo", "Ready", "InvalidSpec").await?;
    let message = find_condition(&stack, "Ready", "message");
    assert!(message.contains("did you mean `sync`?"), "{message}");
    stage.wait_gone(&stage.config_path("a")).await
}

scenario!(two_stacks_that_name_one_object_do_not_fight);
async fn two_stacks_that_name_one_object_do_not_fight(bed: Arc<Bed>) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "claims").await?;
    stage
        .repository
        .write("app/a.yaml", &config("a", "first"))?;
    stage
        .repository
        .write("other/a.yaml", &config("a", "second"))?;
    let commit = stage.repository.commit("both")?;
    stage.stack("first", json!({})).await?;
    stage.wait_ready("first", &commit).await?;
    let source = json!({"git": stage.repository.url(), "path": "other"});
    stage.stack("second", json!({"source": source})).await?;
    let stack = stage.wait_reason("second", "Synced", "Drifted").await?;
    let message = find_condition(&stack, "Synced", "message");
    assert!(
        message.contains("belongs to Stack claims/first"),
        "{message}"
    );
    stage.wait_config("a", "first").await?;
    // Its deletion takes nothing of the other's.
    stage.api.delete(&stage.stack_path("second")).await?;
    stage.wait_gone(&stage.stack_path("second")).await?;
    stage.wait_config("a", "first").await?;
    Ok(())
}

scenario!(a_definition_and_its_objects_come_in_one_commit);
async fn a_definition_and_its_objects_come_in_one_commit(bed: Arc<Bed>) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "brings").await?;
    let definition = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.brings.example.org}
spec:
  group: brings.example.org
  names: {kind: Widget, plural: widgets, singular: widget}
  scope: Namespaced
  versions:
  - name: v1
    served: true
    storage: true
    schema:
      openAPIV3Schema:
        type: object
        properties: {spec: {type: object, properties: {size: {type: integer}}}}
";
    let widget = "apiVersion: brings.example.org/v1
kind: Widget
metadata: {name: w}
spec: {size: 3}
";
    stage.repository.write("app/a-widget.yaml", widget)?;
    stage.repository.write("app/definition.yaml", definition)?;
    let commit = stage.repository.commit("both")?;
    stage.stack("s", json!({})).await?;
    stage.wait_ready("s", &commit).await?;
    let path = "/apis/brings.example.org/v1/namespaces/brings/widgets/w";
    let widget = stage.api.get(path).await?;
    assert_eq!(widget.pointer("/spec/size"), Some(&json!(3)));
    Ok(())
}

scenario!(a_dependant_waits_until_what_it_needs_is_ready);
async fn a_dependant_waits_until_what_it_needs_is_ready(bed: Arc<Bed>) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "depends").await?;
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    stage.repository.write("base/b.yaml", &config("b", "one"))?;
    stage.repository.commit("both")?;
    stage
        .stack("s", json!({"dependsOn": [{"name": "base"}]}))
        .await?;
    stage
        .wait_reason("s", "Ready", "DependencyNotReady")
        .await?;
    let source = json!({"git": stage.repository.url(), "path": "base"});
    stage.stack("base", json!({"source": source})).await?;
    stage.wait_config("b", "one").await?;
    stage.wait_config("a", "one").await?;
    Ok(())
}

scenario!(what_kubectl_applied_is_taken_over_and_what_git_drops_goes);
async fn what_kubectl_applied_is_taken_over_and_what_git_drops_goes(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "takeover").await?;
    let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"},
        "data": {"text": "old", "extra": "old"}});
    let path = "/api/v1/namespaces/takeover/configmaps?fieldManager=kubectl-client-side-apply";
    stage.api.create(path, &object).await?;
    stage.repository.write("app/a.yaml", &config("a", "new"))?;
    let commit = stage.repository.commit("a")?;
    stage.stack("s", json!({})).await?;
    stage.wait_ready("s", &commit).await?;
    let config = stage.api.get(&stage.config_path("a")).await?;
    assert_eq!(config.pointer("/data"), Some(&json!({"text": "new"})));
    let managers = config
        .pointer("/metadata/managedFields")
        .and_then(Value::as_array);
    let names: Vec<&str> = managers
        .into_iter()
        .flatten()
        .filter_map(|manager| manager.get("manager")?.as_str())
        .collect();
    assert_eq!(names, ["holdfast"]);
    Ok(())
}

scenario!(an_ignored_field_stays_with_whoever_sets_it);
async fn an_ignored_field_stays_with_whoever_sets_it(bed: Arc<Bed>) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "ignored").await?;
    stage.repository.write("app/a.yaml", &config("a", "git"))?;
    let commit = stage.repository.commit("a")?;
    let ignore = json!([{"kind": "ConfigMap", "fields": ["/data/text"]}]);
    stage.stack("s", json!({"ignore": ignore})).await?;
    stage.wait_ready("s", &commit).await?;
    stage.wait_config("a", "git").await?;
    let path = stage.config_path("a");
    stage
        .api
        .merge(&path, "autoscaler", &json!({"data": {"text": "theirs"}}))
        .await?;
    // A commit that touches the object leaves the field to its new owner.
    let more = format!("{}  more: x\n", config("a", "git 2"));
    stage.repository.write("app/a.yaml", &more)?;
    let commit = stage.repository.commit("more")?;
    stage.wait_ready("s", &commit).await?;
    let config = stage.api.get(&path).await?;
    assert_eq!(
        config.pointer("/data"),
        Some(&json!({"text": "theirs", "more": "x"}))
    );
    Ok(())
}
