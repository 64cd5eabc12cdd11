//! A cluster with Holdfast's definitions on it, real or embedded, and an engine on it: what a
//! scenario runs on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use holdfast::wiring::{self, EngineSettings};
use holdfast_api::native::crds::definitions;
use holdfast_cluster::{Cluster, Options};
use holdfast_engine::{Engine, Telemetry, View};
use holdfast_model::Value;
use kube::Client;
use serde_json::json;
use tokio::task::JoinHandle;

use crate::api::Api;
use crate::audit::audit;
use crate::bystanders::Bystanders;
use crate::cluster::{RealCluster, is_built};
use crate::repository::Repository;
use crate::scratch;

/// A cluster that scenarios share; each has a namespace of its own.
pub struct Bed {
    /// The API, with all rights.
    pub api: Api,
    /// Where the real cluster is; nowhere for the embedded one.
    pub real: Option<Arc<RealCluster>>,
    /// What stages have left to be audited.
    left: Arc<Mutex<Vec<Left>>>,
}

/// What a stage was when its scenario ended; its engine goes on until it has been audited.
struct Left {
    namespace: String,
    repository: Repository,
    engine: (Engine, JoinHandle<()>),
    bystanders: Arc<Bystanders>,
    _data: Arc<tempfile::TempDir>,
}

/// How long Stacks may take to come to rest after a scenario.
const REST: Duration = Duration::from_secs(20);

const CRDS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const STACKS: &str = "/apis/holdfast.dev/v1alpha1/stacks";

impl Bed {
    /// An embedded cluster.
    ///
    /// # Errors
    /// When it does not take the definitions.
    pub async fn embedded() -> anyhow::Result<Arc<Self>> {
        wiring::install_crypto();
        let cluster = Cluster::new(Options::default());
        // They end with the scenario's runtime.
        tokio::spawn(cluster.run_controllers());
        let client = Client::new(cluster.service(), "default");
        Self::prepare(client, None).await
    }

    /// A real cluster; `None` where its programs are not built.
    ///
    /// # Errors
    /// When it does not come up.
    pub async fn real() -> anyhow::Result<Option<Arc<Self>>> {
        if !is_built() {
            return Ok(None);
        }
        let mut cluster = RealCluster::start().await?;
        cluster.add_node().await?;
        Ok(Some(
            Self::prepare(cluster.client.clone(), Some(cluster)).await?,
        ))
    }

    /// Any cluster behind a client.
    ///
    /// # Errors
    /// When it does not take the definitions.
    pub async fn on(client: Client) -> anyhow::Result<Arc<Self>> {
        Self::prepare(client, None).await
    }

    /// The same cluster for one scenario, with nothing left to be audited.
    pub fn for_a_scenario(&self) -> Arc<Self> {
        Arc::new(Self {
            api: self.api.clone(),
            real: self.real.clone(),
            left: Arc::default(),
        })
    }

    /// Audits what the stages of the bed have left, as soon as it has come to rest.
    ///
    /// # Errors
    /// What is not as Stacks say, and when it cannot be asked.
    pub async fn audit(&self) -> anyhow::Result<()> {
        let left = std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner));
        let api = Api {
            client: self.client().await?,
        };
        for one in left {
            let start = Instant::now();
            loop {
                let mut findings =
                    audit(&api, &BTreeMap::new(), &one.namespace, &one.repository).await?;
                findings.extend(one.bystanders.touched().await);
                if findings.is_empty() {
                    break;
                }
                anyhow::ensure!(
                    start.elapsed() < REST,
                    "the audit of {} found:\n{}",
                    one.namespace,
                    findings.join("\n")
                );
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            one.engine.1.abort();
        }
        Ok(())
    }

    async fn prepare(client: Client, real: Option<RealCluster>) -> anyhow::Result<Arc<Self>> {
        let api = Api { client };
        for definition in definitions() {
            let name = definition.pointer("/metadata/name").and_then(Value::as_str);
            let path = format!("{CRDS}/{}", name.unwrap_or_default());
            // A cluster that somebody has started as people do has them already.
            if api.get(&path).await.is_err() {
                api.create(CRDS, &definition).await?;
            }
        }
        api.wait(STACKS, "served", |list| list.is_some()).await?;
        Ok(Arc::new(Self {
            api,
            real: real.map(Arc::new),
            left: Arc::default(),
        }))
    }

    /// A client of the bed's cluster that no other runtime uses.
    ///
    /// # Errors
    /// When the kubeconfig cannot be used.
    pub async fn client(&self) -> anyhow::Result<Client> {
        match &self.real {
            None => Ok(self.api.client.clone()),
            Some(real) => {
                let connection = wiring::Connection {
                    kubeconfig: Some(real.kubeconfig.clone()),
                    context: None,
                };
                Ok(wiring::connect(&connection).await?.client)
            }
        }
    }
}

