//! Several sources as one tree: the files of a Stack's own source, and those of its other sources
//! below `$NAME`. What a render reads of any of them stands in its trace by that path. It must not
//! know what is rendered.

use std::sync::Arc;

use holdfast_model::artifact::{BlobError, Blobs, Entry, EntryKind, TreePath};
use holdfast_model::digest::Digest;

/// A source beside the one that is rendered.
#[derive(Clone)]
pub struct Mount {
    /// What it is called, without the `$`.
    pub name: String,
    /// Its files.
    pub blobs: Arc<dyn Blobs>,
    /// The folder of it that the name stands for.
    pub folder: TreePath,
}

/// The files of `own`, and those of other sources below their names; `own` itself where there are
/// no others. A folder of `own` with the name of another source is not seen.
pub fn join(own: Arc<dyn Blobs>, others: Vec<Mount>) -> Arc<dyn Blobs> {
    if others.is_empty() {
        return own;
    }
    Arc::new(Joined { own, others })
}

/// The path below the other source that is called `name`; `None` where it lies elsewhere.
pub fn below<'a>(path: &'a TreePath, name: &str) -> Option<&'a str> {
    let rest = path.as_str().strip_prefix('$')?.strip_prefix(name)?;
    match rest.strip_prefix('/') {
        Some(rest) => Some(rest),
        None => rest.is_empty().then_some(""),
    }
}

struct Joined {
    own: Arc<dyn Blobs>,
    others: Vec<Mount>,
}

impl Joined {
    /// Asks the source that has a path, and says in what is wrong how the path was written.
    fn ask<T>(
        &self,
        path: &TreePath,
        question: impl Fn(&dyn Blobs, &TreePath) -> Result<T, BlobError>,
    ) -> Result<T, BlobError> {
        let mut others = self.others.iter();
        let found = others.find_map(|other| Some((other, below(path, &other.name)?)));
        let Some((other, rest)) = found else {
            return question(&*self.own, path);
        };
        // A path has no `..` in it, so it stays below the folder.
        let inner = other.folder.join(rest).unwrap_or_default();
        question(&*other.blobs, &inner).map_err(|error| at(error, path))
    }
}

fn at(error: BlobError, path: &TreePath) -> BlobError {
    let path = path.clone();
    match error {
        BlobError::Absent { .. } => BlobError::Absent { path },
        BlobError::TooLarge { size, limit, .. } => BlobError::TooLarge { path, size, limit },
        BlobError::BadLink { problem, .. } => BlobError::BadLink { path, problem },
        BlobError::Sealed { problem, .. } => BlobError::Sealed { path, problem },
        BlobError::Storage { message, .. } => BlobError::Storage { path, message },
    }
}

impl Blobs for Joined {
    fn read(&self, path: &TreePath) -> Result<Arc<[u8]>, BlobError> {
        self.ask(path, |blobs, path| blobs.read(path))
    }

    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, BlobError> {
        self.ask(path, |blobs, path| blobs.list(path))
    }

    fn identity(&self, path: &TreePath) -> Result<Option<Digest>, BlobError> {
        self.ask(path, |blobs, path| blobs.identity(path))
    }

    fn kind(&self, path: &TreePath) -> Result<Option<EntryKind>, BlobError> {
        self.ask(path, |blobs, path| blobs.kind(path))
    }

    fn is_direct(&self, path: &TreePath) -> bool {
        self.ask(path, |blobs, path| Ok(blobs.is_direct(path)))
            .unwrap_or_default()
    }
}
