//! What the page needs of whoever serves it. It must not know how any of it is done.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use holdfast_model::stack::StackKey;
use holdfast_model::view::{Change, Fleet, StackView};
use tokio::sync::{broadcast, watch};

use crate::access::roles::Verb;

/// A future behind a port.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What is published of Stacks.
pub trait Views: Send + Sync {
    /// All Stacks as they are now.
    fn fleet(&self) -> Arc<Fleet>;

    /// A Stack as it is now.
    fn stack(&self, key: &StackKey) -> Option<Arc<StackView>>;

    /// What changes from now on.
    fn changes(&self) -> broadcast::Receiver<Change>;
}

/// What people may ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// To look for a new revision and to apply it now.
    Sync,
    /// To look for a new revision, and to apply nothing that was not asked for.
    Refresh,
    /// To go back to a commit; to the newest one that worked where none is named.
    Rollback {
        /// The commit, or its first digits.
        to: Option<String>,
    },
    /// To apply nothing until resumed.
    Suspend,
    /// To go on after a suspension or a rollback.
    Resume,
    /// To end what is under way.
    Terminate,
    /// To carry out a plan that waits for a person.
    Approve {
        /// The digest of the plan.
        plan: String,
    },
    /// To delete the Stack, and what it owns as its policy says.
    Delete,
}

impl Command {
    /// Its name in addresses.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Refresh => "refresh",
            Self::Rollback { .. } => "rollback",
            Self::Suspend => "suspend",
            Self::Resume => "resume",
            Self::Terminate => "terminate",
            Self::Approve { .. } => "approve",
            Self::Delete => "delete",
        }
    }

    /// What somebody has to be allowed who asks for it.
    pub fn needs(&self) -> Verb {
        match self {
            Self::Sync | Self::Refresh => Verb::Sync,
            Self::Rollback { .. } => Verb::Rollback,
            Self::Suspend => Verb::Suspend,
            Self::Resume => Verb::Resume,
            Self::Terminate => Verb::Terminate,
            Self::Approve { .. } => Verb::Approve,
            Self::Delete => Verb::Delete,
        }
    }

    /// What of just it was asked for: the commit of a rollback, the digest of a plan.
    pub fn of(&self) -> &str {
        match self {
            Self::Rollback { to } => to.as_deref().unwrap_or_default(),
            Self::Approve { plan } => plan,
            _ => "",
        }
    }

    /// The command of a name.
    pub fn read(verb: &str, of: &str) -> Option<Self> {
        Some(match verb {
            "sync" => Self::Sync,
            "refresh" => Self::Refresh,
            "rollback" => Self::Rollback {
                to: (!of.is_empty()).then(|| of.to_owned()),
            },
            "suspend" => Self::Suspend,
            "resume" => Self::Resume,
            "terminate" => Self::Terminate,
            "approve" => Self::Approve {
                plan: of.to_owned(),
            },
            "delete" => Self::Delete,
            _ => return None,
        })
    }
}

/// Who asks for something, and why.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asking<'a> {
    /// Who has signed in; none where nobody has to.
    pub by: Option<&'a str>,
    /// Why.
    pub reason: Option<&'a str>,
}

/// Carries out what people ask for, as the command line does, and says in words what came of it or why
/// nothing did.
pub trait Commands: Send + Sync {
    /// What a command would do; nothing is changed.
    fn preview<'a>(
        &'a self,
        stack: &'a StackKey,
        command: &'a Command,
    ) -> BoxFuture<'a, Result<String, String>>;

    /// Asks for it, and has it written down who did.
    fn run<'a>(
        &'a self,
        stack: &'a StackKey,
        command: &'a Command,
        asking: Asking<'a>,
    ) -> BoxFuture<'a, Result<String, String>>;
}

/// What is kept of those who may sign in, each text by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Accounts as [`Account::write`](crate::Account::write) has them.
    pub accounts: BTreeMap<String, String>,
    /// Sessions.
    pub sessions: BTreeMap<String, String>,
    /// The rules, where there are any.
    pub roles: Option<String>,
}

/// A change of what is kept, which may be made again where somebody else wrote in between.
pub type Edit = Box<dyn Fn(&mut BTreeMap<String, String>) + Send + Sync>;

/// Keeps accounts, sessions and rules where they outlast the process.
pub trait Keeper: Send + Sync {
    /// What is kept now, and whenever it changes.
    fn kept(&self) -> watch::Receiver<Arc<Kept>>;

    /// Changes the sessions; what [`Keeper::kept`] gives has the change when this is done.
    fn edit_sessions(&self, edit: Edit) -> BoxFuture<'_, Result<(), String>>;
}
