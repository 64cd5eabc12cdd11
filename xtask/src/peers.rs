//! The engines that are measured beside Holdfast, built once from their Go modules. Only
//! `cargo xtask bench peers` needs them; no test does.

use std::path::Path;

use crate::run::{has, output};
use crate::testbed::{can_build, go_build, programs};

/// A Go module of ours, the programs that it builds, and the files of manifests that they come with.
struct Engine {
    module: &'static str,
    /// Names, the Go packages that they are, and what they are told of themselves when linked.
    programs: &'static [(&'static str, &'static str, &'static str)],
    /// A file of ours, and the modules and folders whose manifests it holds.
    manifests: (&'static str, &'static [(&'static str, &'static str)]),
}

const ENGINES: [Engine; 2] = [
    Engine {
        module: "testbed/peers/argocd",
        programs: &[(
            "argocd",
            ".",
            "-s -w -X github.com/argoproj/argo-cd/v3/common.version=3.2.11",
        )],
        manifests: (
            "argocd.yaml",
            &[
                ("github.com/argoproj/argo-cd/v3", "manifests/crds"),
                ("github.com/argoproj/argo-cd/v3", "manifests/base/config"),
            ],
        ),
    },
    Engine {
        module: "testbed/peers/flux",
        programs: &[
            (
                "source-controller",
                "github.com/fluxcd/source-controller",
                "-s -w",
            ),
            (
                "kustomize-controller",
                "github.com/fluxcd/kustomize-controller",
                "-s -w",
            ),
        ],
        manifests: (
            "flux.yaml",
            &[
                ("github.com/fluxcd/source-controller", "config/crd/bases"),
                ("github.com/fluxcd/kustomize-controller", "config/crd/bases"),
            ],
        ),
    },
];

/// Builds what is missing, and says what it does not build: some ten minutes on two cores the first
/// time, nothing afterwards.
///
/// # Errors
/// When Go is missing or a build fails.
#[expect(clippy::print_stderr, reason = "what is missing is for people")]
pub(crate) fn build() -> anyhow::Result<()> {
    let folder = programs()?;
    std::fs::create_dir_all(&folder)?;
    for engine in &ENGINES {
        engine.build(&folder)?;
    }
    if !has("redis-server", "--version") {
        eprintln!(
            "Argo CD needs the program redis-server, which is not there; on Debian `apt-get install \
             redis-server` brings it. Without it Argo CD is left out."
        );
    }
    Ok(())
}

impl Engine {
    fn build(&self, folder: &Path) -> anyhow::Result<()> {
        let module = crate::root().join(self.module);
        let (manifests, sources) = self.manifests;
        let stamp = folder.join(format!("{manifests}.go.sum"));
        let wanted = std::fs::read(module.join("go.sum"))?;
        let is_current = std::fs::read(&stamp).is_ok_and(|built| built == wanted);
        let mut files = self
            .programs
            .iter()
            .map(|(name, ..)| *name)
            .chain([manifests]);
        if is_current && files.all(|name| folder.join(name).exists()) {
            return Ok(());
        }
        anyhow::ensure!(
            can_build(),
            "a Go toolchain is needed to build what Holdfast is measured beside"
        );
        for (name, package, flags) in self.programs {
            go_build(&module, package, flags, &folder.join(name))?;
        }
        let mut all = Vec::new();
        for (source, path) in sources {
            let place = output(&module, "go", &["list", "-m", "-f", "{{.Dir}}", source])?;
            all.extend(read(&Path::new(place.trim()).join(path))?);
        }
        std::fs::write(folder.join(manifests), all.join("\n---\n"))?;
        std::fs::write(stamp, wanted)?;
        Ok(())
    }
}

/// The manifests of a folder, in the order of their names.
fn read(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let is_yaml = path.extension().is_some_and(|end| end == "yaml");
        // The list of the others is no manifest.
        if is_yaml && path.file_stem().is_some_and(|name| name != "kustomization") {
            paths.push(path);
        }
    }
    paths.sort();
    let texts = paths.iter().map(std::fs::read_to_string);
    Ok(texts.collect::<Result<_, _>>()?)
}
