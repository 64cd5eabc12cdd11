//! One bare repository on disk, and how to get in where it comes from. It must not know references.

use std::fmt;
use std::fs::File;
use std::path::Path;
use std::time::SystemTime;

use gix::ThreadSafeRepository;
use gix::open::Options;

use crate::cause::Cause;
use crate::copies;

/// How to get into a repository. `Debug` shows no values.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Credentials {
    /// A user and a password or token, over http and https.
    Basic {
        /// The user's name.
        username: String,
        /// The password or token.
        password: String,
    },
    /// A token that is sent as it is, over http and https.
    Bearer {
        /// The token.
        token: String,
    },
    /// A private key, over ssh.
    Ssh {
        /// The key in OpenSSH's form.
        identity: String,
        /// Lines of a `known_hosts` file; the host must be in it.
        known_hosts: String,
    },
}

impl Credentials {
    /// What is wrong with them for an address; nothing where they fit it.
    pub fn misfit(&self, url: &str) -> Option<&'static str> {
        let is_ssh = match url.split_once("://") {
            Some((scheme, _)) => scheme == "ssh",
            None => url.contains('@'),
        };
        match (self, is_ssh) {
            (Self::Ssh { .. }, false) => Some(
                "it holds `identity`, a key for ssh, and the address is none of ssh; give it username and \
                 password, or bearerToken",
            ),
            (Self::Basic { .. } | Self::Bearer { .. }, true) => Some(
                "it holds no `identity`, and an address of ssh wants a key; give it identity and \
                 known_hosts",
            ),
            _ => None,
        }
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Basic { .. } => "Basic(…)",
            Self::Bearer { .. } => "Bearer(…)",
            Self::Ssh { .. } => "Ssh(…)",
        })
    }
}

/// Why a source could not be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The local copy cannot be opened or made.
    #[error("the local copy of `{url}` cannot be used: {message}")]
    OpenCache {
        /// The repository.
        url: String,
        /// What the disk said.
        message: String,
    },
    /// The repository did not answer, or refused.
    #[error("could not fetch from `{url}`: {message}")]
    Fetch {
        /// The repository.
        url: String,
        /// What happened.
        message: String,
    },
    /// The repository did not answer, or refused, for a reason that is known.
    #[error("could not fetch from `{url}`: {message}")]
    Unfetched {
        /// What was asked for.
        url: String,
        /// What kept it.
        cause: Cause,
        /// The same for people.
        message: String,
    },
    /// It may not be fetched from.
    #[error("`{url}` is not fetched: {message}")]
    Denied {
        /// What was named.
        url: String,
        /// Why not.
        message: String,
    },
    /// It took too long.
    #[error("could not fetch from `{url}` within {seconds} s")]
    Timeout {
        /// The repository.
        url: String,
        /// The limit.
        seconds: u64,
    },
    /// The repository has no such reference.
    #[error("`{url}` has no {reference}")]
    NoReference {
        /// The repository.
        url: String,
        /// What was looked for.
        reference: String,
    },
    /// A range of versions cannot be read.
    #[error("`{range}` is no range of semantic versions: {message}")]
    BadRange {
        /// The range.
        range: String,
        /// What is wrong.
        message: String,
    },
    /// The commit is not there, or is none.
    #[error("commit {commit} of `{url}` cannot be read: {message}")]
    BadCommit {
        /// The repository.
        url: String,
        /// The commit.
        commit: String,
        /// What is wrong.
        message: String,
    },
}

impl Error {
    /// What a person can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::OpenCache { .. } => Some("check that the data folder is there and has room"),
            Self::Fetch { .. } => Some(
                "check the address, the network, and the Secret that the Stack names for it in \
                 spec.source.credentials or spec.render.credentials",
            ),
            Self::Unfetched { cause, .. } => Some(cause.hint()),
            Self::Denied { .. } => Some(
                "name another address, or have the engine allow this one: docs/guide/security.md",
            ),
            Self::Timeout { .. } => Some("check the network and the size of the repository"),
            Self::NoReference { .. } => Some("check the branch, tag or ref in spec.source"),
            Self::BadRange { .. } => Some("write a range such as 1.x or >=2.1, <3"),
            Self::BadCommit { .. } => None,
        }
    }

    /// What kept a fetch, where that is known.
    pub fn cause(&self) -> Option<Cause> {
        match self {
            Self::Unfetched { cause, .. } => Some(*cause),
            _ => None,
        }
    }

    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::BadRange { .. })
    }
}

/// The turn of this process at a local copy. The system ends it with the process, however that
/// ends.
pub(crate) struct Turn {
    _file: File,
}

/// Waits for our turn at a local copy, and clears away what a process left behind that was killed
/// in the middle of its own: whoever has the turn knows that every lock file is stale.
pub(crate) fn take_turn(folder: &Path, url: &str) -> Result<Turn, Error> {
    let take = || -> std::io::Result<File> {
        if let Some(parent) = folder.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let file = File::create(folder.with_extension("turn"))?;
        file.lock()?;
        // Copies that nobody has read for long are removed.
        file.set_modified(SystemTime::now())?;
        copies::mend(folder)?;
        if folder.join("HEAD").exists() {
            clear_locks(folder, 0)?;
        } else if folder.exists() {
            // It was being made when its maker was killed.
            std::fs::remove_dir_all(folder)?;
        }
        Ok(file)
    };
    let file = take().map_err(|error| Error::OpenCache {
        url: url.to_owned(),
        message: error.to_string(),
    })?;
    Ok(Turn { _file: file })
}

/// Removes lock files, except below `objects`, where there are none.
fn clear_locks(folder: &Path, depth: usize) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_dir() {
            if name != "objects" && depth < 8 {
                clear_locks(&entry.path(), depth + 1)?;
            }
        } else if Path::new(&name)
            .extension()
            .is_some_and(|ending| ending == "lock")
        {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Opens the bare repository in a folder, making it where there is none, with the settings that
/// reach its origin. Settings of the machine and its user do not count.
pub(crate) fn open(
    folder: &Path,
    url: &str,
    settings: Vec<String>,
) -> Result<ThreadSafeRepository, Error> {
    let refuse = |message: String| Error::OpenCache {
        url: url.to_owned(),
        message,
    };
    if !folder.join("HEAD").exists() {
        if let Some(all) = folder.parent() {
            copies::make_room(all);
        }
        std::fs::create_dir_all(folder).map_err(|error| refuse(error.to_string()))?;
        gix::init_bare(folder).map_err(|error| refuse(error.to_string()))?;
    }
    let options = Options::isolated().config_overrides(settings);
    ThreadSafeRepository::open_opts(folder, options).map_err(|error| refuse(error.to_string()))
}
