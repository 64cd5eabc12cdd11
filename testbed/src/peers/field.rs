//! What every engine of the bench is put on: a fresh cluster, a repository behind a git server, and a
//! folder for its files.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::json;
use tempfile::TempDir;

use super::NAMESPACE;
use crate::api::Api;
use crate::cluster::{RealCluster, programs};
use crate::git_server::GitServer;
use crate::process::Process;
use crate::repository::Repository;

/// A cluster on which nothing works yet, and a repository.
pub(crate) struct Field {
    /// The cluster.
    pub(crate) cluster: RealCluster,
    /// Its API.
    pub(crate) api: Api,
    /// The repository, with a folder of one ConfigMap for each object.
    pub(crate) repository: Repository,
    server: GitServer,
    folder: TempDir,
}

impl Field {
    /// A cluster, and a repository of `count` folders.
    ///
    /// # Errors
    /// When the cluster does not come up or git fails.
    pub(crate) async fn new(count: usize) -> anyhow::Result<Self> {
        let cluster = RealCluster::start().await?;
        let api = Api {
            client: cluster.client.clone(),
        };
        let repository = Repository::new()?;
        let server = GitServer::start(repository.path()).await?;
        let folder = tempfile::Builder::new()
            .prefix("holdfast-peer-")
            .tempdir()?;
        let field = Self {
            cluster,
            api,
            repository,
            server,
            folder,
        };
        for index in 0..count {
            field.write(index, "one")?;
        }
        field.repository.commit("all of them")?;
        field.namespace(NAMESPACE).await?;
        Ok(field)
    }

    /// The repository's address: smart HTTP.
    pub(crate) fn url(&self) -> String {
        self.server.url(".git")
    }

    /// Writes a folder's ConfigMap.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write(&self, index: usize, text: &str) -> anyhow::Result<()> {
        let path = format!("{}/config.yaml", path(index));
        // The namespace is in the file, so that no engine has to add it.
        let config = format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {}\n  namespace: {NAMESPACE}\ndata:\n  \
             text: {text}\n",
            config_name(index)
        );
        self.repository.write(&path, &config)
    }

    /// Makes a namespace.
    ///
    /// # Errors
    /// What the server refuses with.
    pub(crate) async fn namespace(&self, name: &str) -> anyhow::Result<()> {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        self.api.create("/api/v1/namespaces", &namespace).await?;
        Ok(())
    }

    /// A new folder for an engine's files, which goes with the field.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn folder(&self, name: &str) -> anyhow::Result<PathBuf> {
        let folder = self.folder.path().join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// Starts a program; its log lies beside its files.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn run(
        &self,
        name: &str,
        program: &str,
        arguments: &[String],
        variables: &[(&str, String)],
    ) -> anyhow::Result<Process> {
        let built = programs().join(program);
        let program = if built.exists() {
            built
        } else {
            PathBuf::from(program)
        };
        Process::start_as(name, &program, arguments, variables, self.folder.path())
    }

    /// Applies manifests to a namespace, as the server applies them.
    ///
    /// # Errors
    /// What kubectl says.
    pub(crate) fn apply(&self, namespace: &str, manifests: &str) -> anyhow::Result<()> {
        let file = self.folder("manifests")?.join("all.yaml");
        std::fs::write(&file, manifests)?;
        let output = Command::new(programs().join("kubectl"))
            .arg("--kubeconfig")
            .arg(&self.cluster.kubeconfig)
            .arg("--cache-dir")
            .arg(self.folder("kubectl")?)
            .args(["apply", "--server-side", "--force-conflicts"])
            .args(["--namespace", namespace, "--filename"])
            .arg(&file)
            .output()
            .context("could not start kubectl")?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "kubectl apply: {said}");
        Ok(())
    }
}

/// The manifests that `cargo xtask testbed peers` took out of an engine's module.
///
/// # Errors
/// When they are not there.
pub(crate) fn manifests(name: &str) -> anyhow::Result<String> {
    let file = programs().join(name);
    std::fs::read_to_string(&file).with_context(|| {
        format!(
            "{} is not there; `cargo xtask testbed peers` makes it",
            file.display()
        )
    })
}

/// The folder of the repository that an object follows.
pub(crate) fn path(index: usize) -> String {
    format!("apps/{index}")
}

/// The name of the object that follows a folder.
pub(crate) fn object_name(index: usize) -> String {
    format!("app-{index}")
}

/// The name of the ConfigMap in a folder.
pub(crate) fn config_name(index: usize) -> String {
    format!("config-{index}")
}

/// Waits until a process listens on a port.
///
/// # Errors
/// When it does not within a minute or has ended, with the end of its log.
pub(crate) async fn listens(process: &mut Process, port: u16) -> anyhow::Result<()> {
    let start = Instant::now();
    while tokio::net::TcpStream::connect(("127.0.0.1", port))
        .await
        .is_err()
    {
        process.check()?;
        anyhow::ensure!(
            start.elapsed() < Duration::from_secs(60),
            "{} does not listen; its log ends with {}",
            process.name(),
            process.last_lines()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
