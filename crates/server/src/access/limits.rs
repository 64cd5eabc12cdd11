//! How often something may be tried. It must not know what.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use holdfast_model::time::Time;

/// How many names are remembered at once.
const NAMES: usize = 8_192;

/// How many tries there may be at once, and how long it takes until there may be one more.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) burst: i64,
    pub(crate) pause_millis: i64,
}

/// Tries by name.
#[derive(Default)]
pub(crate) struct Limits {
    /// When the tries so far are forgiven.
    busy_until: Mutex<HashMap<String, i64>>,
}

impl Limits {
    /// Whether there may be another try now; it is counted.
    pub(crate) fn may(&self, name: &str, pace: Pace, now: Time) -> bool {
        let mut busy = self
            .busy_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if busy.len() >= NAMES && !busy.contains_key(name) {
            busy.retain(|_, until| *until > now.millis);
            if busy.len() >= NAMES {
                return false;
            }
        }
        let until = busy.get(name).copied().unwrap_or(0).max(now.millis);
        let is_free = until - now.millis < pace.burst * pace.pause_millis;
        if is_free {
            busy.insert(name.to_owned(), until + pace.pause_millis);
        }
        is_free
    }
}

#[cfg(test)]
mod tests {
    use holdfast_model::time::Time;

    use super::{Limits, NAMES, Pace};

    #[test]
    fn tries_are_bounded_by_name_and_forgiven_with_time() {
        let (limits, pace) = (
            Limits::default(),
            Pace {
                burst: 3,
                pause_millis: 1_000,
            },
        );
        let may = |name: &str, at: i64| limits.may(name, pace, Time::from_millis(at));
        assert!((0..3).all(|_| may("a", 10_000)) && !may("a", 10_000));
        assert!(may("b", 10_000), "others are not held up");
        assert!(may("a", 11_000) && !may("a", 11_000));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (limits, pace) = (
            Limits::default(),
            Pace {
                burst: 1,
                pause_millis: 1_000,
            },
        );
        for at in 0..NAMES {
            assert!(limits.may(&at.to_string(), pace, Time::from_millis(0)));
        }
        assert!(!limits.may("one more", pace, Time::from_millis(0)));
        assert!(limits.may("one more", pace, Time::from_millis(2_000)));
    }
}
