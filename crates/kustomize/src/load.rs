//! Paths and the files behind them: where a kustomization may read, how bases are found, and what
//! has to be fetched first. It must not know what files mean.

use std::collections::BTreeMap;
use std::sync::Arc;

use holdfast_model::artifact::{BlobError, Blobs, EntryKind, TreePath};

use crate::overrides::FILE_NAMES;

/// A base or file that lives outside of the source.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RemoteReference {
    /// The address as it is written.
    pub url: String,
    /// The folder of the kustomization that names it.
    pub folder: TreePath,
}

/// What was fetched for a remote reference.
#[derive(Clone)]
pub enum Fetched {
    /// A file.
    File(Arc<[u8]>),
    /// A folder of another source.
    Folder {
        /// The other source.
        blobs: Arc<dyn Blobs>,
        /// The folder in it.
        folder: TreePath,
    },
}

/// Which files a kustomization may read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoadRestriction {
    /// Those in its own folder.
    #[default]
    RootOnly,
    /// Any of its source.
    None,
}

/// What was fetched, by the address as it is written.
pub type Remotes = BTreeMap<String, Fetched>;

/// A folder with a kustomization, and those that lead to it.
#[derive(Clone)]
pub(crate) struct Loader<'a> {
    blobs: Source<'a>,
    pub(crate) root: TreePath,
    pub(crate) restriction: LoadRestriction,
    remotes: &'a Remotes,
    /// The folders of this source that lead here, this one last.
    visited: Vec<TreePath>,
    /// The addresses that lead here.
    pub(crate) remote_trail: Vec<String>,
}

#[derive(Clone)]
enum Source<'a> {
    Given(&'a dyn Blobs),
    Fetched(Arc<dyn Blobs>),
}

/// Why something was not loaded.
#[derive(Debug)]
pub(crate) enum LoadError {
    /// It has to be fetched first.
    Remote(String),
    /// Anything else.
    Message(String),
}

impl From<String> for LoadError {
    fn from(message: String) -> Self {
        Self::Message(message)
    }
}

impl<'a> Loader<'a> {
    pub(crate) fn new(
        blobs: &'a dyn Blobs,
        root: TreePath,
        restriction: LoadRestriction,
        remotes: &'a Remotes,
    ) -> Self {
        Self {
            blobs: Source::Given(blobs),
            visited: vec![root.clone()],
            root,
            restriction,
            remotes,
            remote_trail: Vec::new(),
        }
    }

