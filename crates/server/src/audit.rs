//! Who did what on the page, as lines of the log: every sign-in, every refusal, and everything that was asked
//! for. No line holds a password, a token or a cookie.

use holdfast_model::stack::StackKey;
use tracing::{info, warn};

use crate::access::roles::Verb;
use crate::asker::Asker;
use crate::port::Command;

/// The most bytes of a name that somebody typed.
const NAME: usize = 100;

/// The name that somebody is known by.
fn name(asker: &Asker) -> &str {
    asker.viewer.name().unwrap_or("this machine")
}

/// A name that somebody typed, which may be a password that went into the wrong field.
fn typed(name: &str, is_known: bool) -> String {
    match is_known {
        true => name.chars().take(NAME).collect(),
        false => "(no account)".to_owned(),
    }
}

/// Somebody has signed in.
pub(crate) fn signed_in(person: &str, from: &str) {
    info!(person, from, "Signed in to the page.");
}

/// Somebody has signed out.
pub(crate) fn signed_out(person: &str, everywhere: bool) {
    info!(person, everywhere, "Signed out of the page.");
}

/// Somebody could not sign in.
pub(crate) fn not_signed_in(tried: &str, is_known: bool, from: &str, why: &str) {
    let person = typed(tried, is_known);
    warn!(person, from, why, "A sign-in to the page was refused.");
}

/// A token is none.
pub(crate) fn forged(from: &str) {
    warn!(from, "A token that is none of this page was refused.");
}

/// Somebody may not do something.
pub(crate) fn denied(asker: &Asker, verb: Verb, stack: &StackKey) {
    let (person, verb) = (name(asker), verb.word());
    warn!(person, verb, %stack, "What was asked for on the page is not allowed.");
}

/// Something was asked for.
pub(crate) fn asked(
    asker: &Asker,
    stack: &StackKey,
    command: &Command,
    said: &Result<String, String>,
) {
    let (person, verb, of) = (name(asker), command.verb(), command.of());
    match said {
        Ok(_) => info!(person, verb, of, %stack, "It was asked for on the page."),
        Err(why) => {
            warn!(person, verb, of, %stack, why, "It was asked for on the page and refused.")
        }
    }
}
