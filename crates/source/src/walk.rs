//! Walks a path down from the root of a tree and follows its symlinks, by the same rules for a
//! commit and for a folder on disk: what a checkout would show, as long as it stays inside. It must
//! not know how either is stored.

use holdfast_model::artifact::{BlobError, EntryKind, TreePath};

/// How many symlinks are followed for one path before it counts as a circle.
const LINK_LIMIT: usize = 32;

/// A tree of folders, as far as a walk asks.
pub(crate) trait Folders {
    /// What stands for a file or folder.
    type Place: Clone;

    /// What the tree is called when a link leaves it, such as `repository`.
    const NAME: &'static str;

    /// What a folder holds under a name; `None` when it holds nothing there.
    fn entry(
        &self,
        folder: &Self::Place,
        name: &str,
        path: &TreePath,
    ) -> Result<Option<Node<Self::Place>>, BlobError>;
}

/// What a name in a folder is, links not followed.
pub(crate) enum Node<P> {
    Folder(P),
    File(P),
    /// A symlink, and what is written in it.
    Link(String),
}

/// A part of a path that has still to be walked.
struct Part {
    name: String,
    /// Whether a link wrote it: then it has to be there.
    is_of_link: bool,
}

/// What a path leads to. `None` when nothing is there, below a link as anywhere.
///
/// # Errors
/// [`BlobError::BadLink`] when a link itself leads to nothing, out of the tree or round in a circle.
pub(crate) fn walk<F: Folders>(
    folders: &F,
    root: F::Place,
    path: &TreePath,
) -> Result<Option<(EntryKind, F::Place)>, BlobError> {
    let mut waiting: Vec<Part> = Vec::new();
    push(&mut waiting, path.as_str(), false);
    let root = (EntryKind::Folder, root);
    // The folders from the root down to where the walk is.
    let mut above = Vec::new();
    let mut here = root;
    let mut links = 0;
    while let Some(part) = waiting.pop() {
        let nothing = || match part.is_of_link {
            true => Err(bad_link(path, "leads to nothing")),
            false => Ok(None),
        };
        if here.0 != EntryKind::Folder {
            return nothing();
        }
        if part.name == ".." {
            here = above.pop().ok_or_else(|| leaves::<F>(path))?;
            continue;
        }
        let found = match folders.entry(&here.1, &part.name, path)? {
            None => return nothing(),
            Some(Node::Folder(place)) => (EntryKind::Folder, place),
            Some(Node::File(place)) => (EntryKind::File, place),
            Some(Node::Link(target)) => {
                links += 1;
                if links > LINK_LIMIT {
                    return Err(bad_link(path, "leads round in a circle"));
                }
                if target.starts_with('/') {
                    return Err(leaves::<F>(path));
                }
                push(&mut waiting, &target, true);
                continue;
            }
        };
        above.push(std::mem::replace(&mut here, found));
    }
    Ok(Some(here))
}

/// Puts the parts of a path in front of what waits.
fn push(waiting: &mut Vec<Part>, path: &str, is_of_link: bool) {
    let parts = path.split('/').rev();
    let parts = parts.filter(|part| !part.is_empty() && *part != ".");
    waiting.extend(parts.map(|name| Part {
        name: name.to_owned(),
        is_of_link,
    }));
}

pub(crate) fn bad_link(path: &TreePath, problem: &str) -> BlobError {
    BlobError::BadLink {
        path: path.clone(),
        problem: problem.to_owned(),
    }
}

fn leaves<F: Folders>(path: &TreePath) -> BlobError {
    bad_link(path, &format!("leaves the {}", F::NAME))
}
