//! The commands as people type them, on an engine with a cluster of its own in one process.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::Context as _;
use holdfast::wiring;
use holdfast_model::Value;
use holdfast_testbed::api::Api;
use holdfast_testbed::bed::{config, find_condition};
use holdfast_testbed::process::Victim;
use holdfast_testbed::repository::Repository;
use serde_json::json;

/// Where Stacks are.
pub(crate) const STACKS: &str = "/apis/holdfast.dev/v1alpha1/namespaces/default/stacks";

/// An engine with a cluster of its own in one process, and a repository.
pub(crate) struct Shop {
    pub(crate) api: Api,
    pub(crate) repository: Repository,
    kubeconfig: PathBuf,
    data: tempfile::TempDir,
    _engine: Victim,
}

impl Shop {
    /// Starts it.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        Self::start_with(&[]).await
    }

    /// Starts it with more options.
    pub(crate) async fn start_with(options: &[&str]) -> anyhow::Result<Self> {
        Self::start_in(tempfile::tempdir()?, |command| {
            command.args(options);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            Ok(())
        })
        .await
    }

    /// Starts it with more options and a log of this level, which is among what it has [`Shop::written`].
    pub(crate) async fn start_logging(level: &str, options: &[&str]) -> anyhow::Result<Self> {
        let data = tempfile::tempdir()?;
        let log = std::fs::File::create(data.path().join("log"))?;
        Self::start_in(data, |command| {
            command.stdout(log.try_clone()?).stderr(log);
            command.args(options).env("HOLDFAST_LOG", level);
            Ok(())
        })
        .await
    }

    async fn start_in(
        data: tempfile::TempDir,
        tune: impl FnOnce(&mut Command) -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        wiring::install_crypto();
        let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
        command
            .args(["run", "--embedded", "--data"])
            .arg(data.path());
        tune(&mut command)?;
        let engine = Victim::start(&mut command)?;
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

    /// Makes a Stack `s` of the repository; `spec` adds to it.
    pub(crate) async fn stack(&self, spec: Value) -> anyhow::Result<()> {
        self.stack_named("s", spec).await
    }

    /// Makes a Stack of the repository; `spec` adds to it.
    pub(crate) async fn stack_named(&self, name: &str, spec: Value) -> anyhow::Result<()> {
        let mut whole = json!({"source": {"git": self.repository.url(), "interval": "1s"}});
        if let (Value::Object(whole), Value::Object(spec)) = (&mut whole, spec) {
            whole.extend(spec);
        }
        let stack = json!({
            "apiVersion": "holdfast.dev/v1alpha1",
            "kind": "Stack",
            "metadata": {"name": name},
            "spec": whole,
        });
        self.api.create(STACKS, &stack).await?;
        Ok(())
    }

    /// Commits a text.
    pub(crate) fn put(&self, text: &str) -> anyhow::Result<String> {
        self.repository.write("c.yaml", &config("c", text))?;
        self.repository.commit(text)
    }

    /// Every file that it has written beside what the cluster stores: names and bytes.
    pub(crate) fn written(&self) -> anyhow::Result<Vec<(String, Vec<u8>)>> {
        let mut files = Vec::new();
        let mut folders = vec![self.data.path().to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder)? {
                let (path, kind) =
                    entry.and_then(|entry| Ok((entry.path(), entry.file_type()?)))?;
                if kind.is_dir() && !path.ends_with("cluster") {
                    folders.push(path);
                } else if kind.is_file() {
                    files.push((path.display().to_string(), std::fs::read(&path)?));
                }
            }
        }
        Ok(files)
    }

    /// Waits until a condition of a Stack has a reason.
    pub(crate) async fn wait_for_reason(
        &self,
        stack: &str,
        condition: &str,
        reason: &str,
    ) -> anyhow::Result<Value> {
        let holds = |stack: Option<&Value>| {
            stack.is_some_and(|stack| find_condition(stack, condition, "reason") == reason)
        };
        let path = format!("{STACKS}/{stack}");
        self.api.wait(&path, reason, holds).await
    }

    /// Waits until a commit is in place for a reason.
    pub(crate) async fn wait(&self, commit: &str, reason: &str) -> anyhow::Result<Value> {
        self.wait_for("s", commit, reason).await
    }

    /// Waits until a commit is in place in one of several Stacks for a reason.
    pub(crate) async fn wait_for(
        &self,
        stack: &str,
        commit: &str,
        reason: &str,
    ) -> anyhow::Result<Value> {
        let holds = |stack: Option<&Value>| {
            stack.is_some_and(|stack| {
                find_condition(stack, "Ready", "reason") == reason
                    && stack.pointer("/status/appliedRevision") == Some(&json!(commit))
            })
        };
        let path = format!("{STACKS}/{stack}");
        self.api
            .wait(&path, &format!("{reason} at {commit}"), holds)
            .await
    }

    /// The engine's data folder.
    pub(crate) fn data(&self) -> &Path {
        self.data.path()
    }

    /// The kubeconfig of the engine's cluster.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Runs a command; what it said, and its exit code.
    pub(crate) fn run(&self, arguments: &[&str]) -> anyhow::Result<(String, Option<i32>)> {
        let output = self.output(arguments)?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        Ok((said, output.status.code()))
    }

    /// Runs a command that is to succeed; what it printed for programs, without progress.
    pub(crate) fn prints(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = self.output(arguments)?;
        anyhow::ensure!(output.status.success(), "{arguments:?}: {output:?}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn output(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let cache: &Path = self.data.path();
        let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
        command.args(arguments).env("XDG_CACHE_HOME", cache);
        Ok(command.env("KUBECONFIG", &self.kubeconfig).output()?)
    }

    /// Runs a command that reads some words; what it printed for programs.
    pub(crate) fn feeds(&self, arguments: &[&str], words: &str) -> anyhow::Result<String> {
        use std::io::Write as _;
        let mut command = Command::new(env!("CARGO_BIN_EXE_engine"));
        command.args(arguments).env("KUBECONFIG", &self.kubeconfig);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::piped()).spawn()?;
        let mut input = child.stdin.take().context("it reads")?;
        input.write_all(words.as_bytes())?;
        drop(input);
        let output = child.wait_with_output()?;
        anyhow::ensure!(output.status.success(), "{arguments:?}: {output:?}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Kills the engine with its cluster, and starts both again where they were.
    pub(crate) async fn restart_with(self, options: &[&str]) -> anyhow::Result<Self> {
        let Self {
            repository,
            data,
            _engine: engine,
            ..
        } = self;
        drop(engine);
        let _ = std::fs::remove_file(data.path().join("page"));
        let started = Self::start_in(data, |command| {
            command.args(options);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            Ok(())
        });
        Ok(Self {
            repository,
            ..started.await?
        })
    }

    /// Runs a command that is to end with a code and to say some words.
    pub(crate) fn ends(&self, arguments: &[&str], code: i32, words: &str) -> anyhow::Result<()> {
        let (said, ended) = self.run(arguments)?;
        let is_so = ended == Some(code) && said.contains(words);
        anyhow::ensure!(is_so, "{arguments:?} ends with {ended:?}: {said}");
        Ok(())
    }

    /// Runs a command that is to succeed and to say some words.
    pub(crate) fn says(&self, arguments: &[&str], words: &[&str]) -> anyhow::Result<()> {
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
