//! An operation: a plan that is being carried out, as a value that can be kept and looked at, and
//! the outcome that it ends in. The rules of its movement are in crate `plan`.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::object::{Key, LiveObject};
use crate::plan::{Plan, Verb};
use crate::revision::Revision;
use crate::stack::Mode;
use crate::time::Time;

/// A plan that is being carried out.
#[derive(Clone, Debug)]
pub struct Operation {
    /// What is carried out.
    pub plan: Plan,
    /// How much must be certain first, and what stops the rest.
    pub mode: Mode,
    /// When it began.
    pub started: Time,
    /// When it is ended, whatever it waits for.
    pub deadline: Time,
    /// How long it may take.
    pub timeout: Duration,
    /// Where it is.
    pub stage: Stage,
    /// How each step of the plan is doing, by index.
    pub steps: Vec<StepState>,
    /// Whether keys join the inventory, so that it is made durable first.
    pub records: Recording,
    /// How it is going to end as soon as nothing is under way any more.
    pub ending: Option<End>,
    /// What went wrong that is no step's own fault.
    pub trouble: Option<Failure>,
    /// The step whose object did not become healthy, where the operation failed by that.
    pub unhealthy: Option<usize>,
}

/// Whether the inventory is written before the first step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// New keys join it.
    Needed,
    /// No key is new.
    Unneeded,
}

/// Where an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Nothing has happened.
    Planned,
    /// The server is asked whether it would take every object.
    Checking,
    /// The inventory is being made durable.
    Recording,
    /// Steps of one slot are under way; the slot's first step has this index.
    Running {
        /// Index of the first step of the slot.
        first: usize,
    },
    /// The steps of the waves so far must be healthy before the next one; it begins at this index.
    Settling {
        /// Index of the first step of the next slot.
        next: usize,
    },
    /// It is over.
    Ended(End),
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum End {
    /// Every step was done.
    Succeeded,
    /// Some steps failed or were not begun.
    Failed,
    /// The deadline passed.
    TimedOut,
    /// It was told to stop.
    Terminated,
}

/// How a step is doing.
#[derive(Clone, Debug, PartialEq)]
pub enum StepState {
    /// Its turn has not come.
    Waiting,
    /// The server is being asked whether it would take it.
    Checking,
    /// It is under way.
    Running,
    /// It was done; whether the target changed.
    Done {
        /// Whether the target changed by it.
        changed: Changed,
    },
    /// It failed.
    Failed(Failure),
    /// A gate holds it back.
    Held,
    /// It will not be begun.
    NotBegun,
}

/// Whether a request changed the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Changed {
    /// It did.
    Yes,
    /// The target was already so.
    No,
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What the loop does about it.
    pub class: Class,
    /// A stable CamelCase word.
    pub reason: &'static str,
    /// What happened, in the target's words, without values of sensitive fields.
    pub message: String,
    /// What a person can do.
    pub hint: Option<String>,
}

/// What the loop does about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Class {
    /// Trying again later may help.
    Transient,
    /// Something else must come first; trying again after a change helps.
    Waiting,
    /// Nothing helps until the input changes.
    Terminal,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.reason, self.message)
    }
}

/// What happens to an operation.
#[derive(Clone, Debug)]
pub enum Event {
    /// It begins.
    Begin,
    /// The server has said whether it would take a step.
    Checked {
        /// The step's index.
        step: usize,
        /// Nothing, or why not.
        result: Result<(), Failure>,
    },
    /// The inventory is durable.
    Recorded(Result<(), Failure>),
    /// A step has ended.
    StepEnded {
        /// The step's index.
        step: usize,
        /// Whether the target changed, or why it failed.
        result: Result<Changed, Failure>,
    },
    /// The objects so far have been judged.
    Judged(Judgement),
    /// Time has passed.
    Tick,
    /// It is to stop.
    Terminate,
}

/// What the health of the objects so far means for the next wave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// All are healthy.
    Healthy,
    /// Some are not yet.
    Waiting,
    /// One has failed for good.
    Failed {
        /// The step's index.
        step: usize,
        /// What is wrong with it.
        message: String,
    },
}

/// What the engine is to do for an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Ask the server whether it would take this step.
    Check(usize),
    /// Make the intended inventory durable.
    Record,
    /// Carry out this step.
    Perform(usize),
    /// Judge the health of the steps before this index, now and whenever they change.
    Judge(usize),
    /// Delete the object of this step: a hook that is to go when it has ended. It is not waited for.
    Remove(usize),
    /// It is over: write down the outcome.
    Close,
}

/// What an operation came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The plan's digest.
    pub plan: Digest,
    /// The plan's revision.
    pub revision: Revision,
    /// How it ended.
    pub end: End,
    /// When it began.
    pub started: Time,
    /// When it ended.
    pub ended: Time,
    /// What was done.
    pub done: Vec<Done>,
    /// What failed.
    pub failed: Vec<(Verb, Key, Failure)>,
    /// What went wrong that is no step's own fault.
    pub trouble: Option<Failure>,
    /// The object that did not become healthy, where it failed by that, and what was done to it.
    pub unhealthy: Option<(Verb, Key)>,
    /// What was not begun.
    pub not_begun: Vec<(Verb, Key)>,
    /// What a gate holds back.
    pub held: Vec<(Verb, Key)>,
}

/// A step that was done.
#[derive(Clone, Debug)]
pub struct Done {
    /// What was done.
    pub verb: Verb,
    /// To which object.
    pub key: Key,
    /// Whether the target changed.
    pub changed: Changed,
    /// The reason, as people read it.
    pub why: String,
}

impl Outcome {
    /// The steps that changed the target.
    pub fn changed(&self) -> impl Iterator<Item = &Done> {
        let done = self.done.iter();
        done.filter(|done| done.changed == Changed::Yes)
    }
}

impl Done {
    /// Whether it put back what somebody had changed.
    pub fn is_drift(&self) -> bool {
        self.why.starts_with("drift")
    }

    /// Whether it brought a new version of a secret in Vault.
    pub fn is_rotation(&self) -> bool {
        self.why.starts_with("rotated")
    }
}

/// What a target answered to a step.
#[derive(Clone, Debug)]
pub enum Answer {
    /// The object is now so.
    Applied(Box<LiveObject>, Changed),
    /// The object is gone.
    Gone,
    /// The object will go when others have let go of it.
    Going,
}
