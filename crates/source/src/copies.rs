//! Local copies of repositories: whose each is, how many there are, and how large they grow. It must not
//! know references.
//!
//! A copy belongs to an address and to the credentials that it was fetched with, so that nobody reads
//! what somebody else may.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use gix::ObjectId;
use gix::objs::Kind;
use gix::objs::Write as _;
use holdfast_model::digest::{Digest, Hasher};

use crate::repository::{Credentials, Error};

/// How many packs a copy has before what is still wanted of it is gathered: git itself has this number
/// in `gc.autoPackLimit`.
const PACKS: usize = 50;
/// How many commits of a copy are kept then: those that were read last.
const COMMITS: usize = 32;
/// How many copies there are.
const COPIES: usize = 512;
/// How long a copy is kept that nobody has read.
const UNUSED: Duration = Duration::from_secs(30 * 24 * 3600);

/// The name of the copy of a repository as somebody with these credentials sees it. Who has the data
/// folder cannot guess credentials from it without the key that is in there too.
pub(crate) fn name(root: &Path, url: &str, credentials: Option<&Credentials>) -> String {
    let Some(credentials) = credentials else {
        return Digest::of_bytes(url.as_bytes()).short();
    };
    let mut hasher = Hasher::new("copy of a repository");
    hasher.field(&key(root));
    hasher.field(url.as_bytes());
    for part in parts(credentials) {
        hasher.field(part.as_bytes());
    }
    hasher.finish().short()
}

/// Credentials as a part of a key in memory or, behind [`key`], on disk.
fn parts(credentials: &Credentials) -> [&str; 3] {
    match credentials {
        Credentials::Basic { username, password } => ["basic", username, password],
        Credentials::Bearer { token } => ["bearer", token, ""],
        Credentials::Ssh {
            identity,
            known_hosts,
        } => ["ssh", identity, known_hosts],
    }
}

/// The secret of a data folder, made when it is first asked for. Without one, as on a full disk, copies
/// are found again only by this process.
pub(crate) fn key(root: &Path) -> Vec<u8> {
    let place = root.join("key");
    if let Ok(key) = std::fs::read(&place)
        && key.len() == 32
    {
        return key;
    }
    let make = || -> std::io::Result<Vec<u8>> {
        let mut key = vec![0; 32];
        std::io::Read::read_exact(&mut File::open("/dev/urandom")?, &mut key)?;
        std::fs::create_dir_all(root)?;
        // The file is private to the user from the start.
        let mut file = tempfile::NamedTempFile::new_in(root)?;
        std::io::Write::write_all(&mut file, &key)?;
        match file.persist_noclobber(&place) {
            Ok(_) => Ok(key),
            // Somebody else was first.
            Err(_) => std::fs::read(&place),
        }
    };
    make().unwrap_or_else(|error| {
        tracing::warn!(%error, "The data folder has no key; copies of repositories are not kept.");
        std::process::id().to_le_bytes().to_vec()
    })
}

/// The commits of each copy that were read last, the newest last.
#[derive(Default)]
pub(crate) struct Read {
    commits: HashMap<PathBuf, VecDeque<ObjectId>>,
}

impl Read {
    pub(crate) fn note(&mut self, folder: &Path, commit: ObjectId) {
        let commits = self.commits.entry(folder.to_owned()).or_default();
        commits.retain(|known| *known != commit);
        commits.push_back(commit);
        if commits.len() > COMMITS {
            commits.pop_front();
        }
    }

    pub(crate) fn of(&self, folder: &Path) -> Vec<ObjectId> {
        let commits = self.commits.get(folder);
        commits.into_iter().flatten().copied().collect()
    }
}

fn beside(folder: &Path, ending: &str) -> PathBuf {
    folder.with_extension(ending)
}

/// Brings a copy to a state that can be used after a process was killed while it gathered one. To be
/// called by whoever has the turn at it.
pub(crate) fn mend(folder: &Path) -> std::io::Result<()> {
    let (fresh, old) = (beside(folder, "fresh"), beside(folder, "old"));
    if old.exists() && !folder.exists() {
        std::fs::rename(&old, folder)?;
    }
    for left in [fresh, old] {
        if left.exists() {
            std::fs::remove_dir_all(left)?;
        }
    }
    Ok(())
}