/// One scenario's namespace, repository and engine on a bed.
pub struct Stage {
    /// The API.
    pub api: Api,
    /// The scenario's namespace.
    pub namespace: String,
    /// The scenario's repository.
    pub repository: Repository,
    /// How the engine reaches the API.
    engine_client: Client,
    data: Arc<tempfile::TempDir>,
    engine: Option<(Engine, JoinHandle<()>)>,
    bystanders: Arc<Bystanders>,
    left: Arc<Mutex<Vec<Left>>>,
}

impl Stage {
    /// A namespace, a repository, and an engine that works.
    ///
    /// # Errors
    /// When any of them cannot be made.
    pub async fn new(bed: &Bed, namespace: &str) -> anyhow::Result<Self> {
        let client = bed.client().await?;
        Self::through(bed, namespace, client).await
    }

    /// As [`Stage::new`], with an engine that reaches the API by a client of its own.
    ///
    /// # Errors
    /// As [`Stage::new`].
    pub async fn through(bed: &Bed, namespace: &str, engine: Client) -> anyhow::Result<Self> {
        let api = Api {
            client: bed.client().await?,
        };
        let object =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        api.create("/api/v1/namespaces", &object).await?;
        let others = format!("{namespace}-others");
        let bystanders = Bystanders::of_scenarios(&api, &others).await?;
        let mut stage = Self {
            api,
            namespace: namespace.to_owned(),
            repository: Repository::new()?,
            engine_client: engine,
            data: Arc::new(scratch::folder("holdfast-data-")?),
            engine: None,
            bystanders: Arc::new(bystanders),
            left: Arc::clone(&bed.left),
        };
        stage.start_engine();
        Ok(stage)
    }

    /// Starts an engine; one that runs ends first.
    pub fn start_engine(&mut self) {
        self.stop_engine();
        let mut settings = EngineSettings::new(self.data.path().to_owned());
        settings.namespace = Some(self.namespace.clone());
        // The servers of scenarios are on this machine.
        settings.guard.allowed = ["127.0.0.1", "localhost"].map(str::to_owned).into();
        let (engine, plane) = wiring::engine(self.engine_client.clone(), &settings);
        let running = tokio::spawn(wiring::run(engine.clone(), plane, settings));
        self.engine = Some((engine, running));
    }

    /// What the engine that runs has done so far.
    pub fn telemetry(&self) -> Telemetry {
        let engine = self.engine.as_ref();
        engine
            .map(|(engine, _)| engine.telemetry())
            .unwrap_or_default()
    }

    /// What the engine that runs publishes.
    pub fn view(&self) -> Option<View> {
        self.engine.as_ref().map(|(engine, _)| engine.view())
    }

    /// Ends the engine at once, whatever it does.
    pub fn stop_engine(&mut self) {
        if let Some((_, running)) = self.engine.take() {
            running.abort();
        }
    }

    /// Makes a Stack that follows the repository's folder `app` once a second; `spec` adds to it.
    ///
    /// # Errors
    /// What the server refuses with.
    pub async fn stack(&self, name: &str, spec: Value) -> anyhow::Result<()> {
        let mut whole = json!({
            "source": {"git": self.repository.url(), "path": "app", "interval": "1s"},
        });
        if let (Value::Object(whole), Value::Object(spec)) = (&mut whole, spec) {
            whole.extend(spec);
        }
        let object = json!({
            "apiVersion": "holdfast.dev/v1alpha1",
            "kind": "Stack",
            "metadata": {"name": name},
            "spec": whole,
        });
        self.api.create(&self.stacks_path(), &object).await?;
        Ok(())
    }

