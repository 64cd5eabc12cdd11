//! `holdfast render`: a folder as a Stack would render it, offline.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use holdfast_model::artifact::TreePath;
use holdfast_model::stack::RenderChoice;
use holdfast_render::{Error, Rendered, Setting};
use holdfast_source::WorkingCopy;

use super::{Global, print};

/// The largest file that is read.
const FILE_LIMIT: u64 = 16 << 20;

/// Render a folder as a Stack would, without a cluster: plain files, an overlay or a chart.
#[derive(Args)]
pub(crate) struct Render {
    /// The folder.
    folder: PathBuf,
    /// The folder that files may come from, such as the root of the repository; found by its
    /// `.git` when left out.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Write above each object where it comes from.
    #[arg(long)]
    origins: bool,
    /// The release's name, where the folder holds a chart.
    #[arg(long, value_name = "NAME", default_value = "release-name")]
    release: String,
    /// A values file of a chart, relative to its folder; later ones over earlier ones.
    #[arg(long = "values", short = 'f', value_name = "FILE")]
    value_files: Vec<String>,
    /// A parameter of a chart, NAME=VALUE; the value is always a text.
    #[arg(long = "set-string", value_name = "NAME=VALUE")]
    parameters: Vec<String>,
}

impl Render {
    pub(crate) fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        let mut choice = RenderChoice::default();
        choice.helm.value_files = self.value_files;
        for parameter in self.parameters {
            let (name, value) = parameter
                .split_once('=')
                .with_context(|| format!("`{parameter}` is not NAME=VALUE"))?;
            choice
                .helm
                .parameters
                .push((name.to_owned(), value.to_owned()));
        }
        let setting = Setting {
            name: self.release,
            namespace: global
                .namespace
                .clone()
                .unwrap_or_else(|| "default".to_owned()),
            is_install: true,
            now: crate::wiring::now(),
            ..Setting::default()
        };
        let rendered = folder(&self.folder, self.root.as_deref(), &choice, &setting)?;
        let documents: Vec<String> = rendered
            .objects
            .iter()
            .map(|object| {
                format!(
                    "# {}\n{}",
                    object.origin,
                    holdfast_yaml::to_yaml(object.value())
                )
            })
            .collect();
        print(&documents.join("---\n"));
        Ok(ExitCode::SUCCESS)
    }
}

/// Renders a folder of a working copy.
pub(crate) fn folder(
    folder: &Path,
    root: Option<&Path>,
    choice: &RenderChoice,
    setting: &Setting,
) -> anyhow::Result<Rendered> {
    let place = folder
        .canonicalize()
        .with_context(|| folder.display().to_string())?;
    let root = match root {
        Some(root) => root
            .canonicalize()
            .with_context(|| root.display().to_string())?,
        None => repository_of(&place).unwrap_or_else(|| place.clone()),
    };
    let relative = place
        .strip_prefix(&root)
        .with_context(|| format!("{} is not in {}", folder.display(), root.display()))?;
    let path = TreePath::parse(&relative.to_string_lossy()).unwrap_or_default();
    let blobs = WorkingCopy::open(&root, FILE_LIMIT)?;
    holdfast_render::render(&blobs, &path, choice, setting).map_err(|error| explained(&error))
}

/// An error with every fault on a line of its own.
pub(crate) fn explained(error: &Error) -> anyhow::Error {
    let mut text = error.to_string();
    if let Error::Faults { faults } = error {
        for fault in faults {
            text.push_str(&format!("\n  {fault}"));
            if let Some(hint) = &fault.hint {
                text.push_str(&format!("\n    hint: {hint}"));
            }
        }
    }
    anyhow::anyhow!("{text}")
}

fn repository_of(folder: &Path) -> Option<PathBuf> {
    folder
        .ancestors()
        .find(|place| place.join(".git").exists())
        .map(Path::to_owned)
}
