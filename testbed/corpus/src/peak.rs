//! The peak memory of single renders: each in a process of its own, which tells what it held.
//!
//! It must not time anything.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use serde_json::{Value, json};

use crate::compare::println;
use crate::disk::DiskBlobs;
use crate::helm;

/// Renders one chart and prints the most memory that this process held and the size of what was
/// rendered, both in bytes.
///
/// # Errors
/// A system that does not say how much memory a process held.
pub fn render_one(data: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let blobs = DiskBlobs { root: data.into() };
    let output = helm::render_cold(arguments, &blobs).map_or(0, |text| text.len());
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let digits = line.context("the system does not tell a process' peak memory")?;
    let kilobytes: usize = digits.trim().trim_end_matches("kB").trim().parse()?;
    println(&format!("{} {output}", kilobytes * 1024));
    Ok(())
}

/// The peak memory of every case, and how much of it is beyond the output.
///
/// # Errors
/// A child that cannot be started or does not answer.
pub(crate) fn measure(
    data: &Path,
    cases: &[Value],
    arguments: &[Vec<&str>],
) -> anyhow::Result<Value> {
    let program = std::env::current_exe()?;
    let mut peaks = Vec::with_capacity(cases.len());
    for (case, arguments) in cases.iter().zip(arguments) {
        let mut command = Command::new(&program);
        let output = command.arg("peak").arg(data).args(arguments).output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let (peak, size) = text
            .trim()
            .split_once(' ')
            .context("a render did not tell its memory")?;
        let (peak, size): (usize, usize) = (peak.parse()?, size.parse()?);
        let id = case["id"].as_str().unwrap_or_default();
        peaks.push((peak.saturating_sub(size), peak, id));
    }
    peaks.sort();
    let megabytes = |share: usize| {
        let index = peaks.len().saturating_sub(1) * share / 100;
        peaks.get(index).map_or(0, |(beyond, _, _)| *beyond) as f64 / 1e6
    };
    let over = peaks.iter().filter(|(beyond, _, _)| *beyond > GOAL).count();
    let largest = peaks.last().map_or("", |(_, _, id)| *id);
    println(&format!(
        "  memory     median {:8.1} MB   99 % {:8.1} MB   largest {:8.1} MB beyond the output; {over} over {} MB; {largest}",
        megabytes(50),
        megabytes(99),
        megabytes(100),
        GOAL / 1_000_000,
    ));
    Ok(json!({
        "median MB": megabytes(50),
        "p99 MB": megabytes(99),
        "largest MB": megabytes(100),
        "over the goal": over,
    }))
}

/// What a render should hold at most beside its output.
const GOAL: usize = 30_000_000;