    /// Asks a Stack to sync; `word` is another one each time.
    ///
    /// # Errors
    /// What the server refuses with.
    pub async fn ask(&self, stack: &str, word: &str) -> anyhow::Result<()> {
        let asked = json!({"metadata": {"annotations": {"holdfast.dev/sync": word}}});
        let path = self.stack_path(stack);
        self.api.merge(&path, "test", &asked).await?;
        Ok(())
    }

    fn stacks_path(&self) -> String {
        format!(
            "/apis/holdfast.dev/v1alpha1/namespaces/{}/stacks",
            self.namespace
        )
    }

    /// The path of a Stack.
    pub fn stack_path(&self, name: &str) -> String {
        format!("{}/{name}", self.stacks_path())
    }

    /// The path of a ConfigMap of the scenario's namespace.
    pub fn config_path(&self, name: &str) -> String {
        format!("/api/v1/namespaces/{}/configmaps/{name}", self.namespace)
    }

    /// Waits until a condition of a Stack has a reason; the Stack.
    ///
    /// # Errors
    /// When it does not.
    pub async fn wait_reason(
        &self,
        stack: &str,
        condition: &str,
        reason: &str,
    ) -> anyhow::Result<Value> {
        let what = format!("{condition} {reason}");
        let holds = |stack: Option<&Value>| {
            stack.is_some_and(|stack| find_condition(stack, condition, "reason") == reason)
        };
        self.api.wait(&self.stack_path(stack), &what, holds).await
    }

    /// Waits until a Stack is ready at a commit, which may be any whose render is that of the
    /// commit that is told in its status; the Stack.
    ///
    /// # Errors
    /// When it is not.
    pub async fn wait_ready(&self, stack: &str, commit: &str) -> anyhow::Result<Value> {
        let holds = |stack: Option<&Value>| {
            stack.is_some_and(|stack| {
                find_condition(stack, "Ready", "status") == "True"
                    && stack
                        .pointer("/status/applied/commit")
                        .and_then(Value::as_str)
                        == Some(commit)
            })
        };
        self.api
            .wait(
                &self.stack_path(stack),
                &format!("ready at {commit}"),
                holds,
            )
            .await
    }

    /// Waits until a ConfigMap holds a text under `text`.
    ///
    /// # Errors
    /// When it does not.
    pub async fn wait_config(&self, name: &str, text: &str) -> anyhow::Result<Value> {
        let holds = |config: Option<&Value>| {
            let found = config.and_then(|config| config.pointer("/data/text")?.as_str());
            found == Some(text)
        };
        self.api
            .wait(&self.config_path(name), &format!("`{text}`"), holds)
            .await
    }

    /// Waits until an object is gone.
    ///
    /// # Errors
    /// When it is not.
    pub async fn wait_gone(&self, path: &str) -> anyhow::Result<()> {
        self.api
            .wait(path, "gone", |object| object.is_none())
            .await?;
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let Some(engine) = self.engine.take() else {
            return;
        };
        // After a failure there is nothing to audit.
        if std::thread::panicking() {
            engine.1.abort();
            return;
        }
        let left = Left {
            namespace: self.namespace.clone(),
            repository: self.repository.clone(),
            engine,
            bystanders: Arc::clone(&self.bystanders),
            _data: Arc::clone(&self.data),
        };
        let mut all = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(left);
    }
}

/// A field of a condition of an object; empty where there is none.
pub fn find_condition<'a>(object: &'a Value, kind: &str, field: &str) -> &'a str {
    let conditions = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    conditions
        .into_iter()
        .flatten()
        .find(|condition| condition.get("type").and_then(Value::as_str) == Some(kind))
        .and_then(|condition| condition.get(field)?.as_str())
        .unwrap_or_default()
}

/// A ConfigMap as a file has it.
pub fn config(name: &str, text: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  text: {text}\n")
}
