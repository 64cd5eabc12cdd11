//! What the page says that is not written in its templates, in one place.

use holdfast_model::stack::StackKey;
use holdfast_model::time::Time;
use holdfast_model::view::{Sight, words};

use crate::access::roles::Verb;
use crate::port::Command;

/// What is said of how far the page can be relied on.
pub(crate) const LIVE: &str = "Live";
pub(crate) const LOADED: &str = "As of when this page was loaded";
pub(crate) const LOST: &str = "No connection since {}; this is what was known then";
pub(crate) const STARTING: &str = "The engine has just started and does not know all Stacks yet";

/// That the engine hears nothing, since when.
pub(crate) fn sight(sight: Sight, now: Time) -> Option<String> {
    match sight {
        Sight::Clear => None,
        Sight::Starting => Some(STARTING.to_owned()),
        Sight::Blind(since) => Some(format!(
            "The control plane does not answer since {since} ({}); this is what was known then",
            words::age(now.since(since))
        )),
    }
}

/// What a command is called on its button, in its question, and what it means.
pub(crate) struct Named {
    pub(crate) button: &'static str,
    pub(crate) question: &'static str,
    pub(crate) meaning: &'static str,
}

pub(crate) fn named(command: &Command) -> Named {
    let (button, question, meaning) = match command {
        Command::Sync => (
            "Sync",
            "Sync now?",
            "Git is asked for news, and what it says is applied, also where a person has to ask for it.",
        ),
        Command::Refresh => (
            "Refresh",
            "Ask Git for news?",
            "Git is asked for news now. Nothing is applied that would not be applied anyway.",
        ),
        Command::Rollback { .. } => (
            "Roll back",
            "Roll back?",
            "The Stack goes back to an earlier revision, and stays there until Git has something newer.",
        ),
        Command::Suspend => (
            "Suspend",
            "Suspend?",
            "Nothing is applied any more, and drift stays, until somebody resumes the Stack.",
        ),
        Command::Resume => (
            "Resume",
            "Resume?",
            "The Stack goes on: what Git says is applied.",
        ),
        Command::Terminate => (
            "Terminate",
            "End what is under way?",
            "The operation ends. What was applied stays, and it is not tried again before a sync or a change.",
        ),
        Command::Approve { .. } => (
            "Approve",
            "Approve this plan?",
            "The plan is carried out, once, as it is shown here.",
        ),
        Command::Delete => (
            "Delete",
            "Delete this Stack?",
            "The Stack goes, and what it owns goes with it or stays, as its deletion policy says. This cannot be undone.",
        ),
    };
    Named {
        button,
        question,
        meaning,
    }
}

/// That somebody may not do something.
pub(crate) fn denied(name: Option<&str>, verb: Verb, stack: &StackKey) -> String {
    let name = name.unwrap_or("you");
    let verb = verb.word();
    format!(
        "{name} may not {verb} {stack}; `holdfast can-i {verb} {} -n {}` says which rule it is",
        stack.name, stack.namespace
    )
}

pub(crate) const NOT_IN: &str = "sign in first: there is no session, or it has ended";
pub(crate) const NO_TOKEN: &str =
    "this is no token of this page, or it has ended; `holdfast page account token NAME` makes one";
pub(crate) const WRONG: &str = "the name or the password is wrong";
pub(crate) const TRIED: &str = "too many tries in a short time; wait a minute, and try again";
pub(crate) const NOT_KEPT: &str =
    "the control plane does not take it just now; try again, and see the log of the engine";
pub(crate) const NO_ACCOUNT: &str =
    "Nobody signs in to this page: it is served to this machine alone.";
pub(crate) const NOBODY: &str = "There is no account yet. On a machine that reaches the control plane: holdfast page account add NAME";

pub(crate) const TOO_MANY: &str = "too many requests in a short time; wait a moment, and try again";
pub(crate) const FORGED: &str = "this form is not from this page, or is from before the engine was started; open it again, and send it";
pub(crate) const NOT_NAMED: &str =
    "the name that was typed is not that of the Stack; nothing was done";
pub(crate) const READ_ONLY: &str =
    "nothing can be asked for on this page; the engine was started without --page-actions";
