//! Whether a Stack may be reconciled now: it can be read, is not suspended, and what it depends on is
//! ready. It must not ask anybody.

use holdfast_model::stack::Stack;
use holdfast_model::status::{Problem, Reason, Truth};

use crate::control::Intent;
use crate::engine::Shared;
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

/// Other Stacks that must be ready first. The Stack is woken when they change.
pub(crate) fn depend(engine: &Shared, stack: &Stack) -> Result<(), Halt> {
    let unready: Vec<String> = stack
        .depends_on
        .iter()
        .filter(|key| {
            let status = engine.status(key);
            status.is_none_or(|status| status.ready.holds != Truth::True)
        })
        .map(ToString::to_string)
        .collect();
    if unready.is_empty() {
        return Ok(());
    }
    Err(Halt {
        reason: Reason::DependencyNotReady,
        message: format!("waits for {}", unready.join(", ")),
        problems: Vec::new(),
        again: None,
        kept: None,
    })
}
