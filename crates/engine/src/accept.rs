//! Whether a Stack may be reconciled now: it can be read, and is not suspended. It must not ask anybody.

use holdfast_model::stack::Stack;
use holdfast_model::status::{Problem, Reason};

use crate::look::Halt;
use crate::ports::Intent;
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
            problems: problems.collect(),
            ..Halt::new(Reason::InvalidSpec, intent.problems.join("; "))
        });
    }
    if intent.stack.suspended {
        let message = who::suspension(&intent.stack);
        return Err(Halt::new(Reason::Suspended, message));
    }
    Ok(&intent.stack)
}
