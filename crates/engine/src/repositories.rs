//! When repositories are asked for news: one listing for all Stacks that follow one, at the
//! shortest interval that any of them wants, and at once when somebody asks. Stacks are woken only
//! when something that they read has moved. It must not know what Stacks do with a revision.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use holdfast_model::revision::{CommitId, Revision};
use holdfast_model::stack::{Reference, Repository, Stack, StackKey};
use holdfast_render::Trace;
use holdfast_source::{Credentials, Error, GitTree, Resolved, Sources};
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::backoff::backoff;
use crate::control::ControlPlane;
use crate::queue::Queue;

/// Trees that are kept open a repository: the newest, and the one before it while Stacks move on.
const OPEN_TREES: usize = 4;

/// What a repository says of a reference, as text for people where it could not be had.
pub(crate) type Found = Result<Revision, SourceFailure>;

/// Why a source could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceFailure {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl From<&Error> for SourceFailure {
    fn from(error: &Error) -> Self {
        Self {
            message: error.to_string(),
            hint: error.hint().map(str::to_owned),
        }
    }
}

/// All repositories that some Stack follows.
pub(crate) struct Repositories {
    sources: Sources,
    queue: Arc<Queue>,
    plane: Arc<dyn ControlPlane>,
    followed: Mutex<HashMap<Id, Arc<Followed>>>,
}

/// A repository as one set of credentials sees it.
type Id = (String, Option<holdfast_model::stack::SecretReference>);

struct Followed {
    repository: Repository,
    state: Mutex<State>,
    poked: Notify,
}

#[derive(Default)]
struct State {
    followers: HashMap<StackKey, Follower>,
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

/// A Stack that follows a reference.
struct Follower {
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
    unmoved: HashMap<StackKey, Arc<Trace>>,
}

/// Whether an answer may be from before somebody asked for a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Freshness {
    /// What is known will do.
    Any,
    /// It has to be from after the last time that somebody asked for a look.
    Fresh,
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
        plane: Arc<dyn ControlPlane>,
    ) -> Arc<Self> {
        Arc::new(Self {
            sources,
            queue,
            plane,
            followed: Mutex::default(),
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Id, Arc<Followed>>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a Stack's reference is at; `None` when that is not known yet, or not as freshly as it
    /// is wanted: the Stack is woken when it is. From now on the Stack is woken whenever the answer
    /// changes.
    pub(crate) fn follow(
        self: &Arc<Self>,
        stack: &StackKey,
        repository: &Repository,
        reference: &Reference,
        freshness: Freshness,
    ) -> Option<Found> {
        let followed = self.enter(repository);
        self.leave_others(stack, Some(&id(repository)));
        let mut state = followed.lock();
        let before = state.followers.remove(stack);
        let follower = Follower {
            reference: reference.clone(),
            interval: repository.interval,
            taken_up: before
                .filter(|before| before.reference == *reference)
                .and_then(|before| before.taken_up),
        };
        state.followers.insert(stack.clone(), follower);
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

    /// Notes what was read of a commit for a Stack that follows it: it is not woken for later ones in
    /// which nothing of that has changed. Without it, it is woken for every one.
    pub(crate) fn take_up(&self, stack: &Stack, commit: CommitId, read: Option<&Arc<Trace>>) {
        let followed = self.lock().get(&id(&stack.source.repository)).cloned();
        let Some(followed) = followed else { return };
        if let Some(follower) = followed.lock().followers.get_mut(&stack.key) {
            follower.taken_up = read.map(|read| (commit, Arc::clone(read)));
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
        self.leave_others(stack, None);
    }

    fn leave_others(&self, stack: &StackKey, kept: Option<&Id>) {
        self.lock().retain(|id, followed| {
            if Some(id) == kept {
                return true;
            }
            let mut state = followed.lock();
            state.followers.remove(stack).is_none() || !state.followers.is_empty()
        });
    }

    /// Asks a repository for news now.
    pub(crate) fn poke(&self, repository: &Repository) {
        if let Some(followed) = self.lock().get(&id(repository)) {
            let mut state = followed.lock();
            state.wanted = state.begun + 1;
            followed.poked.notify_one();
        }
    }

    /// The files of a commit; one reader for all Stacks.
    pub(crate) async fn tree(
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
        let tree = Arc::new(opened.map_err(|error| SourceFailure::from(&error))?);
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
            .plane
            .credentials(secret)
            .await
            .map_err(|failure| SourceFailure {
                message: failure.message,
                hint: failure.hint,
            })?;
        Ok(Some(found))
    }

    /// One listing; how long until the next.
    async fn ask(&self, followed: &Followed) -> Duration {
        let (references, interval, round) = {
            let mut state = followed.lock();
            state.begun += 1;
            let round = state.begun;
            let followers = state.followers.values();
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
        resolved.map_err(|error| SourceFailure::from(&error))
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
    ) -> HashMap<StackKey, Arc<Trace>> {
        let mut unmoved: HashMap<StackKey, Arc<Trace>> = {
            let state = followed.lock();
            let followers = state.followers.iter();
            let followers = followers.filter(|(_, follower)| follower.reference == *reference);
            let at_rest = followers.filter_map(|(stack, follower)| {
                let (commit, read) = follower.taken_up.as_ref()?;
                (commit == before).then(|| (stack.clone(), Arc::clone(read)))
            });
            at_rest.collect()
        };
        if unmoved.is_empty() {
            return unmoved;
        }
        // Where a commit cannot be read, the Stacks that are woken say so.
        let Ok(old) = self.tree(&followed.repository, before).await else {
            return HashMap::new();
        };
        let Ok(new) = self.tree(&followed.repository, now).await else {
            return HashMap::new();
        };
        unmoved.retain(|_, read| {
            let paths = read.paths();
            paths.is_some_and(|mut paths| paths.all(|path| old.is_same(&new, path)))
        });
        unmoved
    }

    /// Notes what a reference has come to and wakes those who follow it, except those for which
    /// nothing has moved.
    fn take(&self, state: &mut State, news: News) {
        let News {
            reference,
            found,
            unmoved,
        } = news;
        for (stack, follower) in &mut state.followers {
            if follower.reference != reference {
                continue;
            }
            // A look that has ended meanwhile may have taken up something else.
            let is_same = |taken_up: &&mut (CommitId, Arc<Trace>)| {
                let read = unmoved.get(stack);
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
