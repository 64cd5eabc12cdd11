//! What the engine publishes of its Stacks. Readers get immutable values; what they do with them, and how
//! slowly, costs the engine nothing: the lock is held while pointers are copied, and who falls behind
//! the changes reads anew. It must not know who reads.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_model::event::StackEvent;
use holdfast_model::stack::{Stack, StackKey};
use holdfast_model::status::Status;
use holdfast_model::time::Time;
use holdfast_model::view::{Change, Fleet, Objects, SAID_LIMIT, Said, Sight, StackView, Wake};
use tokio::sync::broadcast;

use crate::look::Look;
use crate::state::StackState;

mod proposal;

/// How many changes a reader may be behind before it has to read anew.
const BEHIND: usize = 256;

/// What is published; clones share it.
#[derive(Clone)]
pub struct View {
    inner: Arc<Inner>,
}

struct Inner {
    published: Mutex<Published>,
    feed: broadcast::Sender<Change>,
}

#[derive(Default)]
struct Published {
    number: u64,
    sight: Sight,
    /// Whether all Stacks were known once.
    has_begun: bool,
    /// Since when nothing is heard of what somebody wants.
    unheard: Option<Time>,
    /// Since when what a Stack is could not be written.
    unwritten: BTreeMap<StackKey, Time>,
    stacks: BTreeMap<StackKey, Arc<StackView>>,
    /// All of them, as they were put together for whoever asked first.
    fleet: Option<Arc<Fleet>>,
}

/// What a reconciliation has seen, for those who read.
#[derive(Clone, Copy, Default)]
pub(crate) struct Seen<'a> {
    pub(crate) look: Option<&'a Look>,
    pub(crate) wake: Option<Wake>,
    /// When that was.
    pub(crate) at: Time,
}

impl Default for View {
    fn default() -> Self {
        Self {
            inner: Arc::new(Inner {
                published: Mutex::default(),
                feed: broadcast::channel(BEHIND).0,
            }),
        }
    }
}

impl View {
    /// All Stacks as they are now. Who asks again before anything has changed gets the same.
    pub fn fleet(&self) -> Arc<Fleet> {
        let mut published = self.lock();
        if let Some(fleet) = &published.fleet {
            return Arc::clone(fleet);
        }
        let fleet = Arc::new(Fleet {
            number: published.number,
            stacks: published.stacks.values().cloned().collect(),
            sight: published.sight,
        });
        published.fleet = Some(Arc::clone(&fleet));
        fleet
    }

    /// A Stack as it is now.
    pub fn stack(&self, key: &StackKey) -> Option<Arc<StackView>> {
        self.lock().stacks.get(key).cloned()
    }

    /// What changes from now on. Who falls behind is told so, and reads anew.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.inner.feed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, Published> {
        let published = &self.inner.published;
        published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts in what a Stack is now, where it says something new.
    fn put(&self, published: &mut Published, mut view: StackView) {
        published.number += 1;
        view.number = published.number;
        let key = view.stack.key.clone();
        published.stacks.insert(key.clone(), Arc::new(view));
        self.tell(published, Some(key));
    }

    fn tell(&self, published: &mut Published, stack: Option<StackKey>) {
        published.fleet = None;
        // Nobody may be listening.
        let _ = self.inner.feed.send(Change {
            number: published.number,
            stack,
        });
    }

    /// Whether it is heard what somebody wants, from now on.
    pub(crate) fn note_hearing(&self, hears: bool, now: Time) {
        let mut published = self.lock();
        if hears {
            (published.has_begun, published.unheard) = (true, None);
        } else {
            // It counts since when.
            published.unheard.get_or_insert(now);
        }
        self.judge(&mut published);
    }

    /// Whether what a Stack is now is written where others read it. What is not, because the control
    /// plane does not answer, is a sign that it may not be heard either.
    pub(crate) fn note_written(&self, key: &StackKey, is_written: bool, now: Time) {
        let mut published = self.lock();
        if is_written {
            published.unwritten.remove(key);
        } else if published.stacks.contains_key(key) {
            published.unwritten.entry(key.clone()).or_insert(now);
        }
        self.judge(&mut published);
    }

