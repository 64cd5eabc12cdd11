//! Builds the overlays of the corpus.

use holdfast_kustomize::{LoadRestriction, build};
use holdfast_model::artifact::TreePath;

use crate::Options;
use crate::compare::{Case, run as run_cases};
use crate::disk::DiskBlobs;

/// Builds every overlay and compares; returns how many failed.
pub fn run(options: &Options) -> anyhow::Result<usize> {
    let blobs = DiskBlobs {
        root: options.data.clone(),
    };
    let render = |case: &Case| {
        let folder = TreePath::parse(case.text("dir")).ok_or("the folder leaves the corpus")?;
        let unrestricted = case.list("flags").contains(&"LoadRestrictionsNone");
        let options = holdfast_kustomize::Options {
            restriction: if unrestricted {
                LoadRestriction::None
            } else {
                LoadRestriction::RootOnly
            },
            ..holdfast_kustomize::Options::default()
        };
        let built = build(&blobs, &folder, &options).map_err(|error| error.to_string())?;
        Ok(built.to_yaml())
    };
    run_cases(options, &render)
}
