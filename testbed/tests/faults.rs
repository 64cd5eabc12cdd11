//! Things that go wrong: processes that are killed, servers that are away, input that nobody should
//! have committed. Other Stacks go on, and everything ends as it should.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use holdfast::wiring;
use holdfast_cluster::{Cluster, Options};
use holdfast_model::Value;
use holdfast_testbed::api::Api;
use holdfast_testbed::bed::{Bed, Stage, config, find_condition};
use holdfast_testbed::cluster::{RealCluster, is_built};
use holdfast_testbed::process::Victim;
use holdfast_testbed::repository::Repository;
use kube::Client;
use serde_json::json;

use crate::scenario;

/// An engine as a process.
fn start_engine(kubeconfig: &Path, data: &Path) -> anyhow::Result<Victim> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
    command.args(["run", "--data"]).arg(data);
    command.arg("--kubeconfig").arg(kubeconfig);
    Victim::start(command.env("HOLDFAST_LOG", "error"))
}

const STACKS: &str = "/apis/holdfast.dev/v1alpha1/stacks";
const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/default/leases/holdfast";

/// Runs an engine for a while and kills it. The lease of the one before has to run out first; a
/// person would wait for that, the test takes it away.
async fn run_and_kill(
    api: &Api,
    kubeconfig: &Path,
    data: &Path,
    pause: Duration,
) -> anyhow::Result<()> {
    let _ = api.delete(LEASE).await;
    let engine = start_engine(kubeconfig, data)?;
    api.wait(LEASE, "taken", |lease| lease.is_some()).await?;
    tokio::time::sleep(pause).await;
    drop(engine);
    Ok(())
}

#[test]
fn an_engine_that_is_killed_again_and_again_gets_there_and_loses_nothing() {
    crate::block_on(async {
        wiring::install_crypto();
        let cluster = Cluster::new(Options::default());
        let listening = cluster.listen(([127, 0, 0, 1], 0).into()).await?;
        let data = tempfile::tempdir()?;
        let kubeconfig = data.path().join("kubeconfig");
        std::fs::write(&kubeconfig, listening.kubeconfig())?;
        let client = Client::new(cluster.service(), "default");
        let api = Api {
            client: client.clone(),
        };
        let _bed = Bed::on(client).await?;
        let repository = Repository::new()?;
        let source = json!({"git": repository.url(), "path": "app", "interval": "1s"});
        let stack = json!({"apiVersion": "holdfast.dev/v1alpha1", "kind": "Stack",
            "metadata": {"name": "s"},
            "spec": {"source": source, "sync": {"limits": {"prune": "100%"}}}});
        let stacks = "/apis/holdfast.dev/v1alpha1/namespaces/default/stacks";
        api.create(stacks, &stack).await?;
        let mut commit = String::new();
        for round in 0..10 {
            // Each round has other objects: some are new, some change, some go.
            repository.git(&["rm", "-r", "--quiet", "--ignore-unmatch", "app"])?;
            for index in round..40 {
                let text = config(&format!("c{index}"), &format!("round-{round}"));
                repository.write(&format!("app/{index}.yaml"), &text)?;
            }
            commit = repository.commit("a round")?;
            let pause = Duration::from_millis(20 + 35 * round);
            run_and_kill(&api, &kubeconfig, data.path(), pause).await?;
        }
        let _ = api.delete(LEASE).await;
        let _engine = start_engine(&kubeconfig, data.path())?;
        let done = |stack: Option<&Value>| {
            stack.is_some_and(|stack| {
                find_condition(stack, "Ready", "status") == "True"
                    && stack.pointer("/status/applied/commit") == Some(&json!(commit))
            })
        };
        let stack = api
            .wait(&format!("{stacks}/s"), "at the last round", done)
            .await?;
        assert_eq!(stack.pointer("/status/inventory/count"), Some(&json!(31)));
        let list = api.get("/api/v1/namespaces/default/configmaps").await?;
        let items = list
            .get("items")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let texts: Vec<&Value> = items
            .iter()
            .filter_map(|item| item.pointer("/data/text"))
            .collect();
        assert_eq!(texts, vec![&json!("round-9"); 31]);
        Ok(())
    });
}

/// Connects to an embedded cluster as soon as it has written its kubeconfig.

