//! `cargo xtask test`: everything that must hold, in the order in which a failure is cheapest.

use anyhow::bail;

use crate::run::{output, run};
use crate::{corpus, helm, openbao, root, sshd, testbed, tidy};

/// Formatting, lints, tidy and all tests. CI may not leave out the real control plane, which is
/// built from what is committed; helm, sshd and OpenBao come from package registries, which may be away.
///
/// # Errors
/// The first thing that does not hold.
#[expect(
    clippy::print_stdout,
    reason = "what was left out is for people and for CI"
)]
pub(crate) fn test() -> anyhow::Result<()> {
    let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
    let mut left_out = Vec::new();
    run("cargo", &["fmt", "--all", "--check"])?;
    tidy::tidy(root())?;
    let lints = [
        "clippy",
        "--workspace",
        "--all-targets",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ];
    run("cargo", &lints)?;
    if testbed::can_build() {
        testbed::build()?;
    } else {
        let reason = "scenarios on a real kube-apiserver: there is no Go toolchain to build it";
        left_out.push(reason.to_owned());
    }
    if let Some(reason) = helm::fetch(&testbed::programs()?)? {
        left_out.push(format!("scenarios with the real helm: {reason}"));
    }
    if let Some(reason) = sshd::fetch(&testbed::programs()?)? {
        left_out.push(format!("scenarios with a real sshd: {reason}"));
    }
    if let Some(reason) = openbao::fetch(&testbed::programs()?)? {
        left_out.push(format!("scenarios with a real OpenBao: {reason}"));
    }
    check_crds()?;
    run("cargo", &["test", "--workspace", "--quiet"])?;
    if root().join(corpus::CORPUS).exists() {
        corpus::run_kind("kustomize")?;
        corpus::run_kind("helm")?;
    } else {
        let reason = "the corpus of charts and overlays: it is not beside the project";
        left_out.push(reason.to_owned());
    }
    for reason in &left_out {
        println!("left out: {reason}");
    }
    if is_ci
        && left_out
            .iter()
            .any(|reason| reason.contains("kube-apiserver"))
    {
        bail!("CI leaves nothing out");
    }
    println!("all that was run has passed");
    Ok(())
}

const CRDS: &str = "deploy/crds.yaml";

fn printed_crds() -> anyhow::Result<String> {
    output(
        &root(),
        "cargo",
        &["run", "--quiet", "--package", "holdfast", "--", "crds"],
    )
}

/// Writes the committed definitions anew.
///
/// # Errors
/// When they cannot be printed or written.
pub(crate) fn write_crds() -> anyhow::Result<()> {
    Ok(std::fs::write(root().join(CRDS), printed_crds()?)?)
}

/// The committed definitions are what the program prints.
fn check_crds() -> anyhow::Result<()> {
    let committed = std::fs::read_to_string(root().join(CRDS))?;
    if committed != printed_crds()? {
        bail!("{CRDS} is not what `holdfast crds` prints; run cargo xtask crds");
    }
    Ok(())
}
