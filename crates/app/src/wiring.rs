//! Puts the crates together: clients from kubeconfigs, the engine on a control plane, the clock. The
//! only place that reads the environment and that names every crate.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use holdfast_api::native::stack::ReadStack;
use holdfast_api::native::status;
use holdfast_control::{Distrusted, ErrorKind, Fence, Plane, StackChange, TenantChange};
use holdfast_engine::{Engine, Intent, Options, Ports};
use holdfast_model::Value;
use holdfast_model::inventory::Inventory;
use holdfast_model::stack::{Deletion, StackKey, StackUid};
use holdfast_model::tenant::{Tenant, Untenanted};
use holdfast_model::time::Time;
use holdfast_source::{Guard, SourceLimits, Sources};
use holdfast_target_kube::Limits;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::sync::mpsc::Receiver;
use tracing::{info, warn};
use zeroize::Zeroizing;

use crate::kubeconfigs::KubeconfigRules;
use crate::plane::EnginePlane;

/// The current time.
pub fn now() -> Time {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Time::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The text of a request, which is another one each time.
pub fn request() -> String {
    let now = now();
    format!("{now}.{}", now.millis.rem_euclid(1_000))
}

/// Which cluster holds the control plane.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// A kubeconfig; `KUBECONFIG`, the user's own or that of the pod when left out.
    pub kubeconfig: Option<PathBuf>,
    /// A context of it; the current one when left out.
    pub context: Option<String>,
}

/// A cluster, and the namespace that its context names.
pub struct Connected {
    /// A client of it.
    pub client: Client,
    /// The namespace that commands use unless told otherwise.
    pub namespace: String,
    /// The host of its API server.
    pub server: String,
}

/// Connects to a cluster.
///
/// # Errors
/// When there is no kubeconfig or it cannot be used.
pub async fn connect(connection: &Connection) -> anyhow::Result<Connected> {
    let options = KubeConfigOptions {
        context: connection.context.clone(),
        ..KubeConfigOptions::default()
    };
    let config = match &connection.kubeconfig {
        Some(path) => {
            let kubeconfig = Kubeconfig::read_from(path)
                .with_context(|| format!("kubeconfig {}", path.display()))?;
            Config::from_custom_kubeconfig(kubeconfig, &options).await?
        }
        None if connection.context.is_some() => Config::from_kubeconfig(&options).await?,
        None => Config::infer().await.context("no cluster is configured")?,
    };
    let namespace = config.default_namespace.clone();
    let server = config.cluster_url.host().unwrap_or_default().to_owned();
    Ok(Connected {
        client: client_of(config)?,
        namespace,
        server,
    })
}

/// A client of the cluster that a kubeconfig's text leads to.
///
/// # Errors
/// When the text is no kubeconfig, or holds what the rules do not allow.
pub async fn client_of_kubeconfig(text: &str, rules: &KubeconfigRules) -> anyhow::Result<Client> {
    let kubeconfig = rules.read(text)?;
    let options = KubeConfigOptions::default();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    // A program that is allowed runs here for as long as it likes.
    tokio::task::spawn_blocking(|| client_of(config)).await?
}

/// Retries are ours: they know which requests may be sent again and what the server asked for.
fn client_of(mut config: Config) -> anyhow::Result<Client> {
    config.default_retry = false;
    config.read_timeout = None;
    Ok(Client::try_from(config)?)
}

/// Chooses the cryptography of all TLS connections of the process.
pub fn install_crypto() {
    // A second call, as in tests, finds it chosen already.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
}

/// Where local copies of repositories are kept unless told otherwise.
pub fn default_data_dir() -> PathBuf {
    let home = |name: &str| std::env::var_os(name).map(PathBuf::from);
    home("XDG_CACHE_HOME")
        .or_else(|| home("HOME").map(|home| home.join(".cache")))
        .unwrap_or_else(std::env::temp_dir)
        .join("holdfast")
}

/// Private keys of age that the environment holds, and the file where they are kept unless told
/// otherwise; both are where sops looks for them.
pub fn age_keys() -> (Option<Zeroizing<String>>, Option<PathBuf>) {
    let home = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let keys = std::env::var("SOPS_AGE_KEY").ok().map(Zeroizing::new);
    let folder = home("XDG_CONFIG_HOME").or_else(|| home("HOME").map(|home| home.join(".config")));
    (keys, folder.map(|folder| folder.join("sops/age/keys.txt")))
}

/// The file with private keys of age that the environment names, which is where sops looks first.
pub fn age_key_file() -> Option<PathBuf> {
    let named = std::env::var_os("SOPS_AGE_KEY_FILE");
    named.filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// The editor that a person has chosen.
pub fn editor() -> String {
    let chosen = ["VISUAL", "EDITOR"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok());
    chosen
        .filter(|editor| !editor.trim().is_empty())
        .unwrap_or_else(|| "vi".to_owned())
}

/// Where a file that is to be forgotten is made: in memory, where the system has such a folder.
pub fn forgetful_dir() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    }
}

