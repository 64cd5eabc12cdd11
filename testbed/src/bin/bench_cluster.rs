//! `cargo xtask bench cluster`: the embedded cluster beside a real kube-apiserver with etcd, each as
//! processes that answer a write when it is on disk, asked the same by the same client: creates,
//! gets, lists, applies, updates that many watchers follow, and memory. Then what an embedded cluster
//! in memory costs to start.

use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::stream::{StreamExt as _, TryStreamExt as _};
use holdfast::wiring;
use holdfast_cluster::{Cluster, Options};
use holdfast_model::Value;
use holdfast_testbed::api::Api;
use holdfast_testbed::cluster::RealCluster;
use holdfast_testbed::measure::usage;
use holdfast_testbed::process::Victim;
use http::Method;
use serde_json::{Map, json};

const CONFIGS: &str = "/api/v1/namespaces/bench/configmaps";
/// Requests under way at once.
const CLIENTS: usize = 32;
const WATCHERS: usize = 100;
/// Updates that every watcher sees.
const UPDATES: usize = 200;

/// A server, and the processes that are measured.
struct Server {
    api: Api,
    processes: Vec<u32>,
}

/// What a server took for each thing, in the order in which it was asked.
type Figures = Vec<(&'static str, f64)>;

fn main() -> anyhow::Result<()> {
    let counts = std::env::args().skip(1);
    let counts: Vec<usize> = counts.filter_map(|text| text.parse().ok()).collect();
    let (few, many) = match counts[..] {
        [] => (10_000, 100_000),
        [few] => (few, few * 10),
        [few, many, ..] => (few, many),
    };
    wiring::install_crypto();
    let starts = starts()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let (ours, theirs) = runtime.block_on(async {
        let ours = embedded(few, many).await?;
        Ok::<_, anyhow::Error>((ours, real(few, many).await?))
    })?;
    let beside = |((name, ours), (_, theirs)): (&(&str, f64), &(&str, f64))| {
        let figures = json!({
            "embedded": rounded(*ours),
            "kube-apiserver": rounded(*theirs),
            "ratio": rounded(theirs / ours),
        });
        ((*name).to_owned(), figures)
    };
    let table: Map<String, Value> = ours.iter().zip(&theirs).map(beside).collect();
    let report = json!({"objects": few, "many": many, "in memory": starts, "beside": table});
    print(&format!("{report:#}\n"));
    Ok(())
}

fn rounded(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}

#[expect(clippy::print_stdout, reason = "the result is for people and programs")]
fn print(text: &str) {
    print!("{text}");
}

async fn embedded(few: usize, many: usize) -> anyhow::Result<Figures> {
    let data = tempfile::tempdir()?;
    let itself = std::env::current_exe()?;
    let engine = itself.with_file_name("engine");
    let mut command = Command::new(engine);
    command.args(["cluster", "up", "--data"]).arg(data.path());
    let process = Victim::start(command.stdout(Stdio::null()))?;
    let kubeconfig = data.path().join("kubeconfig");
    let api = Api::connect(&kubeconfig, "/api/v1/namespaces/default").await?;
    let server = Server {
        api,
        processes: vec![process.id()],
    };
    server.measure(few, many).await
}

async fn real(few: usize, many: usize) -> anyhow::Result<Figures> {
    let cluster = RealCluster::start_durable().await?;
    let server = Server {
        api: Api {
            client: cluster.client.clone(),
        },
        processes: cluster.servers()?,
    };
    server.measure(few, many).await
}

/// What a cluster in memory costs: time, memory and threads of one among a thousand.
fn starts() -> anyhow::Result<Value> {
    const COUNT: u32 = 1_000;
    let process = std::process::id();
    // What the first one makes for all of them is not counted.
    drop(Cluster::new(Options::default()));
    let (before, threads) = (usage(process)?.memory, thread_count()?);
    let start = Instant::now();
    let clusters: Vec<Cluster> = (0..COUNT)
        .map(|_| Cluster::new(Options::default()))
        .collect();
    let took = start.elapsed() / COUNT;
    let memory = usage(process)?.memory.saturating_sub(before) / u64::from(COUNT);
    let threads = thread_count()? - threads;
    anyhow::ensure!(clusters.len() == COUNT as usize, "all of them are there");
    Ok(json!({
        "start_us": u64::try_from(took.as_micros())?,
        "memory_bytes": memory,
        "threads": threads,
    }))
}

fn thread_count() -> anyhow::Result<usize> {
    Ok(std::fs::read_dir("/proc/self/task")?.count())
}

fn config(index: usize, text: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": format!("c{index}"), "labels": {"app": "bench"}},
        "data": {"text": text, "more": "x".repeat(700)},
    })
}

