//! What one revision of a source holds, read lazily: [`TreePath`], [`Blobs`] and an in-memory tree.
//!
//! It must not know where the bytes come from: Git, an archive and a working copy all answer
//! through [`Blobs`].

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// A path inside an artifact: relative, `/`-separated, without `.`, `..` or empty parts.
/// The root is the empty path. Clones share the text.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TreePath(Arc<str>);

impl TreePath {
    /// The root of the artifact.
    pub fn root() -> Self {
        Self::default()
    }

    /// Reads a path that a person wrote, relative to the root. `.` and `..` are resolved;
    /// `None` when it leaves the artifact or holds a NUL byte.
    pub fn parse(text: &str) -> Option<Self> {
        Self::root().join(text.trim_start_matches('/'))
    }

    /// Resolves `relative` against this folder. `None` when the result leaves the artifact,
    /// when `relative` is absolute, or when it holds a NUL byte.
    pub fn join(&self, relative: &str) -> Option<Self> {
        if relative.starts_with('/') || relative.contains('\0') {
            return None;
        }
        let mut parts: Vec<&str> = self.parts().collect();
        for part in relative.split('/') {
            match part {
                "" | "." => {}
                ".." => {
                    parts.pop()?;
                }
                name => parts.push(name),
            }
        }
        Some(Self(parts.join("/").into()))
    }