#[test]
fn one_machine_that_is_killed_goes_on_where_it_was() {
    crate::block_on(async {
        wiring::install_crypto();
        let data = tempfile::tempdir()?;
        let kubeconfig = data.path().join("cluster/kubeconfig");
        let start = || -> anyhow::Result<Victim> {
            let _ = std::fs::remove_file(&kubeconfig);
            let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
            command
                .args(["run", "--embedded", "--data"])
                .arg(data.path());
            Victim::start(command.env("HOLDFAST_LOG", "error"))
        };
        let repository = Repository::new()?;
        repository.write("app/a.yaml", &config("a", "one"))?;
        repository.commit("one")?;
        let engine = start()?;
        let api = Api::connect(&kubeconfig, STACKS).await?;
        let source = json!({"git": repository.url(), "path": "app", "interval": "1s"});
        let stack = json!({"apiVersion": "holdfast.dev/v1alpha1", "kind": "Stack",
            "metadata": {"name": "s"}, "spec": {"source": source}});
        let stacks = "/apis/holdfast.dev/v1alpha1/namespaces/default/stacks";
        api.create(stacks, &stack).await?;
        let ready = |stack: Option<&Value>| {
            stack.is_some_and(|stack| find_condition(stack, "Ready", "status") == "True")
        };
        let before = api.wait(&format!("{stacks}/s"), "ready", ready).await?;
        drop(engine);
        repository.write("app/a.yaml", &config("a", "two"))?;
        repository.commit("two")?;
        let _engine = start()?;
        let api = Api::connect(&kubeconfig, STACKS).await?;
        let after = api.get(&format!("{stacks}/s")).await?;
        assert_eq!(
            after.pointer("/metadata/uid"),
            before.pointer("/metadata/uid")
        );
        let moved = |config: Option<&Value>| {
            config.is_some_and(|config| config.pointer("/data/text") == Some(&json!("two")))
        };
        api.wait("/api/v1/namespaces/default/configmaps/a", "two", moved)
            .await?;
        Ok(())
    });
}

#[test]
fn an_api_server_that_was_away_is_followed_again() {
    crate::block_on(async {
        if !is_built() {
            return Ok(());
        }
        let mut cluster = RealCluster::start().await?;
        let bed = Bed::on(cluster.client.clone()).await?;
        let stage = Stage::new(&bed, "away").await?;
        stage
            .repository
            .write("app/a.yaml", &config("a", "before"))?;
        stage.repository.commit("before")?;
        stage.stack("s", json!({})).await?;
        stage.wait_config("a", "before").await?;
        cluster.kill_api();
        stage
            .repository
            .write("app/a.yaml", &config("a", "meanwhile"))?;
        stage.repository.commit("meanwhile")?;
        tokio::time::sleep(Duration::from_secs(4)).await;
        cluster.revive_api().await?;
        stage.wait_config("a", "meanwhile").await?;
        let path = stage.config_path("a");
        stage
            .api
            .merge(&path, "alice", &json!({"data": {"text": "hand"}}))
            .await?;
        stage.wait_config("a", "meanwhile").await?;
        Ok(())
    });
}

scenario!(a_repository_that_is_away_is_told_and_taken_up_again);
async fn a_repository_that_is_away_is_told_and_taken_up_again(bed: Arc<Bed>) -> anyhow::Result<()> {
    let mut stage = Stage::new(&bed, "git-away").await?;
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    let first = stage.repository.commit("one")?;
    stage.stack("s", json!({})).await?;
    stage.wait_ready("s", &first).await?;
    let git = stage.repository.path().join(".git");
    let aside = stage.repository.path().join("aside");
    std::fs::rename(&git, &aside)?;
    let stack = stage
        .wait_reason("s", "SourceReady", "SourceFailed")
        .await?;
    let message = find_condition(&stack, "Ready", "message");
    assert!(
        message.contains("is in place") && message.contains("could not fetch"),
        "{stack:#}"
    );
    assert_eq!(find_condition(&stack, "Ready", "status"), "True");
    // What is in place is kept, and is still healthy.
    assert_eq!(find_condition(&stack, "Healthy", "status"), "True");
    let (path, hand) = (stage.config_path("a"), json!({"data": {"text": "hand"}}));
    stage.api.merge(&path, "alice", &hand).await?;
    stage.wait_config("a", "one").await?;
    // So it is by an engine that has only the local copy.
    stage.start_engine();
    stage.api.merge(&path, "alice", &hand).await?;
    stage.wait_config("a", "one").await?;
    std::fs::rename(&aside, &git)?;
    stage.wait_reason("s", "SourceReady", "Succeeded").await?;
    stage.wait_reason("s", "Synced", "Succeeded").await?;
    Ok(())
}

