//! What a reconciliation is for, and what it came to. It must not act.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_model::object::Key;
use holdfast_model::operation::{Class, Failure, Outcome};
use holdfast_model::plan::Plan;
use holdfast_model::revision::Revision;
use holdfast_model::stack::{ClusterId, Stack};
use holdfast_model::status::{Problem, Reason};

use crate::health::HealthReport;
use crate::leave::Leaving;
use crate::locate::Located;

/// What a look came to.
pub(crate) struct Look {
    pub(crate) revision: Revision,
    pub(crate) plan: Plan,
    pub(crate) health: HealthReport,
    pub(crate) course: Course,
    pub(crate) is_pinned: bool,
    /// Why what Git is at could not be had although a pin holds meanwhile.
    pub(crate) behind: Option<Box<Halt>>,
    /// What came of leaving other clusters.
    pub(crate) leaving: Vec<Leaving>,
    /// What it was for.
    pub(crate) purpose: Purpose,
}

impl Look {
    /// A look at which there was nothing to do.
    pub(crate) fn nothing(stack: &Stack, revision: Revision) -> Self {
        Self {
            plan: Plan {
                stack: stack.key.clone(),
                uid: stack.uid.clone(),
                cluster: ClusterId::of_target(&stack.destination.target),
                revision: revision.clone(),
                steps: Vec::new(),
            },
            revision,
            health: HealthReport::default(),
            course: Course::Resting,
            is_pinned: false,
            behind: None,
            leaving: Vec::new(),
            purpose: Purpose::Reach,
        }
    }

    /// What the Stack wants.
    pub(crate) fn wanted(&self) -> BTreeSet<&Key> {
        let steps = self.plan.steps.iter();
        let wanted = steps.filter(|step| step.desired.is_some());
        wanted.map(|step| &step.key.key).collect()
    }
}

/// What was done about a plan.
pub(crate) enum Course {
    /// It was carried out.
    Ended(Box<Outcome>),
    /// It waits until these are healthy, or have run to their end.
    Waiting(Vec<Key>),
    /// It failed before, and its time to be tried again has not come.
    Resting,
    /// A person has to ask for it.
    Unasked,
}

/// Why a look ended early.
pub(crate) struct Halt {
    pub(crate) reason: Reason,
    pub(crate) message: String,
    pub(crate) problems: Vec<Problem>,
    /// When another look is worth taking although nothing has changed.
    pub(crate) again: Option<Duration>,
    /// The look at what is in place, which is kept meanwhile.
    pub(crate) kept: Option<Box<Look>>,
}

impl Halt {
    /// A target that cannot be asked, and when to ask it again.
    pub(crate) fn of_target(problem: Problem, again: Duration) -> Self {
        let halt = Self::new(Reason::TargetFailed, problem.message.clone());
        Self {
            problems: vec![problem],
            again: Some(again),
            ..halt
        }
    }

    /// A look that ended for a reason, until something wakes the Stack.
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            problems: Vec::new(),
            again: None,
            kept: None,
        }
    }

    /// The same, tried again by itself after a while where that may help.
    #[must_use]
    pub(crate) fn again_where(mut self, may_help: bool, pause: Duration) -> Self {
        if may_help {
            self.again = Some(pause);
        }
        self
    }

    /// A look that waits for news that will wake the Stack.
    pub(crate) fn pending(message: impl Into<String>) -> Self {
        Self::new(Reason::Pending, message)
    }
}

/// What a look is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To come to what is wanted.
    Reach,
    /// As to reach it, but nothing new is applied before other Stacks are ready.
    Hold,
    /// To carry an operation to its end that waits for health, and for nothing of Git.
    Finish,
    /// To keep what is in place while what is wanted cannot be had: drift is put back, and nothing
    /// else is done.
    Keep,
}

/// Which render a look is at.
pub(crate) struct Aim {
    pub(crate) located: Located,
    pub(crate) purpose: Purpose,
}

/// A target that did not answer.
pub(crate) fn unreachable(failure: Failure) -> Halt {
    // Even what is refused for good may be allowed later, and nobody tells.
    let again = match failure.class {
        Class::Terminal => Duration::from_secs(60),
        _ => Duration::from_secs(5),
    };
    let problem = Problem {
        reason: failure.reason.to_owned(),
        object: None,
        origin: None,
        message: failure.message,
        hint: failure.hint,
    };
    Halt::of_target(problem, again)
}
