//! Targets that do not answer: one Stack at a time finds out whether they do again, and the others get
//! to know at once what it last found. It must not know how a target is asked.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use holdfast_model::stack::{StackKey, TargetName};
use holdfast_model::status::Problem;
use tokio::time::Instant;

use crate::backoff::backoff;
use crate::look::Halt;

/// How many reconciliations in a row have to find that a target does not answer.
const FAILURES: u32 = 2;
/// The longest time until it is tried again.
const LONGEST: Duration = Duration::from_secs(30);
/// How long the Stack that tries may take, before another one does.
const TRIAL: Duration = Duration::from_secs(90);

/// What is known of each target that has not answered; the others are not in it.
#[derive(Default)]
pub(crate) struct Breakers(Mutex<HashMap<TargetName, Broken>>);

struct Broken {
    failures: u32,
    /// What was found the last time.
    problem: Problem,
    /// When it is tried again.
    next: Instant,
    /// Who tries it.
    trying: Option<StackKey>,
}

impl Breakers {
    fn lock(&self) -> MutexGuard<'_, HashMap<TargetName, Broken>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a Stack may ask a target now; what to say where it may not.
    pub(crate) fn pass(&self, target: &TargetName, stack: &StackKey) -> Result<(), Halt> {
        let mut known = self.lock();
        let Some(broken) = known.get_mut(target).filter(|one| one.failures >= FAILURES) else {
            return Ok(());
        };
        let now = Instant::now();
        if now >= broken.next {
            broken.next = now + TRIAL;
            broken.trying = Some(stack.clone());
            return Ok(());
        }
        let again = broken.next - now;
        Err(Halt::of_target(broken.problem.clone(), again))
    }

    /// A Stack that was let pass has found that the target does not answer.
    pub(crate) fn failed(&self, target: &TargetName, stack: &StackKey, problem: &Problem) {
        let mut known = self.lock();
        let broken = known.entry(target.clone()).or_insert_with(|| Broken {
            failures: 0,
            problem: problem.clone(),
            next: Instant::now(),
            trying: None,
        });
        let is_open = broken.failures >= FAILURES;
        // Those who were let pass before it was known add nothing.
        if is_open && broken.trying.as_ref() != Some(stack) {
            return;
        }
        broken.failures = broken.failures.saturating_add(1);
        broken.problem = problem.clone();
        broken.next = Instant::now() + backoff(broken.failures).min(LONGEST);
        broken.trying = None;
    }

    /// A Stack has found that the target answers; whether that is news.
    pub(crate) fn answered(&self, target: &TargetName) -> bool {
        self.lock().remove(target).is_some()
    }

    /// Lets all targets be tried now.
    #[cfg(test)]
    pub(crate) fn try_now(&self) {
        for broken in self.lock().values_mut() {
            broken.next = Instant::now();
        }
    }

    /// A Stack that was let pass did not get as far as the target.
    pub(crate) fn undecided(&self, target: &TargetName, stack: &StackKey) {
        let mut known = self.lock();
        if let Some(broken) = known.get_mut(target)
            && broken.trying.as_ref() == Some(stack)
        {
            broken.next = Instant::now();
            broken.trying = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Breakers, Problem, StackKey, TargetName};

    fn stack(name: &str) -> StackKey {
        StackKey {
            namespace: "n".to_owned(),
            name: name.to_owned(),
        }
    }

    fn problem(message: &str) -> Problem {
        Problem {
            reason: "Unreachable".to_owned(),
            object: None,
            origin: None,
            message: message.to_owned(),
            hint: None,
        }
    }

    /// What a Stack is told that may not ask.
    fn refusal(breakers: &Breakers, target: &TargetName, name: &str) -> Option<String> {
        let passed = breakers.pass(target, &stack(name));
        passed.err().map(|halt| halt.message)
    }

    #[test]
    fn what_one_stack_found_is_known_to_all_until_one_of_them_gets_an_answer() {
        let breakers = Breakers::default();
        let (hole, other) = (TargetName("hole".to_owned()), TargetName::in_cluster());
        breakers.failed(&hole, &stack("a"), &problem("no answer"));
        assert_eq!(refusal(&breakers, &hole, "b"), None, "once may be chance");
        breakers.failed(&hole, &stack("b"), &problem("no answer again"));
        let again = Some("no answer again".to_owned());
        assert_eq!(refusal(&breakers, &hole, "a"), again);
        assert_eq!(refusal(&breakers, &other, "a"), None);

        // Who was on its way before that says nothing new; one at a time tries.
        breakers.failed(&hole, &stack("c"), &problem("late"));
        assert_eq!(refusal(&breakers, &hole, "a"), again);
        breakers.try_now();
        assert_eq!(refusal(&breakers, &hole, "a"), None);
        assert_eq!(refusal(&breakers, &hole, "b"), again);
        breakers.failed(&hole, &stack("b"), &problem("late"));
        breakers.undecided(&hole, &stack("a"));
        assert_eq!(refusal(&breakers, &hole, "b"), None, "another one may try");
        breakers.failed(&hole, &stack("b"), &problem("still none"));
        assert_eq!(
            refusal(&breakers, &hole, "a"),
            Some("still none".to_owned())
        );
        assert!(breakers.answered(&hole));
        assert!(!breakers.answered(&hole));
        assert_eq!(refusal(&breakers, &hole, "a"), None);
    }
}
