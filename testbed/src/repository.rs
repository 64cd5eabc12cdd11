//! Git repositories that tests make and change. Commits are made in this process, since a scenario makes
//! many and a `git` that starts costs more than a commit; for all else the real git is asked.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use gix::ThreadSafeRepository;
use gix::actor::SignatureRef;
use gix::objs::Tree;
use gix::objs::tree::{Entry, EntryKind};
use gix::refs::transaction::PreviousValue;

pub use self::reader::Found;
use self::reader::Reader;
use crate::scratch;

mod reader;
#[cfg(test)]
mod tests;

const MAIN: &str = "refs/heads/main";
/// Each commit would ask whether there is something to tidy up; who moves a branch is in its log.
const CONFIG: &str =
    "[maintenance]\n\tauto = false\n[user]\n\tname = Test\n\temail = test@example.org\n";

/// A repository in a folder that goes when the last clone is dropped.
#[derive(Clone)]
pub struct Repository {
    shared: Arc<Shared>,
    /// Where it is reached, when not in its folder.
    address: Option<String>,
}

struct Shared {
    folder: tempfile::TempDir,
    store: ThreadSafeRepository,
    /// Whether git's index is older than a commit that was made without it.
    is_index_old: AtomicBool,
    reader: Mutex<Option<Reader>>,
}

impl Repository {
    /// An empty repository with the branch `main`.
    ///
    /// # Errors
    /// When git cannot be run.
    pub fn new() -> anyhow::Result<Self> {
        let folder = scratch::folder("holdfast-git-")?;
        let init = ["init", "--quiet", "--initial-branch=main", "--template="];
        run(folder.path(), &init)?;
        let mut config = OpenOptions::new()
            .append(true)
            .open(folder.path().join(".git/config"))?;
        config.write_all(CONFIG.as_bytes())?;
        let store = gix::open_opts(folder.path(), gix::open::Options::isolated())?.into_sync();
        Ok(Self {
            shared: Arc::new(Shared {
                folder,
                store,
                is_index_old: AtomicBool::new(false),
                reader: Mutex::default(),
            }),
            address: None,
        })
    }

    /// The same repository where it is reached under another address.
    pub fn reached_at(self, address: String) -> Self {
        Self {
            address: Some(address),
            ..self
        }
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.shared.folder.path()
    }

    /// Its address.
    pub fn url(&self) -> String {
        let own = || format!("file://{}", self.path().display());
        self.address.clone().unwrap_or_else(own)
    }

    /// Runs git in it; what it printed.
    ///
    /// # Errors
    /// When git fails, with what it said.
    pub fn git(&self, arguments: &[&str]) -> anyhow::Result<String> {
        if self.shared.is_index_old.swap(false, Ordering::SeqCst) {
            run(self.path(), &["reset", "--quiet"])?;
        }
        run(self.path(), arguments)
    }

