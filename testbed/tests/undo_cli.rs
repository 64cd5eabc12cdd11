//! The commands that go back and come back, as people type them, on an engine with a cluster of its
//! own in one process.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use holdfast::wiring;
use holdfast_model::Value;
use holdfast_testbed::api::Api;
use holdfast_testbed::bed::{config, find_condition};
use holdfast_testbed::process::Victim;
use holdfast_testbed::repository::Repository;
use serde_json::json;

const STACKS: &str = "/apis/holdfast.dev/v1alpha1/namespaces/default/stacks";

struct Shop {
    api: Api,
    repository: Repository,
    kubeconfig: PathBuf,
    data: tempfile::TempDir,
    _engine: Victim,
}

impl Shop {
    async fn start() -> anyhow::Result<Self> {
        wiring::install_crypto();
        let data = tempfile::tempdir()?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
        command
            .args(["run", "--embedded", "--data"])
            .arg(data.path());
        let engine = Victim::start(command.stdout(Stdio::null()).stderr(Stdio::null()))?;
        let kubeconfig = data.path().join("cluster/kubeconfig");
        let api = Api::connect(&kubeconfig, STACKS).await?;
        Ok(Self {
            api,
            repository: Repository::new()?,
            kubeconfig,
            data,
            _engine: engine,
        })
    }

    /// Commits a text.
    fn put(&self, text: &str) -> anyhow::Result<String> {
        self.repository.write("c.yaml", &config("c", text))?;
        self.repository.commit(text)
    }

    /// Waits until a commit is in place for a reason.
    async fn wait(&self, commit: &str, reason: &str) -> anyhow::Result<Value> {
        let holds = |stack: Option<&Value>| {
            stack.is_some_and(|stack| {
                find_condition(stack, "Ready", "reason") == reason
                    && stack.pointer("/status/appliedRevision") == Some(&json!(commit))
            })
        };
        let path = format!("{STACKS}/s");
        self.api
            .wait(&path, &format!("{reason} at {commit}"), holds)
            .await
    }

    /// Runs a command; what it said, and its exit code.
    fn run(&self, arguments: &[&str]) -> anyhow::Result<(String, Option<i32>)> {
        let cache: &Path = self.data.path();
        let output = Command::new(env!("CARGO_BIN_EXE_engine"))
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("XDG_CACHE_HOME", cache)
            .output()?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        Ok((said, output.status.code()))
    }

    /// Runs a command that is to succeed and to say some words.
    fn says(&self, arguments: &[&str], words: &[&str]) -> anyhow::Result<()> {
        let (said, code) = self.run(arguments)?;
        anyhow::ensure!(code == Some(0), "{arguments:?} ends with {code:?}: {said}");
        for word in words {
            anyhow::ensure!(
                said.contains(word),
                "{arguments:?} does not say {word}: {said}"
            );
        }
        Ok(())
    }
}

#[test]
fn the_commands_go_back_and_come_back() {
    crate::block_on(async {
        let shop = Shop::start().await?;
        let a = shop.put("A")?;
        let stack = json!({
            "apiVersion": "holdfast.dev/v1alpha1",
            "kind": "Stack",
            "metadata": {"name": "s"},
            "spec": {"source": {"git": shop.repository.url(), "interval": "1s"}},
        });
        shop.api.create(STACKS, &stack).await?;
        shop.wait(&a, "Succeeded").await?;
        shop.repository.git(&["tag", "good"])?;
        let b = shop.put("B")?;
        shop.wait(&b, "Succeeded").await?;
        let c = shop.put("C")?;
        shop.wait(&c, "Succeeded").await?;

        let why = ["rollback", "s", "--reason", "C is slow"];
        shop.says(
            &why,
            &[
                &b[..12],
                "the newest further back",
                "holdfast resume s",
                &c[..12],
            ],
        )?;
        let stack = shop.wait(&b, "Pinned").await?;
        let by = stack.pointer("/status/pin/by").and_then(Value::as_str);
        anyhow::ensure!(by.is_some_and(|by| !by.is_empty()), "{stack:#}");
        shop.says(&["history", "s"], &["pinned", "C is slow"])?;
        shop.says(
            &["describe", "s"],
            &["Pinned", "C is slow", "until Git has something newer"],
        )?;

        // By tag, by steps, by digits; what cannot be meant is refused, and changes nothing.
        shop.says(&["rollback", "s", "--to", "good"], &[&a[..12]])?;
        shop.wait(&a, "Pinned").await?;
        let (said, code) = shop.run(&["rollback", "s"])?;
        assert!(
            code == Some(1) && said.contains("no revision further back"),
            "{said}"
        );
        let (said, code) = shop.run(&["rollback", "s", "--to", "nowhere"])?;
        assert!(code == Some(1) && said.contains("nowhere"), "{said}");
        shop.wait(&a, "Pinned").await?;
        shop.says(&["resume", "s"], &["ConfigMap/default/c", "changes", "no longer pinned"])?;
        shop.wait(&c, "Succeeded").await?;
        shop.says(&["rollback", "s", "--to", "-2"], &[&a[..12]])?;
        shop.wait(&a, "Pinned").await?;
        shop.says(&["rollback", "s", "--to", &b[..7]], &[&b[..12]])?;
        shop.wait(&b, "Pinned").await?;

        // What would be applied is shown first; a suspension ends before a rollback does.
        shop.says(&["resume", "s", "--dry-run"], &["Git changed /data/text"])?;
        shop.wait(&b, "Pinned").await?;
        shop.says(&["suspend", "s"], &[])?;
        shop.says(&["resume", "s"], &["stays pinned"])?;
        shop.wait(&b, "Pinned").await?;
        shop.says(
            &["resume", "s"],
            &["Git changed /data/text", "no longer pinned"],
        )?;
        shop.wait(&c, "Succeeded").await?;
        shop.says(&["resume", "s"], &["neither suspended nor pinned"])?;
        Ok(())
    });
}