/// How an engine is run.
#[derive(Clone)]
pub struct EngineSettings {
    /// Where local copies of repositories are kept.
    pub data: PathBuf,
    /// How many Stacks of one target are reconciled at once.
    pub workers: usize,
    /// How much is asked of each target.
    pub limits: Limits,
    /// The namespace whose Stacks are kept; all when left out.
    pub namespace: Option<String>,
    /// The installation's secret: what charts' random values, seals of inventories and digests of
    /// sensitive values are derived from.
    pub entropy: [u8; 32],
    /// What Stacks may do whose namespace is in no Tenant.
    pub untenanted: Untenanted,
    /// Where what is rendered may be fetched from.
    pub guard: Guard,
    /// What kubeconfigs of Targets may hold.
    pub kubeconfigs: KubeconfigRules,
    /// What the engine's writes pass; nothing where no other engine can begin.
    pub fence: Option<Fence>,
}

impl EngineSettings {
    /// The usual settings with a data folder.
    pub fn new(data: PathBuf) -> Self {
        Self {
            data,
            workers: Options::default().workers,
            limits: Limits::default(),
            namespace: None,
            entropy: [0; 32],
            untenanted: Untenanted::default(),
            guard: Guard::on(BTreeSet::new(), BTreeSet::new()),
            kubeconfigs: KubeconfigRules::default(),
            fence: None,
        }
    }
}

/// Makes an engine on a control plane; nothing runs yet.
pub fn engine(client: Client, settings: &EngineSettings) -> (Engine, Plane) {
    let client = match &settings.fence {
        Some(fence) => fence.guard(client),
        None => client,
    };
    let plane = Plane::new(client.clone()).sealed(&settings.entropy);
    let mut adapter = EnginePlane::new(plane.clone(), client, settings.limits);
    adapter.kubeconfigs = settings.kubeconfigs.clone();
    adapter.fence = settings.fence.clone();
    (engine_on(Ports::of(&Arc::new(adapter)), settings), plane)
}

/// Makes an engine behind any ports.
pub fn engine_on(ports: Ports, settings: &EngineSettings) -> Engine {
    let guard = settings.guard.clone();
    let sources = Sources::guarded(settings.data.clone(), SourceLimits::default(), guard);
    let options = Options {
        workers: settings.workers,
        entropy: settings.entropy,
        untenanted: settings.untenanted,
    };
    Engine::new(ports, sources, Arc::new(now), options)
}

/// Runs an engine on a control plane until the future is dropped: takes up what is remembered,
/// follows Stacks, and begins to work when all that are there are known.
pub async fn run(engine: Engine, plane: Plane, settings: EngineSettings) {
    run_observed(engine, plane, settings, Arc::default()).await;
}

/// As [`run`]; `ready` becomes true when the engine works.
pub async fn run_observed(
    engine: Engine,
    plane: Plane,
    settings: EngineSettings,
    ready: Arc<AtomicBool>,
) {
    let _events = AbortOnDrop(tokio::spawn({
        let plane = plane.clone();
        async move { plane.write_waiting_events().await }
    }));
    let (inventories, distrusted) = remembered(&plane, settings.namespace.as_deref()).await;
    engine.take_up(inventories);
    for chunk in distrusted {
        engine.distrust(chunk.stack, chunk.uid, chunk.message);
    }
    let mut changes = plane.follow_stacks(settings.namespace.as_deref());
    let mut tenants = Tenancy::new(plane.follow_tenants(), &settings);
    let mut is_listed = false;
    let mut worker = None;
    loop {
        if is_listed && tenants.is_listed && worker.is_none() {
            info!(stacks = engine.len(), "The engine works.");
            ready.store(true, Ordering::Relaxed);
            engine.note_sight(true);
            let engine = engine.clone();
            let task = tokio::spawn(async move { engine.run().await });
            worker = Some(AbortOnDrop(task));
        }
        let change = tokio::select! {
            change = changes.recv() => change,
            Some(()) = tenants.hear(&engine) => continue,
        };
        let Some(change) = change else { return };
        match change {
            StackChange::Present(read, object) => {
                if plane.see(&read.stack.key, &object) {
                    engine.show_again(&read.stack.key);
                }
                let intent = intent(&plane, *read, &object).await;
                engine.upsert(intent);
            }
            StackChange::Gone(key) => {
                plane.unsee(&key);
                engine.forget(&key);
            }
            StackChange::Listed => {
                is_listed = true;
                if worker.is_some() {
                    engine.note_sight(true);
                }
            }
            StackChange::Heard => engine.note_sight(true),
            StackChange::Unheard => engine.note_sight(false),
        }
    }
}

