//! Rollbacks: where they go, how long they hold, and what ends them. Each row of the table of
//! docs/guide/undo.md is one of these.

use std::sync::Arc;
use std::time::Duration;

use holdfast::wiring;
use holdfast_model::Value;
use holdfast_testbed::bed::{Bed, Stage, config, find_condition};
use holdfast_testbed::undo::{Back, newest_line};
use serde_json::json;

use crate::scenario;

/// A stage with a Stack `s` that has one ConfigMap.
async fn stage(bed: &Bed, namespace: &str) -> anyhow::Result<Stage> {
    let stage = Stage::new(bed, namespace).await?;
    put(&stage, "A").await?;
    stage.stack("s", json!({})).await?;
    Ok(stage)
}

/// Commits a text for the ConfigMap.
async fn put(stage: &Stage, text: &str) -> anyhow::Result<String> {
    stage.repository.write("app/c.yaml", &config("c", text))?;
    stage.repository.commit(text)
}

/// Commits texts one after the other, each of which is waited for; their commits.
async fn history(stage: &Stage, texts: &[&str]) -> anyhow::Result<Vec<String>> {
    let first = stage.repository.git(&["rev-parse", "HEAD"])?;
    stage.wait_ready("s", &first).await?;
    let mut commits = vec![first];
    for text in texts {
        let commit = put(stage, text).await?;
        stage.wait_ready("s", &commit).await?;
        commits.push(commit);
    }
    Ok(commits)
}

/// Goes back to a commit and waits until it is in place.
async fn back_to(stage: &Stage, commit: &str) -> anyhow::Result<Value> {
    let to = Back {
        to: Some(commit),
        ..Back::default()
    };
    stage.roll_back("s", to).await?;
    pinned_at(stage, commit).await
}

/// Waits until a Stack is held at a commit; the Stack.
async fn pinned_at(stage: &Stage, commit: &str) -> anyhow::Result<Value> {
    let holds = |stack: Option<&Value>| {
        stack.is_some_and(|stack| {
            find_condition(stack, "Ready", "reason") == "Pinned"
                && stack.pointer("/status/appliedRevision") == Some(&json!(commit))
                && stack.pointer("/status/pin/commit") == Some(&json!(commit))
        })
    };
    let path = stage.stack_path("s");
    stage.api.wait(&path, &format!("at {commit}"), holds).await
}

/// Asks for a look and waits until it was taken: what holds then holds in earnest.
async fn looked_at(stage: &Stage, word: &str) -> anyhow::Result<Value> {
    stage.ask("s", word).await?;
    let handled = |stack: Option<&Value>| {
        stack.is_some_and(|stack| stack.pointer("/status/handledSync") == Some(&json!(word)))
    };
    let path = stage.stack_path("s");
    stage.api.wait(&path, "looked at", handled).await
}

/// The pin that is written on a Stack.
fn written_pin(stack: &Value) -> Option<&str> {
    stack
        .pointer("/metadata/annotations")?
        .get("holdfast.dev/pin")?
        .as_str()
}

/// Waits until an Event of a Stack says something.
async fn wait_event(stage: &Stage, reason: &str, words: &str) -> anyhow::Result<()> {
    let path = format!("/api/v1/namespaces/{}/events", stage.namespace);
    let holds = |list: Option<&Value>| {
        let items = list.and_then(|list| list.get("items")?.as_array());
        items.into_iter().flatten().any(|event| {
            event["reason"] == reason
                && event["message"]
                    .as_str()
                    .is_some_and(|said| said.contains(words))
        })
    };
    stage
        .api
        .wait(&path, &format!("{reason} {words}"), holds)
        .await?;
    Ok(())
}