fn packs(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder.join("objects/pack"));
    let names = entries.into_iter().flatten().flatten();
    let packs = names.filter(|entry| entry.path().extension().is_some_and(|end| end == "pack"));
    packs.count()
}

/// Gathers what is wanted of a copy that has grown: a fresh one with these commits takes its place. To
/// be called by whoever has the turn at it. Whoever reads an older commit fetches it again.
pub(crate) fn gather(folder: &Path, url: &str, commits: &[ObjectId]) -> Result<(), Error> {
    if packs(folder) < PACKS {
        return Ok(());
    }
    let failed = |error: &dyn std::fmt::Display| Error::OpenCache {
        url: url.to_owned(),
        message: error.to_string(),
    };
    let fresh = beside(folder, "fresh");
    let old = beside(folder, "old");
    {
        let from = gix::open_opts(folder, gix::open::Options::isolated());
        let from = from.map_err(|error| failed(&error))?;
        let to = gix::init_bare(&fresh).map_err(|error| failed(&error))?;
        let mut moved = HashSet::new();
        let mut shallow = String::new();
        for commit in commits.iter().filter(|commit| from.has_object(**commit)) {
            copy_commit(&from, &to, *commit, &mut moved).map_err(|message| failed(&message))?;
            shallow.push_str(&format!("{commit}\n"));
        }
        std::fs::write(fresh.join("shallow"), shallow).map_err(|error| failed(&error))?;
    }
    let swap = || -> std::io::Result<()> {
        std::fs::rename(folder, &old)?;
        std::fs::rename(&fresh, folder)?;
        std::fs::remove_dir_all(&old)
    };
    swap().map_err(|error| failed(&error))
}

/// Copies a commit without its history: the commit, and all that its tree leads to.
fn copy_commit(
    from: &gix::Repository,
    to: &gix::Repository,
    commit: ObjectId,
    moved: &mut HashSet<ObjectId>,
) -> Result<(), String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let mut waiting = vec![commit];
    while let Some(id) = waiting.pop() {
        if !moved.insert(id) {
            continue;
        }
        let object = from.find_object(id).map_err(|error| told(&error))?;
        match object.kind {
            Kind::Commit => {
                let commit = from.find_commit(id).map_err(|error| told(&error))?;
                waiting.push(commit.tree_id().map_err(|error| told(&error))?.detach());
            }
            Kind::Tree => {
                let tree = from.find_tree(id).map_err(|error| told(&error))?;
                let decoded = tree.decode().map_err(|error| told(&error))?;
                let inside = decoded
                    .entries
                    .iter()
                    .filter(|entry| !entry.mode.is_commit());
                waiting.extend(inside.map(|entry| entry.oid.to_owned()));
            }
            Kind::Blob | Kind::Tag => {}
        }
        to.objects
            .write_buf(object.kind, &object.data)
            .map_err(|error| told(&error))?;
    }
    Ok(())
}

/// Makes room for another copy: removes those that nobody has read for long, and the oldest where there
/// are too many. One that somebody reads just now stays.
pub(crate) fn make_room(root: &Path) {
    let mut copies = Vec::new();
    for entry in std::fs::read_dir(root).into_iter().flatten().flatten() {
        let turn = entry.path();
        if turn.extension().is_none_or(|ending| ending != "turn") {
            continue;
        }
        let used = entry.metadata().and_then(|metadata| metadata.modified());
        copies.push((used.unwrap_or(SystemTime::UNIX_EPOCH), turn));
    }
    copies.sort();
    let too_many = copies.len().saturating_sub(COPIES - 1);
    for (index, (used, turn)) in copies.iter().enumerate() {
        let is_unused = used.elapsed().is_ok_and(|unused| unused > UNUSED);
        if index < too_many || is_unused {
            remove(turn);
        }
    }
}

fn remove(turn: &Path) {
    let Ok(file) = File::open(turn) else { return };
    if file.try_lock().is_err() {
        return;
    }
    let folder = turn.with_extension("");
    for place in [
        folder.clone(),
        beside(&folder, "fresh"),
        beside(&folder, "old"),
    ] {
        if place.exists()
            && let Err(error) = std::fs::remove_dir_all(&place)
        {
            tracing::warn!(%error, place = %place.display(), "An old copy could not be removed.");
            return;
        }
    }
    let _ = std::fs::remove_file(turn);
}