    /// Writes a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &str, text: &str) -> anyhow::Result<()> {
        let place: PathBuf = self.path().join(path);
        if let Some(folder) = place.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(place, text)?;
        Ok(())
    }

    /// Makes a symlink that holds `target`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn link(&self, path: &str, target: &str) -> anyhow::Result<()> {
        let place: PathBuf = self.path().join(path);
        if let Some(folder) = place.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::os::unix::fs::symlink(target, place)?;
        Ok(())
    }

    /// Commits everything; the commit's id.
    ///
    /// # Errors
    /// When a file cannot be read, or the commit cannot be written.
    pub fn commit(&self, message: &str) -> anyhow::Result<String> {
        let store = self.shared.store.to_thread_local();
        let tree = write_root(&store, self.path())?;
        let time = gix::date::Time::now_utc().to_string();
        let head = store.head()?;
        let parent = (!head.is_unborn()).then(|| store.head_id()).transpose()?;
        let commit = store.commit_as(who(&time), who(&time), "HEAD", message, tree, parent)?;
        self.shared.is_index_old.store(true, Ordering::SeqCst);
        Ok(commit.to_string())
    }

    /// Commits everything in place of the newest commit, as a force push does; the commit's id.
    ///
    /// # Errors
    /// As [`Repository::commit`], and when there is no commit.
    pub fn amend(&self, message: &str) -> anyhow::Result<String> {
        let store = self.shared.store.to_thread_local();
        let time = gix::date::Time::now_utc().to_string();
        let commit = gix::objs::Commit {
            tree: write_root(&store, self.path())?,
            parents: store
                .head_commit()?
                .parent_ids()
                .map(gix::Id::detach)
                .collect(),
            author: who(&time).into(),
            committer: who(&time).into(),
            encoding: None,
            message: message.into(),
            extra_headers: Vec::new(),
        };
        let commit = store.write_object(&commit)?.to_string();
        self.point(&commit)?;
        Ok(commit)
    }

    /// Lets the branch `main` be a commit, whatever it was before and whether it was there.
    ///
    /// # Errors
    /// When the reference cannot be written.
    pub fn point(&self, commit: &str) -> anyhow::Result<()> {
        let store = self.shared.store.to_thread_local();
        let id: gix::ObjectId = commit.parse()?;
        store.reference(MAIN, id, PreviousValue::Any, "moved")?;
        self.shared.is_index_old.store(true, Ordering::SeqCst);
        Ok(())
    }

    /// Deletes the branch `main`.
    ///
    /// # Errors
    /// When it is not there.
    pub fn delete_branch(&self) -> anyhow::Result<()> {
        let store = self.shared.store.to_thread_local();
        store.find_reference(MAIN)?.delete()?;
        Ok(())
    }

    /// What git finds under a name such as `HEAD:folder/file`; `None` where there is nothing.
    ///
    /// # Errors
    /// When git cannot be asked.
    pub fn find(&self, name: &str) -> anyhow::Result<Option<Found>> {
        let reader = &self.shared.reader;
        let mut held = reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut reader = match held.take() {
            Some(reader) => reader,
            None => Reader::start(self.path())?,
        };
        let found = reader
            .find(name)
            .with_context(|| format!("git, of {name}"))?;
        // One that failed is not asked again.
        *held = Some(reader);
        Ok(found)
    }
}

fn run(folder: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git")
        .current_dir(folder)
        .args(arguments)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "git {arguments:?}: {said}");
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Who makes commits, at a time.
fn who(time: &str) -> SignatureRef<'_> {
    SignatureRef {
        name: "Test".into(),
        email: "test@example.org".into(),
        time,
    }
}

fn write_root(store: &gix::Repository, folder: &Path) -> anyhow::Result<gix::ObjectId> {
    match write_folder(store, folder)? {
        Some(tree) => Ok(tree),
        None => Ok(store.write_object(Tree::empty())?.detach()),
    }
}

/// Writes what a folder holds as git's objects; `None` where it holds no file.
fn write_folder(store: &gix::Repository, folder: &Path) -> anyhow::Result<Option<gix::ObjectId>> {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::PermissionsExt as _;

    let mut tree = Tree::empty();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() == ".git" {
            continue;
        }
        let (path, kind) = (entry.path(), entry.file_type()?);
        let (mode, id) = if kind.is_dir() {
            let Some(id) = write_folder(store, &path)? else {
                continue;
            };
            (EntryKind::Tree, id)
        } else if kind.is_symlink() {
            let target = std::fs::read_link(&path)?;
            let id = store.write_blob(target.as_os_str().as_bytes())?;
            (EntryKind::Link, id.detach())
        } else {
            let id = store.write_blob(std::fs::read(&path)?)?.detach();
            match entry.metadata()?.permissions().mode() & 0o100 {
                0 => (EntryKind::Blob, id),
                _ => (EntryKind::BlobExecutable, id),
            }
        };
        tree.entries.push(Entry {
            mode: mode.into(),
            filename: entry.file_name().as_bytes().into(),
            oid: id,
        });
    }
    if tree.entries.is_empty() {
        return Ok(None);
    }
    tree.entries.sort();
    Ok(Some(store.write_object(&tree)?.detach()))
}