impl Server {
    async fn measure(&self, few: usize, many: usize) -> anyhow::Result<Figures> {
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bench"}});
        self.api.create("/api/v1/namespaces", &namespace).await?;
        let account = format!("{CONFIGS}/kube-root-ca.crt");
        self.api
            .wait(&account, "there", |found| found.is_some())
            .await?;
        let mut figures = Figures::new();
        let cpu = self.cpu()?;
        let rate = self.each(0..few, |index| self.create(index)).await?;
        figures.push(("microseconds a create", rate));
        let rate = self.each(0..few, |index| self.get(index)).await?;
        figures.push(("microseconds a get", rate));
        figures.push(("milliseconds a list of all", self.list().await?));
        let rate = self.each(0..few / 2, |index| self.apply(index)).await?;
        figures.push(("microseconds an apply", rate));
        let rate = self.fan_out().await?;
        figures.push(("microseconds an event of 100 watchers", rate));
        let used = self.cpu()?.saturating_sub(cpu);
        figures.push(("server CPU seconds of all that", used.as_secs_f64()));
        figures.push(("megabytes with few objects", self.memory()?));
        self.each(few..many, |index| self.create(index)).await?;
        figures.push(("megabytes with many objects", self.memory()?));
        Ok(figures)
    }

    fn cpu(&self) -> anyhow::Result<Duration> {
        let each = self.processes.iter();
        let each = each.map(|process| Ok(usage(*process)?.cpu));
        each.sum()
    }

    fn memory(&self) -> anyhow::Result<f64> {
        let mut bytes = 0;
        for process in &self.processes {
            bytes += usage(*process)?.memory;
        }
        Ok(f64::from(u32::try_from(bytes >> 10)?) / 1024.0)
    }

    /// Does something for each index, many at once; the microseconds for one.
    async fn each<F>(
        &self,
        indices: std::ops::Range<usize>,
        work: impl Fn(usize) -> F,
    ) -> anyhow::Result<f64>
    where
        F: Future<Output = anyhow::Result<()>>,
    {
        let count = u32::try_from(indices.len())?;
        let start = Instant::now();
        futures::stream::iter(indices.map(&work))
            .buffer_unordered(CLIENTS)
            .try_collect::<()>()
            .await?;
        Ok(start.elapsed().as_secs_f64() * 1e6 / f64::from(count.max(1)))
    }

    async fn create(&self, index: usize) -> anyhow::Result<()> {
        self.api.create(CONFIGS, &config(index, "one")).await?;
        Ok(())
    }

    async fn get(&self, index: usize) -> anyhow::Result<()> {
        let text = self.text(&format!("{CONFIGS}/c{index}")).await?;
        anyhow::ensure!(text.contains("\"one\""), "another object came");
        Ok(())
    }

    async fn apply(&self, index: usize) -> anyhow::Result<()> {
        let path = format!("{CONFIGS}/c{index}?fieldManager=bench&force=true");
        let object = config(index, "two");
        let kind = "application/apply-patch+yaml";
        let applied = self.api.send(Method::PATCH, &path, kind, Some(&object));
        let applied = applied.await?;
        anyhow::ensure!(applied["data"]["text"] == "two", "it was not applied");
        Ok(())
    }

    /// The text of an answer, which costs the client less than reading it as a value.
    async fn text(&self, path: &str) -> anyhow::Result<String> {
        let request = http::Request::get(path).body(Vec::new())?;
        Ok(self.api.client.request_text(request).await?)
    }

    /// The median of ten lists of all objects in one answer.
    async fn list(&self) -> anyhow::Result<f64> {
        let mut times = Vec::new();
        for _ in 0..10 {
            let start = Instant::now();
            let text = self.text(CONFIGS).await?;
            anyhow::ensure!(text.len() > 1 << 10, "an empty list came");
            times.push(start.elapsed());
        }
        times.sort();
        Ok(times[times.len() / 2].as_secs_f64() * 1e3)
    }

    /// Updates of one object that a hundred watchers see: the microseconds for one event.
    async fn fan_out(&self) -> anyhow::Result<f64> {
        let last = format!("update-{}", UPDATES - 1);
        let (open, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut watchers = tokio::task::JoinSet::new();
        let list = self.api.get(&format!("{CONFIGS}?limit=1")).await?;
        let version = list["metadata"]["resourceVersion"].as_str();
        let version = version.context("a list without a version")?.to_owned();
        for _ in 0..WATCHERS {
            let client = self.api.client.clone();
            let path = format!("{CONFIGS}?watch=1&resourceVersion={version}");
            let (open, seen, last) = (Arc::clone(&open), Arc::clone(&seen), last.clone());
            watchers.spawn(async move {
                let request = http::Request::get(path).body(Vec::new())?;
                let events = client.request_events::<Value>(request).await?;
                open.fetch_add(1, Ordering::Relaxed);
                let mut events = std::pin::pin!(events);
                while let Some(event) = events.try_next().await? {
                    let kube::api::WatchEvent::Modified(object) = event else {
                        continue;
                    };
                    seen.fetch_add(1, Ordering::Relaxed);
                    if object["data"]["text"] == *last {
                        break;
                    }
                }
                Ok::<_, anyhow::Error>(())
            });
        }
        while open.load(Ordering::Relaxed) < WATCHERS {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let start = Instant::now();
        for update in 0..UPDATES {
            let text = json!({"data": {"text": format!("update-{update}")}});
            let path = format!("{CONFIGS}/c0");
            self.api.merge(&path, "bench", &text).await?;
        }
        while let Some(ended) = watchers.join_next().await {
            ended??;
        }
        let events = u32::try_from(seen.load(Ordering::Relaxed))?;
        anyhow::ensure!(
            events as usize == WATCHERS * UPDATES,
            "{events} events were seen"
        );
        Ok(start.elapsed().as_secs_f64() * 1e6 / f64::from(events))
    }
}
