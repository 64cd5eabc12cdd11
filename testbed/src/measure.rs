//! What processes and an API server cost, counted from outside, and the rows in which benches tell
//! it. Linux only. It must not know what is measured.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use holdfast_model::Value;
use kube::Client;
use serde_json::json;

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// CPU time of all its threads, and of the children that it has waited for.
    pub cpu: Duration,
    /// Memory that it holds now, in bytes, without its children.
    pub memory: u64,
}

/// What a process has used so far.
///
/// # Errors
/// When there is no such process.
pub fn usage(process: u32) -> anyhow::Result<Usage> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let fields: Vec<&str> = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().collect())
        .unwrap_or_default();
    let mut ticks = 0;
    // Of itself as a program and in the system, then of its children in both.
    for index in 11..15 {
        let field = fields
            .get(index)
            .and_then(|text| text.parse::<u64>().ok())
            .with_context(|| format!("/proc/{process}/stat tells no time"))?;
        ticks += field;
    }
    // A tick is a hundredth of a second on every Linux that Rust runs on.
    let cpu = Duration::from_millis(ticks * 10);
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(Usage {
        cpu,
        memory: kilobytes.unwrap_or_default() * 1_024,
    })
}

/// What several processes have used so far, together.
///
/// # Errors
/// When one of them is gone.
pub fn usage_of(processes: &[u32]) -> anyhow::Result<Usage> {
    let mut sum = Usage::default();
    for process in processes {
        let one = usage(*process)?;
        sum.cpu += one.cpu;
        sum.memory += one.memory;
    }
    Ok(sum)
}

/// How many requests an API server has answered, by verb and resource; watches, leases and its own
/// health checks left out.
///
/// # Errors
/// When its metrics cannot be read.
pub async fn requests(client: &Client) -> anyhow::Result<BTreeMap<String, u64>> {
    let request = http::Request::get("/metrics").body(Vec::new())?;
    let text = client.request_text(request).await?;
    let mut counts = BTreeMap::new();
    for line in text
        .lines()
        .filter(|line| line.starts_with("apiserver_request_total{"))
    {
        let Some((labels, count)) = line.rsplit_once("} ") else {
            continue;
        };
        let label = |name: &str| {
            let start = labels.find(&format!("{name}=\""))? + name.len() + 2;
            labels[start..].split('"').next()
        };
        let (verb, resource) = (
            label("verb").unwrap_or_default(),
            label("resource").unwrap_or_default(),
        );
        let subresource = label("subresource").unwrap_or_default();
        if verb == "WATCH" || resource.is_empty() || resource == "leases" {
            continue;
        }
        let count = count.trim().parse::<f64>().unwrap_or_default();
        let name = format!("{verb} {resource} {subresource}")
            .trim_end()
            .to_owned();
        // Counts are whole numbers that the format writes as floats.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a count"
        )]
        let count = count as u64;
        *counts.entry(name).or_default() += count;
    }
    Ok(counts)
}

/// How many requests an API server has answered since it was counted.
///
/// # Errors
/// As [`requests`].
pub async fn requests_since(
    client: &Client,
    counted: &BTreeMap<String, u64>,
) -> anyhow::Result<BTreeMap<String, u64>> {
    let recounted = requests(client).await?.into_iter();
    Ok(recounted
        .map(|(name, count)| {
            let before = counted.get(&name).copied().unwrap_or_default();
            (name, count.saturating_sub(before))
        })
        .filter(|(_, count)| *count > 0)
        .collect())
}

/// Requests of a cluster's own controllers, which are nobody's who is measured.
const CLUSTERS_OWN: [&str; 3] = [
    "GET leases",
    "POST clustertrustbundles",
    "POST serviceaccounts",
];

/// What a phase of a bench cost.
pub struct Cost {
    /// What was done.
    pub name: &'static str,
    /// Until it could be seen, or until the engine said so.
    pub wall: Duration,
    /// Until it was applied, where that is told apart.
    pub applied: Option<Duration>,
    /// What the engine computed for it.
    pub cpu: Duration,
    /// What the engine holds after it, in bytes.
    pub memory: u64,
    /// The requests of the engine.
    pub requests: BTreeMap<String, u64>,
    /// What is measured beside these, by name.
    pub more: Vec<(&'static str, u64)>,
}

impl Cost {
    /// Takes requests off that are not the engine's: so many of each name, or all of them.
    pub fn without(&mut self, own: &[(&str, Option<u64>)]) {
        let all = CLUSTERS_OWN.iter().map(|name| (*name, None));
        for (name, count) in own.iter().copied().chain(all) {
            if let Some(counted) = self.requests.get_mut(name) {
                *counted = count.map_or(0, |count| counted.saturating_sub(count));
            }
        }
        self.requests.retain(|_, count| *count > 0);
    }

    /// How many requests the engine sent.
    pub fn request_count(&self) -> u64 {
        self.requests.values().sum()
    }

    /// The cost as a row of a report, for so many Stacks, or what stands for them elsewhere.
    pub fn row(&self, stacks: usize) -> Value {
        let mut row = json!({
            "stacks": stacks,
            "phase": self.name,
            "wall_ms": milliseconds(self.wall),
            "engine_cpu_ms": milliseconds(self.cpu),
            "engine_memory_mb": self.memory >> 20,
            "requests": self.request_count(),
            "requests_by_kind": self.requests,
        });
        if let Some(applied) = self.applied {
            row["applied_ms"] = json!(milliseconds(applied));
        }
        for (name, value) in &self.more {
            row[*name] = json!(value);
        }
        row
    }
}

/// A duration in whole milliseconds.
pub fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
