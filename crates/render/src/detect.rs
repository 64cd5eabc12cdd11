//! What sort of folder a folder is. It must not render.

use holdfast_model::artifact::{BlobError, Blobs, EntryKind, TreePath};
use holdfast_model::stack::RenderChoice;

use crate::Error;

/// How a folder is rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renderer {
    /// YAML and JSON files as they are.
    Plain,
    /// A Kustomize overlay.
    Kustomize,
    /// A Helm chart.
    Helm,
}

/// The names that Kustomize looks for, in its order.
const KUSTOMIZATIONS: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Finds out how a folder is rendered: by a chart where the Stack names one; else an overlay has a
/// kustomization file and a chart `Chart.yaml`. Where a Stack says which files to read, it is plain, or
/// an overlay where it says how one is changed; what is neither is then an overlay of all its files.
///
/// # Errors
/// When the folder is not there or cannot be read.
pub fn detect(
    blobs: &dyn Blobs,
    folder: &TreePath,
    choice: &RenderChoice,
) -> Result<Renderer, Error> {
    if blobs.kind(folder).map_err(Error::Storage)? != Some(EntryKind::Folder) {
        return Err(Error::NoFolder {
            path: folder.clone(),
        });
    }
    if choice.helm.chart.is_some() {
        return Ok(Renderer::Helm);
    }
    if !choice.include.is_empty() {
        return Ok(match choice.kustomize {
            Some(_) => Renderer::Kustomize,
            None => Renderer::Plain,
        });
    }
    let has = |name: &str| -> Result<bool, BlobError> {
        let path = folder.join(name).unwrap_or_default();
        Ok(blobs.kind(&path)? == Some(EntryKind::File))
    };
    for name in KUSTOMIZATIONS {
        if has(name).map_err(Error::Storage)? {
            return Ok(Renderer::Kustomize);
        }
    }
    if has("Chart.yaml").map_err(Error::Storage)? {
        return Ok(Renderer::Helm);
    }
    if choice.kustomize.is_some() {
        return Ok(Renderer::Kustomize);
    }
    Ok(Renderer::Plain)
}
