//! Runs programs and shows what they are.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, bail};

/// Runs a program in the project's root; its output goes where ours goes.
///
/// # Errors
/// When it cannot be started or fails.
#[expect(clippy::print_stderr, reason = "what runs now is for people")]
pub(crate) fn run(program: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let line = format!("{program} {}", arguments.join(" "));
    eprintln!("▶ {line}");
    let start = Instant::now();
    let status = Command::new(program)
        .args(arguments)
        .current_dir(crate::root())
        .status()
        .with_context(|| format!("could not start {program}"))?;
    if !status.success() {
        bail!("`{line}` failed with {status}");
    }
    eprintln!("  done in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// What a program prints, in a folder.
///
/// # Errors
/// When it cannot be started or fails.
pub(crate) fn output(folder: &Path, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .with_context(|| format!("could not start {program}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {} failed: {said}", arguments.join(" "));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program is there.
pub(crate) fn has(program: &str, argument: &str) -> bool {
    let found = Command::new(program).arg(argument).output();
    found.is_ok_and(|output| output.status.success())
}
