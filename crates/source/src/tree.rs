//! A commit's tree, read lazily from the object database: no checkout, symlinks followed inside
//! the repository, sizes bounded. It must not know what is read for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use gix::ObjectId;
use gix::ThreadSafeRepository;
use gix::object::tree::EntryKind as GitKind;
use holdfast_model::artifact::{BlobError, Blobs, Entry, EntryKind, TreePath};
use holdfast_model::digest::{Digest, Hasher};

use crate::walk::{Folders, Node, bad_link, walk};

/// The most bytes that the target of a symlink has.
const TARGET_LIMIT: u64 = 4_096;

/// The files of one commit.
pub struct GitTree {
    repository: ThreadSafeRepository,
    root: ObjectId,
    limit: u64,
    folders: Mutex<HashMap<ObjectId, Folder>>,
}

/// The entries of a folder, sorted by name.
type Folder = Arc<Vec<(String, GitKind, ObjectId)>>;

/// What a path leads to, symlinks followed.
#[derive(Clone, Copy)]
struct Found {
    kind: EntryKind,
    id: ObjectId,
}

impl GitTree {
    /// The files below a tree; none larger than `limit` bytes is read.
    pub(crate) fn new(repository: ThreadSafeRepository, root: ObjectId, limit: u64) -> Self {
        Self {
            repository,
            root,
            limit,
            folders: Mutex::new(HashMap::new()),
        }
    }

    fn folder(&self, id: ObjectId, path: &TreePath) -> Result<Folder, BlobError> {
        let mut folders = self.folders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = folders.get(&id) {
            return Ok(Arc::clone(folder));
        }
        let repository = self.repository.to_thread_local();
        let storage = |message: String| BlobError::Storage {
            path: path.clone(),
            message,
        };
        let tree = repository
            .find_tree(id)
            .map_err(|error| storage(error.to_string()))?;
        let decoded = tree.decode().map_err(|error| storage(error.to_string()))?;
        let mut entries: Vec<(String, GitKind, ObjectId)> = decoded
            .entries
            .iter()
            // A name that is no text cannot be written in any file that Holdfast reads.
            .filter_map(|entry| {
                let name = std::str::from_utf8(entry.filename).ok()?;
                Some((name.to_owned(), entry.mode.kind(), entry.oid.to_owned()))
            })
            .collect();
        entries.sort_by(|left, right| left.0.cmp(&right.0));
        let folder = Arc::new(entries);
        folders.insert(id, Arc::clone(&folder));
        Ok(folder)
    }

    /// Whether a path leads to the same in another commit of this repository, told from the ids of
    /// the folders above it alone. `false` where only reading can tell, as behind a symlink; what a
    /// folder holds is the same only where nothing below it has changed.
    pub fn is_same(&self, other: &GitTree, path: &TreePath) -> bool {
        let (mut here, mut there) = (self.root, other.root);
        let mut parts = path.parts();
        loop {
            if here == there {
                return true;
            }
            let Some(part) = parts.next() else {
                return false;
            };
            let folders = (self.folder(here, path), other.folder(there, path));
            let (Ok(left), Ok(right)) = folders else {
                return false;
            };
            match (entry(&left, part), entry(&right, part)) {
                (None, None) => return true,
                (Some((GitKind::Tree, left)), Some((GitKind::Tree, right))) => {
                    (here, there) = (left, right);
                }
                (left, right) => {
                    let is_link = left.is_some_and(|(kind, _)| kind == GitKind::Link);
                    return left == right && !is_link;
                }
            }
        }
    }

    /// What a path leads to, symlinks followed. `None` when nothing is there.
    fn find(&self, path: &TreePath) -> Result<Option<Found>, BlobError> {
        let found = walk(self, self.root, path)?;
        Ok(found.map(|(kind, id)| Found { kind, id }))
    }

    fn link_target(&self, id: ObjectId, path: &TreePath) -> Result<String, BlobError> {
        let bytes = self.bytes(id, path, TARGET_LIMIT)?;
        String::from_utf8(bytes).map_err(|_| bad_link(path, "names no text"))
    }