    /// The same place, read through something else.
    pub(crate) fn reading<'b>(&self, blobs: &'b dyn Blobs) -> Loader<'b>
    where
        'a: 'b,
    {
        Loader {
            blobs: Source::Given(blobs),
            ..self.clone()
        }
    }

    /// Whether nothing was fetched that could be read here.
    pub(crate) fn has_no_remotes(&self) -> bool {
        self.remotes.is_empty() && self.remote_trail.is_empty()
    }

    /// Whether a folder holds one that leads here, this one excepted.
    pub(crate) fn is_on_the_way(&self, folder: &TreePath) -> bool {
        let others = self.visited.iter().filter(|visited| **visited != self.root);
        others.into_iter().any(|visited| visited.is_within(folder))
    }

    pub(crate) fn blobs(&self) -> &dyn Blobs {
        match &self.blobs {
            Source::Given(blobs) => *blobs,
            Source::Fetched(blobs) => blobs.as_ref(),
        }
    }

    /// Reads a file, by a path relative to the folder or by an address.
    pub(crate) fn load(&self, path: &str) -> Result<Arc<[u8]>, LoadError> {
        if path.starts_with("http://") || path.starts_with("https://") {
            return match self.remotes.get(path) {
                Some(Fetched::File(bytes)) => Ok(Arc::clone(bytes)),
                Some(Fetched::Folder { .. }) => {
                    Err(LoadError::Message("URL is a git repository".to_owned()))
                }
                None => Err(LoadError::Remote(path.to_owned())),
            };
        }
        let file = self.resolve(path)?;
        if self.restriction == LoadRestriction::RootOnly && !file.is_within(&self.root) {
            return Err(LoadError::Message(format!(
                "security; file '{file}' is not in or below '{}'",
                self.root
            )));
        }
        self.blobs().read(&file).map_err(|error| match error {
            BlobError::Absent { path } => {
                LoadError::Message(format!("'{path}' doesn't exist or is no file"))
            }
            error => LoadError::Message(error.to_string()),
        })
    }

    /// The file's place in the source.
    pub(crate) fn resolve(&self, path: &str) -> Result<TreePath, LoadError> {
        if path.is_empty() {
            return Err(LoadError::Message("a path is empty".to_owned()));
        }
        self.root
            .join(path)
            .ok_or_else(|| LoadError::Message(format!("'{path}' is absolute or leaves the source")))
    }

    /// Goes to another kustomization's folder.
    pub(crate) fn enter(&self, path: &str) -> Result<Loader<'a>, LoadError> {
        if path.is_empty() {
            return Err(LoadError::Message("new root cannot be empty".to_owned()));
        }
        if let Some(fetched) = self.remotes.get(path) {
            return self.enter_fetched(path, fetched);
        }
        if is_repository(path) {
            return Err(LoadError::Remote(path.to_owned()));
        }
        if path.starts_with('/') {
            return Err(LoadError::Message(format!(
                "new root '{path}' cannot be absolute"
            )));
        }
        let root = self.resolve(path)?;
        let kind = self
            .blobs()
            .kind(&root)
            .map_err(|error| error.to_string())?;
        if kind != Some(EntryKind::Folder) {
            let what = if kind.is_some() {
                "is no folder"
            } else {
                "doesn't exist"
            };
            return Err(LoadError::Message(format!(
                "must build at directory: '{root}' {what}"
            )));
        }
        if let Some(visited) = self.visited.iter().find(|visited| visited.is_within(&root)) {
            return Err(LoadError::Message(format!(
                "cycle detected: candidate root '{root}' contains visited root '{visited}'"
            )));
        }
        let mut loader = self.clone();
        loader.visited.push(root.clone());
        loader.root = root;
        Ok(loader)
    }

    fn enter_fetched(&self, path: &str, fetched: &Fetched) -> Result<Loader<'a>, LoadError> {
        let Fetched::Folder { blobs, folder } = fetched else {
            return Err(LoadError::Message(format!("'{path}' is a file, no folder")));
        };
        if self
            .remote_trail
            .iter()
            .any(|known| known.starts_with(path))
        {
            return Err(LoadError::Message(format!(
                "cycle detected: URI '{path}' is referenced by what it leads to"
            )));
        }
        let mut loader = self.clone();
        loader.blobs = Source::Fetched(Arc::clone(blobs));
        loader.visited = vec![folder.clone()];
        loader.root = folder.clone();
        // What was fetched may read nothing but its own folders.
        loader.restriction = LoadRestriction::RootOnly;
        loader.remote_trail.push(path.to_owned());
        Ok(loader)
    }

    /// Whether the folder has a kustomization file.
    pub(crate) fn has_kustomization(&self) -> Result<bool, LoadError> {
        for path in FILE_NAMES.iter().filter_map(|name| self.root.join(name)) {
            let kind = self
                .blobs()
                .kind(&path)
                .map_err(|error| error.to_string())?;
            if kind == Some(EntryKind::File) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The kustomization file of the folder: its name and content.
    pub(crate) fn kustomization(&self) -> Result<(&'static str, Arc<[u8]>), LoadError> {
        let mut found = None;
        for name in FILE_NAMES {
            let Some(path) = self.root.join(name) else {
                continue;
            };
            match self.blobs().read(&path) {
                Ok(_) if found.is_some() => {
                    return Err(LoadError::Message(format!(
                        "Found multiple kustomization files under: {}",
                        self.root
                    )));
                }
                Ok(bytes) => found = Some((name, bytes)),
                Err(BlobError::Absent { .. }) => {}
                Err(error) => return Err(LoadError::Message(error.to_string())),
            }
        }
        found.ok_or_else(|| {
            LoadError::Message(format!(
                "unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' in directory '{}'",
                self.root
            ))
        })
    }
}

/// Whether a path is taken for the address of a Git repository.
fn is_repository(path: &str) -> bool {
    let path = path.strip_prefix("git::").unwrap_or(path);
    let lower = path.to_ascii_lowercase();
    let schemes = [
        "https://",
        "http://",
        "ssh://",
        "file://",
        "git@",
        "github.com/",
        "github.com:",
    ];
    schemes.iter().any(|scheme| lower.starts_with(scheme))
        || path.starts_with("org-") && lower.contains("@github.com:")
}
