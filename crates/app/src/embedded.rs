//! An embedded cluster that lasts: in a folder, with the kubeconfig that leads to it. It must not
//! know the engine.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use holdfast_api::native::crds::definitions;
use holdfast_cluster::{Cluster, Listening, Options};
use holdfast_model::Value;
use http::{Method, Request};
use kube::Client;
use tokio::task::JoinHandle;

/// A cluster that runs; it ends when this is dropped.
pub struct Embedded {
    /// A client that may do everything, without a socket.
    pub client: Client,
    /// The kubeconfig for everybody else. It is written anew at each start.
    pub kubeconfig: PathBuf,
    /// Where it listens.
    pub listening: Listening,
    cluster: Cluster,
    controllers: JoinHandle<()>,
    _lock: File,
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.controllers.abort();
    }
}

/// The files of a folder that holds a cluster.
const DATABASE: &str = "cluster.sqlite";
const KUBECONFIG: &str = "kubeconfig";
const PROCESS: &str = "process";
const LOCK: &str = "lock";

/// The kubeconfig of the cluster in a folder.
pub fn kubeconfig_of(folder: &Path) -> PathBuf {
    folder.join(KUBECONFIG)
}

/// The process that runs the cluster in a folder; `None` when none does.
///
/// # Errors
/// When the folder cannot be read.
pub fn process_of(folder: &Path) -> anyhow::Result<Option<u32>> {
    let Ok(lock) = File::open(folder.join(LOCK)) else {
        return Ok(None);
    };
    // Whoever runs it holds the lock for as long as it lives.
    if lock.try_lock().is_ok() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(folder.join(PROCESS))?;
    Ok(text.trim().parse().ok())
}

impl Embedded {
    /// Starts the cluster in a folder, which is made where there is none, with Holdfast's own
    /// definitions on it. Port 0 takes a free one.
    ///
    /// # Errors
    /// When another process runs it, or the folder or the port cannot be had.
    pub async fn start(folder: &Path, port: u16) -> anyhow::Result<Self> {
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let lock = File::create(folder.join(LOCK))?;
        anyhow::ensure!(
            lock.try_lock().is_ok(),
            "another process runs the cluster in {}; see `holdfast cluster status`",
            folder.display()
        );
        std::fs::write(folder.join(PROCESS), std::process::id().to_string())?;
        let cluster = Cluster::open(&folder.join(DATABASE), Options::default())?;
        let listening = cluster.listen(([127, 0, 0, 1], port).into()).await?;
        let kubeconfig = kubeconfig_of(folder);
        write_private(&kubeconfig, listening.kubeconfig())?;
        let client = Client::new(cluster.service(), "default");
        for definition in definitions() {
            define(&client, &definition).await?;
        }
        let controllers = tokio::spawn(cluster.run_controllers());
        Ok(Self {
            client,
            kubeconfig,
            listening,
            cluster,
            controllers,
            _lock: lock,
        })
    }

    /// Waits until everything up to now is on the disk.
    pub async fn settle(&self) {
        if let Err(error) = self.cluster.settled().await {
            tracing::warn!(error, "The cluster's file takes no more.");
        }
    }
}

/// A kubeconfig holds a token: it is for its owner only.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let _ = std::fs::remove_file(path);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())?;
    Ok(())
}

async fn define(client: &Client, definition: &Value) -> anyhow::Result<()> {
    let name = definition
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let path = format!(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}?fieldManager=holdfast&\
         force=true"
    );
    let request = Request::builder()
        .method(Method::PATCH)
        .uri(path)
        .header("content-type", "application/apply-patch+yaml")
        .body(serde_json::to_vec(definition)?)?;
    client
        .request::<Value>(request)
        .await
        .with_context(|| format!("definition {name}"))?;
    Ok(())
}
