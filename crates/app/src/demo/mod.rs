//! `holdfast demo`: everything on one machine in a temporary folder. A Git repository with an
//! application in two environments, an embedded cluster where it comes to life, the engine between
//! them, and git over http on loopback so that a push works.
//!
//! It must not do anything that the real thing does not: the engine is the one that people run.

mod application;
mod git_server;
mod play;
mod show;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use holdfast_api::native::crds::definitions;
use holdfast_cluster::{Cluster, Listening, Options};
use holdfast_engine::Engine;
use holdfast_model::Value;
use http::{Method, Request};
use kube::Client;
use serde_json::json;
use tokio::task::JoinSet;

pub use play::play;
pub use show::{follow, welcome};

use crate::wiring::{self, EngineSettings};

/// A demo that runs; everything ends when it is dropped.
pub struct Demo {
    /// Where it keeps its files.
    pub folder: PathBuf,
    /// A working copy of the repository, to edit and push from.
    pub checkout: PathBuf,
    /// The kubeconfig of the embedded cluster.
    pub kubeconfig: PathBuf,
    /// The embedded cluster's API.
    pub api: DemoApi,
    /// How long it took from the start until everything was set up.
    pub setup: Duration,
    tasks: JoinSet<()>,
    _listening: Listening,
    _temporary: Option<tempfile::TempDir>,
}

impl Drop for Demo {
    fn drop(&mut self) {
        self.tasks.abort_all();
    }
}

/// The namespace of the demo's Stacks.
pub const NAMESPACE: &str = "demo";

impl Demo {
    /// Sets everything up in a folder, or in a temporary one that goes with the demo.
    ///
    /// # Errors
    /// When git is missing, or the folder or a port cannot be had.
    pub async fn start(folder: Option<PathBuf>) -> anyhow::Result<Self> {
        let start = Instant::now();
        let (folder, temporary) = match folder {
            Some(folder) => {
                std::fs::create_dir_all(&folder)?;
                (folder.canonicalize()?, None)
            }
            None => {
                let temporary = tempfile::Builder::new()
                    .prefix("holdfast-demo-")
                    .tempdir()?;
                (temporary.path().to_owned(), Some(temporary))
            }
        };
        let checkout = folder.join("shop");
        let cluster = Cluster::new(Options::default());
        let listening = cluster.listen(([127, 0, 0, 1], 0).into()).await?;
        let kubeconfig = folder.join("kubeconfig");
        std::fs::write(&kubeconfig, listening.kubeconfig())?;
        let api = DemoApi {
            client: Client::new(cluster.service(), NAMESPACE),
        };
        let mut settings = EngineSettings::new(folder.join("data"));
        settings.entropy = wiring::chance()?;
        let (engine, plane) = wiring::engine(api.client.clone(), &settings);
        let server = git_server::GitServer::start(&folder, engine.clone()).await?;
        let url = server.url();
        let mut tasks = JoinSet::new();
        tasks.spawn(cluster.run_controllers());
        tasks.spawn(server.serve());
        application::make(&folder, &checkout, &url)?;
        api.prepare(&url).await?;
        tasks.spawn(run(engine, plane, settings));
        Ok(Self {
            folder,
            checkout,
            kubeconfig,
            api,
            setup: start.elapsed(),
            tasks,
            _listening: listening,
            _temporary: temporary,
        })
    }

    /// Runs git in the working copy; what it printed.
    ///
    /// # Errors
    /// When git fails, with what it said.
    pub fn git(&self, arguments: &[&str]) -> anyhow::Result<String> {
        git(&self.checkout, arguments)
    }
}

async fn run(engine: Engine, plane: holdfast_control::Plane, settings: EngineSettings) {
    wiring::run(engine, plane, settings).await;
}

/// Runs the machine's git; the demo's commits have an author of their own, so that they work on a
/// machine where nobody has told git who they are.
pub(crate) fn git(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = std::process::Command::new("git")
        .current_dir(folder)
        .args(["-c", "user.name=You", "-c", "user.email=you@example.org"])
        .args(["-c", "commit.gpgsign=false"])
        .args(arguments)
        .output()
        .context("the demo needs git, which could not be started")?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(
        output.status.success(),
        "git {}: {said}",
        arguments.join(" ")
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The embedded cluster's API in a few words.
#[derive(Clone)]
pub struct DemoApi {
    /// A client that may do everything.
    pub client: Client,
}

impl DemoApi {
    /// Sends a request with a JSON body or none.
    ///
    /// # Errors
    /// What the server refuses with.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let body = body
            .map(serde_json::to_vec)
            .transpose()?
            .unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", content_type)
            .body(body)?;
        Ok(self.client.request(request).await?)
    }

    /// Reads an object or a list.
    ///
    /// # Errors
    /// When it is not there.
    pub async fn get(&self, path: &str) -> anyhow::Result<Value> {
        self.send(Method::GET, path, "application/json", None).await
    }

    async fn create(&self, path: &str, object: &Value) -> anyhow::Result<()> {
        self.send(Method::POST, path, "application/json", Some(object))
            .await?;
        Ok(())
    }

    /// Definitions, the namespace, and the two Stacks.
    async fn prepare(&self, url: &str) -> anyhow::Result<()> {
        let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
        for definition in definitions() {
            self.create(crds, &definition).await?;
        }
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        self.create("/api/v1/namespaces", &namespace).await?;
        for stack in application::stacks(url) {
            let path = format!("/apis/holdfast.dev/v1alpha1/namespaces/{NAMESPACE}/stacks");
            self.create(&path, &stack).await?;
        }
        Ok(())
    }
}
