//! Events that the server has not taken yet: which of them is tried next, when, and which are given up.
//! It must not know how an Event is written.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// The most Events that wait: each has at most some 2 kB.
const ROOM: usize = 1_000;
/// How long a first pause is; each is twice as long as the one before.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a pause is at most.
const LONGEST: Duration = Duration::from_secs(30);
/// How long the server may refuse an Event. One that is older says nothing of how things are now, and the
/// API server itself forgets Events after an hour.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// How many Events are still to be written, and how many never were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventLosses {
    /// Events that the server has not taken yet, and that are tried again.
    pub waiting: u64,
    /// Events that were given up since the engine started.
    pub lost: u64,
}

/// An Event that waits, with how often it has happened meanwhile.
#[derive(Clone, Debug)]
pub(crate) struct Waiting<T> {
    pub(crate) event: T,
    pub(crate) times: u64,
    /// How often it was tried in vain.
    pub(crate) tries: u32,
    /// Since when.
    since: Instant,
    due: Instant,
}

impl<T> Waiting<T> {
    /// An Event that has just happened.
    pub(crate) fn new(event: T, now: Instant) -> Self {
        Self {
            event,
            times: 1,
            tries: 0,
            since: now,
            due: now,
        }
    }
}

/// Why an Event is put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The server does not take this one.
    Refused,
    /// The server does not answer, or asks for patience: nothing else is sent meanwhile.
    Away,
}

/// What becomes of an Event that was put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is tried again.
    Waits,
    /// It is given up.
    Lost,
}

/// What is to be done next.
pub(crate) enum Next<T> {
    /// This Event is tried.
    Try(String, Waiting<T>),
    /// Nothing before that.
    At(Instant),
    /// Nothing waits.
    Nothing,
}

/// Events that wait, by their path. What happens again meanwhile is counted.
pub(crate) struct Outbox<T> {
    waiting: BTreeMap<String, Waiting<T>>,
    /// Until when nothing is sent, and how often the server was tried in vain.
    away: Option<(Instant, u32)>,
    lost: u64,
}

impl<T> Default for Outbox<T> {
    fn default() -> Self {
        Self {
            waiting: BTreeMap::new(),
            away: None,
            lost: 0,
        }
    }
}

fn pause(tries: u32) -> Duration {
    let factor = 2_u32.saturating_pow(tries.saturating_sub(1));
    PAUSE.saturating_mul(factor).min(LONGEST)
}

impl<T> Outbox<T> {
    /// Whether an Event has to wait for others: the same one waits, or the server is away.
    pub(crate) fn is_shut(&self, path: &str, now: Instant) -> bool {
        self.waiting.contains_key(path) || self.away.is_some_and(|(until, _)| now < until)
    }

    /// Puts an Event off that was tried in vain; what becomes of it, and which other one had to give way.
    pub(crate) fn put_off(
        &mut self,
        path: String,
        mut waiting: Waiting<T>,
        trouble: Trouble,
        now: Instant,
    ) -> (Fate, Option<T>) {
        waiting.tries = waiting.tries.saturating_add(1);
        waiting.due = now + pause(waiting.tries);
        match trouble {
            Trouble::Refused => self.away = None,
            Trouble::Away => {
                let tries = self.away.map_or(0, |(_, tries)| tries).saturating_add(1);
                self.away = Some((now + pause(tries), tries));
            }
        }
        if now.duration_since(waiting.since) >= PATIENCE {
            self.give_up();
            return (Fate::Lost, None);
        }
        (Fate::Waits, self.put(path, waiting))
    }

    /// An Event is written, or never will be written for a reason that says nothing of others.
    pub(crate) fn answered(&mut self) {
        self.away = None;
    }

    /// One more is lost.
    pub(crate) fn give_up(&mut self) {
        self.lost = self.lost.saturating_add(1);
    }

    /// What is to be done next.
    pub(crate) fn next(&mut self, now: Instant) -> Next<T> {
        let first = self.waiting.iter().min_by_key(|(_, waiting)| waiting.due);
        let Some((path, waiting)) = first else {
            return Next::Nothing;
        };
        let away = self.away.map(|(until, _)| until);
        let at = away.map_or(waiting.due, |until| until.max(waiting.due));
        if at > now {
            return Next::At(at);
        }
        let path = path.clone();
        match self.waiting.remove(&path) {
            Some(waiting) => Next::Try(path, waiting),
            None => Next::Nothing,
        }
    }

    /// How many wait and how many are lost.
    pub(crate) fn losses(&self) -> EventLosses {
        EventLosses {
            waiting: u64::try_from(self.waiting.len()).unwrap_or(u64::MAX),
            lost: self.lost,
        }
    }