    fn judge(&self, published: &mut Published) {
        let unwritten = published.unwritten.values();
        let sight = match published.unheard.iter().chain(unwritten).min() {
            Some(since) => Sight::Blind(*since),
            None if published.has_begun => Sight::Clear,
            None => Sight::Starting,
        };
        if published.sight != sight {
            published.sight = sight;
            published.number += 1;
            self.tell(published, None);
        }
    }

    /// A Stack as somebody wants it now.
    pub(crate) fn want(&self, stack: &Arc<Stack>, now: Time) {
        let mut published = self.lock();
        let view = match published.stacks.get(&stack.key) {
            Some(known) if known.stack.uid == stack.uid => {
                if known.stack == *stack {
                    return;
                }
                StackView {
                    stack: Arc::clone(stack),
                    at: now,
                    ..StackView::clone(known)
                }
            }
            _ => StackView::new(Arc::clone(stack), now),
        };
        self.put(&mut published, view);
    }

    /// A Stack is gone.
    pub(crate) fn leave(&self, key: &StackKey) {
        let mut published = self.lock();
        published.unwritten.remove(key);
        self.judge(&mut published);
        if published.stacks.remove(key).is_some() {
            published.number += 1;
            self.tell(&mut published, Some(key.clone()));
        }
    }

    /// Something has happened to a Stack, so many times by now.
    pub(crate) fn say(&self, key: &StackKey, event: &StackEvent, times: u32, now: Time) {
        let said = Said {
            at: now,
            reason: event.reason(),
            is_warning: event.is_warning(),
            object: event.object().cloned(),
            message: event.to_string(),
            times,
        };
        let mut published = self.lock();
        let Some(known) = published.stacks.get(key) else {
            return;
        };
        let is_again = |before: &&Arc<Said>| {
            times > 1 && before.reason == said.reason && before.object == said.object
        };
        let again = known.said.iter().find(is_again).cloned();
        let others = known.said.iter();
        let others = others.filter(|before| {
            again
                .as_ref()
                .is_none_or(|again| !Arc::ptr_eq(before, again))
        });
        let all = std::iter::once(Arc::new(said)).chain(others.cloned());
        let view = StackView {
            said: all.take(SAID_LIMIT).collect(),
            at: now,
            ..StackView::clone(known)
        };
        self.put(&mut published, view);
    }

    /// How a Stack is doing after a reconciliation; the status as it is published, which nobody needs a
    /// second one of.
    pub(crate) fn publish(
        &self,
        stack: &Stack,
        state: &StackState,
        status: Status,
        seen: Seen<'_>,
    ) -> Arc<Status> {
        let known = self.stack(&stack.key);
        let known = known.filter(|known| known.stack.uid == stack.uid);
        // Somebody may have deleted it meanwhile, or made another one of its name.
        let Some(known) = known else {
            return Arc::new(status);
        };
        let mut view = StackView::clone(&known);
        if *known.status != status {
            view.status = Arc::new(status);
        }
        if let Some(look) = seen.look {
            proposal::take_up(&mut view, state, look, seen.at);
        }
        if let Some(placed) = &state.placed {
            view.objects = Objects::of(&placed.objects);
        }
        view.wake = seen.wake.map(|wake| steady(known.wake, wake));
        let status = Arc::clone(&view.status);
        if !view.says_the_same(&known) {
            view.at = seen.at;
            let mut published = self.lock();
            // What somebody wants, and what was said, may be newer than what was copied above.
            if let Some(newest) = published.stacks.get(&stack.key) {
                view.stack = Arc::clone(&newest.stack);
                view.said = Arc::clone(&newest.said);
                self.put(&mut published, view);
            }
        }
        status
    }
}

/// When a Stack is woken, in whole seconds: the same time that is worked out anew is no news.
fn steady(known: Option<Wake>, wake: Wake) -> Wake {
    match known {
        Some(known)
            if known.why == wake.why && (known.at.millis - wake.at.millis).abs() < 1_000 =>
        {
            known
        }
        _ => wake,
    }
}
