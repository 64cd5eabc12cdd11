//! A folder on disk as an artifact, for plans from an uncommitted working copy. It must not be used
//! by the engine: a folder changes while it is read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_model::artifact::{BlobError, Blobs, Entry, EntryKind, TreePath};

use crate::walk::{Folders, Node, bad_link, walk};

/// The files below a folder.
pub struct WorkingCopy {
    root: PathBuf,
    limit: u64,
}

impl WorkingCopy {
    /// The files below `root`, symlinks resolved; none larger than `limit` bytes is read.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn open(root: &Path, limit: u64) -> std::io::Result<Self> {
        Ok(Self {
            root: root.canonicalize()?,
            limit,
        })
    }

    /// The real place of a path, symlinks followed as in a commit.
    fn place(&self, path: &TreePath) -> Result<Option<(EntryKind, PathBuf)>, BlobError> {
        walk(self, self.root.clone(), path)
    }
}

impl Folders for WorkingCopy {
    type Place = PathBuf;

    const NAME: &'static str = "folder";

    fn entry(
        &self,
        folder: &PathBuf,
        name: &str,
        path: &TreePath,
    ) -> Result<Option<Node<PathBuf>>, BlobError> {
        let place = folder.join(name);
        let kind = match place.symlink_metadata() {
            Ok(metadata) => metadata.file_type(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(storage(path, &error)),
        };
        if kind.is_symlink() {
            let target = place.read_link().map_err(|error| storage(path, &error))?;
            let target = target.into_os_string().into_string();
            let target = target.map_err(|_| bad_link(path, "names no text"))?;
            return Ok(Some(Node::Link(target)));
        }
        // Sockets, pipes and devices are in no commit, and reading one may never end.
        Ok(match (kind.is_dir(), kind.is_file()) {
            (true, _) => Some(Node::Folder(place)),
            (_, true) => Some(Node::File(place)),
            _ => None,
        })
    }
}

fn storage(path: &TreePath, error: &std::io::Error) -> BlobError {
    BlobError::Storage {
        path: path.clone(),
        message: error.to_string(),
    }
}

impl Blobs for WorkingCopy {
    fn read(&self, path: &TreePath) -> Result<Arc<[u8]>, BlobError> {
        let Some((EntryKind::File, place)) = self.place(path)? else {
            return Err(BlobError::Absent { path: path.clone() });
        };
        let size = place
            .metadata()
            .map_err(|error| storage(path, &error))?
            .len();
        if size > self.limit {
            return Err(BlobError::TooLarge {
                path: path.clone(),
                size,
                limit: self.limit,
            });
        }
        let bytes = std::fs::read(&place).map_err(|error| storage(path, &error))?;
        Ok(bytes.into())
    }

    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, BlobError> {
        let Some((EntryKind::Folder, place)) = self.place(path)? else {
            return Err(BlobError::Absent { path: path.clone() });
        };
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(place).map_err(|error| storage(path, &error))? {
            let entry = entry.map_err(|error| storage(path, &error))?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if name == ".git" {
                continue;
            }
            let kind = entry.file_type().map_err(|error| storage(path, &error))?;
            let kind = match (kind.is_dir(), kind.is_symlink()) {
                (true, _) => EntryKind::Folder,
                (_, false) => EntryKind::File,
                // A bad link is told of by whoever reads it.
                _ => {
                    let child = path.join(&name).unwrap_or_default();
                    let found = self.kind(&child).ok().flatten();
                    found.unwrap_or(EntryKind::File)
                }
            };
            entries.push(Entry { name, kind });
        }
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(entries)
    }

    fn kind(&self, path: &TreePath) -> Result<Option<EntryKind>, BlobError> {
        Ok(self.place(path)?.map(|(kind, _)| kind))
    }
}
