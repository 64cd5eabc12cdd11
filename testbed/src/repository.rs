//! Git repositories that tests make and change with the real git.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

/// A repository in a folder that goes when the last clone is dropped.
#[derive(Clone)]
pub struct Repository {
    folder: Arc<tempfile::TempDir>,
}

impl Repository {
    /// An empty repository with the branch `main`.
    ///
    /// # Errors
    /// When git cannot be run.
    pub fn new() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("holdfast-git-").tempdir()?;
        let repository = Self {
            folder: Arc::new(folder),
        };
        repository.git(&["init", "--quiet", "--initial-branch=main"])?;
        // Each commit would ask whether there is something to tidy up.
        repository.git(&["config", "maintenance.auto", "false"])?;
        Ok(repository)
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("file://{}", self.folder.path().display())
    }

    /// Runs git in it; what it printed.
    ///
    /// # Errors
    /// When git fails, with what it said.
    pub fn git(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = Command::new("git")
            .current_dir(self.folder.path())
            .args(["-c", "user.name=Test", "-c", "user.email=test@example.org"])
            .args(arguments)
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "git {arguments:?}: {said}");
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Writes a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &str, text: &str) -> anyhow::Result<()> {
        let place: PathBuf = self.folder.path().join(path);
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
        let place: PathBuf = self.folder.path().join(path);
        if let Some(folder) = place.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::os::unix::fs::symlink(target, place)?;
        Ok(())
    }

    /// Commits everything; the commit's id.
    ///
    /// # Errors
    /// When git fails.
    pub fn commit(&self, message: &str) -> anyhow::Result<String> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message])?;
        self.git(&["rev-parse", "HEAD"])
    }
}
