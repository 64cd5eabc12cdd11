//! A real Kubernetes control plane: etcd, kube-apiserver and kube-controller-manager 1.37 as plain
//! processes on loopback. The programs are built by `cargo xtask testbed`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use holdfast::wiring::{self, Connection};
use kube::Client;
use rcgen::{CertificateParams, KeyPair};

use crate::nodes;
use crate::process::{Process, free_port};

/// Where `cargo xtask testbed` puts the programs.
pub fn programs() -> PathBuf {
    let home = std::env::var_os("HOME")
        .map(PathBuf::from)
        .unwrap_or_default();
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    cache
        .unwrap_or_else(|| home.join(".cache"))
        .join("holdfast/testbed/bin")
}

/// Whether the programs are there. Without them tests that need them are left out, which the test
/// command says; with `CI=true` that is a failure there.
pub fn is_built() -> bool {
    [
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kubectl",
        "kwok",
    ]
    .iter()
    .all(|name| programs().join(name).exists())
}

/// A real cluster, which goes when it is dropped. It has no nodes, and pods stay pending, unless one
/// is played for it.
pub struct RealCluster {
    /// Of the account that may do everything.
    pub kubeconfig: PathBuf,
    /// A client with that account.
    pub client: Client,
    /// The API server's address.
    pub server: String,
    processes: Vec<Process>,
    folder: PathBuf,
    _owned: Option<tempfile::TempDir>,
}

/// Whether what was answered survives the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Durability {
    /// It may be in memory alone: quicker, and enough for tests.
    None,
    /// It is on disk.
    Full,
}

/// The bearer token of the account that may do everything.
const TOKEN: &str = "holdfast-testbed-admin";

impl RealCluster {
    /// Starts a cluster in a temporary folder.
    ///
    /// # Errors
    /// When a program is missing or does not come up within a minute.
    pub async fn start() -> anyhow::Result<Self> {
        let owned = folder()?;
        let mut cluster = Self::start_in(owned.path()).await?;
        cluster._owned = Some(owned);
        Ok(cluster)
    }

    /// Starts an API server without controllers in a temporary folder.
    ///
    /// # Errors
    /// As [`RealCluster::start`].
    pub async fn start_bare() -> anyhow::Result<Self> {
        let owned = folder()?;
        let (mut cluster, _) = Self::start_server(owned.path(), Durability::None).await?;
        cluster._owned = Some(owned);
        Ok(cluster)
    }

    /// As [`RealCluster::start`], with every write on disk before it is answered.
    ///
    /// # Errors
    /// As [`RealCluster::start`].
    pub async fn start_durable() -> anyhow::Result<Self> {
        let owned = folder()?;
        let (mut cluster, layout) = Self::start_server(owned.path(), Durability::Full).await?;
        cluster.start_manager(&layout)?;
        cluster._owned = Some(owned);
        Ok(cluster)
    }

    /// The processes of etcd and of the API server.
    ///
    /// # Errors
    /// When one has ended.
    pub fn servers(&self) -> anyhow::Result<Vec<u32>> {
        self.processes.iter().take(2).map(Process::id).collect()
    }

    /// Starts a cluster in a folder, which stays.
    ///
    /// # Errors
    /// As [`RealCluster::start`].
    pub async fn start_in(folder: &Path) -> anyhow::Result<Self> {
        let (mut cluster, layout) = Self::start_server(folder, Durability::None).await?;
        cluster.start_manager(&layout)?;
        Ok(cluster)
    }

    fn start_manager(&mut self, layout: &Layout) -> anyhow::Result<()> {
        let manager = programs().join("kube-controller-manager");
        let manager = Process::start(&manager, &layout.manager(), &layout.folder)?;
        self.processes.push(manager);
        Ok(())
    }

    async fn start_server(folder: &Path, durability: Durability) -> anyhow::Result<(Self, Layout)> {
        wiring::install_crypto();
        let layout = Layout::new(folder)?;
        let bin = programs();
        let etcd = Process::start(&bin.join("etcd"), &layout.etcd(durability), folder)?;
        let api = Process::start(&bin.join("kube-apiserver"), &layout.apiserver(), folder)?;
        let kubeconfig = layout.write_kubeconfig()?;
        let connection = Connection {
            kubeconfig: Some(kubeconfig.clone()),
            context: None,
        };
        let client = wiring::connect(&connection).await?.client;
        let mut processes = vec![etcd, api];
        ready(&client, &mut processes).await?;
        let cluster = Self {
            kubeconfig,
            client,
            server: layout.server(),
            processes,
            folder: folder.to_owned(),
            _owned: None,
        };
        Ok((cluster, layout))
    }

    /// Plays a node from now on.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn add_node(&mut self) -> anyhow::Result<()> {
        let playing = nodes::play(&self.kubeconfig, &self.client, &self.folder).await?;
        self.processes.push(playing);
        Ok(())
    }

    /// Kills the API server as a crash does; everything else stays.
    pub fn kill_api(&mut self) {
        self.processes[1].kill();
    }

    /// Starts the API server again and waits until it is ready.
    ///
    /// # Errors
    /// As [`RealCluster::start`].
    pub async fn revive_api(&mut self) -> anyhow::Result<()> {
        let layout = Layout::read(&self.folder)?;
        let program = programs().join("kube-apiserver");
        self.processes[1] = Process::start(&program, &layout.apiserver(), &self.folder)?;
        ready(&self.client, &mut self.processes).await
    }
}

