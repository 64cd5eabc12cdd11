//! Finds out what a folder is and renders it: plain YAML and JSON, and by crates of their own
//! Kustomize overlays and Helm charts, joined here: overlays inflate charts, and charts are
//! post-rendered. Several sources are read as one tree.
//!
//! Pure. It must not know where files come from, nor what is done with the objects.
//!
//! ```text
//! folder ─detect─▶ Renderer ─render─▶ Rendered { objects with file and line, Trace of what was read }
//!                                └──▶ Missing: fetch it, add it to the Supplies, and call again
//! ```

mod bases;
mod chart;
mod detect;
mod filter;
mod lookup;
mod mounts;
mod overlay;
mod overrides;
mod plain;
mod restart;
mod supplies;
mod trace;
mod unseal;

#[cfg(test)]
mod tests;

pub use bases::Bases;
pub use chart::default_api_versions;
pub use detect::{Renderer, detect};
pub use holdfast_helm::{Chart, Error as ChartError, is_exact, load_archive, newest};
pub use holdfast_kustomize::{Fetched as FetchedFiles, RepositoryFolder, repository_folder};
pub use lookup::{Live, LookupSource, Snapshot, Unanswered};
pub use mounts::{Mount, below, join};
pub use restart::{CONTENT_ANNOTATION, uses};
pub use supplies::{Charts, Fetched, Kept, Supplies};
pub use trace::{Trace, Traced, told};
pub use unseal::{Unseal, Unsealer};

use std::sync::Arc;

use holdfast_model::artifact::{BlobError, Blobs, TreePath};
use holdfast_model::digest::{Digest, Hasher};
use holdfast_model::external::External;
use holdfast_model::lookup::Lookup;
use holdfast_model::object::{Object, Origin};
use holdfast_model::secret::DigestKey;
use holdfast_model::stack::{HelmChoice, RenderChoice};
use holdfast_model::time::Time;

/// What a folder rendered to.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The objects, in the order in which they were written.
    pub objects: Vec<Object>,
    /// What was read for them: as long as it is the same, so is the result.
    pub trace: Arc<Trace>,
    /// Whether values that must not be shown are among the objects: those of a Secret, or what was
    /// made of one that was looked up. Such a render is not written to a disk.
    pub sensitive: bool,
}

impl Rendered {
    /// The same, in which pods of workloads carry a digest by `key` of the Secrets and ConfigMaps among
    /// the objects that they use, so that they restart when those change. `namespace` is that of objects
    /// that name none.
    #[must_use]
    pub fn restarting(mut self, key: &Arc<DigestKey>, namespace: &str) -> Self {
        self.objects = restart::restarting(self.objects, key, namespace);
        self
    }

    /// The same, whose digests tell nothing of values that must not be shown: where there are such,
    /// those of all objects are by `key`, since any of them may have been made of one.
    #[must_use]
    pub fn sealed(mut self, key: &Arc<DigestKey>) -> Self {
        if self.sensitive {
            let objects = self.objects.into_iter();
            self.objects = objects.map(|object| object.sealed(key)).collect();
        }
        self
    }
}

/// What a render is told of the world: everything that is not in the files.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Setting {
    /// The Stack's name, which is a release's name unless something else is said.
    pub name: String,
    /// The namespace of objects that name none.
    pub namespace: String,
    /// Whether nothing of the Stack has been applied before.
    pub is_install: bool,
    /// The time that charts are told.
    pub now: Time,
    /// What everything random is derived from; secret.
    pub entropy: [u8; 32],
    /// The target's version, such as `v1.37.2`; a default when nobody has asked.
    pub kube_version: Option<String>,
    /// The target's API versions; defaults when nobody has asked.
    pub api_versions: Vec<String>,
    /// Who answers what charts look up; nobody by default, and then nothing is found.
    pub lookups: LookupSource,
    /// Who opens what is sealed; nobody by default, and then it is read as it is.
    pub unsealer: Unsealer,
}

impl std::fmt::Debug for Setting {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Setting({} in {})", self.name, self.namespace)
    }
}

/// The most objects that one Stack renders to.
pub const OBJECT_LIMIT: usize = 20_000;
/// The most bytes that one Stack's files hold together.
pub const BYTE_LIMIT: usize = 64 << 20;

