//! All repositories: each has one local copy and one fetch at a time, whoever asks. It must not
//! know when to ask again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gix::ObjectId;
use holdfast_go::semver::Constraint;
use holdfast_model::revision::{CommitId, Revision};
use holdfast_model::stack::Reference;
use tokio::sync::Semaphore;

use crate::charts::HeldIndices;
use crate::copies::{self, Read};
use crate::fetch::{self, Listed};
use crate::guard::Guard;
use crate::repository::{self, Credentials, Error};
use crate::select;
use crate::ssh::Way;
use crate::tree::GitTree;
use crate::web::Web;

/// How much is taken of repositories, and how long they may take.
#[derive(Clone, Copy, Debug)]
pub struct SourceLimits {
    /// The longest that a listing or a fetch may take; 5 min by default.
    pub timeout: Duration,
    /// The largest file that is read, in bytes; 16 MiB.
    pub file: u64,
    /// How many repositories are fetched from at once; 4.
    pub concurrency: usize,
}

impl Default for SourceLimits {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(300),
            file: 16 << 20,
            concurrency: 4,
        }
    }
}

/// What each reference is at, or why that is not known.
pub type Resolved = BTreeMap<Reference, Result<Revision, Error>>;

/// All repositories of a data folder, of Git and of charts. Clones share everything.
#[derive(Clone)]
pub struct Sources {
    shared: Arc<Shared>,
}

struct Shared {
    root: PathBuf,
    limits: SourceLimits,
    permits: Semaphore,
    /// One lock a repository, so that it is fetched once however many ask.
    repositories: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
    guard: Arc<Guard>,
    web: Web,
    /// The commits that were read last.
    read: Mutex<Read>,
    stuck: Stuck,
    indices: Mutex<HeldIndices>,
}

impl Sources {
    /// Keeps local copies below `root`: repositories in `git`, archives of charts in `charts`.
    pub fn new(root: PathBuf, limits: SourceLimits) -> Self {
        Self::guarded(root, limits, Guard::default())
    }

    /// As [`Sources::new`], with a guard over where is fetched from.
    pub fn guarded(root: PathBuf, limits: SourceLimits, guard: Guard) -> Self {
        let guard = Arc::new(guard);
        Self {
            shared: Arc::new(Shared {
                root,
                limits,
                permits: Semaphore::new(limits.concurrency),
                repositories: Mutex::new(HashMap::new()),
                web: Web::new(Arc::clone(&guard)),
                guard,
                read: Mutex::default(),
                stuck: Stuck::default(),
                indices: Mutex::default(),
            }),
        }
    }

    /// The guard over where is fetched from.
    pub fn guard(&self) -> Arc<Guard> {
        Arc::clone(&self.shared.guard)
    }

    /// Whether a repository that a chart or an overlay names may be fetched from.
    ///
    /// # Errors
    /// When its host is not for them.
    pub async fn admit(&self, url: &str) -> Result<(), Error> {
        self.shared.guard.admit(url).await
    }

    /// Finds out what references are at, and fetches what is new; one listing for all of them.
    ///
    /// # Errors
    /// When the repository as a whole could not be asked; a reference that it does not have is an
    /// error of its own in the answer.
    pub async fn resolve(
        &self,
        url: &str,
        credentials: Option<&Credentials>,
        references: &BTreeSet<Reference>,
    ) -> Result<Resolved, Error> {
        let references = references.clone();
        self.run(url, credentials, move |work| work.resolve(&references))
            .await
    }

    /// The files of a commit, fetched where the local copy does not have it.
    ///
    /// # Errors
    /// When the commit cannot be had.
    pub async fn open(
        &self,
        url: &str,
        credentials: Option<&Credentials>,
        commit: &CommitId,
    ) -> Result<GitTree, Error> {
        let wanted = commit.clone();
        let opened = self.run(url, credentials, move |work| work.open(&wanted));
        let opened = opened.await?;
        self.note(url, credentials, commit);
        Ok(opened)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.shared.root
    }

    pub(crate) fn web(&self) -> &Web {
        &self.shared.web
    }

    pub(crate) fn held_indices(&self) -> &Mutex<HeldIndices> {
        &self.shared.indices
    }

    /// The largest file that is read, in bytes.
    pub(crate) fn file_limit(&self) -> u64 {
        self.shared.limits.file
    }