/// A folder for a cluster, which goes with it.
fn folder() -> std::io::Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix("holdfast-cluster-")
        .tempdir()
}

async fn ready(client: &Client, processes: &mut [Process]) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        for process in processes.iter_mut() {
            process.check()?;
        }
        let request = http::Request::get("/readyz").body(Vec::new())?;
        if client.request_text(request).await.is_ok() {
            return Ok(());
        }
        anyhow::ensure!(
            start.elapsed() < Duration::from_secs(60),
            "the API server is not ready"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Where a cluster's files lie and which ports it has.
struct Layout {
    folder: PathBuf,
    etcd_port: u16,
    peer_port: u16,
    api_port: u16,
}

impl Layout {
    fn new(folder: &Path) -> anyhow::Result<Self> {
        let layout = Self {
            folder: folder.to_owned(),
            etcd_port: free_port()?,
            peer_port: free_port()?,
            api_port: free_port()?,
        };
        let ports = [layout.etcd_port, layout.peer_port, layout.api_port];
        let ports = ports.map(|port| port.to_string()).join("\n");
        std::fs::write(folder.join("ports"), ports)?;
        let key = KeyPair::generate()?;
        let mut names = CertificateParams::new(vec!["localhost".to_owned()])?;
        let address = std::net::IpAddr::from([127, 0, 0, 1]);
        names
            .subject_alt_names
            .push(rcgen::SanType::IpAddress(address));
        let certificate = names.self_signed(&key)?;
        let account_key = KeyPair::generate()?;
        for (name, text) in [
            ("server.crt", certificate.pem()),
            ("server.key", key.serialize_pem()),
            ("accounts.key", account_key.serialize_pem()),
            ("accounts.pub", account_key.public_key_pem()),
            (
                "tokens.csv",
                format!("{TOKEN},admin,admin,system:masters\n"),
            ),
        ] {
            std::fs::write(folder.join(name), text)?;
        }
        Ok(layout)
    }

    fn read(folder: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(folder.join("ports"))?;
        let ports: Vec<u16> = text.lines().filter_map(|line| line.parse().ok()).collect();
        let [etcd_port, peer_port, api_port] = ports[..] else {
            anyhow::bail!("{} holds no ports", folder.join("ports").display());
        };
        Ok(Self {
            folder: folder.to_owned(),
            etcd_port,
            peer_port,
            api_port,
        })
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    fn server(&self) -> String {
        format!("https://127.0.0.1:{}", self.api_port)
    }

    fn etcd(&self, durability: Durability) -> Vec<String> {
        let no_sync = (durability == Durability::None).to_string();
        let client = format!("http://127.0.0.1:{}", self.etcd_port);
        let peer = format!("http://127.0.0.1:{}", self.peer_port);
        flags(&[
            ("name", "testbed"),
            ("data-dir", &self.file("etcd")),
            ("unsafe-no-fsync", &no_sync),
            ("log-level", "warn"),
            ("listen-client-urls", &client),
            ("advertise-client-urls", &client),
            ("listen-peer-urls", &peer),
            ("initial-advertise-peer-urls", &peer),
            ("initial-cluster", &format!("testbed={peer}")),
        ])
    }

    fn apiserver(&self) -> Vec<String> {
        flags(&[
            (
                "etcd-servers",
                &format!("http://127.0.0.1:{}", self.etcd_port),
            ),
            ("bind-address", "127.0.0.1"),
            ("advertise-address", "127.0.0.1"),
            ("endpoint-reconciler-type", "none"),
            ("secure-port", &self.api_port.to_string()),
            ("tls-cert-file", &self.file("server.crt")),
            ("tls-private-key-file", &self.file("server.key")),
            ("token-auth-file", &self.file("tokens.csv")),
            ("authorization-mode", "RBAC"),
            (
                "service-account-issuer",
                "https://kubernetes.default.svc.cluster.local",
            ),
            ("service-account-key-file", &self.file("accounts.pub")),
            (
                "service-account-signing-key-file",
                &self.file("accounts.key"),
            ),
            ("service-cluster-ip-range", "10.96.0.0/16"),
            ("allow-privileged", "true"),
            ("profiling", "false"),
        ])
    }

    fn manager(&self) -> Vec<String> {
        let kubeconfig = self.file("kubeconfig");
        flags(&[
            ("kubeconfig", &kubeconfig),
            ("leader-elect", "false"),
            ("secure-port", "0"),
            (
                "service-account-private-key-file",
                &self.file("accounts.key"),
            ),
            ("root-ca-file", &self.file("server.crt")),
            ("kube-api-qps", "2000"),
            ("kube-api-burst", "4000"),
            ("profiling", "false"),
        ])
    }

    fn write_kubeconfig(&self) -> anyhow::Result<PathBuf> {
        let config = serde_json::json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "testbed",
            "clusters": [{"name": "testbed", "cluster": {
                "server": self.server(), "certificate-authority": self.file("server.crt")}}],
            "users": [{"name": "admin", "user": {"token": TOKEN}}],
            "contexts": [{"name": "testbed", "context": {
                "cluster": "testbed", "user": "admin", "namespace": "default"}}],
        });
        let path = self.folder.join("kubeconfig");
        std::fs::write(&path, holdfast_yaml::to_yaml(&config))
            .with_context(|| format!("could not write {}", path.display()))?;
        Ok(path)
    }
}

fn flags(pairs: &[(&str, &str)]) -> Vec<String> {
    pairs
        .iter()
        .map(|(name, value)| format!("--{name}={value}"))
        .collect()
}