/// Why a folder could not be rendered.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The folder is not there.
    #[error("the repository has no folder `{path}`")]
    NoFolder {
        /// What the Stack names.
        path: TreePath,
    },
    /// Some files cannot be used. All of them are told at once.
    #[error("{} of the files cannot be used", faults.len())]
    Faults {
        /// What is wrong, and where.
        faults: Vec<Fault>,
    },
    /// A chart that has looked something up cannot be used. It may be when the cluster answers
    /// otherwise.
    #[error("{} of the files cannot be used as the cluster is", faults.len())]
    Unsettled {
        /// What is wrong, and where.
        faults: Vec<Fault>,
        /// What was looked up.
        looked_up: Vec<Lookup>,
    },
    /// The cluster could not be asked for what a chart looks up; trying again may help.
    #[error("a lookup was not answered: {message}")]
    Unanswered {
        /// What happened, without values of objects.
        message: String,
    },
    /// What it reads from outside of its source has to be fetched first, and given with the
    /// supplies of another call.
    #[error("it reads {} from outside of its source", list(.0))]
    Missing(Vec<External>),
    /// There is more than one Stack may hold.
    #[error("the folder renders to more than {limit} {what}")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
    },
    /// A pattern of the Stack is none.
    #[error("`{glob}` in {field} is no glob: {message}")]
    BadGlob {
        /// The pattern.
        glob: String,
        /// The field of the Stack.
        field: &'static str,
        /// What is wrong.
        message: String,
    },
    /// The storage behind the files failed; trying again may help.
    #[error("{0}")]
    Storage(BlobError),
}

impl Error {
    /// What is wrong in files, where that is what failed.
    pub fn faults(&self) -> &[Fault] {
        match self {
            Self::Faults { faults } | Self::Unsettled { faults, .. } => faults,
            _ => &[],
        }
    }

    /// Whether the same commit may render later although nothing of it has changed.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Storage(_) | Self::Unsettled { .. } | Self::Unanswered { .. }
        )
    }
}

/// One thing that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub origin: Origin,
    /// What, without values of the file.
    pub message: String,
    /// What a person can do.
    pub hint: Option<String>,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.origin, self.message)
    }
}

/// Renders a folder.
///
/// # Errors
/// [`Error::Missing`] when something has to be fetched: add it to the supplies and call again. The
/// others say what cannot be used, with file and line; nothing is rendered in part.
pub fn render(
    blobs: &dyn Blobs,
    folder: &TreePath,
    choice: &RenderChoice,
    setting: &Setting,
    supplies: &Supplies,
) -> Result<Rendered, Error> {
    refuse_idle_globs(folder, choice)?;
    let unseal = setting.unsealer.get();
    let traced = Traced::filtered(blobs, filter::Filter::of(folder, choice)?).opening(unseal);
    let rendered = rendered(&traced, folder, choice, setting, supplies);
    let objects = match (rendered, unseal) {
        (Ok(mut objects), Some(unseal)) => {
            let finished = unseal::finish(unseal, &mut objects, &setting.namespace);
            if finished.map_err(|error| unseal::hide(unseal, error))? {
                traced.note_opened();
            }
            objects
        }
        (Err(error), Some(unseal)) => return Err(unseal::hide(unseal, error)),
        (rendered, None) => rendered?,
    };
    let trace = traced.finish();
    let objects = match unseal.filter(|_| trace.has_opened()) {
        Some(unseal) => unseal::mark(unseal, objects),
        None => objects,
    };
    Ok(Rendered {
        sensitive: trace.is_sensitive() || objects.iter().any(Object::is_sensitive),
        objects,
        trace: Arc::new(trace),
    })
}

fn rendered(
    traced: &Traced<'_>,
    folder: &TreePath,
    choice: &RenderChoice,
    setting: &Setting,
    supplies: &Supplies,
) -> Result<Vec<Object>, Error> {
    match detect(traced, folder, choice)? {
        Renderer::Plain => plain::render(traced, folder, choice),
        Renderer::Kustomize => {
            let choice = choice.kustomize.as_ref();
            overlay::render(traced, folder, choice, setting, supplies)
        }
        Renderer::Helm => chart::render(traced, folder, choice, setting, supplies),
    }
}

/// Refuses globs that nothing would follow.
fn refuse_idle_globs(folder: &TreePath, choice: &RenderChoice) -> Result<(), Error> {
    let (has_include, has_exclude) = (!choice.include.is_empty(), !choice.exclude.is_empty());
    let (message, hint) = if choice.helm.chart.is_some() && (has_include || has_exclude) {
        (
            "spec.render.include and spec.render.exclude choose among the files of the folder, and \
             the chart comes from a repository",
            "leave them out, or commit the chart",
        )
    } else if has_include && choice.helm != HelmChoice::default() {
        (
            "spec.render.include makes the folder one of plain files, of which spec.render.helm says \
             nothing",
            "leave one of them out; spec.render.exclude hides files of a chart",
        )
    } else {
        return Ok(());
    };
    Err(Error::Faults {
        faults: vec![Fault {
            origin: Origin {
                path: folder.clone(),
                line: 0,
            },
            message: message.to_owned(),
            hint: Some(hint.to_owned()),
        }],
    })
}

fn list(externals: &[External]) -> String {
    let all: Vec<String> = externals.iter().map(ToString::to_string).collect();
    all.join(", ")
}

/// A digest of what was rendered: of each object, in order.
pub fn digest(objects: &[Object]) -> Digest {
    let mut hasher = Hasher::new("rendered");
    for object in objects {
        hasher.field(object.digest().as_bytes());
    }
    hasher.finish()
}