    /// The lock of whoever fetches from an address.
    pub(crate) fn turn(&self, address: &str) -> Arc<tokio::sync::Mutex<()>> {
        let all = self.shared.repositories.lock();
        let mut all = all.unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(address.to_owned()).or_default())
    }

    /// Gives a task the time that fetches may take.
    pub(crate) async fn timed<T>(
        &self,
        url: &str,
        task: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let timeout = self.shared.limits.timeout;
        let ended = tokio::time::timeout(timeout, task).await;
        ended.unwrap_or_else(|_| {
            Err(Error::Timeout {
                url: url.to_owned(),
                seconds: timeout.as_secs(),
            })
        })
    }

    async fn run<T: Send + 'static>(
        &self,
        url: &str,
        credentials: Option<&Credentials>,
        task: impl FnOnce(&Work) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let shared = &self.shared;
        shared.guard.check_disk(url)?;
        let name = copies::name(&shared.root, url, credentials);
        let failed = |message: &str| Error::Fetch {
            url: url.to_owned(),
            message: message.to_owned(),
        };
        let lock = self.turn(&name);
        let _turn = lock.lock().await;
        let permit = shared.permits.acquire().await;
        let _permit = permit.map_err(|_| failed("the engine is stopping"))?;
        let Some(name) = shared.stuck.place(&name) else {
            return Err(failed("too many fetches before have not come to an end"));
        };
        let folder = shared.root.join("git").join(&name);
        let interrupt = Arc::new(AtomicBool::new(false));
        let work = Work {
            read: self.read_of(&folder),
            folder,
            url: url.to_owned(),
            credentials: credentials.cloned(),
            limit: shared.limits.file,
            interrupt: Arc::clone(&interrupt),
        };
        let mut blocking = tokio::task::spawn_blocking(move || task(&work));
        match tokio::time::timeout(shared.limits.timeout, &mut blocking).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(failed("fetching broke off unexpectedly")),
            Err(_) => {
                interrupt.store(true, Ordering::Relaxed);
                shared.stuck.leave(&name);
                let handle = self.clone();
                tokio::spawn(async move {
                    let _ = blocking.await;
                    handle.shared.stuck.ended(&name);
                });
                Err(Error::Timeout {
                    url: url.to_owned(),
                    seconds: shared.limits.timeout.as_secs(),
                })
            }
        }
    }

    fn read_of(&self, folder: &Path) -> Vec<ObjectId> {
        let read = self.shared.read.lock();
        read.unwrap_or_else(PoisonError::into_inner).of(folder)
    }

    /// Notes that a commit was read, which is kept then.
    fn note(&self, url: &str, credentials: Option<&Credentials>, commit: &CommitId) {
        let shared = &self.shared;
        let Ok(id) = ObjectId::from_hex(commit.0.as_bytes()) else {
            return;
        };
        let name = copies::name(&shared.root, url, credentials);
        let folder = shared.root.join("git").join(name);
        let mut read = shared.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.note(&folder, id);
    }
}

/// How many fetches may be stuck at once: each has a thread.
const STUCK: usize = 16;

/// Fetches that have run out of time and not come to an end. Nothing can stop their threads; their
/// copies are left to them, and another one takes the place.
#[derive(Default)]
struct Stuck {
    copies: Mutex<BTreeSet<String>>,
}

impl Stuck {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.copies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The copy to work on: the first that nobody is stuck in; nothing where too many are.
    fn place(&self, name: &str) -> Option<String> {
        let copies = self.lock();
        if copies.len() >= STUCK {
            return None;
        }
        let others = (1..=STUCK).map(|number| format!("{name}-{number}"));
        std::iter::once(name.to_owned())
            .chain(others)
            .find(|name| !copies.contains(name))
    }

    fn leave(&self, name: &str) {
        self.lock().insert(name.to_owned());
    }

    fn ended(&self, name: &str) {
        self.lock().remove(name);
    }
}

/// One task for one repository, on a thread that may block.
struct Work {
    folder: PathBuf,
    url: String,
    credentials: Option<Credentials>,
    limit: u64,
    interrupt: Arc<AtomicBool>,
    /// The commits of the copy that were read last.
    read: Vec<ObjectId>,
}

