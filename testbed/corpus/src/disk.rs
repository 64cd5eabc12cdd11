//! A folder on disk as [`Blobs`], with the corpus' limit on the size of a file.

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use holdfast_model::artifact::{BlobError, Blobs, Entry, EntryKind, TreePath};

/// The largest file that is read; the corpus was made with this limit.
const LIMIT: u64 = 4 << 20;

/// A folder on disk. Links are followed, also out of the folder: the corpus is ours.
pub struct DiskBlobs {
    /// The folder.
    pub root: PathBuf,
}

impl DiskBlobs {
    fn real(&self, path: &TreePath) -> PathBuf {
        self.root.join(path.as_str())
    }
}

fn storage(path: &TreePath, error: &std::io::Error) -> BlobError {
    match error.kind() {
        std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory => {
            BlobError::Absent { path: path.clone() }
        }
        _ => BlobError::Storage {
            path: path.clone(),
            message: error.to_string(),
        },
    }
}

impl Blobs for DiskBlobs {
    fn read(&self, path: &TreePath) -> Result<Arc<[u8]>, BlobError> {
        let mut file = File::open(self.real(path)).map_err(|error| storage(path, &error))?;
        let metadata = file.metadata().map_err(|error| storage(path, &error))?;
        if !metadata.is_file() {
            return Err(BlobError::Absent { path: path.clone() });
        }
        if metadata.len() > LIMIT {
            return Err(BlobError::TooLarge {
                path: path.clone(),
                size: metadata.len(),
                limit: LIMIT,
            });
        }
        let mut bytes = vec![0; usize::try_from(metadata.len()).unwrap_or(0)];
        let read = file.read_exact(&mut bytes);
        read.map_err(|error| storage(path, &error))?;
        Ok(bytes.into())
    }

    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, BlobError> {
        let entries = fs::read_dir(self.real(path)).map_err(|error| storage(path, &error))?;
        let mut names = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|error| storage(path, &error))?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let Some(child) = path.join(&name) else {
                continue;
            };
            let kind = match entry.file_type() {
                Ok(kind) if kind.is_dir() => EntryKind::Folder,
                Ok(kind) if kind.is_file() => EntryKind::File,
                // A link that leads nowhere is told of by whoever reads it.
                _ => self.kind(&child)?.unwrap_or(EntryKind::File),
            };
            names.push(Entry { name, kind });
        }
        names.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(names)
    }

    fn kind(&self, path: &TreePath) -> Result<Option<EntryKind>, BlobError> {
        match fs::metadata(self.real(path)) {
            Ok(metadata) if metadata.is_dir() => Ok(Some(EntryKind::Folder)),
            Ok(_) => Ok(Some(EntryKind::File)),
            Err(error) => match storage(path, &error) {
                BlobError::Absent { .. } => Ok(None),
                error => Err(error),
            },
        }
    }
}
