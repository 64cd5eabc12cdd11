//! `cargo xtask bench targets`: how long a commit takes to be live on fifteen targets, alone and
//! beside five that take every request and answer none.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast::plane::EnginePlane;
use holdfast::wiring::{self, EngineSettings};
use holdfast_cluster::{Cluster, Options};
use holdfast_control::Plane;
use holdfast_engine::{Engine, Ports};
use holdfast_model::stack::TargetName;
use holdfast_testbed::api::Api;
use holdfast_testbed::bed::{Bed, config};
use holdfast_testbed::repository::Repository;
use holdfast_testbed::stopping::{Fuse, StoppingPlane};
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use serde_json::json;

/// How many targets answer, and how many do not.
const HEALTHY: usize = 15;
const HOLES: usize = 5;
/// Stacks of each target.
const STACKS: usize = 8;
/// Commits that are measured on each side; each changes all Stacks.
const ROUNDS: usize = 20;
const NAMESPACE: &str = "bench";

/// An engine with its Stacks and targets.
struct Side {
    bed: Arc<Bed>,
    healthy: Vec<Api>,
    targets: usize,
    repository: Repository,
    engine: Engine,
    _data: tempfile::TempDir,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    wiring::install_crypto();
    let alone = Side::start(0).await?;
    let beside = Side::start(HOLES).await?;
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (one, two) = (alone.round(round).await?, beside.round(round).await?);
        // The first commit makes everything.
        if round > 0 {
            first.extend(one);
            second.extend(two);
        }
    }
    let (p95_alone, p95_beside) = (percentile(&mut first, 95), percentile(&mut second, 95));
    let report = json!({
        "targets": HEALTHY, "silent": HOLES, "stacks of each": STACKS, "commits": ROUNDS,
        "p50_ms": {"alone": percentile(&mut first, 50), "beside silent ones": percentile(&mut second, 50)},
        "p95_ms": {"alone": p95_alone, "beside silent ones": p95_beside},
        "p95 ratio": (p95_beside / p95_alone * 100.0).round() / 100.0,
    });
    print(&format!("{report:#}\n"));
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result is for people and programs")]
fn print(text: &str) {
    print!("{text}");
}

/// In milliseconds, rounded to tenths.
fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort();
    let time = times.get(times.len() * percent / 100).copied();
    (time.unwrap_or_default().as_secs_f64() * 10_000.0).round() / 10.0
}

/// A server that takes requests and never answers.
fn hole() -> Client {
    let silent = tower::service_fn(|_: Request<Body>| {
        std::future::pending::<Result<Response<Body>, tower::BoxError>>()
    });
    Client::new(silent, "default")
}

fn target(index: usize) -> String {
    format!("t{index}")
}

impl Side {
    async fn start(holes: usize) -> anyhow::Result<Self> {
        let bed = Bed::embedded().await?;
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": NAMESPACE}});
        bed.api.create("/api/v1/namespaces", &namespace).await?;
        let mut healthy = Vec::new();
        let mut clusters = BTreeMap::new();
        for index in 0..HEALTHY + holes {
            let client = if index < HEALTHY {
                let cluster = Cluster::new(Options::default());
                tokio::spawn(cluster.run_controllers());
                let client = Client::new(cluster.service(), "default");
                let api = Api {
                    client: client.clone(),
                };
                api.create("/api/v1/namespaces", &namespace).await?;
                healthy.push(api);
                client
            } else {
                hole()
            };
            clusters.insert(TargetName(target(index)), client);
        }
        let data = tempfile::tempdir()?;
        let settings = EngineSettings::new(data.path().to_owned());
        let client = bed.api.client.clone();
        let plane = Plane::new(client.clone()).sealed(&settings.entropy);
        let inner = EnginePlane::new(plane.clone(), client, settings.limits);
        let stopping = StoppingPlane {
            inner: Ports::of(&Arc::new(inner)),
            fuse: Fuse::new(usize::MAX),
            clusters,
        };
        let engine = wiring::engine_on(Ports::of(&Arc::new(stopping)), &settings);
        tokio::spawn(wiring::run(engine.clone(), plane, settings));
        let side = Self {
            bed,
            healthy,
            targets: HEALTHY + holes,
            repository: Repository::new()?,
            engine,
            _data: data,
        };
        side.write(0)?;
        side.make_stacks().await?;
        Ok(side)
    }

    async fn make_stacks(&self) -> anyhow::Result<()> {
        let list = format!("/apis/holdfast.dev/v1alpha1/namespaces/{NAMESPACE}/stacks");
        for index in 0..self.targets {
            for number in 0..STACKS {
                let name = format!("{}-{number}", target(index));
                let stack = json!({
                    "apiVersion": "holdfast.dev/v1alpha1", "kind": "Stack",
                    "metadata": {"name": name},
                    "spec": {
                        "source": {"git": self.repository.url(), "path": name, "interval": "1h"},
                        "target": {"name": target(index)},
                    },
                });
                self.bed.api.create(&list, &stack).await?;
            }
        }
        Ok(())
    }

    /// Commits are of the same size on both sides.
    fn write(&self, round: usize) -> anyhow::Result<()> {
        for index in 0..HEALTHY + HOLES {
            for number in 0..STACKS {
                let name = format!("{}-{number}", target(index));
                let text = config(&name, &format!("round-{round}"));
                self.repository.write(&format!("{name}/c.yaml"), &text)?;
            }
        }
        self.repository.commit("a round").map(drop)
    }

    /// Commits, and waits until all targets that answer have it; how long each Stack took.
    async fn round(&self, round: usize) -> anyhow::Result<Vec<Duration>> {
        self.write(round)?;
        let text = format!("round-{round}");
        let begun = Instant::now();
        self.engine.look_at_sources();
        let mut waiting: Vec<(usize, String)> = Vec::new();
        for index in 0..HEALTHY {
            let names = (0..STACKS).map(|number| (index, format!("{}-{number}", target(index))));
            waiting.extend(names);
        }
        let mut times = Vec::new();
        while !waiting.is_empty() {
            let mut left = Vec::new();
            for (index, name) in waiting {
                let path = format!("/api/v1/namespaces/{NAMESPACE}/configmaps/{name}");
                let found = self.healthy[index].get(&path).await.unwrap_or_default();
                if found["data"]["text"] == text.as_str() {
                    times.push(begun.elapsed());
                } else {
                    left.push((index, name));
                }
            }
            waiting = left;
            anyhow::ensure!(begun.elapsed() < Duration::from_secs(120), "{waiting:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(times)
    }
}
