//! The real server of OpenSSH, for scenarios that fetch over ssh: taken once from Debian's packages
//! without installing them, and kept beside the programs of the real control plane.

use std::path::Path;

use anyhow::Context as _;

use crate::part::Part;
use crate::run::output;

/// What the program has to say that it is.
const VERSION: &str = "OpenSSH_9.2";

/// Where the files lie in the packages.
const PLACES: [&str; 2] = ["usr/lib/x86_64-linux-gnu/libwrap.so.0", "usr/sbin/sshd"];

const SSHD: Part = Part {
    name: "sshd",
    list: "testbed/ssh/packages.txt",
    files: &["libwrap.so.0", "sshd"],
    tools: &["apt-get", "dpkg-deb", "sha256sum"],
};

/// Why it could not be had; nothing when it is there, in `folder`.
///
/// # Errors
/// When the machine's disk cannot be used.
pub(crate) fn fetch(folder: &Path) -> anyhow::Result<Option<String>> {
    SSHD.fetch(folder, |list, packages| {
        download(&std::fs::read_to_string(list)?, packages, folder)
    })
}

/// Downloads the packages of a list of checksums and file names, compares them, and unpacks them.
fn download(list: &str, packages: &Path, folder: &Path) -> anyhow::Result<()> {
    for file in list.lines().filter_map(|line| line.split("  ").nth(1)) {
        let mut parts = file.split('_');
        let (name, version) = (parts.next(), parts.next());
        let (name, version) = name.zip(version).context("a package has a version")?;
        let package = format!("{name}={}", version.replace("%3a", ":"));
        output(packages, "apt-get", &["download", "--quiet", &package])?;
    }
    std::fs::write(packages.join("SHA256SUMS"), list)?;
    output(
        packages,
        "sha256sum",
        &["--check", "--strict", "SHA256SUMS"],
    )?;
    let unpacked = packages.join("unpacked");
    for file in list.lines().filter_map(|line| line.split("  ").nth(1)) {
        let file = packages.join(file).display().to_string();
        output(
            packages,
            "dpkg-deb",
            &["-x", &file, &unpacked.display().to_string()],
        )?;
    }
    let libraries = format!("LD_LIBRARY_PATH={}", folder.display());
    for (path, name) in PLACES.iter().zip(SSHD.files) {
        let fresh = folder.join(format!("{name}.fresh"));
        std::fs::copy(unpacked.join(path), &fresh)?;
        std::fs::rename(fresh, folder.join(name))?;
    }
    // It says its version as a mistake.
    let command = format!("{libraries} '{}/sshd' -V 2>&1 || true", folder.display());
    let version = output(folder, "sh", &["-c", &command])?;
    anyhow::ensure!(version.contains(VERSION), "sshd says {version}");
    Ok(())
}
