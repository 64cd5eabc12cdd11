//! Which Stack is reconciled next: each at most once at a time, however often it is woken, and at
//! times that it asked for. It must not know what is done with a Stack.
//!
//! Each target has a lane of its own, in which so many Stacks are reconciled at once and no more;
//! lanes take turns. So a target that does not answer, or has a thousand Stacks, holds up its own.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use holdfast_model::stack::{StackKey, TargetName};
use tokio::sync::Notify;
use tokio::time::{Duration, Instant};

/// Stacks that wait for their turn or for a time.
pub(crate) struct Queue {
    inner: Mutex<Inner>,
    changed: Notify,
    /// How many Stacks of a lane are reconciled at once.
    width: usize,
}

#[derive(Default)]
struct Inner {
    lanes: HashMap<TargetName, Lane>,
    /// The lanes that have a Stack that is ready, and room for it; each once.
    turns: VecDeque<TargetName>,
    /// The lane of each Stack.
    assigned: HashMap<StackKey, TargetName>,
    waiting: HashSet<StackKey>,
    /// Each with the lane that it began in.
    running: HashMap<StackKey, TargetName>,
    again: HashSet<StackKey>,
    timers: BTreeMap<(Instant, StackKey), ()>,
    due: HashMap<StackKey, Instant>,
}

/// The Stacks of a target.
#[derive(Default)]
struct Lane {
    ready: VecDeque<StackKey>,
    running: usize,
    has_turn: bool,
}