    /// The parts from the root down; none for the root itself.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|part| !part.is_empty())
    }

    /// The last part; empty for the root.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// The folder that holds this path; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.0.is_empty() {
            return None;
        }
        let parent = self.0.rsplit_once('/').map(|(parent, _)| parent);
        Some(Self(parent.unwrap_or_default().into()))
    }

    /// Whether this is `folder` or lies below it.
    pub fn is_within(&self, folder: &TreePath) -> bool {
        folder.0.is_empty()
            || self
                .0
                .strip_prefix(&*folder.0)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The path as text, without a leading `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TreePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if self.0.is_empty() { "." } else { &self.0 })
    }
}

/// What a name in a folder stands for, symlinks already followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum EntryKind {
    /// Bytes that [`Blobs::read`] returns.
    File,
    /// Names that [`Blobs::list`] returns.
    Folder,
}

/// One name in a folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// The last part of its path.
    pub name: String,
    /// What it stands for.
    pub kind: EntryKind,
}

/// Why a path could not be read.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum BlobError {
    /// Nothing has this path, or it is not of the kind asked for.
    #[error("`{path}` does not exist in the source")]
    Absent {
        /// What was asked for.
        path: TreePath,
    },
    /// The file is larger than the reader's limit.
    #[error("`{path}` has {size} bytes; the limit is {limit}")]
    TooLarge {
        /// What was asked for.
        path: TreePath,
        /// Its size in bytes.
        size: u64,
        /// The most that is read, in bytes.
        limit: u64,
    },
    /// A symlink leads out of the artifact, to nothing, or round in a circle.
    #[error("`{path}` is a symlink that {problem}")]
    BadLink {
        /// The link.
        path: TreePath,
        /// What is wrong, such as `leaves the repository`.
        problem: String,
    },
    /// The file is sealed, and none of the keys at hand opens it, or it was touched.
    #[error("`{path}` is sealed and does not open: {problem}")]
    Sealed {
        /// What was asked for.
        path: TreePath,
        /// Why it does not open, without values, and what to do.
        problem: String,
    },
    /// The storage behind the artifact failed; trying again may help.
    #[error("`{path}` could not be read: {message}")]
    Storage {
        /// What was asked for.
        path: TreePath,
        /// What the storage said.
        message: String,
    },
}

/// A lazily read tree of files: the only way by which pure code sees an artifact.
///
/// Guarantees: answers never change for the life of the reader; entries are sorted by name.
pub trait Blobs: Send + Sync {
    /// The bytes of a file, symlinks followed within the artifact.
    ///
    /// # Errors
    /// [`BlobError::Absent`] for what is no file, and the other variants as they say.
    fn read(&self, path: &TreePath) -> Result<Arc<[u8]>, BlobError>;

    /// The names in a folder, sorted.
    ///
    /// # Errors
    /// [`BlobError::Absent`] for what is no folder, and the other variants as they say.
    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, BlobError>;

    /// A digest that changes when the file, or anything in or below the folder, changes; `None`
    /// when nothing is there. Readers over Git answer from the object id, without reading.
    ///
    /// # Errors
    /// As [`Blobs::read`] and [`Blobs::list`], where the answer takes reading.
    fn identity(&self, path: &TreePath) -> Result<Option<Digest>, BlobError> {
        match self.kind(path)? {
            None => Ok(None),
            Some(EntryKind::File) => Ok(Some(Digest::of_bytes(&self.read(path)?))),
            Some(EntryKind::Folder) => {
                let mut hasher = crate::digest::Hasher::new("folder");
                for entry in self.list(path)? {
                    let child = path.join(&entry.name).unwrap_or_default();
                    hasher.field(entry.name.as_bytes());
                    hasher.field(self.identity(&child)?.unwrap_or_default().as_bytes());
                }
                Ok(Some(hasher.finish()))
            }
        }
    }

    /// What a path stands for; `None` when nothing is there.
    ///
    /// # Errors
    /// [`BlobError::BadLink`] and [`BlobError::Storage`].
    fn kind(&self, path: &TreePath) -> Result<Option<EntryKind>, BlobError>;

    /// Whether every answer about a path comes from that path alone: neither it nor, where it is a
    /// folder, a name in it is a symlink, whose answer is that of another place.
    fn is_direct(&self, _path: &TreePath) -> bool {
        true
    }
}

/// A tree held in memory, for tests, archives and generated sources.
#[derive(Clone, Debug, Default)]
pub struct MemoryBlobs {
    files: BTreeMap<TreePath, Arc<[u8]>>,
    folders: BTreeSet<TreePath>,
}

impl MemoryBlobs {
    /// An empty tree.
    pub fn new() -> Self {
        Self {
            files: BTreeMap::new(),
            folders: BTreeSet::from([TreePath::root()]),
        }
    }

    /// Adds or replaces a file and the folders above it.
    pub fn insert(&mut self, path: TreePath, bytes: impl Into<Arc<[u8]>>) {
        let mut folder = path.parent();
        while let Some(current) = folder {
            folder = current.parent();
            self.folders.insert(current);
        }
        self.files.insert(path, bytes.into());
    }

    /// A tree of text files, for tests; paths that leave the tree are left out.
    pub fn of<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut tree = Self::new();
        for (path, text) in files {
            if let Some(path) = TreePath::parse(path) {
                tree.insert(path, text.as_bytes());
            }
        }
        tree
    }

    /// The digest of all paths and bytes.
    pub fn digest(&self) -> Digest {
        let mut hasher = crate::digest::Hasher::new("memory-blobs");
        for (path, bytes) in &self.files {
            hasher.field(path.as_str().as_bytes());
            hasher.field(bytes);
        }
        hasher.finish()
    }
}

impl Blobs for MemoryBlobs {
    fn read(&self, path: &TreePath) -> Result<Arc<[u8]>, BlobError> {
        self.files
            .get(path)
            .cloned()
            .ok_or_else(|| BlobError::Absent { path: path.clone() })
    }

    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, BlobError> {
        if !self.folders.contains(path) {
            return Err(BlobError::Absent { path: path.clone() });
        }
        let child_of = |child: &&TreePath| child.parent().as_ref() == Some(path);
        let files = self
            .files
            .keys()
            .filter(child_of)
            .map(|child| (child, EntryKind::File));
        let folders = self
            .folders
            .iter()
            .filter(child_of)
            .map(|child| (child, EntryKind::Folder));
        let mut entries: Vec<Entry> = files
            .chain(folders)
            .map(|(child, kind)| Entry {
                name: child.name().to_owned(),
                kind,
            })
            .collect();
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(entries)
    }

    fn kind(&self, path: &TreePath) -> Result<Option<EntryKind>, BlobError> {
        Ok(if self.files.contains_key(path) {
            Some(EntryKind::File)
        } else if self.folders.contains(path) {
            Some(EntryKind::Folder)
        } else {
            None
        })
    }
}
