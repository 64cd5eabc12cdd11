//! What ssh is given for one fetch, and what it says when that fails: a private folder that goes when
//! the fetch is over. It must not know what is fetched.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::PathBuf;

use tempfile::TempDir;

use crate::repository::{Credentials, Error};
use crate::trouble::{SAID, reworded};

/// The way to a server; a folder where it is one of ssh.
pub(crate) struct Way {
    folder: Option<TempDir>,
    /// Options for the key and the hosts.
    options: String,
}

impl Way {
    /// Lays out a key and known hosts where an address is one of ssh.
    pub(crate) fn to(url: &str, credentials: Option<&Credentials>) -> std::io::Result<Self> {
        let mut way = Self {
            folder: None,
            options: String::new(),
        };
        if !is_ssh(url) {
            return Ok(way);
        }
        let folder = tempfile::Builder::new().prefix("holdfast-ssh-").tempdir()?;
        if let Some(Credentials::Ssh {
            identity,
            known_hosts,
        }) = credentials
        {
            let key = write(&folder, "identity", identity)?;
            let hosts = write(&folder, "known_hosts", known_hosts)?;
            way.options = format!(
                " -i {} -o IdentitiesOnly=yes -o IdentityAgent=none -o UserKnownHostsFile={} \
                 -o GlobalKnownHostsFile=/dev/null -o StrictHostKeyChecking=yes",
                key.display(),
                hosts.display()
            );
        }
        way.folder = Some(folder);
        Ok(way)
    }

    /// The setting of git that has ssh go that way. Nobody is there to be asked for a password, and
    /// what ssh says is kept apart from what the server says.
    pub(crate) fn setting(&self) -> Option<String> {
        let said = self.said()?;
        Some(format!(
            "core.sshCommand=ssh -T -E {} -o BatchMode=yes{}",
            said.display(),
            self.options
        ))
    }

    /// An error in the words of ssh itself, where that has said something.
    pub(crate) fn explain(&self, error: Error) -> Error {
        let Some(path) = self.said() else {
            return error;
        };
        let mut said = Vec::new();
        // Where ssh was not even started there is no such file.
        if let Ok(file) = File::open(path) {
            let _ = file.take(SAID).read_to_end(&mut said);
        }
        let said = String::from_utf8_lossy(&said);
        if !said.is_empty() {
            tracing::debug!(%said, "ssh ended without an answer.");
        }
        reworded(error, &said)
    }

    fn said(&self) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        Some(folder.path().join("said"))
    }
}

/// Whether git goes to an address by ssh: `ssh://` or `user@host:path`.
fn is_ssh(url: &str) -> bool {
    match url.split_once("://") {
        Some((scheme, _)) => scheme == "ssh",
        None => true,
    }
}

fn write(folder: &TempDir, name: &str, text: &str) -> std::io::Result<PathBuf> {
    let path = folder.path().join(name);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&path)?;
    file.write_all(text.trim_end().as_bytes())?;
    file.write_all(b"\n")?;
    Ok(path)
}
