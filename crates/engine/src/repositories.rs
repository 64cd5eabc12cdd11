//! When repositories are asked for news: one listing for all Stacks that follow one, at the
//! shortest interval that any of them wants, and at once when somebody asks. Stacks are woken only
//! when something that they read has moved. It must not know what Stacks do with a revision.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use holdfast_model::artifact::{Blobs, TreePath};
use holdfast_model::revision::{CommitId, Revision};
use holdfast_model::stack::{Reference, Repository, SecretReference, Source, Stack, StackKey};
use holdfast_render::{Mount, Trace, below, join};
use holdfast_source::{Credentials, GitTree, Resolved, Sources};
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::backoff::backoff;
use crate::ports::Connections;
use crate::queue::Queue;

mod failure;
mod neighbours;

pub(crate) use failure::SourceFailure;

/// Trees that are kept open a repository: the newest, and the one before it while Stacks move on.
const OPEN_TREES: usize = 4;

/// What a repository says of a reference, as text for people where it could not be had.
pub(crate) type Found = Result<Revision, SourceFailure>;

/// All repositories that some Stack follows.
pub(crate) struct Repositories {
    sources: Sources,
    queue: Arc<Queue>,
    connections: Arc<dyn Connections>,
    followed: Mutex<HashMap<Id, Arc<Followed>>>,
    /// What each Stack follows: a repository for each of its sources, by the source's name.
    places: Mutex<HashMap<StackKey, BTreeSet<(Id, String)>>>,
}

/// A repository as one set of credentials sees it.
type Id = (String, Option<SecretReference>);

struct Followed {
    repository: Repository,
    state: Mutex<State>,
    poked: Notify,
}

#[derive(Default)]
struct State {
    followers: HashMap<StackKey, Vec<Follower>>,
    found: BTreeMap<Reference, Found>,
    trees: VecDeque<(CommitId, Arc<GitTree>)>,
    failures: u32,
    /// How many listings have begun and ended, and which of them has to have ended before what is
    /// known counts as fresh.
    begun: u64,
    ended: u64,
    wanted: u64,
    /// Stacks that wait for a fresh answer.
    awaiting: HashSet<StackKey>,
}

/// A Stack that follows a reference, for one of its sources.
struct Follower {
    /// The source's name; empty for the one that is rendered.
    name: String,
    /// The folder of the repository that the source's name stands for.
    folder: TreePath,
    reference: Reference,
    interval: Duration,
    /// A commit that the Stack has taken up, and what it read of it.
    taken_up: Option<(CommitId, Arc<Trace>)>,
}

/// What a reference has come to.
struct News {
    reference: Reference,
    found: Found,
    /// The Stacks that follow it and for which nothing has moved, with what they read.
    unmoved: Unmoved,
}

/// What Stacks read through a source of theirs, by the source's name.
type Unmoved = HashMap<(StackKey, String), Arc<Trace>>;

/// Whether an answer may be from before somebody asked for a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// What is known will do.
    Any,
    /// It has to be from after the last time that somebody asked for a look.
    Fresh,
}

impl State {
    /// Everybody who follows a reference, with the Stack.
    fn following<'a>(
        &'a self,
        reference: &'a Reference,
    ) -> impl Iterator<Item = (&'a StackKey, &'a Follower)> {
        let followers = self.followers.iter();
        let followers = followers.flat_map(|(stack, all)| all.iter().map(move |one| (stack, one)));
        followers.filter(move |(_, follower)| follower.reference == *reference)
    }
}

impl Follower {
    /// The paths in the repository of what a Stack read through this source; `None` where that
    /// cannot be told.
    fn paths<'a>(&'a self, read: &'a Trace) -> Option<impl Iterator<Item = TreePath> + 'a> {
        let paths = read.paths()?;
        Some(paths.filter_map(|path| match self.name.as_str() {
            "" => Some(path.clone()),
            name => self.folder.join(below(path, name)?),
        }))
    }
}