/// The Tenants as they were last heard of. Until all are known, nothing is done for any Stack.
struct Tenancy {
    changes: Receiver<TenantChange>,
    known: BTreeMap<String, Tenant>,
    is_listed: bool,
    /// Whether an engine that may not list Tenants works all the same.
    may_do_without: bool,
}

impl Tenancy {
    fn new(changes: Receiver<TenantChange>, settings: &EngineSettings) -> Self {
        let is_of_one = settings.namespace.is_some();
        Self {
            // What an engine of one namespace may not do in the cluster is bounded by its own rights.
            may_do_without: is_of_one && settings.untenanted == Untenanted::Anything,
            changes,
            known: BTreeMap::new(),
            is_listed: false,
        }
    }

    /// Takes up the next change; nothing once nobody says any more.
    async fn hear(&mut self, engine: &Engine) -> Option<()> {
        let was_listed = self.is_listed;
        let has_changed = match self.changes.recv().await? {
            // What is listed again is mostly as it was.
            TenantChange::Present(tenant) if self.known.get(&tenant.name) == Some(&*tenant) => {
                false
            }
            TenantChange::Present(tenant) => {
                self.known.insert(tenant.name.clone(), *tenant);
                true
            }
            TenantChange::Gone(name) => self.known.remove(&name).is_some(),
            TenantChange::Listed => {
                self.is_listed = true;
                false
            }
            TenantChange::Refused => {
                self.is_listed |= self.may_do_without;
                false
            }
        };
        if self.is_listed && (has_changed || !was_listed) {
            engine.set_tenants(self.known.values().cloned().collect());
        }
        Some(())
    }
}

/// A task that ends with its owner.
struct AbortOnDrop(tokio::task::JoinHandle<()>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

type Inventories = BTreeMap<(StackKey, StackUid), Inventory>;

async fn remembered(plane: &Plane, namespace: Option<&str>) -> (Inventories, Vec<Distrusted>) {
    loop {
        match plane.inventories(namespace).await {
            Ok(found) => return found,
            Err(error) => {
                warn!(%error, "The control plane does not answer.");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn intent(plane: &Plane, read: ReadStack, object: &Value) -> Intent {
    let mut stack = read.stack;
    let takes_along = stack.deleting && stack.deletion == Deletion::Delete;
    if takes_along && is_being_uninstalled(plane).await {
        stack.deletion = Deletion::Orphan;
    }
    Intent {
        problems: read.problems.iter().map(ToString::to_string).collect(),
        remembered: status::read(object.get("status").unwrap_or(&Value::Null)),
        stack: Arc::new(stack),
    }
}

/// Whether the definitions are on their way out, which must take no workload along. A server that
/// cannot be reached is asked until it can: what it would say decides over objects. Where it may not
/// be asked, nothing is deleted.
async fn is_being_uninstalled(plane: &Plane) -> bool {
    loop {
        match plane.is_being_uninstalled().await {
            Ok(answer) => return answer,
            Err(error) if error.kind == ErrorKind::Refused => {
                warn!(%error, "Objects of a deleted Stack are left where they are.");
                return true;
            }
            Err(error) => {
                warn!(%error, "The control plane does not answer.");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// A name for this process that no other engine has.
pub fn replica_name() -> String {
    let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "local".to_owned());
    format!("{host}-{}-{:x}", std::process::id(), now().millis)
}

/// Sends logs to standard error; how much is chosen by `HOLDFAST_LOG`, such as `debug`.
pub fn log(json: bool) {
    use std::io::IsTerminal as _;
    let filter = tracing_subscriber::EnvFilter::try_from_env("HOLDFAST_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // A second call, as in tests, finds it set already.
    let _ = if json {
        builder.json().try_init()
    } else {
        builder.compact().try_init()
    };
}

/// Ends when the process is asked to stop.
pub async fn stop_signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut terminate) = signal(SignalKind::terminate()) else {
            return;
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    }
    #[cfg(not(unix))]
    {
        let _ = tokio::signal::ctrl_c().await;
    }
}

/// Ends when the terminal of the process goes away.
pub async fn hang_up() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut hang_up) = signal(SignalKind::hangup()) {
            hang_up.recv().await;
            return;
        }
    }
    std::future::pending().await
}

/// Whether colours are wanted at all: <https://no-color.org>.
pub fn wants_colour() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Thirty-two bytes that nobody can guess.
///
/// # Errors
/// When the machine has no source of chance.
pub fn chance() -> anyhow::Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no source of chance: {error}"))?;
    Ok(bytes)
}
