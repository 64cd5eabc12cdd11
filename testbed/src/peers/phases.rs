//! What is done to every engine of the bench, and what is counted meanwhile: an install, doing
//! nothing, one commit that touches one folder of all, and one drift. It must not know which engine
//! it is.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use holdfast_model::Value;
use serde_json::json;

use super::field::{Field, config_name, object_name};
use super::watch::{Objects, Seen};
use super::{Ask, NAMESPACE, Peer};
use crate::measure::{Cost, Usage, requests, requests_since, usage_of};
use crate::process::Process;

/// How long an engine may take for one thing. On two busy cores Argo CD installs some three
/// Applications a second, and a bench may ask for a thousand.
const PATIENCE: Duration = Duration::from_secs(900);
/// How long an engine that watches for drift may take to put it back, before it is asked.
const DRIFT_PATIENCE: Duration = Duration::from_secs(10);
/// The controllers of the cluster look for new kinds twice a minute, and list each that they find.
const CLUSTER_RESTS: Duration = Duration::from_secs(35);

/// An engine at work.
struct Bench {
    // They end before their cluster does.
    processes: Vec<Process>,
    ids: Vec<u32>,
    field: Field,
    configs: Seen,
    objects: Seen,
    count: usize,
}

/// What a phase has shown: how long until it was applied, and until the engine said so.
struct Shown {
    applied: Option<Duration>,
    told: Duration,
}

/// Puts an engine on a field of its own, and measures it with `count` objects beside a first one.
///
/// # Errors
/// When something fails, with the end of the log of each of its processes.
pub(super) async fn measure<P: Peer>(count: usize) -> anyhow::Result<Vec<Cost>> {
    let start = Instant::now();
    let field = Field::new(count + 1).await?;
    let processes = P::start(&field).await?;
    let client = field.api.client.clone();
    let configs = format!("/api/v1/namespaces/{NAMESPACE}/configmaps");
    let bench = Bench {
        ids: processes
            .iter()
            .map(Process::id)
            .collect::<Result<_, _>>()?,
        configs: Seen::watch(client.clone(), &configs),
        objects: Seen::watch(client, P::OBJECTS),
        field,
        processes,
        count,
    };
    tokio::time::sleep(CLUSTER_RESTS.saturating_sub(start.elapsed())).await;
    bench.phases::<P>().await.with_context(|| bench.logs())
}

impl Bench {
    async fn phases<P: Peer>(&self) -> anyhow::Result<Vec<Cost>> {
        self.first::<P>().await?;
        self.rest().await?;
        let install = self.install::<P>().await?;
        let idle = self.idle().await?;
        let commit = self.commit::<P>().await?;
        let drift = self.drift::<P>().await?;
        Ok(vec![install, idle, commit, drift])
    }

    /// What is there once, and the first object: what it costs to get to know a cluster and a
    /// repository is not counted.
    async fn first<P: Peer>(&self) -> anyhow::Result<()> {
        let url = self.field.url();
        if let Some((path, source)) = P::source(&url) {
            self.field.api.create(path, &source).await?;
        }
        self.field
            .api
            .create(P::OBJECTS, &P::object(0, &url))
            .await?;
        let first = |objects: &Objects| settled::<P>(objects, 0).is_some();
        self.objects.wait("settled", PATIENCE, first).await?;
        Ok(())
    }

    async fn install<P: Peer>(&self) -> anyhow::Result<Cost> {
        let own = u64::try_from(self.count)?;
        let own = vec![(format!("POST {}", P::RESOURCE), own)];
        let phase = self.phase("install", own, async |start| {
            let url = self.field.url();
            for index in 1..=self.count {
                let object = P::object(index, &url);
                self.field.api.create(P::OBJECTS, &object).await?;
            }
            let all = 1..=self.count;
            let are_applied =
                |configs: &Objects| all.clone().all(|index| text(configs, index).is_some());
            self.configs.wait("applied", PATIENCE, are_applied).await?;
            let applied = Some(start.elapsed());
            let are_settled = |objects: &Objects| {
                all.clone()
                    .all(|index| settled::<P>(objects, index).is_some())
            };
            self.objects.wait("settled", PATIENCE, are_settled).await?;
            let told = start.elapsed();
            Ok(Shown { applied, told })
        });
        phase.await
    }

    async fn idle(&self) -> anyhow::Result<Cost> {
        let phase = self.phase("idle for 20 s", Vec::new(), async |start| {
            tokio::time::sleep(Duration::from_secs(20)).await;
            Ok(Shown {
                applied: None,
                told: start.elapsed(),
            })
        });
        phase.await
    }

    async fn commit<P: Peer>(&self) -> anyhow::Result<Cost> {
        const FOLDER: usize = 1;
        self.field.write(FOLDER, "changed")?;
        let ask = P::refresh(FOLDER);
        let phase = self.phase("one commit", own(ask.as_ref()), async |start| {
            let commit = self.field.repository.commit("one of many")?;
            self.ask(ask.as_ref()).await?;
            let is_applied = |objects: &Objects| text(objects, FOLDER) == Some("changed");
            self.configs.wait("changed", PATIENCE, is_applied).await?;
            let applied = Some(start.elapsed());
            let is_settled = |objects: &Objects| settled::<P>(objects, FOLDER) == Some(&*commit);
            self.objects
                .wait("settled again", PATIENCE, is_settled)
                .await?;
            let told = start.elapsed();
            Ok(Shown { applied, told })
        });
        phase.await
    }