impl Followed {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn id(repository: &Repository) -> Id {
    (repository.url.clone(), repository.credentials.clone())
}

impl Repositories {
    pub(crate) fn new(
        sources: Sources,
        queue: Arc<Queue>,
        connections: Arc<dyn Connections>,
    ) -> Arc<Self> {
        Arc::new(Self {
            sources,
            queue,
            connections,
            followed: Mutex::default(),
            places: Mutex::default(),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Id, Arc<Followed>>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a Stack's references are at; `None` when that is not known yet, or not as freshly as it
    /// is wanted: the Stack is woken when it is. From now on the Stack is woken whenever the answer
    /// changes.
    pub(crate) fn follow(self: &Arc<Self>, stack: &Stack, freshness: Freshness) -> Option<Found> {
        self.leave_others(&stack.key, stack.sources());
        // Each is followed, so that they are asked side by side.
        let answers: Vec<_> = stack
            .sources()
            .map(|(name, source)| {
                let found = self.follow_one(&stack.key, name, source, freshness);
                (name.to_owned(), found)
            })
            .collect();
        let mut revision: Option<Revision> = None;
        for (name, found) in answers {
            match (found?, &mut revision) {
                (Err(failure), _) => return Some(Err(failure)),
                (Ok(own), None) => revision = Some(own),
                (Ok(other), Some(revision)) => {
                    revision.others.insert(name, other.commit);
                }
            }
        }
        revision.map(Ok)
    }

    fn follow_one(
        self: &Arc<Self>,
        stack: &StackKey,
        name: &str,
        source: &Source,
        freshness: Freshness,
    ) -> Option<Found> {
        let (repository, reference) = (&source.repository, &source.reference);
        let followed = self.enter(repository);
        let mut state = followed.lock();
        let followers = state.followers.entry(stack.clone()).or_default();
        let place = followers.iter().position(|follower| follower.name == name);
        let before = place.map(|place| followers.swap_remove(place));
        followers.push(Follower {
            name: name.to_owned(),
            folder: source.path.clone(),
            reference: reference.clone(),
            interval: repository.interval,
            taken_up: before
                .filter(|before| before.reference == *reference)
                .and_then(|before| before.taken_up),
        });
        if freshness == Freshness::Fresh && state.ended < state.wanted {
            state.awaiting.insert(stack.clone());
            return None;
        }
        let found = state.found.get(reference).cloned();
        if found.is_none() {
            followed.poked.notify_one();
        }
        found
    }

    /// Notes what was read of a revision for a Stack that follows it: it is not woken for later ones
    /// in which nothing of that has changed. Without it, it is woken for every one.
    pub(crate) fn take_up(&self, stack: &Stack, revision: &Revision, read: Option<&Arc<Trace>>) {
        for (name, source) in stack.sources() {
            let followed = self.lock().get(&id(&source.repository)).cloned();
            let (Some(followed), Some(commit)) = (followed, revision.commit_of(name)) else {
                continue;
            };
            let mut state = followed.lock();
            let followers = state.followers.get_mut(&stack.key).into_iter().flatten();
            for follower in followers.filter(|follower| follower.name == name) {
                follower.taken_up = read.map(|read| (commit.clone(), Arc::clone(read)));
            }
        }
    }

    /// The repository's record, with a task that asks it for news.
    fn enter(self: &Arc<Self>, repository: &Repository) -> Arc<Followed> {
        let mut all = self.lock();
        let entry = all.entry(id(repository));
        let followed = entry.or_insert_with(|| {
            let followed = Arc::new(Followed {
                repository: repository.clone(),
                state: Mutex::default(),
                poked: Notify::new(),
            });
            tokio::spawn(poll(Arc::downgrade(self), Arc::downgrade(&followed)));
            followed
        });
        Arc::clone(followed)
    }

    /// A Stack no longer follows anything.
    pub(crate) fn leave(&self, stack: &StackKey) {
        self.leave_others(stack, std::iter::empty());
    }

    /// A Stack follows these sources and no others.
    fn leave_others<'a>(
        &self,
        stack: &StackKey,
        kept: impl Iterator<Item = (&'a str, &'a Source)>,
    ) {
        let kept: BTreeSet<(Id, String)> = kept
            .map(|(name, source)| (id(&source.repository), name.to_owned()))
            .collect();
        let before = {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            match kept.is_empty() {
                true => places.remove(stack),
                false if places.get(stack) == Some(&kept) => None,
                false => places.insert(stack.clone(), kept.clone()),
            }
        };
        let mut all = self.lock();
        for (id, name) in before
            .iter()
            .flatten()
            .filter(|place| !kept.contains(place))
        {
            let is_left = all.get(id).is_some_and(|followed| {
                let mut state = followed.lock();
                if let Some(followers) = state.followers.get_mut(stack) {
                    followers.retain(|follower| follower.name != *name);
                }
                state.followers.retain(|_, followers| !followers.is_empty());
                state.followers.is_empty()
            });
            if is_left {
                all.remove(id);
            }
        }
    }

    /// Asks the repositories of a Stack for news now.
    pub(crate) fn poke(&self, stack: &Stack) {
        for (_, source) in stack.sources() {
            if let Some(followed) = self.lock().get(&id(&source.repository)) {
                let mut state = followed.lock();
                state.wanted = state.begun + 1;
                followed.poked.notify_one();
            }
        }
    }

    /// Whether somebody follows the repository of a Stack.
    #[cfg(test)]
    pub(crate) fn is_asked(&self, stack: &Stack) -> bool {
        self.lock().contains_key(&id(&stack.source.repository))
    }

    /// Waits until the repositories of a Stack have answered what was asked last.
    #[cfg(test)]
    pub(crate) async fn answered(&self, stack: &Stack) {
        for (_, source) in stack.sources() {
            let Some(followed) = self.lock().get(&id(&source.repository)).cloned() else {
                continue;
            };
            let is_open = || {
                let state = followed.lock();
                state.ended < state.wanted
            };
            while is_open() {
                tokio::task::yield_now().await;
            }
        }
    }

    /// The files of a revision, those of a Stack's other sources below their names.
    pub(crate) async fn files(
        &self,
        stack: &Stack,
        revision: &Revision,
    ) -> Result<Arc<dyn Blobs>, SourceFailure> {
        let own = self
            .tree(&stack.source.repository, &revision.commit)
            .await?;
        let mut others = Vec::new();
        for other in &stack.others {
            // One that a revision has no commit of is not there for it.
            let Some(commit) = revision.others.get(&other.name) else {
                continue;
            };
            others.push(Mount {
                name: other.name.clone(),
                blobs: self.tree(&other.source.repository, commit).await?,
                folder: other.source.path.clone(),
            });
        }
        Ok(join(own, others))
    }

    /// The files of a commit; one reader for all Stacks.
    async fn tree(
        &self,
        repository: &Repository,
        commit: &CommitId,
    ) -> Result<Arc<GitTree>, SourceFailure> {
        let followed = self.lock().get(&id(repository)).cloned();
        let open = followed.as_ref().and_then(|followed| {
            let state = followed.lock();
            let found = state.trees.iter().find(|(id, _)| id == commit);
            found.map(|(_, tree)| Arc::clone(tree))
        });
        if let Some(tree) = open {
            return Ok(tree);
        }
        let credentials = self.credentials(repository).await?;
        let opened = self
            .sources
            .open(&repository.url, credentials.as_ref(), commit)
            .await;
        let failed = |error| SourceFailure::with(&error, repository.credentials.as_ref());
        let tree = Arc::new(opened.map_err(failed)?);
        if let Some(followed) = followed {
            let mut state = followed.lock();
            state.trees.push_front((commit.clone(), Arc::clone(&tree)));
            state.trees.truncate(OPEN_TREES);
        }
        Ok(tree)
    }

    async fn credentials(
        &self,
        repository: &Repository,
    ) -> Result<Option<Credentials>, SourceFailure> {
        let Some(secret) = &repository.credentials else {
            return Ok(None);
        };
        let found = self
            .connections
            .credentials(secret)
            .await
            .map_err(|failure| SourceFailure {
                message: failure.message,
                hint: failure.hint,
            })?;
        if let Some(misfit) = SourceFailure::misfit(&found, &repository.url, secret) {
            return Err(misfit);
        }
        Ok(Some(found))
    }

    /// One listing; how long until the next.
    async fn ask(&self, followed: &Followed) -> Duration {
        let (references, interval, round) = {
            let mut state = followed.lock();
            state.begun += 1;
            let round = state.begun;
            let followers = state.followers.values().flatten();
            let references: BTreeSet<Reference> = followers
                .clone()
                .map(|follower| follower.reference.clone())
                .collect();
            let interval = followers.map(|follower| follower.interval).min();
            (
                references,
                interval.unwrap_or(followed.repository.interval),
                round,
            )
        };
        let answer = self.resolve(&followed.repository, &references).await;
        let has_failed = answer.is_err();
        let news = self.news(followed, references, answer).await;
        let url = &followed.repository.url;
        let mut state = followed.lock();
        state.failures = if has_failed { state.failures + 1 } else { 0 };
        for news in news {
            match &news.found {
                Ok(revision) => info!(url, %revision, "A source has moved."),
                Err(failure) => warn!(url, error = failure.message, "A source could not be had."),
            }
            self.take(&mut state, news);
        }
        state.ended = round;
        if state.ended >= state.wanted {
            for stack in std::mem::take(&mut state.awaiting) {
                self.queue.wake(&stack);
            }
        }
        // One that fails is asked again soon, however seldom it is asked for news.
        let pause = match state.failures {
            0 => interval,
            failures => backoff(failures),
        };
        jitter(pause, url)
    }

    async fn resolve(
        &self,
        repository: &Repository,
        references: &BTreeSet<Reference>,
    ) -> Result<Resolved, SourceFailure> {
        let credentials = self.credentials(repository).await?;
        let resolved = self
            .sources
            .resolve(&repository.url, credentials.as_ref(), references)
            .await;
        resolved.map_err(|error| SourceFailure::with(&error, repository.credentials.as_ref()))
    }

    /// The references that have come to something else than is known.
    async fn news(
        &self,
        followed: &Followed,
        references: BTreeSet<Reference>,
        answer: Result<Resolved, SourceFailure>,
    ) -> Vec<News> {
        let mut news = Vec::new();
        for reference in references {
            let found = match &answer {
                Ok(resolved) => match resolved.get(&reference) {
                    Some(Ok(revision)) => Ok(revision.clone()),
                    Some(Err(error)) => Err(SourceFailure::from(error)),
                    None => continue,
                },
                Err(failure) => Err(failure.clone()),
            };
            let before = followed.lock().found.get(&reference).cloned();
            if before.as_ref() == Some(&found) {
                continue;
            }
            let unmoved = match (&before, &found) {
                (Some(Ok(before)), Ok(now)) if before.commit != now.commit => {
                    let commits = [&before.commit, &now.commit];
                    self.unmoved(followed, &reference, commits).await
                }
                _ => HashMap::new(),
            };
            news.push(News {
                reference,
                found,
                unmoved,
            });
        }
        news
    }

    /// The Stacks for which nothing has changed although their reference has moved from one commit to
    /// another, with what they read: every folder and file of that is the same object in both.
    async fn unmoved(
        &self,
        followed: &Followed,
        reference: &Reference,
        [before, now]: [&CommitId; 2],
    ) -> Unmoved {
        let at_rest: Vec<_> = {
            let state = followed.lock();
            let at_rest = state.following(reference).filter_map(|(stack, follower)| {
                let (commit, read) = follower.taken_up.as_ref()?;
                let paths = follower.paths(read).filter(|_| commit == before)?;
                let seat = (stack.clone(), follower.name.clone());
                Some((seat, Arc::clone(read), paths.collect::<Vec<_>>()))
            });
            at_rest.collect()
        };
        if at_rest.is_empty() {
            return HashMap::new();
        }
        // Where a commit cannot be read, the Stacks that are woken say so.
        let Ok(old) = self.tree(&followed.repository, before).await else {
            return HashMap::new();
        };
        let Ok(new) = self.tree(&followed.repository, now).await else {
            return HashMap::new();
        };
        at_rest
            .into_iter()
            .filter(|(_, _, paths)| paths.iter().all(|path| old.is_same(&new, path)))
            .map(|(seat, read, _)| (seat, read))
            .collect()
    }

    /// Notes what a reference has come to and wakes those who follow it, except those for which
    /// nothing has moved.
    fn take(&self, state: &mut State, news: News) {
        let News {
            reference,
            found,
            unmoved,
        } = news;
        let followers = state.followers.iter_mut();
        let followers =
            followers.flat_map(|(stack, all)| all.iter_mut().map(move |one| (stack, one)));
        for (stack, follower) in followers {
            if follower.reference != reference {
                continue;
            }
            // A look that has ended meanwhile may have taken up something else.
            let seat = (stack.clone(), follower.name.clone());
            let is_same = |taken_up: &&mut (CommitId, Arc<Trace>)| {
                let read = unmoved.get(&seat);
                read.is_some_and(|read| Arc::ptr_eq(read, &taken_up.1))
            };
            match (follower.taken_up.as_mut().filter(is_same), &found) {
                (Some((commit, _)), Ok(revision)) => commit.clone_from(&revision.commit),
                _ => self.queue.wake(stack),
            }
        }
        state.found.insert(reference, found);
    }
}

/// Spreads listings by up to a tenth, each repository by its own share, so that a thousand of
/// them are not asked in the same moment.
fn jitter(interval: Duration, url: &str) -> Duration {
    let share: u32 = url.bytes().fold(7_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(byte))
    }) % 100;
    interval + interval * share / 1_000
}

/// Asks one repository for news for as long as some Stack follows it.
async fn poll(repositories: Weak<Repositories>, followed: Weak<Followed>) {
    loop {
        let pause = {
            let (Some(repositories), Some(followed)) = (repositories.upgrade(), followed.upgrade())
            else {
                return;
            };
            repositories.ask(&followed).await
        };
        let Some(again) = followed.upgrade() else {
            return;
        };
        let _ = tokio::time::timeout(pause, again.poked.notified()).await;
    }
}