impl Work {
    fn resolve(&self, references: &BTreeSet<Reference>) -> Result<Resolved, Error> {
        let _turn = repository::take_turn(&self.folder, &self.url)?;
        let (repository, way) = self.repository()?;
        let local = repository.to_thread_local();
        let patterns: BTreeSet<String> = references.iter().flat_map(select::listed).collect();
        let listed = fetch::list(&local, self.place(), &patterns);
        let listed = listed.map_err(|error| way.explain(error))?;
        let mut resolved = Resolved::new();
        let mut missing = BTreeMap::new();
        for reference in references {
            let found = self.find(reference, &listed);
            if let Ok((_, id, name)) = &found
                && !local.has_object(id)
            {
                missing.insert(*id, name.clone());
            }
            let revision =
                found.map(|(words, id, _)| Revision::new(CommitId(id.to_string()), words));
            resolved.insert(reference.clone(), revision);
        }
        if !missing.is_empty() {
            copies::gather(&self.folder, &self.url, &self.read)?;
            let (repository, way) = self.repository()?;
            let local = repository.to_thread_local();
            let fetched = fetch::fetch(&local, self.place(), &missing, &self.interrupt);
            fetched.map_err(|error| way.explain(error))?;
        }
        Ok(resolved)
    }

    /// What people call it, the commit, and the server's name for it.
    fn find(
        &self,
        reference: &Reference,
        listed: &Listed,
    ) -> Result<(String, ObjectId, Option<String>), Error> {
        let absent = || Error::NoReference {
            url: self.url.clone(),
            reference: select::describe(reference),
        };
        let (words, name) = match reference {
            Reference::Commit(commit) => {
                let id = self.commit_id(commit)?;
                return Ok((commit.short().to_owned(), id, None));
            }
            Reference::Semver(range) => {
                let wanted = Constraint::parse(range).map_err(|error| Error::BadRange {
                    range: range.clone(),
                    message: error.to_string(),
                })?;
                let tags = listed
                    .keys()
                    .filter_map(|name| name.strip_prefix("refs/tags/"));
                let tag = select::newest(&wanted, tags).ok_or_else(absent)?;
                (tag.to_owned(), format!("refs/tags/{tag}"))
            }
            other => {
                let names = select::listed(other);
                let name = names.into_iter().find(|name| listed.contains_key(name));
                (other.to_string(), name.ok_or_else(absent)?)
            }
        };
        let id = listed.get(&name).ok_or_else(absent)?;
        Ok((words, *id, Some(name)))
    }

    /// Where is fetched from, and how.
    fn place(&self) -> (&str, Option<&Credentials>) {
        (&self.url, self.credentials.as_ref())
    }

    fn commit_id(&self, commit: &CommitId) -> Result<ObjectId, Error> {
        ObjectId::from_hex(commit.0.as_bytes()).map_err(|error| self.bad_commit(commit, &error))
    }

    fn bad_commit(&self, commit: &CommitId, error: &dyn std::fmt::Display) -> Error {
        Error::BadCommit {
            url: self.url.clone(),
            commit: commit.to_string(),
            message: error.to_string(),
        }
    }

    fn open(&self, commit: &CommitId) -> Result<GitTree, Error> {
        let _turn = repository::take_turn(&self.folder, &self.url)?;
        let (repository, way) = self.repository()?;
        let local = repository.to_thread_local();
        let id = self.commit_id(commit)?;
        if !local.has_object(id) {
            let wanted = BTreeMap::from([(id, None)]);
            let fetched = fetch::fetch(&local, self.place(), &wanted, &self.interrupt);
            fetched.map_err(|error| way.explain(error))?;
        }
        let root = local
            .find_commit(id)
            .and_then(|commit| Ok(commit.tree_id()?.detach()))
            .map_err(|error| self.bad_commit(commit, &error))?;
        Ok(GitTree::new(repository, root, self.limit))
    }

    /// The local copy, and the way to the server.
    fn repository(&self) -> Result<(gix::ThreadSafeRepository, Way), Error> {
        let mut settings = fetch::settings(self.credentials.as_ref());
        let way = Way::to(&self.url, self.credentials.as_ref()).map_err(|error| {
            let message = format!("what ssh needs could not be laid out: {error}");
            Error::OpenCache {
                url: self.url.clone(),
                message,
            }
        })?;
        settings.extend(way.setting());
        Ok((repository::open(&self.folder, &self.url, settings)?, way))
    }
}

#[cfg(test)]
mod tests {
    use super::{STUCK, Stuck};

    #[test]
    fn a_fetch_that_is_stuck_is_left_alone_and_there_are_not_too_many() {
        let stuck = Stuck::default();
        for _ in 0..STUCK {
            let place = stuck.place("a").expect("there is room");
            stuck.leave(&place);
        }
        assert_eq!(stuck.place("a"), None);
        stuck.ended("a");
        assert_eq!(stuck.place("a").as_deref(), Some("a"));
        assert_eq!(stuck.place("b").as_deref(), Some("b"));
    }
}
