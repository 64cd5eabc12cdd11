//! Checks reader and emitter on the expected outputs themselves: Kustomize prints what
//! `sigs.k8s.io/yaml` writes, so reading and writing them again has to give the same bytes.

use holdfast_yaml::{Limits, read_values, to_yaml};

use crate::Options;
use crate::compare::{Case, run_with};

/// Reads and writes every expected output again; returns how many changed.
pub fn run(options: &Options) -> anyhow::Result<usize> {
    let golden = |case: &Case| {
        let path = options.data.join(case.text("golden"));
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let rewrite = |case: &Case| {
        let values =
            read_values(&golden(case)?, &Limits::default()).map_err(|error| error.to_string())?;
        let documents: Vec<String> = values.iter().map(|(_, value)| to_yaml(value)).collect();
        Ok(documents.join("---\n"))
    };
    let same = |case: &Case, ours: &str| {
        let theirs = golden(case).ok()?;
        let line = ours
            .lines()
            .zip(theirs.lines())
            .position(|(ours, theirs)| ours != theirs);
        match line {
            Some(line) => Some(format!(
                "line {}\n    ours   {}\n    theirs {}",
                line + 1,
                ours.lines().nth(line).unwrap_or_default(),
                theirs.lines().nth(line).unwrap_or_default()
            )),
            None => (ours != theirs).then(|| "one is longer".to_owned()),
        }
    };
    run_with(
        options,
        &|case: &Case| case.text("expect") == "ok",
        &rewrite,
        &same,
    )
}