scenario!(a_second_rollback_goes_where_it_is_sent_and_stays_there);
async fn a_second_rollback_goes_where_it_is_sent_and_stays_there(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let mut stage = stage(&bed, "undotwice").await?;
    let commits = history(&stage, &["B", "C"]).await?;
    back_to(&stage, &commits[1]).await?;
    let stack = back_to(&stage, &commits[0]).await?;
    stage.wait_config("c", "A").await?;
    // It is told by whom, from what, and that Git is at the bad one.
    let message = find_condition(&stack, "Ready", "message");
    for words in [
        "pinned to",
        &commits[0][..12],
        "by alice since",
        "while Git is at",
        &commits[2][..12],
    ] {
        assert!(message.contains(words), "{message}");
    }
    assert_eq!(
        stack.pointer("/status/pin/from/commit"),
        Some(&json!(commits[2]))
    );
    assert_eq!(
        stack.pointer("/status/sourceRevision"),
        Some(&json!(commits[2]))
    );
    assert_eq!(
        stack.pointer("/status/history/1/end"),
        Some(&json!("pinned"))
    );
    wait_event(&stage, "RolledBack", &commits[0][..12]).await?;
    looked_at(&stage, "one").await?;
    stage.start_engine();
    looked_at(&stage, "two").await?;
    stage.wait_config("c", "A").await?;
    pinned_at(&stage, &commits[0]).await?;
    Ok(())
}

