//! `cargo xtask corpus`: renders the corpus and compares with what the real tools print.

use crate::run;

/// Where the corpus is, where it is there.
pub(crate) const CORPUS: &str = "../shared/corpus";

/// Renders all cases of a kind.
///
/// # Errors
/// When a case is not as the real tool prints it.
pub(crate) fn run_kind(kind: &str) -> anyhow::Result<()> {
    run(kind, &[])
}

/// Renders the cases of a kind, with options of the corpus program.
///
/// # Errors
/// As [`run_kind`].
pub(crate) fn run(kind: &str, rest: &[&str]) -> anyhow::Result<()> {
    let mut arguments = vec![
        "run",
        "--quiet",
        "--release",
        "--package",
        "holdfast-corpus",
        "--",
        kind,
    ];
    arguments.extend(rest);
    run::run("cargo", &arguments)
}
