//! Git servers that are slow, away, broken or closed: what is in place stays, other Stacks go on, and
//! what was committed meanwhile arrives.

use std::sync::Arc;

use holdfast_model::Value;
use holdfast_model::base64;
use holdfast_testbed::bed::{Bed, Stage, config, find_condition};
use holdfast_testbed::git_server::{GitFault, GitServer};
use holdfast_testbed::repository::Repository;
use serde_json::json;

use crate::scenario;

/// A Stack's source over http, which is asked only when somebody wants it.
fn source(server: &GitServer) -> Value {
    json!({"git": server.url(".git"), "path": "app", "interval": "1h"})
}

scenario!(a_git_server_that_breaks_is_named_and_what_was_committed_meanwhile_arrives);
async fn a_git_server_that_breaks_is_named_and_what_was_committed_meanwhile_arrives(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "git-breaks").await?;
    let server = GitServer::start(stage.repository.path()).await?;
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    let mut commit = stage.repository.commit("one")?;
    stage.stack("s", json!({"source": source(&server)})).await?;
    stage.wait_ready("s", &commit).await?;
    for fault in [
        GitFault::Reset,
        GitFault::Unavailable,
        GitFault::Portal,
        GitFault::Half,
    ] {
        server.fail(Some(fault));
        let text = format!("{fault:?}");
        let before = commit;
        stage.repository.write("app/a.yaml", &config("a", &text))?;
        commit = stage.repository.commit(&text)?;
        stage.ask("s", &text).await?;
        let stack = stage
            .wait_reason("s", "SourceReady", "SourceFailed")
            .await?;
        let message = find_condition(&stack, "Ready", "message");
        assert_eq!(find_condition(&stack, "Ready", "status"), "True");
        assert!(
            message.contains(&server.url(".git")),
            "{fault:?}: {message}"
        );
        assert_eq!(find_condition(&stack, "Healthy", "status"), "True");
        let applied = stack.pointer("/status/applied/commit");
        assert_eq!(applied, Some(&json!(before)), "{fault:?}");
        server.fail(None);
        // Nobody asks again: a source that failed is asked again soon, whatever its interval.
        stage.wait_ready("s", &commit).await?;
        stage.wait_config("a", &text).await?;
        assert!(server.met(fault) > 0, "{fault:?} never happened");
    }
    Ok(())
}

scenario!(a_git_server_that_is_silent_or_slow_holds_up_no_other_stack);
async fn a_git_server_that_is_silent_or_slow_holds_up_no_other_stack(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "git-silent").await?;
    let server = GitServer::start(stage.repository.path()).await?;
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    let first = stage.repository.commit("one")?;
    stage.stack("s", json!({"source": source(&server)})).await?;
    stage.wait_ready("s", &first).await?;

    server.fail(Some(GitFault::Silent));
    stage.repository.write("app/a.yaml", &config("a", "two"))?;
    let second = stage.repository.commit("two")?;
    stage.ask("s", "silence").await?;
    let other = Repository::new()?;
    other.write("app/b.yaml", &config("b", "goes on"))?;
    let commit = other.commit("another repository")?;
    let elsewhere = json!({"git": other.url(), "path": "app", "interval": "1s"});
    stage.stack("other", json!({"source": elsewhere})).await?;
    stage.wait_ready("other", &commit).await?;
    // Nor is what is in place left alone meanwhile.
    let hand = json!({"data": {"text": "hand"}});
    let path = stage.config_path("a");
    stage.api.merge(&path, "alice", &hand).await?;
    stage.wait_config("a", "one").await?;
    assert!(server.met(GitFault::Silent) > 0, "it was never silent");

    server.fail(Some(GitFault::Slow));
    stage.wait_ready("s", &second).await?;
    stage.wait_config("a", "two").await?;
    assert!(server.met(GitFault::Slow) > 0, "it was never slow");
    Ok(())
}

scenario!(a_git_server_that_refuses_a_password_does_not_make_it_known);
async fn a_git_server_that_refuses_a_password_does_not_make_it_known(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "git-closed").await?;
    let server = GitServer::start(stage.repository.path()).await?;
    let right = base64::encode(b"robot:correct horse");
    server.guard(&format!("Basic {right}"));
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    let commit = stage.repository.commit("one")?;
    let secrets = format!("/api/v1/namespaces/{}/secrets", stage.namespace);
    let login = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"},
        "stringData": {"username": "robot", "password": "wrong-battery"}});
    stage.api.create(&secrets, &login).await?;
    let mut source = source(&server);
    source["credentials"] = json!({"name": "login"});
    stage.stack("s", json!({"source": source})).await?;
    let stack = stage.wait_reason("s", "Ready", "SourceFailed").await?;
    let message = find_condition(&stack, "Ready", "message");
    let namespace = &stage.namespace;
    let words = format!("it does not take the credentials of Secret {namespace}/login");
    assert!(message.contains(&words), "{message}");
    let encoded = base64::encode(b"robot:wrong-battery");
    let told = format!("{stack:#}");
    for secret in ["wrong-battery", encoded.as_str()] {
        assert!(!told.contains(secret), "{told}");
    }
    let mended = json!({"stringData": {"password": "correct horse"}});
    // What the Secret lacks is named, and so is that there is none.
    let path = stage.stack_path("s");
    let half = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "half"},
        "stringData": {"username": "robot", "pasword": "correct horse"}});
    stage.api.create(&secrets, &half).await?;
    for (name, words) in [
        (Some("half"), "has no `password`; it has pasword, username"),
        (Some("nothing"), "nothing"),
        (None, "it wants credentials, and none are named"),
    ] {
        let named = name.map(|name| json!({"name": name}));
        let change = json!({"spec": {"source": {"credentials": named}}});
        stage.api.merge(&path, "test", &change).await?;
        let is_said = |stack: Option<&Value>| {
            stack.is_some_and(|stack| find_condition(stack, "Ready", "message").contains(words))
        };
        stage.api.wait(&path, words, is_said).await?;
    }
    let named = json!({"spec": {"source": {"credentials": {"name": "login"}}}});
    stage.api.merge(&path, "test", &named).await?;
    stage
        .api
        .merge(&format!("{secrets}/login"), "test", &mended)
        .await?;
    stage.wait_ready("s", &commit).await?;
    Ok(())
}
