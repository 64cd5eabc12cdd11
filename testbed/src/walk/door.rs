//! Where a walk's repository is reached: a link that leads to it, or to where nobody can fetch, while
//! commits are made behind it. It must not know who fetches.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::repository::Repository;
use crate::scratch;

/// The link.
pub(super) struct Door {
    folder: TempDir,
    /// A repository in which there is no commit.
    empty: Repository,
}

/// What is behind the link when it is not the repository.
#[derive(Clone, Copy, Debug)]
pub(super) enum Away {
    /// Nothing.
    Nothing,
    /// A folder that is no repository.
    Folder,
    /// A repository without a branch.
    Empty,
}

impl Away {
    /// All of them.
    pub(super) const ALL: [Self; 3] = [Self::Nothing, Self::Folder, Self::Empty];
}

impl Door {
    /// A link that leads nowhere yet.
    pub(super) fn new() -> anyhow::Result<Self> {
        let folder = scratch::folder("holdfast-door-")?;
        std::fs::create_dir(folder.path().join("folder"))?;
        let empty = Repository::new()?;
        Ok(Self { folder, empty })
    }

    /// The address at which people fetch.
    pub(super) fn url(&self) -> String {
        format!("file://{}", self.link().display())
    }

    /// Lets the link lead to a repository.
    pub(super) fn open(&self, repository: &Repository) -> std::io::Result<()> {
        self.lead(repository.path())
    }

    /// Lets it lead elsewhere.
    pub(super) fn shut(&self, away: Away) -> std::io::Result<()> {
        match away {
            Away::Nothing => std::fs::remove_file(self.link()),
            Away::Folder => self.lead(&self.folder.path().join("folder")),
            Away::Empty => self.lead(self.empty.path()),
        }
    }

    fn link(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    /// Nobody sees it between one place and another.
    fn lead(&self, place: &Path) -> std::io::Result<()> {
        let new = self.folder.path().join("new");
        symlink(place, &new)?;
        std::fs::rename(new, self.link())
    }
}
