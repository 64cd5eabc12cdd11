//! `cargo xtask values-schemas`: what the real helm says to values that are held against schemas,
//! recorded for the tests of crate `helm`, which run without it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::{helm, testbed};

/// The cases, one a line: a schema, values, and what helm says; nothing where they fit.
const CASES: &str = "crates/helm/src/tests/schemas.jsonl";

/// What stands before everything that is said about schemas.
const BEFORE: &str = "values don't meet the specifications of the schema(s) in the following \
    chart(s):\napp:\n";

/// Asks helm about every case. What differs only in the order of lines, which is by chance, is left
/// as it was recorded.
///
/// # Errors
/// When helm cannot be had, or says something else than what is wrong with values.
pub(crate) fn record() -> anyhow::Result<()> {
    let programs = testbed::programs()?;
    if let Some(reason) = helm::fetch(&programs)? {
        anyhow::bail!("there is no helm: {reason}");
    }
    let path = crate::root().join(CASES);
    let cases = std::fs::read_to_string(&path)?;
    let chart = crate::root().join("target/values-schemas/app");
    std::fs::create_dir_all(chart.join("templates"))?;
    std::fs::write(
        chart.join("Chart.yaml"),
        "apiVersion: v2\nname: app\nversion: 0.1.0\n",
    )?;
    let mut recorded = String::new();
    for (number, line) in cases.lines().enumerate() {
        let case: Value = serde_json::from_str(line)?;
        let (schema, values) = (&case["schema"], &case["values"]);
        let said = said(&programs.join("helm"), &chart, schema, values)
            .with_context(|| format!("line {} of {CASES}", number + 1))?;
        let before = case["says"].as_str().unwrap_or_default();
        let says = match lines(before) == lines(&said) {
            true => before,
            false => &said,
        };
        let case = json!({"schema": schema, "values": values, "says": says});
        recorded.push_str(&format!("{case}\n"));
    }
    std::fs::write(path, recorded)?;
    Ok(())
}

fn said(helm: &Path, chart: &Path, schema: &Value, values: &Value) -> anyhow::Result<String> {
    std::fs::write(chart.join("values.schema.json"), schema.to_string())?;
    std::fs::write(chart.join("values.yaml"), values.to_string())?;
    let output = Command::new(helm)
        .args(["template", "app"])
        .arg(chart)
        .output()?;
    if output.status.success() {
        return Ok(String::new());
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let error = text.split_once("Error: ").map(|(_, error)| error);
    let said = error.and_then(|error| error.strip_prefix(BEFORE));
    let said = said.with_context(|| format!("helm says {text}"))?;
    Ok(said.trim_end().to_owned())
}

/// The lines of a text, whatever their order, and so with what they list.
fn lines<'t>(text: &'t str) -> BTreeSet<Vec<&'t str>> {
    let sorted = |line: &'t str| {
        let words = line.split(' ').map(|word| word.trim_end_matches(','));
        let mut words = Vec::from_iter(words);
        words.sort_unstable();
        words
    };
    text.lines().map(sorted).collect()
}