    /// Adds what waits to what waits under the same path; the one that gives way when there is no room,
    /// which is the one that has waited longest.
    pub(crate) fn put(&mut self, path: String, new: Waiting<T>) -> Option<T> {
        if let Some(known) = self.waiting.get_mut(&path) {
            let times = known.times.saturating_add(new.times);
            let (since, tries) = (known.since.min(new.since), known.tries.max(new.tries));
            // What was tried and comes back is older than what has happened meanwhile.
            if new.tries == 0 {
                known.event = new.event;
            }
            (known.times, known.since, known.tries) = (times, since, tries);
            known.due = known.due.max(new.due);
            return None;
        }
        let mut gives_way = None;
        if self.waiting.len() >= ROOM {
            let oldest = self.waiting.iter().min_by_key(|(_, waiting)| waiting.since);
            let oldest = oldest.map(|(path, _)| path.clone());
            gives_way = oldest.and_then(|path| self.waiting.remove(&path));
            self.give_up();
        }
        self.waiting.insert(path, new);
        gives_way.map(|waiting| waiting.event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    fn add(outbox: &mut Outbox<u32>, path: &str, event: u32, now: Instant) -> Option<u32> {
        outbox.put(path.to_owned(), Waiting::new(event, now))
    }

    /// Tries everything that is due, in vain; what was tried.
    fn try_all(outbox: &mut Outbox<u32>, trouble: Trouble, now: Instant) -> Vec<(u32, u64, Fate)> {
        let mut tried = Vec::new();
        while let Next::Try(path, waiting) = outbox.next(now) {
            let (event, times) = (waiting.event, waiting.times);
            let (fate, _) = outbox.put_off(path, waiting, trouble, now);
            tried.push((event, times, fate));
        }
        tried
    }

    #[test]
    fn what_happens_again_while_it_waits_is_counted_and_said_as_it_was_last() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        for event in [1, 2, 3] {
            assert!(add(&mut outbox, "a", event, now).is_none());
        }
        assert!(outbox.is_shut("a", now) && !outbox.is_shut("b", now));
        assert_eq!(
            try_all(&mut outbox, Trouble::Refused, now),
            [(3, 3, Fate::Waits)]
        );
        add(&mut outbox, "a", 4, now);
        let later = now + seconds(1);
        assert_eq!(
            try_all(&mut outbox, Trouble::Refused, later),
            [(4, 4, Fate::Waits)]
        );
    }

    #[test]
    fn pauses_grow_and_what_stays_refused_is_given_up_and_counted() {
        let (mut outbox, start) = (Outbox::default(), Instant::now());
        add(&mut outbox, "a", 1, start);
        let (mut now, mut tries, mut longest) = (start, 0, Duration::ZERO);
        loop {
            let tried = try_all(&mut outbox, Trouble::Refused, now);
            tries += tried.len();
            if tried.iter().any(|(_, _, fate)| *fate == Fate::Lost) {
                break;
            }
            let Next::At(at) = outbox.next(now) else {
                panic!("it waits");
            };
            longest = longest.max(at - now);
            now = at;
        }
        assert_eq!(longest, LONGEST);
        assert!((20..60).contains(&tries), "{tries}");
        assert!(now - start >= PATIENCE);
        let expected = EventLosses {
            waiting: 0,
            lost: 1,
        };
        assert_eq!(outbox.losses(), expected);
    }

    #[test]
    fn a_server_that_is_away_is_tried_with_one_event_at_a_time() {
        let (mut outbox, now) = (Outbox::default(), Instant::now());
        for event in 0..100 {
            add(&mut outbox, &event.to_string(), event, now);
        }
        assert_eq!(try_all(&mut outbox, Trouble::Away, now).len(), 1);
        assert!(outbox.is_shut("new", now));
        assert_eq!(
            try_all(&mut outbox, Trouble::Away, now + seconds(1)).len(),
            1
        );
        assert!(matches!(
            outbox.next(now + seconds(2)),
            Next::At(at) if at == now + seconds(3)
        ));
        outbox.answered();
        assert!(!outbox.is_shut("new", now + seconds(2)));
        let refused = try_all(&mut outbox, Trouble::Refused, now + seconds(60));
        assert_eq!(refused.len(), 100);
    }

    #[test]
    fn there_is_room_for_so_many_and_the_oldest_gives_way() {
        let (mut outbox, start) = (Outbox::default(), Instant::now());
        let count = u32::try_from(ROOM).expect("it is small") + 5;
        let mut gone = Vec::new();
        for event in 0..count {
            let now = start + Duration::from_millis(event.into());
            gone.extend(add(&mut outbox, &event.to_string(), event, now));
        }
        assert_eq!(gone, [0, 1, 2, 3, 4]);
        let losses = outbox.losses();
        assert_eq!((losses.waiting, losses.lost), (1_000, 5));
    }
}
