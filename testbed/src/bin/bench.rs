//! `cargo xtask bench stacks`: what Stacks of one ConfigMap each cost on a real kube-apiserver:
//! installing them, one commit that touches one of them, one drift, and doing nothing. Counted on
//! the API server and from outside the engine's process.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use holdfast_api::native::crds::definitions;
use holdfast_model::Value;
use holdfast_testbed::api::Api;
use holdfast_testbed::bed::config;
use holdfast_testbed::cluster::RealCluster;
use holdfast_testbed::measure::{Usage, requests, usage};
use holdfast_testbed::repository::Repository;
use serde_json::json;

/// An engine in a process of its own, killed when it is dropped.
struct EngineProcess(Child);

impl Drop for EngineProcess {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A cluster with `count` Stacks of one repository, and an engine.
struct Field {
    cluster: RealCluster,
    api: Api,
    repository: Repository,
    engine: EngineProcess,
    count: usize,
    _data: tempfile::TempDir,
}

/// What a phase cost.
struct Cost {
    name: &'static str,
    wall: Duration,
    cpu: Duration,
    memory: u64,
    requests: BTreeMap<String, u64>,
}

fn main() -> anyhow::Result<()> {
    let counts: Vec<usize> = std::env::args()
        .skip(1)
        .filter_map(|text| text.parse().ok())
        .collect();
    let counts = if counts.is_empty() {
        vec![1, 100, 1_000]
    } else {
        counts
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let mut table = Vec::new();
    for count in counts {
        let costs = runtime.block_on(measure(count))?;
        for cost in costs {
            table.push(show(count, &cost));
        }
    }
    print(&format!("{:#}\n", Value::from(table)));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result is for people and programs")]
fn print(text: &str) {
    print!("{text}");
}

async fn measure(count: usize) -> anyhow::Result<Vec<Cost>> {
    let field = Field::prepare(count).await?;
    let install = field
        .phase("install", async {
            field.make_stacks().await?;
            field.wait_ready(count).await
        })
        .await?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let commit = field
        .phase("one commit", async {
            field
                .repository
                .write("stacks/0/config.yaml", &config("c0", "changed"))?;
            field.repository.commit("one of many")?;
            field.wait_text("changed").await
        })
        .await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let path = "/api/v1/namespaces/bench/configmaps/c0";
    let drift = field
        .phase("one drift", async {
            field
                .api
                .merge(path, "alice", &json!({"data": {"text": "hand"}}))
                .await?;
            field.wait_text("changed").await
        })
        .await?;
    tokio::time::sleep(Duration::from_secs(8)).await;
    let idle = field
        .phase("idle for 20 s", async {
            tokio::time::sleep(Duration::from_secs(20)).await;
            Ok(())
        })
        .await?;
    Ok(vec![install, commit, drift, idle])
}

impl Field {
    async fn prepare(count: usize) -> anyhow::Result<Self> {
        let cluster = RealCluster::start().await?;
        let api = Api {
            client: cluster.client.clone(),
        };
        for definition in definitions() {
            api.create(
                "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                &definition,
            )
            .await?;
        }
        let stacks = "/apis/holdfast.dev/v1alpha1/stacks";
        api.wait(stacks, "served", |list| list.is_some()).await?;
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bench"}});
        api.create("/api/v1/namespaces", &namespace).await?;
        let repository = Repository::new()?;
        for index in 0..count {
            let text = config(&format!("c{index}"), "one");
            repository.write(&format!("stacks/{index}/config.yaml"), &text)?;
        }
        repository.commit("all of them")?;
        let data = tempfile::tempdir()?;
        let program = std::env::current_exe()?.with_file_name("engine");
        let engine = Command::new(program)
            .args(["run", "--data"])
            .arg(data.path())
            .arg("--kubeconfig")
            .arg(&cluster.kubeconfig)
            .env("HOLDFAST_LOG", "warn")
            .stdin(Stdio::null())
            .spawn()
            .context("the engine could not be started")?;
        let field = Self {
            cluster,
            api,
            repository,
            engine: EngineProcess(engine),
            count,
            _data: data,
        };
        let lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases/holdfast";
        field
            .api
            .wait(lease, "taken", |lease| lease.is_some())
            .await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(field)
    }

    async fn make_stacks(&self) -> anyhow::Result<()> {
        for index in 0..self.count {
            let source = json!({
                "git": self.repository.url(),
                "path": format!("stacks/{index}"),
                "interval": "1s",
            });
            let stack = json!({
                "apiVersion": "holdfast.dev/v1alpha1",
                "kind": "Stack",
                "metadata": {"name": format!("s{index}")},
                "spec": {"source": source},
            });
            let path = "/apis/holdfast.dev/v1alpha1/namespaces/bench/stacks";
            self.api.create(path, &stack).await?;
        }
        Ok(())
    }

    async fn wait_ready(&self, count: usize) -> anyhow::Result<()> {
        let start = Instant::now();
        loop {
            let path = "/apis/holdfast.dev/v1alpha1/namespaces/bench/stacks";
            let list = self.api.get(path).await?;
            let ready = |stack: &&Value| {
                stack.pointer("/status/conditions/0/status") == Some(&json!("True"))
            };
            let items = list.get("items").and_then(Value::as_array);
            if items.is_some_and(|items| items.iter().filter(ready).count() == count) {
                return Ok(());
            }
            anyhow::ensure!(
                start.elapsed() < Duration::from_secs(600),
                "not ready in 10 min"
            );
            let pause = if count < 10 { 5 } else { 500 };
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    async fn wait_text(&self, text: &str) -> anyhow::Result<()> {
        let is = |config: Option<&Value>| {
            config.and_then(|config| config.pointer("/data/text")) == Some(&json!(text))
        };
        self.api
            .wait("/api/v1/namespaces/bench/configmaps/c0", text, is)
            .await?;
        Ok(())
    }

    async fn phase(
        &self,
        name: &'static str,
        work: impl Future<Output = anyhow::Result<()>>,
    ) -> anyhow::Result<Cost> {
        let process = self.engine.0.id();
        let (before, counted) = (usage(process)?, requests(&self.cluster.client).await?);
        let start = Instant::now();
        work.await?;
        let wall = start.elapsed();
        // What follows the visible result, such as the status, belongs to the phase.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let (after, recounted): (Usage, _) =
            (usage(process)?, requests(&self.cluster.client).await?);
        let requests = recounted
            .into_iter()
            .map(|(name, count)| {
                let before = counted.get(&name).copied().unwrap_or_default();
                (name, count - before)
            })
            .filter(|(_, count)| *count > 0)
            .collect();
        Ok(Cost {
            name,
            wall,
            cpu: after.cpu.saturating_sub(before.cpu),
            memory: after.memory,
            requests,
        })
    }
}

/// Requests of the bench itself, which are none of the engine's.
const OURS: [&str; 4] = ["POST stacks", "LIST stacks", "GET configmaps", "GET leases"];

fn show(count: usize, cost: &Cost) -> Value {
    let engine: BTreeMap<&String, &u64> = cost
        .requests
        .iter()
        .filter(|(name, _)| !OURS.contains(&name.as_str()))
        .collect();
    let total: u64 = engine.values().copied().sum();
    // The drift is ours.
    let total = if cost.name == "one drift" {
        total.saturating_sub(1)
    } else {
        total
    };
    json!({
        "stacks": count,
        "phase": cost.name,
        "wall_ms": u64::try_from(cost.wall.as_millis()).unwrap_or(u64::MAX),
        "engine_cpu_ms": u64::try_from(cost.cpu.as_millis()).unwrap_or(u64::MAX),
        "engine_memory_mb": cost.memory >> 20,
        "requests": total,
        "requests_by_kind": engine,
    })
}