scenario!(a_newer_commit_ends_a_pin_for_good_and_old_content_is_a_new_commit);
async fn a_newer_commit_ends_a_pin_for_good_and_old_content_is_a_new_commit(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = stage(&bed, "undoends").await?;
    let commits = history(&stage, &["B", "C"]).await?;
    back_to(&stage, &commits[0]).await?;
    let newer = put(&stage, "D").await?;
    let stack = stage.wait_ready("s", &newer).await?;
    stage.wait_config("c", "D").await?;
    assert_eq!(written_pin(&stack), None, "{stack}");
    assert_eq!(stack.pointer("/status/pin"), None, "{stack}");
    let lines = stack["status"]["history"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let ended = lines.iter().find(|line| line["end"] == "unpinned");
    let said = ended
        .and_then(|line| line["summary"].as_str())
        .unwrap_or_default();
    assert!(said.contains("ended: Git has something newer"), "{said}");
    assert!(said.contains(&newer[..12]), "{said}");
    wait_event(&stage, "PinEnded", "Git has something newer").await?;
    // What was bad then is what Git wants now.
    let again = put(&stage, "C").await?;
    stage.wait_ready("s", &again).await?;
    stage.wait_config("c", "C").await?;
    let stack = looked_at(&stage, "again").await?;
    assert_eq!(find_condition(&stack, "Ready", "reason"), "Succeeded");
    stage.wait_config("c", "C").await?;
    Ok(())
}

scenario!(a_rollback_for_a_while_ends_by_itself);
async fn a_rollback_for_a_while_ends_by_itself(bed: Arc<Bed>) -> anyhow::Result<()> {
    let stage = stage(&bed, "undowhile").await?;
    // Nothing wakes the Stack but the end itself.
    let rare = json!({"spec": {"source": {"interval": "1h"}}});
    let commits = history(&stage, &["B"]).await?;
    stage
        .api
        .merge(&stage.stack_path("s"), "test", &rare)
        .await?;
    let back = |seconds: u64| Back {
        to: Some(&commits[0]),
        expires: Some(wiring::now() + Duration::from_secs(seconds)),
    };
    stage.roll_back("s", back(3_600)).await?;
    let stack = pinned_at(&stage, &commits[0]).await?;
    assert!(
        find_condition(&stack, "Ready", "message").contains(" until "),
        "{stack}"
    );
    stage.roll_back("s", back(2)).await?;
    let stack = stage.wait_ready("s", &commits[1]).await?;
    stage.wait_config("c", "B").await?;
    assert_eq!(written_pin(&stack), None);
    wait_event(&stage, "PinEnded", "its time is over").await?;
    Ok(())
}

scenario!(rollbacks_go_further_back_to_what_became_healthy);
async fn rollbacks_go_further_back_to_what_became_healthy(bed: Arc<Bed>) -> anyhow::Result<()> {
    let mut stage = stage(&bed, "undofurther").await?;
    let commits = history(&stage, &["B", "C"]).await?;
    // A revision that the server refuses never becomes healthy, however often it is tried.
    stage
        .repository
        .write("app/d.yaml", &config("Not_A_Name", "D"))?;
    let bad = put(&stage, "D").await?;
    let tried = |stack: Option<&Value>| {
        let line = stack.and_then(|stack| stack.pointer("/status/history/0"));
        line.is_some_and(|line| {
            line["commit"] == bad.as_str() && line["attempts"].as_u64() >= Some(2)
        })
    };
    let path = stage.stack_path("s");
    let stack = stage.api.wait(&path, "tried twice", tried).await?;
    assert_eq!(stack["status"]["history"][1]["commit"], commits[2].as_str());

    let first = stage.roll_back("s", Back::default()).await?;
    assert_eq!(
        first.map(|choice| choice.revision.commit.0),
        Some(commits[2].clone())
    );
    pinned_at(&stage, &commits[2]).await?;
    // What became healthy outlasts the engine, and pins do not change it.
    stage.start_engine();
    let second = stage.roll_back("s", Back::default()).await?;
    assert_eq!(
        second.map(|choice| choice.revision.commit.0),
        Some(commits[1].clone())
    );
    pinned_at(&stage, &commits[1]).await?;
    stage.wait_config("c", "B").await?;
    stage.roll_back("s", Back::default()).await?;
    pinned_at(&stage, &commits[0]).await?;
    assert_eq!(stage.roll_back("s", Back::default()).await?, None);

    // Later too, it does not go to what somebody went back from.
    stage.repository.git(&["rm", "--quiet", "app/d.yaml"])?;
    let fixed = put(&stage, "E").await?;
    stage.wait_ready("s", &fixed).await?;
    let choice = stage.roll_back("s", Back::default()).await?;
    let choice = choice.expect("A became healthy");
    assert_eq!(choice.revision.commit.0, commits[0], "{choice:?}");
    assert_eq!(choice.skipped.len(), 2, "{choice:?}");
    pinned_at(&stage, &commits[0]).await?;
    Ok(())
}

scenario!(a_rollback_works_while_git_cannot_be_rendered);
async fn a_rollback_works_while_git_cannot_be_rendered(bed: Arc<Bed>) -> anyhow::Result<()> {
    let mut stage = stage(&bed, "undobroken").await?;
    let commits = history(&stage, &["B"]).await?;
    stage
        .repository
        .write("app/x.yaml", "{ this is: no YAML\n")?;
    let broken = put(&stage, "C").await?;
    let stack = stage.wait_reason("s", "Ready", "RenderFailed").await?;
    assert_eq!(
        stack.pointer("/status/sourceRevision"),
        Some(&json!(broken))
    );
    assert_eq!(
        stack.pointer("/status/appliedRevision"),
        Some(&json!(commits[1]))
    );
    let stack = back_to(&stage, &commits[0]).await?;
    stage.wait_config("c", "A").await?;
    let message = find_condition(&stack, "Ready", "message");
    assert!(message.contains("cannot be rendered"), "{message}");
    assert!(stack.to_string().contains("app/x.yaml"), "{stack}");
    stage.start_engine();
    // What cannot be rendered does not end it, what can does.
    stage.repository.write("README.md", "read me\n")?;
    stage.repository.commit("still broken")?;
    stage.repository.write("app/c.yaml", &config("c", "hand"))?;
    let hand = json!({"data": {"text": "hand"}});
    stage
        .api
        .merge(&stage.config_path("c"), "bob", &hand)
        .await?;
    stage.wait_config("c", "A").await?;
    pinned_at(&stage, &commits[0]).await?;
    stage.repository.git(&["rm", "--quiet", "app/x.yaml"])?;
    let fixed = put(&stage, "C").await?;
    stage.wait_ready("s", &fixed).await?;
    stage.wait_config("c", "C").await?;
    Ok(())
}

scenario!(a_change_of_the_stack_is_no_newer_commit);
async fn a_change_of_the_stack_is_no_newer_commit(bed: Arc<Bed>) -> anyhow::Result<()> {
    let stage = stage(&bed, "undospec").await?;
    let commits = history(&stage, &["B"]).await?;
    back_to(&stage, &commits[0]).await?;
    let labels = json!({"spec": {"render": {"kustomize": {"labels": {"team": "shop"}}}}});
    stage
        .api
        .merge(&stage.stack_path("s"), "test", &labels)
        .await?;
    let labelled = |config: Option<&Value>| {
        config.is_some_and(|config| {
            config.pointer("/metadata/labels/team") == Some(&json!("shop"))
                && config.pointer("/data/text") == Some(&json!("A"))
        })
    };
    stage
        .api
        .wait(&stage.config_path("c"), "labelled", labelled)
        .await?;
    // Neither is a commit that changes nothing that is read.
    stage.repository.write("README.md", "read me\n")?;
    stage.repository.commit("elsewhere")?;
    looked_at(&stage, "elsewhere").await?;
    pinned_at(&stage, &commits[0]).await?;
    let newer = put(&stage, "C").await?;
    stage.wait_ready("s", &newer).await?;
    Ok(())
}

scenario!(a_stack_that_waits_to_be_asked_is_rolled_back_at_once);
async fn a_stack_that_waits_to_be_asked_is_rolled_back_at_once(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = stage(&bed, "undoasked").await?;
    let commits = history(&stage, &["B"]).await?;
    let manual = json!({"spec": {"sync": {"automatic": false}}});
    stage
        .api
        .merge(&stage.stack_path("s"), "test", &manual)
        .await?;
    let waiting = put(&stage, "C").await?;
    stage.wait_reason("s", "Ready", "OutOfSync").await?;
    let choice = stage.roll_back("s", Back::default()).await?;
    assert_eq!(
        choice.map(|choice| choice.revision.commit.0),
        Some(commits[0].clone())
    );
    // What waited is no news that would end it.
    let stack = pinned_at(&stage, &commits[0]).await?;
    assert_eq!(
        stack.pointer("/status/pin/from/commit"),
        Some(&json!(waiting))
    );
    stage.wait_config("c", "A").await?;
    stage.resume("s").await?;
    let stack = stage.wait_reason("s", "Ready", "OutOfSync").await?;
    assert!(newest_line(&stack).starts_with("unpinned: "), "{stack}");
    stage.wait_config("c", "A").await?;
    Ok(())
}

scenario!(whoever_resumes_comes_back_to_what_git_has);
async fn whoever_resumes_comes_back_to_what_git_has(bed: Arc<Bed>) -> anyhow::Result<()> {
    let stage = stage(&bed, "undoresume").await?;
    let commits = history(&stage, &["B"]).await?;
    back_to(&stage, &commits[0]).await?;
    stage.resume("s").await?;
    stage.wait_ready("s", &commits[1]).await?;
    stage.wait_config("c", "B").await?;
    wait_event(&stage, "PinEnded", "it was taken away").await?;
    Ok(())
}

scenario!(a_force_push_that_renders_to_something_else_ends_a_pin);
async fn a_force_push_that_renders_to_something_else_ends_a_pin(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = stage(&bed, "undoforce").await?;
    let commits = history(&stage, &["B", "C"]).await?;
    back_to(&stage, &commits[0]).await?;
    stage
        .repository
        .git(&["reset", "--quiet", "--hard", &commits[1]])?;
    stage.wait_ready("s", &commits[1]).await?;
    stage.wait_config("c", "B").await?;
    Ok(())
}

scenario!(a_revert_is_told_as_the_commit_that_it_is);
async fn a_revert_is_told_as_the_commit_that_it_is(bed: Arc<Bed>) -> anyhow::Result<()> {
    let stage = stage(&bed, "undorevert").await?;
    let commits = history(&stage, &["B"]).await?;
    stage
        .repository
        .git(&["revert", "--no-edit", &commits[1]])?;
    let revert = stage.repository.git(&["rev-parse", "HEAD"])?;
    let stack = stage.wait_ready("s", &revert).await?;
    stage.wait_config("c", "A").await?;
    assert_eq!(
        stack.pointer("/status/appliedRevision"),
        Some(&json!(revert))
    );
    assert_eq!(
        stack.pointer("/status/sourceRevision"),
        Some(&json!(revert))
    );
    assert_eq!(
        stack.pointer("/status/history/0/commit"),
        Some(&json!(revert))
    );
    assert!(find_condition(&stack, "Ready", "message").contains(&revert[..12]));
    wait_event(&stage, "Synced", &revert[..12]).await?;
    // So is one that changes a file that is read and nothing that is rendered.
    let commented = format!("# a remark\n{}", config("c", "A"));
    stage.repository.write("app/c.yaml", &commented)?;
    let remark = stage.repository.commit("a remark")?;
    stage.wait_ready("s", &remark).await?;
    // One elsewhere is told when somebody asks.
    stage.repository.write("README.md", "read me\n")?;
    let elsewhere = stage.repository.commit("elsewhere")?;
    let stack = looked_at(&stage, "seen").await?;
    assert_eq!(
        stack.pointer("/status/sourceRevision"),
        Some(&json!(elsewhere))
    );
    assert_eq!(
        stack.pointer("/status/appliedRevision"),
        Some(&json!(elsewhere))
    );
    Ok(())
}
