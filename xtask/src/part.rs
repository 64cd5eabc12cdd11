//! Real programs for scenarios that are taken once from somebody's packages, and kept beside those of the
//! real control plane. It must not know how they are packed.

use std::path::Path;

use anyhow::Context as _;

use crate::run::{has, run};

/// What is taken.
pub(crate) struct Part {
    /// What it is called.
    pub(crate) name: &'static str,
    /// The list of its packages with their checksums, from the project's root.
    pub(crate) list: &'static str,
    /// The files that it comes to.
    pub(crate) files: &'static [&'static str],
    /// The programs that take it.
    pub(crate) tools: &'static [&'static str],
}

impl Part {
    /// Why it could not be had; nothing when it is there, in `folder`. What `download` gets is the path of
    /// the list and an empty folder for packages, which goes afterwards.
    ///
    /// # Errors
    /// When the machine's disk cannot be used.
    pub(crate) fn fetch(
        &self,
        folder: &Path,
        download: impl FnOnce(&Path, &Path) -> anyhow::Result<()>,
    ) -> anyhow::Result<Option<String>> {
        let Self { name, files, .. } = self;
        let list = crate::root().join(self.list);
        let wanted =
            std::fs::read(&list).with_context(|| format!("could not read {}", list.display()))?;
        let stamp = folder.join(format!("{name}.txt"));
        let is_there = files.iter().all(|file| folder.join(file).exists());
        if is_there && std::fs::read(&stamp).is_ok_and(|had| had == wanted) {
            return Ok(None);
        }
        if let Some(missing) = self.tools.iter().find(|tool| !has(tool, "--version")) {
            return Ok(Some(format!("there is no {missing} to fetch it")));
        }
        let packages = folder.join(format!("{name}-packages"));
        std::fs::create_dir_all(&packages)?;
        let fetched = download(&list, &packages);
        std::fs::remove_dir_all(&packages)?;
        match fetched {
            Ok(()) => {
                std::fs::write(stamp, wanted)?;
                Ok(None)
            }
            Err(error) => Ok(Some(format!("{error:#}"))),
        }
    }
}

/// Downloads the Python packages of a list, which pip compares with its checksums.
///
/// # Errors
/// When they cannot be had.
pub(crate) fn pip(list: &Path, packages: &Path) -> anyhow::Result<()> {
    let (list, packages) = (list.display().to_string(), packages.display().to_string());
    let arguments = [
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary=:all:",
        "--require-hashes",
        "--requirement",
        &list,
        "--dest",
        &packages,
    ];
    run("pip", &arguments)
}
