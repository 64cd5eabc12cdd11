//! A folder on disk as an artifact, for plans from an uncommitted working copy. It must not be used
//! by the engine: a folder changes while it is read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use holdfast_model::artifact::{BlobError, Blobs, Entry, EntryKind, TreePath};

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

    /// The real place of a path; an error when it lies outside.
    fn place(&self, path: &TreePath) -> Result<Option<PathBuf>, BlobError> {
        match self.root.join(path.as_str()).canonicalize() {
            Ok(place) if place.starts_with(&self.root) => Ok(Some(place)),
            Ok(_) => Err(BlobError::BadLink {
                path: path.clone(),
                problem: "leaves the folder".to_owned(),
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(storage(path, &error)),
        }
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
        let place = self.place(path)?.filter(|place| place.is_file());
        let place = place.ok_or_else(|| BlobError::Absent { path: path.clone() })?;
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
        let place = self.place(path)?.filter(|place| place.is_dir());
        let place = place.ok_or_else(|| BlobError::Absent { path: path.clone() })?;
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(place).map_err(|error| storage(path, &error))? {
            let entry = entry.map_err(|error| storage(path, &error))?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if name == ".git" {
                continue;
            }
            let kind = if entry.path().is_dir() {
                EntryKind::Folder
            } else {
                EntryKind::File
            };
            entries.push(Entry { name, kind });
        }
        entries.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(entries)
    }

    fn kind(&self, path: &TreePath) -> Result<Option<EntryKind>, BlobError> {
        Ok(self.place(path)?.map(|place| {
            if place.is_dir() {
                EntryKind::Folder
            } else {
                EntryKind::File
            }
        }))
    }
}
