//! `cargo xtask bench peers`: Holdfast, Argo CD and Flux one after the other on a fresh real cluster
//! each, with the same repository of as many folders as are said, of one ConfigMap each. A table for
//! people goes to standard error, JSON to standard output.

use std::process::ExitCode;
use std::time::Duration;

use holdfast::wiring;
use holdfast_model::Value;
use holdfast_testbed::measure::{Cost, milliseconds};
use holdfast_testbed::peers::{Measured, measure};
use serde_json::json;

fn main() -> anyhow::Result<ExitCode> {
    let mut counts = Vec::new();
    for word in std::env::args().skip(1) {
        let count: usize = word.parse()?;
        // Folder 0 drifts, folder 1 is committed to.
        anyhow::ensure!(count >= 1, "at least one object is measured");
        counts.push(count);
    }
    if counts.is_empty() {
        counts.push(100);
    }
    wiring::install_crypto();
    let runtime = tokio::runtime::Runtime::new()?;
    let (mut rows, mut has_failed) = (Vec::new(), false);
    let mut lines = vec![
        "| phase | engine | objects | requests | CPU | memory | applied | told |".to_owned(),
        "|---|---|---|---|---|---|---|---|".to_owned(),
    ];
    for count in counts {
        let measured = runtime.block_on(measure(count));
        lines.extend(table(count, &measured));
        for peer in measured {
            has_failed |= peer.costs.is_err();
            rows.extend(report(count, &peer));
        }
    }
    show(&lines.join("\n"));
    print(&format!("{:#}\n", Value::from(rows)));
    Ok(ExitCode::from(u8::from(has_failed)))
}

#[expect(clippy::print_stdout, reason = "the result is for people and programs")]
fn print(text: &str) {
    print!("{text}");
}

#[expect(clippy::print_stderr, reason = "the table is for people")]
fn show(text: &str) {
    eprintln!("{text}");
}

/// The rows of an engine, or one that says why there are none.
fn report(count: usize, measured: &Measured) -> Vec<Value> {
    let mut rows = match &measured.costs {
        Ok(costs) => costs.iter().map(|cost| cost.row(count)).collect(),
        Err(error) => vec![json!({"stacks": count, "failed": format!("{error:#}")})],
    };
    for row in &mut rows {
        row["engine"] = json!(measured.name);
    }
    rows
}

/// The lines of a table, phase by phase, and after them what failed.
fn table(count: usize, measured: &[Measured]) -> Vec<String> {
    let mut lines = Vec::new();
    let most = measured
        .iter()
        .filter_map(|peer| Some(peer.costs.as_ref().ok()?.len()));
    for phase in 0..most.max().unwrap_or_default() {
        for peer in measured {
            let cost = peer.costs.as_ref().ok().and_then(|costs| costs.get(phase));
            lines.extend(cost.map(|cost| line(count, peer.name, cost)));
        }
    }
    for peer in measured {
        if let Err(error) = &peer.costs {
            lines.push(format!("{} was not measured: {error:#}", peer.name));
        }
    }
    lines
}

fn line(count: usize, engine: &str, cost: &Cost) -> String {
    let (requests, cpu) = (cost.request_count(), cost.cpu);
    let mut cells = [
        format!("{requests}"),
        format!("{} ms", milliseconds(cpu)),
        format!("{} MB", cost.memory >> 20),
        seconds(cost.applied),
        seconds(Some(cost.wall)),
    ];
    let each = u32::try_from(count).unwrap_or(u32::MAX);
    if cost.name == "install" {
        // Both counts are far below what a float holds exactly.
        #[expect(clippy::cast_precision_loss, reason = "a count")]
        let requests = requests as f64 / f64::from(each);
        cells[0].push_str(&format!(", {requests:.1} each"));
        let cpu = (cpu / each).as_secs_f64() * 1e3;
        cells[1].push_str(&format!(", {cpu:.1} ms each"));
    }
    let name = cost.name;
    format!("| {name} | {engine} | {count} | {} |", cells.join(" | "))
}

fn seconds(time: Option<Duration>) -> String {
    let seconds = time.map(|time| format!("{:.2} s", time.as_secs_f64()));
    seconds.unwrap_or_default()
}
