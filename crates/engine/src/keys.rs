//! The keys of a Stack and its values in Vault, as one render needs them, and what comes of it when they
//! cannot be had. It must not know how anything is opened.

use std::sync::Arc;
use std::time::{Duration, Instant};

use holdfast_model::operation::Failure;
use holdfast_model::secret::DigestKey;
use holdfast_model::stack::Stack;
use holdfast_model::status::{Problem, Reason};
use holdfast_render::{Error as RenderError, Rendered};
use holdfast_secrets::vault::Error as VaultError;

use crate::engine::Shared;
use crate::look::Halt;
use crate::opening::{Chance, Opening};
use crate::references::Vault;
use crate::state::{Refused, Render, StackState};

/// The longest that a reference which cannot be followed waits for being tried again.
const AGAIN: Duration = Duration::from_secs(60);
/// The longest that a server which is away waits for being asked again.
const AWAY: Duration = Duration::from_secs(30);

/// A render with what a Stack wants to know of its objects: digests that tell nothing, and what makes
/// workloads restart.
pub fn marked(rendered: Rendered, stack: &Stack, digests: &Arc<DigestKey>) -> Rendered {
    let rendered = match stack.secrets.restart {
        true => rendered.restarting(digests, &stack.destination.namespace),
        false => rendered,
    };
    rendered.sealed(digests)
}

/// What opens what is sealed, with the keys that the Stack names as they are now.
pub(crate) async fn opening(engine: &Shared, stack: &Stack) -> Result<Opening, Halt> {
    let chance = Chance {
        digests: &engine.digests,
        entropy: engine.entropy(&stack.uid, &stack.render.seed),
        now: engine.now(),
    };
    let vault = Vault {
        vaults: Arc::clone(&engine.vaults),
        connections: Arc::clone(&engine.ports.connections),
    };
    let opening = Opening::of(&stack.secrets, vault, chance);
    opening.await.map_err(|failure| no_keys(stack, failure))
}

/// How often keys that are missing are looked for.
fn interval(stack: &Stack) -> Duration {
    stack.source.repository.interval
}

fn no_keys(stack: &Stack, failure: Failure) -> Halt {
    let message = failure.message;
    Halt {
        reason: Reason::RenderFailed,
        message: message.clone(),
        problems: vec![Problem {
            reason: failure.reason.to_owned(),
            object: None,
            origin: None,
            message,
            hint: failure.hint,
        }],
        again: Some(interval(stack)),
        kept: None,
    }
}

/// Whether something did not open with the keys of then, and the Stack has others now. Nothing is asked
/// where keys are not what was missing.
pub(crate) async fn has_other_keys(
    engine: &Shared,
    stack: &Stack,
    refused: &Refused,
) -> Result<bool, Halt> {
    let Some(keys) = refused.unopened else {
        return Ok(false);
    };
    Ok(opening(engine, stack).await?.keys() != Some(keys))
}

/// When what was not rendered is tried again although nothing of it has changed.
pub(crate) fn again(stack: &Stack, refused: &Refused) -> Option<Duration> {
    let vault = stack.secrets.vault.as_ref();
    let vault = vault.filter(|_| refused.lacks_values);
    match vault {
        Some(vault) => Some(vault.interval.min(AGAIN)),
        None => refused.unopened.map(|_| interval(stack)),
    }
}

/// A render that waits for Vault, which is a source of values as Git is one of files.
pub(crate) fn away(stack: &Stack, error: &VaultError, render: Option<&RenderError>) -> Halt {
    let fault = render.and_then(|error| error.faults().first());
    let message = error.to_string();
    let interval = stack.secrets.vault.as_ref().map(|vault| vault.interval);
    Halt {
        reason: Reason::SourceFailed,
        message: message.clone(),
        problems: vec![Problem {
            reason: error.reason().to_owned(),
            object: None,
            origin: fault.map(|fault| fault.origin.clone()),
            message,
            hint: Some(error.hint().to_owned()),
        }],
        again: Some(interval.unwrap_or(AWAY).min(AWAY)),
        kept: None,
    }
}

/// Whether what a render has from Vault is still the newest there. It is asked at every interval, and when
/// a person asks; what is there and may not be read any more is no longer what was rendered.
pub(crate) async fn values_hold(
    engine: &Shared,
    stack: &Stack,
    state: &StackState,
    render: &Render,
) -> Result<bool, Halt> {
    let Some(choice) = stack
        .secrets
        .vault
        .as_ref()
        .filter(|_| !render.watched.is_empty())
    else {
        return Ok(true);
    };
    let now = Instant::now();
    let oldest = match state.wants_news(stack) {
        true => Some(now),
        false => now.checked_sub(choice.interval),
    };
    let connections = &*engine.ports.connections;
    let Ok(session) = engine.vaults.session(choice) else {
        return Ok(false);
    };
    for watched in &render.watched {
        match session.version(connections, &watched.path, oldest).await {
            Ok(version) if version == watched.version => {}
            Ok(_) => return Ok(false),
            Err(error) if error.is_away() => return Err(away(stack, &error, None)),
            Err(_) => return Ok(false),
        }
    }
    Ok(true)
}

/// When Vault is asked for newer versions next, so that Stacks which began together do not ask together.
pub(crate) fn next_ask(stack: &Stack, state: &StackState) -> Option<Duration> {
    let choice = stack.secrets.vault.as_ref()?;
    let watches = state
        .renders
        .iter()
        .any(|render| !render.watched.is_empty());
    let spread = stack.uid.0.bytes().fold(7_u32, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    // From nine to eleven tenths.
    let part = 900 + spread % 201;
    watches.then(|| choice.interval * part / 1000 + Duration::from_millis(1))
}