scenario!(a_commit_that_could_not_be_rendered_is_never_shown_as_in_place);
async fn a_commit_that_could_not_be_rendered_is_never_shown_as_in_place(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let mut stage = Stage::new(&bed, "unrendered").await?;
    let repository = stage.repository.clone();
    repository.write("app/a.yaml", &config("a", "one"))?;
    let first = repository.commit("one")?;
    stage.stack("s", json!({})).await?;
    stage.wait_ready("s", &first).await?;
    repository.write("app/b.yaml", "a: [\n")?;
    let second = repository.commit("nobody can read this")?;
    let stack = stage.wait_reason("s", "Ready", "RenderFailed").await?;
    let followed = &stack["status"]["followed"];
    // What the commit before it rendered to says nothing of this one.
    assert_eq!(followed["commit"], json!(second), "{stack:#}");
    assert_eq!(followed["rendered"], json!(null), "{stack:#}");
    stage.stop_engine();
    repository.git(&["rm", "--quiet", "app/b.yaml"])?;
    let third = repository.commit("it is taken back")?;
    stage.start_engine();
    stage.wait_ready("s", &third).await?;
    Ok(())
}

scenario!(a_force_push_is_followed);
async fn a_force_push_is_followed(bed: Arc<Bed>) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "forced").await?;
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    stage.repository.commit("one")?;
    stage.stack("s", json!({})).await?;
    stage.wait_config("a", "one").await?;
    stage
        .repository
        .write("app/a.yaml", &config("a", "another history"))?;
    stage.repository.git(&[
        "commit",
        "--quiet",
        "--all",
        "--amend",
        "--message",
        "forced",
    ])?;
    stage.wait_config("a", "another history").await?;
    Ok(())
}

scenario!(input_that_nobody_should_have_committed_is_told_and_others_go_on);
async fn input_that_nobody_should_have_committed_is_told_and_others_go_on(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "bad-input").await?;
    let repository = &stage.repository;
    repository.write("app/a.yaml", &config("a", "good"))?;
    repository.write("utf8/a.yaml", "")?;
    std::fs::write(repository.path().join("utf8/a.yaml"), b"kind: \xff\xfe\n")?;
    let bomb: String = (1..12)
        .map(|level| {
            let items = vec![format!("*a{}", level - 1); 9].join(", ");
            format!("a{level}: &a{level} [{items}]\n")
        })
        .collect();
    repository.write("bomb/a.yaml", &format!("a0: &a0 [x]\n{bomb}"))?;
    repository.write("large/a.yaml", "")?;
    let large = std::fs::File::create(repository.path().join("large/a.yaml"))?;
    large.set_len(200 << 20)?;
    let twice = format!("{}---\n{}", config("b", "one"), config("b", "two"));
    repository.write("twice/a.yaml", &twice)?;
    repository.write("over/a.yaml", &config("c", &"x".repeat(4 << 20)))?;
    repository.commit("all of it")?;
    for (name, reason, words) in [
        ("utf8", "RenderFailed", "not UTF-8"),
        ("bomb", "RenderFailed", "alias"),
        ("large", "RenderFailed", "209715200 bytes"),
        ("twice", "RenderFailed", "written twice"),
        ("over", "ApplyFailed", ""),
    ] {
        let source = json!({"git": repository.url(), "path": name, "interval": "1s"});
        stage.stack(name, json!({"source": source})).await?;
        let stack = stage.wait_reason(name, "Ready", reason).await?;
        let message = find_condition(&stack, "Ready", "message");
        assert!(message.contains(words), "{name}: {message}");
    }
    stage.stack("good", json!({})).await?;
    stage.wait_reason("good", "Ready", "Succeeded").await?;
    Ok(())
}

#[test]
fn five_thousand_objects_in_one_file_arrive() {
    crate::block_on(async {
        let bed = Bed::embedded().await?;
        let stage = Stage::new(&bed, "many").await?;
        let texts: Vec<String> = (0..5_000)
            .map(|index| config(&format!("c{index}"), "one"))
            .collect();
        stage
            .repository
            .write("app/all.yaml", &texts.join("---\n"))?;
        let commit = stage.repository.commit("all of them")?;
        stage.stack("s", json!({})).await?;
        let stack = stage.wait_ready("s", &commit).await?;
        assert_eq!(
            stack.pointer("/status/inventory/count"),
            Some(&json!(5_000))
        );
        Ok(())
    });
}
