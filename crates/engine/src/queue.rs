//! Which Stack is looked at next: each at most once at a time, however often it is woken, and at
//! times that it asked for. It must not know what is done with a Stack.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use holdfast_model::stack::StackKey;
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

/// Stacks that wait for a worker or for a time.
#[derive(Default)]
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    ready: VecDeque<StackKey>,
    waiting: HashSet<StackKey>,
    running: HashSet<StackKey>,
    again: HashSet<StackKey>,
    timers: BTreeMap<(Instant, StackKey), ()>,
    due: HashMap<StackKey, Instant>,
}

impl Queue {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a look at a Stack as soon as a worker is free.
    pub(crate) fn wake(&self, key: &StackKey) {
        let mut inner = self.lock();
        if inner.running.contains(key) {
            inner.again.insert(key.clone());
            return;
        }
        if inner.waiting.insert(key.clone()) {
            inner.ready.push_back(key.clone());
            self.changed.notify_one();
        }
    }

    /// Asks for a look at a Stack after a time, unless one is due earlier.
    pub(crate) fn wake_after(&self, key: &StackKey, after: Duration) {
        let at = Instant::now() + after;
        let mut inner = self.lock();
        if inner.due.get(key).is_some_and(|due| *due <= at) {
            return;
        }
        if let Some(later) = inner.due.insert(key.clone(), at) {
            inner.timers.remove(&(later, key.clone()));
        }
        inner.timers.insert((at, key.clone()), ());
        self.changed.notify_one();
    }

    /// The next Stack that wants a look; it is not handed out again before [`Queue::done`].
    pub(crate) async fn next(&self) -> StackKey {
        loop {
            let due = {
                let mut inner = self.lock();
                inner.collect_due(Instant::now());
                if let Some(key) = inner.ready.pop_front() {
                    inner.waiting.remove(&key);
                    inner.running.insert(key.clone());
                    if !inner.ready.is_empty() {
                        self.changed.notify_one();
                    }
                    return key;
                }
                inner.timers.keys().next().map(|(at, _)| *at)
            };
            let changed = self.changed.notified();
            match due {
                Some(due) => {
                    let _ = tokio::time::timeout_at(due, changed).await;
                }
                None => changed.await,
            }
        }
    }

    /// A worker is done with a Stack; if it was woken meanwhile, it is ready again.
    pub(crate) fn done(&self, key: &StackKey) {
        let mut inner = self.lock();
        inner.running.remove(key);
        if inner.again.remove(key) && inner.waiting.insert(key.clone()) {
            inner.ready.push_back(key.clone());
            self.changed.notify_one();
        }
    }
}

#[cfg(test)]
impl Queue {
    /// The Stack that is next, where one is ready.
    pub(crate) fn any(&self) -> Option<StackKey> {
        self.lock().ready.front().cloned()
    }

    /// A Stack is reconciled out of turn.
    pub(crate) fn take(&self, key: &StackKey) {
        let mut inner = self.lock();
        inner.ready.retain(|ready| ready != key);
        inner.waiting.remove(key);
    }
}

impl Inner {
    fn collect_due(&mut self, now: Instant) {
        while let Some(((at, key), ())) = self.timers.first_key_value() {
            if *at > now {
                return;
            }
            let (at, key) = (*at, key.clone());
            self.timers.remove(&(at, key.clone()));
            self.due.remove(&key);
            if self.running.contains(&key) {
                self.again.insert(key);
            } else if self.waiting.insert(key.clone()) {
                self.ready.push_back(key);
            }
        }
    }
}
