//! Kustomize overlays: `kustomize build` of version 5.8.1, as a function of a tree of files. Pure.
//!
//! ```text
//! folder ─load─▶ Kustomization ─accumulate─▶ Resources ─hash, fix references, vars─▶ sort ─▶ Built
//!                  │   ▲
//!                  └───┘ resources, bases and components, each with its own kustomization
//! ```
//! It must not know where files come from, how charts are rendered, or what is done with objects.

mod config;
mod crds;
mod decode;
mod fields;
mod file;
mod generate;
mod hash;
mod helm;
mod images;
mod jsonpatch;
mod load;
mod merge;
mod node;
mod order;
mod origin;
mod overrides;
mod patch;
mod plugins;
mod read;
mod references;
mod replacement;
mod repository;
mod resource;
mod resources;
mod selector;
mod substitute;
mod tables;
mod target;
mod transform;
mod value;
mod value_add;
mod vars;

#[cfg(test)]
mod tests;

use holdfast_model::Value;
use holdfast_model::artifact::{Blobs, TreePath};
use holdfast_model::object::Origin;

pub use helm::{HelmChartRequest, HelmRenderer};
pub use load::{Fetched, LoadRestriction, RemoteReference, Remotes};
pub use order::Order;
pub use overrides::{
    Existing, FILE_NAMES, ImageOverride, LabelScope, Overrides, PatchOverride, PatchTarget,
};
pub use repository::{RepositoryFolder, repository_folder};
pub use substitute::{SubstituteError, Unset, substitute, substitute_text};
pub use target::{Base, Bases};

/// How to build.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// Which files a kustomization may read.
    pub restriction: LoadRestriction,
    /// The order of what is printed, where the kustomization says none.
    pub order: Order,
    /// What was fetched for remote references.
    pub remotes: Option<&'a Remotes>,
    /// Renders charts; `helmCharts` are refused without it.
    pub helm: Option<HelmRenderer<'a>>,
    /// Keeps bases that others may have too.
    pub bases: Option<&'a dyn Bases>,
    /// Changes to the kustomization that is built.
    pub overrides: Option<&'a Overrides>,
    /// What a folder without a kustomization means.
    pub absent: Absent,
}

/// What a folder without a kustomization means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Absent {
    /// It is an error, as for Kustomize and Argo CD.
    #[default]
    Refused,
    /// All YAML files in and below it are its resources, as for Flux.
    Generated,
}

/// The result of a build.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Built {
    /// The objects in printed order.
    pub objects: Vec<BuiltObject>,
}

/// An object of a build. `Debug` shows where it was written, not what it holds.
#[derive(Clone, PartialEq)]
pub struct BuiltObject {
    /// What it holds.
    pub value: Value,
    /// The file it was read from, or the folder of the kustomization that generated it.
    pub origin: Origin,
    /// Pointers to the texts that stand in quotes in a file and hold a `$`: whatever takes the place
    /// of a variable in them, they stay texts.
    pub quoted: Vec<String>,
}

impl std::fmt::Debug for BuiltObject {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "BuiltObject(from {})", self.origin)
    }
}

impl Built {
    /// What `kustomize build` prints.
    pub fn to_yaml(&self) -> String {
        let documents: Vec<String> = self
            .objects
            .iter()
            .map(|object| holdfast_yaml::to_yaml(&object.value))
            .collect();
        documents.join("---\n")
    }
}

/// Why a build gives nothing.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// What it reads from outside of its source has to be fetched first.
    #[error("{} remote references have to be fetched first", .0.len())]
    Missing(Vec<RemoteReference>),
    /// Something in a kustomization, or in what it names, is wrong.
    #[error("kustomization in `{folder}`: {field}: {message}")]
    Build {
        /// The folder of the kustomization.
        folder: TreePath,
        /// The field of the kustomization that asked for what failed.
        field: &'static str,
        /// What is wrong.
        message: String,
    },
}

/// Words of messages, which are Kustomize's own, and what a person can do about them.
const HINTS: [(&str, &str); 9] = [
    (
        "cycle detected",
        "remove the reference that leads back, or move what both need into a base of its own",
    ),
    (
        "leaves the source",
        "files have to lie in the same repository; copy them, or name the other repository's address",
    ),
    (
        "security; file",
        "files have to lie in or below the folder of their kustomization",
    ),
    (
        "no matches for Id",
        "compare kind, name and namespace with what renders without the patch, or give it a target",
    ),
    (
        "multiple matches",
        "say more of the target, such as its namespace",
    ),
    (
        "already registered id",
        "keep one of the two, or give them different names or namespaces",
    ),
    (
        "nothing selected by",
        "compare kind and name of the source with what renders without the replacement",
    ),
    (
        "does not apply",
        "compare the path with what renders without the patch; `add` makes what is absent",
    ),
    (
        "the limit is",
        "split the file, or leave out what is not needed",
    ),
];

impl Error {
    /// What a person can do, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        let Self::Build { message, .. } = self else {
            return None;
        };
        let known = HINTS.iter().find(|(words, _)| message.contains(words));
        known.map(|(_, hint)| *hint)
    }
}

/// Builds the kustomization in a folder.
///
/// # Errors
/// [`Error::Missing`] when something has to be fetched: fetch it, add it to the remotes, and call
/// again. [`Error::Build`] names the kustomization and field at fault.
pub fn build(blobs: &dyn Blobs, folder: &TreePath, options: &Options<'_>) -> Result<Built, Error> {
    target::build(blobs, folder, options, None)
}

/// Builds objects that were made elsewhere, such as those of a chart, as if a kustomization in the
/// folder had them as its resources and nothing else but the overrides. Patches and components are
/// looked for from the folder; a kustomization that lies there is not read.
///
/// # Errors
/// As [`build`]; two objects of the same kind and name are refused, as by Kustomize.
pub fn transform(
    blobs: &dyn Blobs,
    folder: &TreePath,
    objects: Vec<BuiltObject>,
    options: &Options<'_>,
) -> Result<Built, Error> {
    target::build(blobs, folder, options, Some(objects))
}
