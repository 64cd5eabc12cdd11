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
use http::Method;
use kube::Client;
use serde_json::json;
use tokio::task::JoinSet;

pub use play::play;
pub use show::{follow, welcome};

use crate::cli::{All, Api, Global, page_commands};
use crate::page;
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
    pub(crate) api: Api,
    /// Where its page is.
    pub page: String,
    /// How long it took from the start until everything was set up.
    pub setup: Duration,
    tasks: JoinSet<()>,
    _listening: Listening,
    _noted: Option<page::Noted>,
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
        let api = Api {
            client: Client::new(cluster.service(), NAMESPACE),
            namespace: NAMESPACE.to_owned(),
            acting: None,
        };
        let mut settings = EngineSettings::new(folder.join("data"));
        settings.entropy = wiring::chance()?;
        let (engine, plane) = wiring::engine(api.client.clone(), &settings);
        let commands = page_commands(global_of(&kubeconfig));
        let page = page::listen(page::Place::on_loopback(), engine.view(), Some(commands)).await?;
        let server = git_server::GitServer::start(&folder, engine.clone()).await?;
        let url = server.url();
        let mut tasks = JoinSet::new();
        tasks.spawn(cluster.run_controllers());
        tasks.spawn(server.serve());
        application::make(&folder, &checkout, &url)?;
        prepare(&api, &url).await?;
        tasks.spawn(run(engine, plane, settings));
        let address = page.address.clone();
        let noted = page::Noted::in_folder(&folder, &address);
        tasks.spawn(page.serve());
        Ok(Self {
            folder,
            checkout,
            kubeconfig,
            api,
            page: address,
            setup: start.elapsed(),
            tasks,
            _listening: listening,
            _noted: noted,
            _temporary: temporary,
        })
    }

    /// How commands reach it.
    fn global(&self) -> Global {
        global_of(&self.kubeconfig)
    }

    /// Runs git in the working copy; what it printed.
    ///
    /// # Errors
    /// When git fails, with what it said.
    pub fn git(&self, arguments: &[&str]) -> anyhow::Result<String> {
        git(&self.checkout, arguments)
    }
}

/// How commands reach the cluster of a kubeconfig.
fn global_of(kubeconfig: &Path) -> Global {
    Global {
        kubeconfig: Some(kubeconfig.to_owned()),
        context: None,
        namespace: Some(NAMESPACE.to_owned()),
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

/// Definitions, the namespace, and the Stacks.
async fn prepare(api: &Api, url: &str) -> anyhow::Result<()> {
    let create = async |path: &str, object: &Value| {
        api.send(Method::POST, path, "application/json", Some(object))
            .await
    };
    for definition in definitions() {
        create(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
            &definition,
        )
        .await?;
    }
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    create("/api/v1/namespaces", &namespace).await?;
    for stack in application::stacks(url) {
        create(&api.stacks_path(All::OfOne), &stack).await?;
    }
    Ok(())
}
