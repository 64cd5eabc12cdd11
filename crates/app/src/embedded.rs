//! An embedded cluster that lasts: in a folder, with the kubeconfig that leads to it. It must not
//! know the engine.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use holdfast_api::native::crds::definitions;
use holdfast_cluster::{Cluster, Credentials, Listening, Options};
use holdfast_model::Value;
use http::{Method, Request};
use kube::Client;
use tokio::task::JoinHandle;

/// A cluster that runs; it ends when this is dropped.
pub struct Embedded {
    /// A client that may do everything, without a socket.
    pub client: Client,
    /// The kubeconfig for everybody else. It stays valid over restarts, as long as the port does.
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
const CREDENTIALS: &str = "credentials.json";
const PORT: &str = "port";
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
        make_private(folder).with_context(|| folder.display().to_string())?;
        let lock = File::create(folder.join(LOCK))?;
        anyhow::ensure!(
            lock.try_lock().is_ok(),
            "another process runs the cluster in {}; see `holdfast cluster status`",
            folder.display()
        );
        std::fs::write(folder.join(PROCESS), std::process::id().to_string())?;
        let cluster = Cluster::open(&folder.join(DATABASE), Options::default())?;
        let client = Client::new(cluster.service(), "default");
        for definition in definitions() {
            define(&client, &definition).await?;
        }
        // Whoever finds it finds it whole.
        let listening = listen(&cluster, folder, port).await?;
        let kubeconfig = kubeconfig_of(folder);
        write_private(&kubeconfig, listening.kubeconfig())?;
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

/// Listens with the credentials of the folder, which are made once, and on the port that was asked
/// for, or else on the one of last time while it is free.
async fn listen(cluster: &Cluster, folder: &Path, port: u16) -> anyhow::Result<Listening> {
    let path = folder.join(CREDENTIALS);
    let credentials = match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| {
            let path = path.display();
            format!("{path} cannot be read; without it, new credentials are made")
        })?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let made = Credentials::new()?;
            write_private(&path, &serde_json::to_string_pretty(&made)?)?;
            made
        }
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let on = |port: u16| cluster.listen_as(([127, 0, 0, 1], port).into(), &credentials);
    let last = std::fs::read_to_string(folder.join(PORT)).ok();
    let last = last.and_then(|text| text.trim().parse::<u16>().ok());
    let listening = match last {
        Some(last) if port == 0 => match on(last).await {
            Ok(listening) => listening,
            Err(_) => on(0).await?,
        },
        _ => on(port).await?,
    };
    std::fs::write(folder.join(PORT), listening.address.port().to_string())?;
    Ok(listening)
}

/// The folder holds Secrets and tokens: where it is made, it is made for its owner only.
fn make_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Writes a file that holds a token: for its owner only, and whole or not at all.
fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    use std::io::Write as _;
    let fresh = path.with_extension("fresh");
    let _ = std::fs::remove_file(&fresh);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&fresh, path).with_context(|| path.display().to_string())
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