    fn bytes(&self, id: ObjectId, path: &TreePath, limit: u64) -> Result<Vec<u8>, BlobError> {
        let repository = self.repository.to_thread_local();
        let storage = |message: String| BlobError::Storage {
            path: path.clone(),
            message,
        };
        let size = repository
            .find_header(id)
            .map_err(|error| storage(error.to_string()))?
            .size();
        if size > limit {
            return Err(BlobError::TooLarge {
                path: path.clone(),
                size,
                limit,
            });
        }
        let blob = repository
            .find_blob(id)
            .map_err(|error| storage(error.to_string()))?;
        Ok(blob.data.clone())
    }

    fn expect(&self, path: &TreePath, kind: EntryKind) -> Result<ObjectId, BlobError> {
        match self.find(path)? {
            Some(found) if found.kind == kind => Ok(found.id),
            _ => Err(BlobError::Absent { path: path.clone() }),
        }
    }
}

/// The entry of this name in a folder.
fn entry(folder: &Folder, name: &str) -> Option<(GitKind, ObjectId)> {
    let place = folder.binary_search_by(|(other, ..)| other.as_str().cmp(name));
    let (_, kind, id) = folder.get(place.ok()?)?;
    Some((*kind, *id))
}

impl Folders for GitTree {
    type Place = ObjectId;

    const NAME: &'static str = "repository";

    fn entry(
        &self,
        folder: &ObjectId,
        name: &str,
        path: &TreePath,
    ) -> Result<Option<Node<ObjectId>>, BlobError> {
        let folder = self.folder(*folder, path)?;
        let Some((kind, id)) = entry(&folder, name) else {
            return Ok(None);
        };
        Ok(match kind {
            GitKind::Tree => Some(Node::Folder(id)),
            GitKind::Blob | GitKind::BlobExecutable => Some(Node::File(id)),
            GitKind::Link => Some(Node::Link(self.link_target(id, path)?)),
            // A submodule is another repository.
            GitKind::Commit => None,
        })
    }
}

impl Blobs for GitTree {
    fn read(&self, path: &TreePath) -> Result<Arc<[u8]>, BlobError> {
        let id = self.expect(path, EntryKind::File)?;
        Ok(self.bytes(id, path, self.limit)?.into())
    }

    fn list(&self, path: &TreePath) -> Result<Vec<Entry>, BlobError> {
        let folder = self.folder(self.expect(path, EntryKind::Folder)?, path)?;
        let mut entries = Vec::with_capacity(folder.len());
        for (name, kind, _) in folder.iter() {
            let kind = match kind {
                GitKind::Tree => EntryKind::Folder,
                GitKind::Blob | GitKind::BlobExecutable => EntryKind::File,
                GitKind::Commit => continue,
                GitKind::Link => {
                    let child = path.join(name).unwrap_or_default();
                    // A bad link is told of by whoever reads it.
                    self.find(&child)
                        .ok()
                        .flatten()
                        .map_or(EntryKind::File, |found| found.kind)
                }
            };
            entries.push(Entry {
                name: name.clone(),
                kind,
            });
        }
        Ok(entries)
    }

    fn identity(&self, path: &TreePath) -> Result<Option<Digest>, BlobError> {
        Ok(self.find(path)?.map(|found| {
            let mut hasher = Hasher::new("git-object");
            hasher.field(found.id.as_bytes());
            hasher.finish()
        }))
    }

    fn kind(&self, path: &TreePath) -> Result<Option<EntryKind>, BlobError> {
        Ok(self.find(path)?.map(|found| found.kind))
    }

    fn is_direct(&self, path: &TreePath) -> bool {
        let mut id = self.root;
        for part in path.parts() {
            let Ok(folder) = self.folder(id, path) else {
                return false;
            };
            match entry(&folder, part) {
                Some((GitKind::Tree, below)) => id = below,
                Some((GitKind::Link, _)) => return false,
                _ => return true,
            }
        }
        self.folder(id, path)
            .is_ok_and(|folder| folder.iter().all(|(_, kind, _)| *kind != GitKind::Link))
    }
}
