//! When repositories are asked for news: one listing for all Stacks that follow one, at the
//! shortest interval that any of them wants, and at once when somebody asks. Stacks are woken only
//! when something that they read has moved. It must not know what Stacks do with a revision.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use holdfast_model::revision::{CommitId, Revision};
use holdfast_model::stack::{Reference, Repository, Stack, StackKey};
use holdfast_source::{Credentials, Error, GitTree, Sources};
use tokio::sync::Notify;
use tracing::{info, warn};

use crate::control::ControlPlane;
use crate::queue::Queue;
use crate::state::Render;

/// Trees that are kept open a repository: the newest, and the one before it while Stacks move on.
const OPEN_TREES: usize = 4;
const LONGEST_BACKOFF: Duration = Duration::from_secs(300);

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
    /// A commit that the Stack has taken up, and what it renders to.
    taken_up: Option<(CommitId, Arc<Render>)>,
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

    /// Notes what a commit renders to for a Stack that follows it: it is not woken for later ones in
    /// which nothing that was read for this has changed.
    pub(crate) fn take_up(&self, stack: &Stack, commit: &CommitId, render: Option<&Arc<Render>>) {
        let followed = self.lock().get(&id(&stack.source.repository)).cloned();
        let Some(followed) = followed else { return };
        if let Some(follower) = followed.lock().followers.get_mut(&stack.key) {
            follower.taken_up = render.map(|render| (commit.clone(), Arc::clone(render)));
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
        let url = &followed.repository.url;
        let answer = match self.credentials(&followed.repository).await {
            Ok(credentials) => {
                let resolved = self
                    .sources
                    .resolve(url, credentials.as_ref(), &references)
                    .await;
                resolved.map_err(|error| SourceFailure::from(&error))
            }
            Err(failure) => Err(failure),
        };
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
            let unmoved = self.unmoved(followed, &reference, &found).await;
            news.push((reference, found, unmoved));
        }
        let mut state = followed.lock();
        state.failures = if answer.is_err() {
            state.failures + 1
        } else {
            0
        };
        for (reference, found, unmoved) in news {
            self.take(&mut state, url, (reference, found), &unmoved);
        }
        state.ended = round;
        if state.ended >= state.wanted {
            for stack in std::mem::take(&mut state.awaiting) {
                self.queue.wake(&stack);
            }
        }
        jitter(interval.max(backoff(state.failures)), url)
    }

    /// The Stacks for which nothing has changed although their reference has moved, with what they
    /// render to: of what they read, every folder and file is the same object in both commits.
    async fn unmoved(
        &self,
        followed: &Followed,
        reference: &Reference,
        found: &Found,
    ) -> Vec<(StackKey, Arc<Render>)> {
        let (before, candidates) = {
            let state = followed.lock();
            let (Some(Ok(before)), Ok(now)) = (state.found.get(reference), found) else {
                return Vec::new();
            };
            if before.commit == now.commit {
                return Vec::new();
            }
            let followers = state.followers.iter();
            let candidates: Vec<(StackKey, Arc<Render>)> = followers
                .filter(|(_, follower)| follower.reference == *reference)
                .filter_map(|(stack, follower)| {
                    let (commit, render) = follower.taken_up.as_ref()?;
                    (*commit == before.commit).then(|| (stack.clone(), Arc::clone(render)))
                })
                .collect();
            (before.commit.clone(), candidates)
        };
        let Ok(now) = found else { return Vec::new() };
        if candidates.is_empty() {
            return Vec::new();
        }
        let repository = &followed.repository;
        // Where they cannot be read, the Stacks that are woken say so.
        let Ok(old) = self.tree(repository, &before).await else {
            return Vec::new();
        };
        let Ok(new) = self.tree(repository, &now.commit).await else {
            return Vec::new();
        };
        let mut unmoved = candidates;
        unmoved.retain(|(_, render)| {
            let paths = render.rendered.trace.paths();
            paths.is_some_and(|mut paths| paths.all(|path| old.is_same(&new, path)))
        });
        unmoved
    }

    /// Notes what a reference is at, and where that is news wakes those who follow it, except those
    /// for which nothing has moved.
    fn take(
        &self,
        state: &mut State,
        url: &str,
        (reference, found): (Reference, Found),
        unmoved: &[(StackKey, Arc<Render>)],
    ) {
        if state.found.get(&reference) == Some(&found) {
            return;
        }
        match &found {
            Ok(revision) => info!(url, %revision, "A source has moved."),
            Err(failure) => warn!(url, error = failure.message, "A source could not be had."),
        }
        let unmoved: HashMap<&StackKey, &Arc<Render>> = unmoved
            .iter()
            .map(|(stack, render)| (stack, render))
            .collect();
        for (stack, follower) in &mut state.followers {
            if follower.reference != reference {
                continue;
            }
            // A look that has ended meanwhile may have taken up something else.
            let is_same = |taken_up: &&mut (CommitId, Arc<Render>)| {
                let render = unmoved.get(stack);
                render.is_some_and(|render| Arc::ptr_eq(render, &taken_up.1))
            };
            match (follower.taken_up.as_mut().filter(is_same), &found) {
                (Some((commit, _)), Ok(revision)) => commit.clone_from(&revision.commit),
                _ => self.queue.wake(stack),
            }
        }
        state.found.insert(reference, found);
    }
}

fn backoff(failures: u32) -> Duration {
    match failures {
        0 => Duration::ZERO,
        failures => (Duration::from_secs(1) * 2_u32.pow(failures.min(9))).min(LONGEST_BACKOFF),
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
