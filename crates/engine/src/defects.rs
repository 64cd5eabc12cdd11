//! Panics of reconciliations: each is a defect of Holdfast, which must hold up neither the worker nor
//! other Stacks, and must not go unseen. It must not know what a reconciliation does.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use holdfast_model::digest::Hasher;
use holdfast_model::stack::{Stack, StackKey};
use holdfast_model::time::Time;

use crate::backoff::backoff;

/// A Stack whose reconciliation has broken off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// The Stack.
    pub stack: StackKey,
    /// What the log calls it.
    pub report: String,
    /// How often in a row it has broken off.
    pub times: u32,
}

/// The Stacks whose last reconciliation has broken off.
#[derive(Default)]
pub(crate) struct Defects {
    held: Mutex<HashMap<StackKey, Held>>,
}

struct Held {
    defect: Defect,
    next: Time,
    /// What it broke off over: another intent is tried at once.
    generation: i64,
    requested: Option<String>,
}

impl Defects {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<StackKey, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long a Stack has to wait before it is tried again; nothing where it need not.
    pub(crate) fn rest(&self, stack: &Stack, now: Time) -> Option<Duration> {
        let held = self.lock();
        let held = held.get(&stack.key)?;
        let is_same = held.generation == stack.generation && held.requested == stack.requested;
        (is_same && now < held.next).then(|| held.next.since(now))
    }

    /// Notes that the reconciliation of a Stack has broken off.
    pub(crate) fn note(&self, stack: &Stack, now: Time) -> Defect {
        let mut held = self.lock();
        let times = held.get(&stack.key).map_or(0, |held| held.defect.times) + 1;
        let defect = Defect {
            stack: stack.key.clone(),
            report: report(&stack.key, now),
            times,
        };
        held.insert(
            stack.key.clone(),
            Held {
                defect: defect.clone(),
                next: now + backoff(times),
                generation: stack.generation,
                requested: stack.requested.clone(),
            },
        );
        defect
    }

    /// A Stack was reconciled to the end, or is gone.
    pub(crate) fn clear(&self, stack: &StackKey) {
        self.lock().remove(stack);
    }

    /// All of them, by Stack.
    pub(crate) fn list(&self) -> Vec<Defect> {
        let held = self.lock();
        let mut all: Vec<Defect> = held.values().map(|held| held.defect.clone()).collect();
        all.sort_by(|left, right| left.stack.cmp(&right.stack));
        all
    }
}

/// A name by which the log is searched.
fn report(stack: &StackKey, now: Time) -> String {
    let mut hasher = Hasher::new("defect");
    hasher.field(stack.to_string().as_bytes());
    hasher.field(&now.millis.to_le_bytes());
    hasher.finish().short()
}

/// What a panic said, where that is a word of the program itself: one that was made while it ran may
/// hold values of Secrets.
pub(crate) fn said(panic: &(dyn Any + Send)) -> &'static str {
    panic
        .downcast_ref::<&'static str>()
        .copied()
        .unwrap_or("its words are withheld, as they may hold values of objects")
}

#[cfg(test)]
mod tests {
    use super::{report, said};
    use holdfast_model::stack::StackKey;
    use holdfast_model::time::Time;

    #[test]
    fn a_panic_is_told_in_the_words_of_the_program_and_in_no_others() {
        let caught = |panic: fn()| std::panic::catch_unwind(panic).expect_err("it panics");
        assert_eq!(said(&*caught(|| panic!("an invariant"))), "an invariant");
        let password = std::hint::black_box("hunter2".to_owned());
        let made = std::panic::catch_unwind(|| panic!("it was {password}")).expect_err("it panics");
        assert!(said(&*made).starts_with("its words are withheld"));
    }

    #[test]
    fn each_defect_has_a_report_of_its_own() {
        let key = |name: &str| StackKey {
            namespace: "team-a".to_owned(),
            name: name.to_owned(),
        };
        let at = Time::from_millis;
        let reports = [
            report(&key("a"), at(1)),
            report(&key("a"), at(2)),
            report(&key("b"), at(1)),
        ];
        assert!(
            reports[0] != reports[1] && reports[0] != reports[2],
            "{reports:?}"
        );
    }
}