impl Queue {
    /// A queue that hands out so many Stacks of a lane at once, at least one.
    pub(crate) fn new(width: usize) -> Self {
        Self {
            inner: Mutex::default(),
            changed: Notify::new(),
            width: width.max(1),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a Stack into the lane of a target, from the next time on that it is woken.
    pub(crate) fn assign(&self, key: &StackKey, target: &TargetName) {
        let mut inner = self.lock();
        if inner.assigned.get(key) != Some(target) {
            inner.assigned.insert(key.clone(), target.clone());
        }
    }

    /// Forgets the lane of a Stack that is gone.
    pub(crate) fn unassign(&self, key: &StackKey) {
        self.lock().assigned.remove(key);
    }

    /// Asks for a Stack to be reconciled as soon as its lane has room.
    pub(crate) fn wake(&self, key: &StackKey) {
        let mut inner = self.lock();
        if inner.running.contains_key(key) {
            inner.again.insert(key.clone());
        } else {
            inner.line_up(key, self.width);
        }
        self.notify(&inner);
    }

    /// Asks for a Stack to be reconciled after a time, unless it is due earlier.
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

    fn notify(&self, inner: &Inner) {
        if !inner.turns.is_empty() {
            self.changed.notify_one();
        }
    }

    /// The next Stack; it is not handed out again before [`Queue::done`].
    pub(crate) async fn next(&self) -> StackKey {
        loop {
            let due = {
                let mut inner = self.lock();
                inner.collect_due(Instant::now(), self.width);
                if let Some(key) = inner.hand_out(self.width) {
                    self.notify(&inner);
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

    /// A Stack was reconciled; if it was woken meanwhile, it is ready again.
    pub(crate) fn done(&self, key: &StackKey) {
        let mut inner = self.lock();
        if let Some(target) = inner.running.remove(key) {
            inner.leave(&target, self.width);
        }
        if inner.again.remove(key) {
            inner.line_up(key, self.width);
        }
        self.notify(&inner);
    }
}

#[cfg(test)]
impl Queue {
    /// Whether a Stack is ready and its lane has room.
    pub(crate) fn has_next(&self) -> bool {
        let inner = self.lock();
        let mut lanes = inner.lanes.values();
        lanes.any(|lane| lane.has_turn && !lane.ready.is_empty())
    }

    /// A Stack is reconciled out of turn.
    pub(crate) fn take(&self, key: &StackKey) {
        let mut inner = self.lock();
        for lane in inner.lanes.values_mut() {
            lane.ready.retain(|ready| ready != key);
        }
        inner.waiting.remove(key);
    }
}

impl Inner {
    fn line_up(&mut self, key: &StackKey, width: usize) {
        if !self.waiting.insert(key.clone()) {
            return;
        }
        let target = self.assigned.get(key);
        let target = target.cloned().unwrap_or_else(TargetName::in_cluster);
        let lane = self.lanes.entry(target.clone()).or_default();
        lane.ready.push_back(key.clone());
        self.offer(&target, width);
    }

    /// Gives a lane a turn where it has none, a Stack that is ready and room for it.
    fn offer(&mut self, target: &TargetName, width: usize) {
        let Some(lane) = self.lanes.get_mut(target) else {
            return;
        };
        if !lane.has_turn && !lane.ready.is_empty() && lane.running < width {
            lane.has_turn = true;
            self.turns.push_back(target.clone());
        }
    }

    fn hand_out(&mut self, width: usize) -> Option<StackKey> {
        while let Some(target) = self.turns.pop_front() {
            let Some(lane) = self.lanes.get_mut(&target) else {
                continue;
            };
            lane.has_turn = false;
            let Some(key) = lane.ready.pop_front() else {
                continue;
            };
            lane.running += 1;
            self.waiting.remove(&key);
            self.running.insert(key.clone(), target.clone());
            self.offer(&target, width);
            return Some(key);
        }
        None
    }

    fn leave(&mut self, target: &TargetName, width: usize) {
        let Some(lane) = self.lanes.get_mut(target) else {
            return;
        };
        lane.running = lane.running.saturating_sub(1);
        if lane.running == 0 && lane.ready.is_empty() && !lane.has_turn {
            self.lanes.remove(target);
            return;
        }
        self.offer(target, width);
    }

    fn collect_due(&mut self, now: Instant, width: usize) {
        while let Some(((at, key), ())) = self.timers.first_key_value() {
            if *at > now {
                return;
            }
            let (at, key) = (*at, key.clone());
            self.timers.remove(&(at, key.clone()));
            self.due.remove(&key);
            if self.running.contains_key(&key) {
                self.again.insert(key);
            } else {
                self.line_up(&key, width);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Queue, StackKey, TargetName};

    fn key(name: &str) -> StackKey {
        StackKey {
            namespace: "n".to_owned(),
            name: name.to_owned(),
        }
    }

    fn queue(width: usize, stacks: &[(&str, &str)]) -> Queue {
        let queue = Queue::new(width);
        for (name, target) in stacks {
            queue.assign(&key(name), &TargetName((*target).to_owned()));
            queue.wake(&key(name));
        }
        queue
    }

    /// The names of the Stacks that are handed out before somebody is done.
    fn all(queue: &Queue) -> Vec<String> {
        let mut names = Vec::new();
        while queue.has_next() {
            let next = futures::FutureExt::now_or_never(queue.next());
            names.extend(next.map(|key| key.name));
        }
        names
    }

    #[test]
    fn a_lane_that_is_full_holds_up_no_other_and_lanes_take_turns() {
        let stacks = [
            ("a1", "a"),
            ("a2", "a"),
            ("a3", "a"),
            ("a4", "a"),
            ("b1", "b"),
            ("b2", "b"),
        ];
        let queue = queue(2, &stacks);
        assert_eq!(all(&queue), ["a1", "b1", "a2", "b2"]);
        queue.done(&key("b1"));
        assert_eq!(all(&queue), [] as [&str; 0], "lane b has nothing left");
        queue.wake(&key("b1"));
        queue.done(&key("a2"));
        assert_eq!(all(&queue), ["b1", "a3"]);
        queue.done(&key("a1"));
        assert_eq!(all(&queue), ["a4"]);
    }

    #[test]
    fn what_is_woken_while_it_runs_is_handed_out_once_more() {
        let queue = queue(4, &[("a", "t"), ("b", "t")]);
        queue.wake(&key("a"));
        assert_eq!(all(&queue), ["a", "b"], "woken twice, it waits once");
        queue.wake(&key("a"));
        queue.wake(&key("a"));
        assert_eq!(all(&queue), [] as [&str; 0]);
        queue.done(&key("a"));
        queue.done(&key("b"));
        assert_eq!(all(&queue), ["a"]);
        queue.done(&key("a"));
        assert_eq!(all(&queue), [] as [&str; 0]);
    }

    #[test]
    fn a_stack_that_goes_to_another_target_leaves_the_lane_that_it_began_in() {
        let queue = queue(1, &[("a", "one"), ("b", "one")]);
        assert_eq!(all(&queue), ["a"]);
        queue.assign(&key("a"), &TargetName("two".to_owned()));
        queue.wake(&key("a"));
        queue.done(&key("a"));
        let mut names = all(&queue);
        names.sort();
        assert_eq!(names, ["a", "b"]);
    }
}
