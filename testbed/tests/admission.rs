//! Admission policies refuse, warn and let in on the embedded cluster what they do on a real
//! kube-apiserver: some 300 policies, bindings and requests, whose answers by a real one are recorded.

use std::sync::Arc;

use anyhow::Context as _;
use holdfast_conformance::{differences, known_differences, play, read_answers, read_scripts};
use holdfast_testbed::bed::Bed;

use crate::scenario;

/// The fewest requests whose answers are compared.
const FEWEST: usize = 300;

scenario!(policies_are_enforced);

async fn policies_are_enforced(bed: Arc<Bed>) -> anyhow::Result<()> {
    let scripts = read_scripts()?;
    let script = scripts.iter().find(|script| script.name == "admission");
    let script = script.context("the script is there")?;
    let known = match &bed.real {
        Some(_) => Default::default(),
        None => known_differences()?,
    };
    let expected = read_answers(&script.name)?;
    let answers = play(&bed.client().await?, script).await?;
    anyhow::ensure!(answers.len() >= FEWEST, "{} are played", answers.len());
    anyhow::ensure!(
        answers.len() == expected.len(),
        "it was recorded before it changed"
    );
    let mut wrong = Vec::new();
    for (index, (expected, found)) in expected.iter().zip(&answers).enumerate() {
        let place = format!("{}/{}", script.name, index + 1);
        let lines = differences(expected, found);
        if !lines.is_empty() && !known.contains_key(&place) {
            wrong.push(format!("{place}:\n    {}", lines.join("\n    ")));
        }
    }
    anyhow::ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}