    /// A drift. An engine that does not put it back is asked to, as its users would before its
    /// interval is over; only then its time begins.
    async fn drift<P: Peer>(&self) -> anyhow::Result<Cost> {
        const FOLDER: usize = 0;
        let name = config_name(FOLDER);
        let path = format!("/api/v1/namespaces/{NAMESPACE}/configmaps/{name}");
        let before = self.field.api.get(&path).await?;
        // What the watch has not heard of yet looks as it did before the drift.
        let is_healed = |configs: &Objects| {
            text(configs, FOLDER) == Some("one")
                && version(configs.get(&name)) != version(Some(&before))
        };
        let ask = P::reconcile(FOLDER);
        let mut counted = own(ask.as_ref());
        counted.push(("PATCH configmaps".to_owned(), 1));
        let phase = if ask.is_some() {
            "one drift, put back when asked"
        } else {
            "one drift"
        };
        let phase = self.phase(phase, counted, async |start| {
            let hand = json!({"data": {"text": "hand"}});
            self.field.api.merge(&path, "alice", &hand).await?;
            let mut start = start;
            if ask.is_some() {
                let healed = self.configs.wait("healed", DRIFT_PATIENCE, is_healed);
                anyhow::ensure!(healed.await.is_err(), "it put a drift back unasked");
                start = Instant::now();
                self.ask(ask.as_ref()).await?;
            }
            self.configs.wait("healed", PATIENCE, is_healed).await?;
            let told = start.elapsed();
            let applied = Some(told);
            Ok(Shown { applied, told })
        });
        phase.await
    }

    async fn ask(&self, ask: Option<&Ask>) -> anyhow::Result<()> {
        if let Some(ask) = ask {
            self.field.api.merge(&ask.path, "bench", &ask.patch).await?;
        }
        Ok(())
    }

    /// Counts what an engine does for something, until it has come to rest; `own` are requests that
    /// the bench sends meanwhile.
    async fn phase(
        &self,
        name: &'static str,
        own: Vec<(String, u64)>,
        work: impl AsyncFnOnce(Instant) -> anyhow::Result<Shown>,
    ) -> anyhow::Result<Cost> {
        let client = &self.field.api.client;
        let (before, counted) = (self.usage()?, requests(client).await?);
        let shown = work(Instant::now()).await.context(name)?;
        self.rest().await?;
        let after = self.usage()?;
        let mut cost = Cost {
            name,
            wall: shown.told,
            applied: shown.applied,
            cpu: after.cpu.saturating_sub(before.cpu),
            memory: after.memory,
            requests: requests_since(client, &counted).await?,
            more: Vec::new(),
        };
        let own: Vec<(&str, Option<u64>)> = own
            .iter()
            .map(|(name, count)| (name.as_str(), Some(*count)))
            .collect();
        cost.without(&own);
        Ok(cost)
    }

    fn usage(&self) -> anyhow::Result<Usage> {
        usage_of(&self.ids).context("a process has ended")
    }

    /// Waits until the engine has computed next to nothing for two seconds.
    async fn rest(&self) -> anyhow::Result<()> {
        const LITTLE: Duration = Duration::from_millis(100);
        let start = Instant::now();
        loop {
            let before = self.usage()?.cpu;
            tokio::time::sleep(Duration::from_secs(2)).await;
            if self.usage()?.cpu.saturating_sub(before) < LITTLE {
                return Ok(());
            }
            anyhow::ensure!(start.elapsed() < PATIENCE, "it does not come to rest");
        }
    }

    /// The end of every process's log.
    fn logs(&self) -> String {
        let ends = self.processes.iter().map(|process| {
            format!(
                "the log of {} ends with\n{}",
                process.name(),
                process.last_lines()
            )
        });
        ends.collect::<Vec<String>>().join("\n")
    }
}

/// The requests by which the bench asks an engine.
fn own(ask: Option<&Ask>) -> Vec<(String, u64)> {
    let own = ask.map(|ask| (format!("PATCH {}", ask.resource), 1));
    own.into_iter().collect()
}

/// The text of a folder's ConfigMap.
fn text(configs: &Objects, index: usize) -> Option<&str> {
    let config = configs.get(&config_name(index))?;
    config.pointer("/data/text").and_then(Value::as_str)
}

/// Which of its states an object is in.
fn version(object: Option<&Value>) -> Option<&Value> {
    object?.pointer("/metadata/resourceVersion")
}

/// The commit that a folder's object is settled at.
fn settled<P: Peer>(objects: &Objects, index: usize) -> Option<&str> {
    objects.get(&object_name(index)).and_then(P::settled)
}
