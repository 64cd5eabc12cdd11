//! Finds out what a folder is and renders it: plain YAML and JSON, and by crates of their own
//! Kustomize overlays and Helm charts, joined here.
//!
//! Pure. It must not know where files come from, nor what is done with the objects.
//!
//! ```text
//! folder ─detect─▶ Renderer ─render─▶ Rendered { objects with file and line, Trace of what was read }
//! ```

mod detect;
mod overlay;
mod plain;
mod trace;

#[cfg(test)]
mod tests;

pub use detect::{Renderer, detect};
pub use trace::{Trace, Traced};

use holdfast_model::artifact::{BlobError, Blobs, TreePath};
use holdfast_model::digest::{Digest, Hasher};
use holdfast_model::object::{Object, Origin};
use holdfast_model::stack::RenderChoice;

/// What a folder rendered to.
#[derive(Clone, Debug)]
pub struct Rendered {
    /// The objects, in the order in which they were written.
    pub objects: Vec<Object>,
    /// What was read for them: as long as it is the same, so is the result.
    pub trace: Trace,
    /// Whether values that must not be shown are among the objects.
    pub sensitive: bool,
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
    /// The folder is of a sort that is not rendered.
    #[error("`{path}` is {what}, which cannot be rendered yet")]
    Unsupported {
        /// The folder.
        path: TreePath,
        /// What it is.
        what: &'static str,
    },
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
/// [`Error`] says what cannot be used, with file and line; nothing is rendered in part.
pub fn render(
    blobs: &dyn Blobs,
    folder: &TreePath,
    choice: &RenderChoice,
) -> Result<Rendered, Error> {
    let traced = Traced::new(blobs);
    let objects = match detect(&traced, folder, choice)? {
        Renderer::Plain => plain::render(&traced, folder, choice)?,
        Renderer::Kustomize => overlay::render(&traced, folder)?,
        Renderer::Helm => {
            let path = folder.clone();
            let what = "a Helm chart";
            return Err(Error::Unsupported { path, what });
        }
    };
    Ok(Rendered {
        sensitive: objects.iter().any(Object::is_sensitive),
        objects,
        trace: traced.finish(),
    })
}

/// A digest of what was rendered: of each object, in order.
pub fn digest(objects: &[Object]) -> Digest {
    let mut hasher = Hasher::new("rendered");
    for object in objects {
        hasher.field(object.digest().as_bytes());
    }
    hasher.finish()
}
