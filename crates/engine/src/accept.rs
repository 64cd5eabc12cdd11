//! Whether a Stack may be reconciled now: it can be read, and is not suspended. It must not ask anybody.

use holdfast_model::stack::Stack;
use holdfast_model::status::{Problem, Reason};

use crate::control::Intent;
use crate::look::Halt;
use crate::who;

/// The Stack, where it can be read and is not suspended.
pub(crate) fn accept(intent: &Intent) -> Result<&Stack, Halt> {
    if !intent.problems.is_empty() {
        let problems = intent.problems.iter().map(|message| Problem {
            reason: Reason::InvalidSpec.to_string(),
            object: None,
            origin: None,
            message: message.clone(),
            hint: None,
        });
        return Err(Halt {
            reason: Reason::InvalidSpec,
            message: intent.problems.join("; "),
            problems: problems.collect(),
            again: None,
            kept: None,
        });
    }
    if intent.stack.suspended {
        return Err(Halt {
            reason: Reason::Suspended,
            message: who::suspension(&intent.stack),
            problems: Vec::new(),
            again: None,
            kept: None,
        });
    }
    Ok(&intent.stack)
}
