//! What a process and an API server cost, counted from outside. Linux only.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use kube::Client;

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// CPU time of all its threads.
    pub cpu: Duration,
    /// Memory that it holds now, in bytes.
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
    let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<u64>().ok());
    let (user, system) = (
        ticks(11).context("no user time")?,
        ticks(12).context("no system time")?,
    );
    // A tick is a hundredth of a second on every Linux that Rust runs on.
    let cpu = Duration::from_millis((user + system) * 10);
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    Ok(Usage {
        cpu,
        memory: kilobytes.unwrap_or_default() * 1_024,
    })
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
