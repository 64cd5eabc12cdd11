//! `cargo xtask bench stacks`: what Stacks of one ConfigMap each cost on a real kube-apiserver:
//! installing them, one commit that touches one of them, drifts, doing nothing, and a restart; and
//! beside them `kubectl apply` of as many ConfigMaps. And what a watched pod costs in memory.
//! Counted on the API server and from outside the engine's process. Numbers of Stacks may be given;
//! `pods` alone measures the memory.

use std::process::Command;
use std::time::{Duration, Instant};

use holdfast_api::native::crds::definitions;
use holdfast_model::Value;
use holdfast_testbed::api::Api;
use holdfast_testbed::bed::config;
use holdfast_testbed::cluster::{RealCluster, programs};
use holdfast_testbed::engine;
use holdfast_testbed::measure::{Cost, milliseconds, requests, requests_since, usage};
use holdfast_testbed::process::{Process, free_port};
use holdfast_testbed::repository::Repository;
use serde_json::json;

/// A cluster with `count` Stacks of one repository, and an engine.
struct Field {
    cluster: RealCluster,
    api: Api,
    repository: Repository,
    engine: Process,
    count: usize,
    /// Where the engine says that it is ready.
    port: u16,
    data: tempfile::TempDir,
}

fn main() -> anyhow::Result<()> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let counts: Vec<usize> = wanted.iter().filter_map(|text| text.parse().ok()).collect();
    let counts = if wanted.is_empty() {
        vec![1, 100, 1_000]
    } else {
        counts
    };
    let runtime = tokio::runtime::Runtime::new()?;
    let mut table = Vec::new();
    table.push(runtime.block_on(pods())?);
    for count in counts {
        let costs = runtime.block_on(measure(count))?;
        for cost in costs {
            table.push(show(count, cost));
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
    let reference = field.kubectl().await?;
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
    let drift = field.drift().await?;
    tokio::time::sleep(Duration::from_secs(8)).await;
    let idle = field
        .phase("idle for two minutes", async {
            tokio::time::sleep(Duration::from_secs(120)).await;
            Ok(())
        })
        .await?;
    let restart = field.restart().await?;
    Ok(vec![reference, install, commit, drift, idle, restart])
}

/// What a watched pod of some 4.7 kB costs in memory: an engine with 2,000 of them in four Stacks,
/// less one with none; and one with 8,000, less that. The first has in it what code and threads take
/// once they have worked, the second says what each pod costs.
async fn pods() -> anyhow::Result<Value> {
    const EACH: usize = 500;
    const STEPS: [usize; 2] = [4, 16];
    let field = Field::prepare(0).await?;
    let mut memory = vec![usage(field.engine.id()?)?.memory];
    let mut made = 0;
    for stacks in STEPS {
        for stack in made..stacks {
            let documents: Vec<String> = (0..EACH).map(|index| pod(stack, index)).collect();
            let path = format!("stacks/{stack}/pods.yaml");
            field.repository.write(&path, &documents.join("---\n"))?;
        }
        field.repository.commit("pods")?;
        for stack in made..stacks {
            field.make_stack(stack).await?;
        }
        made = stacks;
        field.wait_applied(stacks).await?;
        tokio::time::sleep(Duration::from_secs(15)).await;
        memory.push(usage(field.engine.id()?)?.memory);
    }
    let live = field.api.get("/api/v1/namespaces/bench/pods/p0-0").await?;
    let each = |step: usize, before: usize| {
        let count = u64::try_from((STEPS[step] - before) * EACH).unwrap_or(1);
        memory[step + 1].saturating_sub(memory[step]) / count
    };
    Ok(json!({
        "phase": "watched pods",
        "pods": STEPS.map(|stacks| stacks * EACH),
        "bytes_a_pod_as_json": live.to_string().len(),
        "engine_memory_mb": memory.iter().map(|bytes| bytes >> 20).collect::<Vec<u64>>(),
        "engine_bytes_a_pod": [each(0, 0), each(1, STEPS[0])],
    }))
}

/// A pod that a server keeps as some 4.7 kB.
fn pod(stack: usize, index: usize) -> String {
    let variables: Vec<String> = (0..20)
        .map(|number| {
            format!("    - {{name: VARIABLE_{number}, value: value-{number}-of-{index}}}\n")
        })
        .collect();
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p{stack}-{index}\n  labels: {{app: web, part: \
         front, index: \"{index}\"}}\n  annotations: {{team: shop, contact: someone@example.org}}\nspec:\n  \
         containers:\n  - name: web\n    image: registry.example/team/web:1.{index}\n    ports:\n    - \
         {{containerPort: 8080, name: http}}\n    resources: {{requests: {{cpu: 10m, memory: 16Mi}}}}\n    \
         readinessProbe: {{httpGet: {{path: /ready, port: http}}}}\n    env:\n{}",
        variables.concat()
    )
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
        let port = free_port()?;
        let engine = engine::start(&cluster, data.path(), port)?;
        let field = Self {
            cluster,
            api,
            repository,
            engine,
            count,
            port,
            data,
        };
        let lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases/holdfast";
        field
            .api
            .wait(lease, "taken", |lease| lease.is_some())
            .await?;
        // A server's watch of a definition that has just been made tells of objects some seconds late.
        tokio::time::sleep(Duration::from_secs(5)).await;
        Ok(field)
    }

    async fn make_stacks(&self) -> anyhow::Result<()> {
        for index in 0..self.count {
            self.make_stack(index).await?;
        }
        Ok(())
    }

    async fn make_stack(&self, index: usize) -> anyhow::Result<()> {
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
        Ok(())
    }

    /// What `kubectl apply` of as many ConfigMaps costs, all in one call.
    async fn kubectl(&self) -> anyhow::Result<Cost> {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "reference"}});
        self.api.create("/api/v1/namespaces", &namespace).await?;
        let documents: Vec<String> = (0..self.count)
            .map(|index| config(&format!("c{index}"), "one"))
            .collect();
        let file = self.data.path().join("reference.yaml");
        std::fs::write(&file, documents.join("---\n"))?;
        let counted = requests(&self.cluster.client).await?;
        let start = Instant::now();
        let output = Command::new("bash")
            .args(["-c", "\"$0\" \"$@\" >/dev/null && times"])
            .arg(programs().join("kubectl"))
            .arg("--kubeconfig")
            .arg(&self.cluster.kubeconfig)
            .args(["apply", "--namespace", "reference", "--filename"])
            .arg(&file)
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "kubectl: {said}");
        let wall = start.elapsed();
        let times = String::from_utf8_lossy(&output.stdout);
        Ok(Cost {
            name: "kubectl apply",
            wall,
            applied: None,
            cpu: times.lines().last().map(shell_times).unwrap_or_default(),
            memory: 0,
            requests: requests_since(&self.cluster.client, &counted).await?,
            more: Vec::new(),
        })
    }

    /// One drift that is counted, and up to twenty more whose median is told. Each is of another
    /// object where there are as many: a field that somebody keeps changing is left to them.
    async fn drift(&self) -> anyhow::Result<Cost> {
        let path = |index: usize| format!("/api/v1/namespaces/bench/configmaps/c{index}");
        let hand = json!({"data": {"text": "hand"}});
        let mut cost = self
            .phase("one drift", async {
                self.api.merge(&path(0), "alice", &hand).await?;
                self.wait_text("changed").await
            })
            .await?;
        let mut healed = Vec::new();
        for index in 0..self.count.min(20) {
            let path = path(index);
            let before = self.api.get(&path).await?;
            let text = before.pointer("/data/text");
            let start = Instant::now();
            self.api.merge(&path, "alice", &hand).await?;
            let is_healed = |config: Option<&Value>| {
                config.is_some_and(|config| config.pointer("/data/text") == text)
            };
            self.api.wait(&path, "healed", is_healed).await?;
            healed.push(start.elapsed());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        healed.sort();
        let median = healed[healed.len() / 2];
        cost.more.push(("healed_p50_ms", milliseconds(median)));
        Ok(cost)
    }

    /// The engine is killed and started again: until it says that it works, and until it has looked
    /// at everything.
    async fn restart(mut self) -> anyhow::Result<Cost> {
        let counted = requests(&self.cluster.client).await?;
        drop(self.engine);
        // The lease of one that was killed has to run out, or be ours by name; it is taken away.
        let lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases/holdfast";
        self.api.delete(lease).await?;
        let start = Instant::now();
        self.engine = engine::start(&self.cluster, self.data.path(), self.port)?;
        while !engine::is_ready(self.port).await {
            anyhow::ensure!(start.elapsed() < Duration::from_secs(60), "it is not ready");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let wall = start.elapsed();
        tokio::time::sleep(Duration::from_secs(8)).await;
        let used = usage(self.engine.id()?)?;
        Ok(Cost {
            name: "restart",
            wall,
            applied: None,
            cpu: used.cpu,
            memory: used.memory,
            requests: requests_since(&self.cluster.client, &counted).await?,
            more: Vec::new(),
        })
    }

    /// Waits until so many Stacks have applied what they want, healthy or not.
    async fn wait_applied(&self, count: usize) -> anyhow::Result<()> {
        let applied = |stack: &Value| stack.pointer("/status/applied/commit").is_some();
        self.wait_stacks(count, "applied", applied).await
    }

    async fn wait_ready(&self, count: usize) -> anyhow::Result<()> {
        let ready =
            |stack: &Value| stack.pointer("/status/conditions/0/status") == Some(&json!("True"));
        self.wait_stacks(count, "ready", ready).await
    }

    /// Waits until something holds of so many Stacks.
    async fn wait_stacks(
        &self,
        count: usize,
        what: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<()> {
        let path = "/apis/holdfast.dev/v1alpha1/namespaces/bench/stacks";
        let start = Instant::now();
        loop {
            let list = self.api.get(path).await?;
            let items = list.get("items").and_then(Value::as_array);
            let holding = |items: &Vec<Value>| items.iter().filter(|item| holds(item)).count();
            if items.is_some_and(|items| holding(items) == count) {
                return Ok(());
            }
            anyhow::ensure!(
                start.elapsed() < Duration::from_secs(600),
                "not {what} in 10 min"
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
        let process = self.engine.id()?;
        let (before, counted) = (usage(process)?, requests(&self.cluster.client).await?);
        let start = Instant::now();
        work.await?;
        let wall = start.elapsed();
        // What follows the visible result, such as the status, belongs to the phase.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        let after = usage(process)?;
        let requests = requests_since(&self.cluster.client, &counted).await?;
        Ok(Cost {
            name,
            wall,
            applied: None,
            cpu: after.cpu.saturating_sub(before.cpu),
            memory: after.memory,
            requests,
            more: Vec::new(),
        })
    }
}

/// The CPU time in a line of bash's `times`, such as `0m1.234s 0m0.567s`.
fn shell_times(line: &str) -> Duration {
    let one = |text: &str| {
        let (minutes, seconds) = text.trim_end_matches('s').split_once('m')?;
        let seconds: f64 = seconds.parse().ok()?;
        Some(
            Duration::from_secs(minutes.parse::<u64>().ok()? * 60)
                + Duration::from_secs_f64(seconds),
        )
    };
    line.split_whitespace().filter_map(one).sum()
}

/// Requests of the bench itself, which are none of the engine's.
const OURS: [(&str, Option<u64>); 3] = [
    ("POST stacks", None),
    ("LIST stacks", None),
    ("GET configmaps", None),
];

fn show(count: usize, mut cost: Cost) -> Value {
    cost.without(&OURS);
    // The drift is ours.
    if cost.name == "one drift" {
        cost.without(&[("PATCH configmaps", Some(1))]);
    }
    cost.row(count)
}
