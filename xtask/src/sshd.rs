//! The real server of OpenSSH, for scenarios that fetch over ssh: taken once from Debian's packages
//! without installing them, and kept beside the programs of the real control plane.

use std::path::Path;

use anyhow::Context as _;

use crate::run::{has, output};

/// What the program has to say that it is.
const VERSION: &str = "OpenSSH_9.2";

/// What is taken from the packages: where it lies there, and what it is called here.
const FILES: [(&str, &str); 2] = [
    ("usr/lib/x86_64-linux-gnu/libwrap.so.0", "libwrap.so.0"),
    ("usr/sbin/sshd", "sshd"),
];

/// Why it could not be had; nothing when it is there, in `folder`.
///
/// # Errors
/// When the machine's disk cannot be used.
pub(crate) fn fetch(folder: &Path) -> anyhow::Result<Option<String>> {
    let list = crate::root().join("testbed/ssh/packages.txt");
    let wanted = std::fs::read_to_string(&list)
        .with_context(|| format!("could not read {}", list.display()))?;
    let stamp = folder.join("sshd.txt");
    let is_there = FILES.iter().all(|(_, name)| folder.join(name).exists());
    if is_there && std::fs::read_to_string(&stamp).is_ok_and(|had| had == wanted) {
        return Ok(None);
    }
    for program in ["apt-get", "dpkg-deb", "sha256sum"] {
        if !has(program, "--version") {
            return Ok(Some(format!("there is no {program} to fetch it")));
        }
    }
    let packages = folder.join("sshd-packages");
    std::fs::create_dir_all(&packages)?;
    let fetched = download(&wanted, &packages, folder);
    std::fs::remove_dir_all(&packages)?;
    match fetched {
        Ok(()) => {
            std::fs::write(stamp, wanted)?;
            Ok(None)
        }
        Err(error) => Ok(Some(format!("{error:#}"))),
    }
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
    for (path, name) in FILES {
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
