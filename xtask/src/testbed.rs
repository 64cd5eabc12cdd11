//! `cargo xtask testbed`: builds the real control plane that scenarios run on, from Go modules, and
//! fetches helm, sshd and OpenBao, once.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::run::{has, output, run};

/// The programs, and the Go packages that they are.
const PROGRAMS: [(&str, &str); 5] = [
    ("etcd", "go.etcd.io/etcd/server/v3"),
    ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    (
        "kube-controller-manager",
        "k8s.io/kubernetes/cmd/kube-controller-manager",
    ),
    ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
    ("kwok", "sigs.k8s.io/kwok/cmd/kwok"),
];
const VERSION: &str = "v1.37.2";

/// Where the programs are put: in the user's cache folder.
pub(crate) fn programs() -> anyhow::Result<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| home.map(|home| home.join(".cache")));
    Ok(cache
        .context("neither XDG_CACHE_HOME nor HOME is set")?
        .join("holdfast/testbed/bin"))
}

/// Whether a Go toolchain is there.
pub(crate) fn can_build() -> bool {
    has("go", "version")
}

/// Builds the control plane and fetches helm, sshd and OpenBao, where those can be had.
///
/// # Errors
/// When the control plane cannot be built.
#[expect(clippy::print_stdout, reason = "what is left out is for people")]
pub(crate) fn prepare() -> anyhow::Result<()> {
    build()?;
    if let Some(reason) = crate::helm::fetch(&programs()?)? {
        println!("left out: helm: {reason}");
    }
    if let Some(reason) = crate::sshd::fetch(&programs()?)? {
        println!("left out: sshd: {reason}");
    }
    if let Some(reason) = crate::openbao::fetch(&programs()?)? {
        println!("left out: OpenBao: {reason}");
    }
    Ok(())
}

/// Builds what is missing: some eight minutes on two cores the first time, nothing afterwards.
///
/// # Errors
/// When Go is missing or a build fails.
pub(crate) fn build() -> anyhow::Result<()> {
    let folder = programs()?;
    std::fs::create_dir_all(&folder)?;
    let module = crate::root().join("testbed/kubernetes");
    let stamp = folder.join("go.sum");
    let wanted = std::fs::read(module.join("go.sum"))?;
    let is_current = std::fs::read(&stamp).is_ok_and(|built| built == wanted);
    let is_there = PROGRAMS.iter().all(|(name, _)| folder.join(name).exists());
    if is_current && is_there {
        return Ok(());
    }
    anyhow::ensure!(
        can_build(),
        "a Go toolchain is needed to build the real control plane"
    );
    let flags = link_flags();
    for (name, package) in PROGRAMS {
        go_build(&module, package, &flags, &folder.join(name))?;
    }
    let version = output(&folder, "./kubectl", &["version", "--client"])?;
    anyhow::ensure!(version.contains(VERSION), "kubectl says {version}");
    std::fs::write(stamp, wanted)?;
    Ok(())
}

/// Builds a package of a Go module, with flags for its linker.
///
/// # Errors
/// When the build fails.
pub(crate) fn go_build(
    module: &Path,
    package: &str,
    flags: &str,
    out: &Path,
) -> anyhow::Result<()> {
    let (module, out) = (module.display().to_string(), out.display().to_string());
    // Without cgo the programs depend on nothing of the machine, and need no C compiler.
    let arguments = [
        "CGO_ENABLED=0",
        "go",
        "-C",
        &module,
        "build",
        "-trimpath",
        "-ldflags",
        flags,
        "-o",
        &out,
        package,
    ];
    run("env", &arguments)
}

/// Walks at random on clusters in memory.
///
/// # Errors
/// What the auditor finds.
pub(crate) fn soak(rest: &[&str]) -> anyhow::Result<()> {
    let mut arguments = vec!["run", "--quiet", "--package", "holdfast-testbed"];
    arguments.extend(["--bin", "soak", "--"]);
    arguments.extend(rest);
    run("cargo", &arguments)
}

/// Runs a program of the test bed that plays something on a real API server.
///
/// # Errors
/// When that cannot be built, or the program finds a difference.
pub(crate) fn beside_real(program: &str, rest: &[&str]) -> anyhow::Result<()> {
    build()?;
    let mut arguments = vec!["run", "--quiet", "--package", "holdfast-testbed"];
    arguments.extend(["--bin", program, "--"]);
    arguments.extend(rest);
    run("cargo", &arguments)
}

/// Runs one of the benches that measure beside a real kube-apiserver.
///
/// # Errors
/// When it cannot be built, or a Stack does not get ready.
pub(crate) fn bench(name: &str, counts: &[&str]) -> anyhow::Result<()> {
    build()?;
    let release = [
        "build",
        "--quiet",
        "--release",
        "--package",
        "holdfast-testbed",
        "--bins",
    ];
    run("cargo", &release)?;
    let mut arguments = vec![
        "run",
        "--quiet",
        "--release",
        "--package",
        "holdfast-testbed",
    ];
    arguments.extend(["--bin", name, "--"]);
    arguments.extend(counts);
    run("cargo", &arguments)
}

/// Says the version inside the programs, as their own builds do: clients ask for it.
fn link_flags() -> String {
    let packages = [
        "k8s.io/component-base/version",
        "k8s.io/client-go/pkg/version",
    ];
    let mut flags = "-s -w".to_owned();
    for package in packages {
        for (name, value) in [
            ("gitVersion", VERSION),
            ("gitMajor", "1"),
            ("gitMinor", "37"),
            ("gitTreeState", "archive"),
            ("buildDate", "1970-01-01T00:00:00Z"),
        ] {
            flags.push_str(&format!(" -X {package}.{name}={value}"));
        }
    }
    flags
}
