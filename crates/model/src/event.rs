//! What happens to a Stack that people and programs want to know: Events of Kubernetes, lines of the log
//! and metrics are all made from it. It must not know how any of them is written, and holds no value
//! of an object.

use std::fmt;

use crate::digest::Digest;
use crate::object::{Key, Origin};
use crate::revision::Revision;
use crate::time::Time;

/// Something that happened to a Stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StackEvent {
    /// A revision was applied, and is not healthy yet.
    Applied {
        /// The revision.
        revision: Revision,
        /// What was done.
        summary: String,
    },
    /// A revision is in place and works.
    Synced {
        /// The revision.
        revision: Revision,
        /// What was done.
        summary: String,
    },
    /// What somebody changed was put back.
    DriftHealed {
        /// The revision that is in place.
        revision: Revision,
        /// The first object that was put back.
        object: Key,
        /// What was done, and who had changed what.
        summary: String,
        /// How many objects were put back.
        objects: usize,
    },
    /// An operation failed.
    SyncFailed {
        /// The revision.
        revision: Revision,
        /// What was done.
        summary: String,
        /// The first failure.
        failure: Blame,
    },
    /// A hook failed, and with it the operation.
    HookFailed {
        /// The revision.
        revision: Revision,
        /// The hook, and what is wrong with it.
        failure: Blame,
    },
    /// The source cannot be read.
    SourceFailed {
        /// Since when.
        since: Time,
        /// What happened.
        failure: Blame,
    },
    /// The source can be read again.
    SourceRecovered {
        /// Since when it could not.
        since: Time,
    },
    /// A revision cannot be rendered.
    RenderFailed(Blame),
    /// The Stack cannot be understood.
    SpecInvalid(Blame),
    /// The Stacks that it depends on depend on it.
    DependencyCycle(Blame),
    /// The target does not answer, or refuses.
    TargetFailed(Blame),
    /// The control plane does not take what has to be written.
    ControlPlaneFailed(Blame),
    /// A plan waits for a person, by the rules that guard what it does.
    ConfirmationNeeded {
        /// The digest of the plan.
        plan: Digest,
        /// What it would do, and why it waits.
        message: String,
    },
    /// A plan waits since the Stack is synced only when a person asks.
    OutOfSync {
        /// The digest of the plan.
        plan: Digest,
        /// What it would do.
        message: String,
    },
    /// An object does not work.
    HealthDegraded(Blame),
    /// Everything works again.
    HealthRecovered {
        /// The revision that is in place.
        revision: Revision,
    },
    /// Something is not as Git says, and is left so.
    LeftAlone(Blame),
    /// The Stack asks for what its Tenant does not allow.
    NotPermitted(Blame),
    /// An object left the inventory and stays, since it is somebody else's.
    NotOurs(Blame),
    /// Something that says what the Stack owns is not believed.
    InventoryIgnored(Blame),
    /// What a pin does to the Stack: somebody went back to an older revision.
    RolledBack {
        /// From where to where, by whom and why.
        message: String,
    },
    /// A pin ended.
    PinEnded {
        /// Which, and why.
        message: String,
    },
    /// Everything has arrived on another cluster, and was removed from this one.
    Moved {
        /// From where to where.
        message: String,
        /// Whether something could not be removed.
        has_failed: bool,
    },
    /// Objects stay where nothing leads to any more.
    LeftBehind(Blame),
    /// What the Stack owned is dealt with, and it goes.
    Deleted {
        /// What became of its objects.
        message: String,
    },
    /// Nothing is applied from here on.
    Suspended {
        /// By whom and why, as far as it is known.
        message: String,
    },
    /// The Stack is reconciled again.
    Resumed {
        /// By whom and why, as far as it is known.
        message: String,
    },
    /// Somebody asked for a sync.
    SyncRequested {
        /// Who, when and why.
        message: String,
    },
    /// Somebody approved a plan.
    Approved {
        /// Which, who, when and why.
        message: String,
    },
    /// Somebody ended the operation that was under way.
    Terminated {
        /// What had been done, who ended it, when and why.
        message: String,
    },
    /// Holdfast itself failed.
    Defect(Blame),
}

/// What is wrong, and with what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Blame {
    /// The object, where there is one.
    pub object: Option<Key>,
    /// Where it was written, where that is known.
    pub origin: Option<Origin>,
    /// What is wrong.
    pub message: String,
    /// What a person can do.
    pub hint: Option<String>,
}

impl Blame {
    /// Of the Stack as a whole.
    pub fn whole(message: impl Into<String>, hint: Option<&str>) -> Self {
        Self {
            message: message.into(),
            hint: hint.map(str::to_owned),
            ..Self::default()
        }
    }
}

impl fmt::Display for Blame {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(object) = &self.object {
            write!(formatter, "{object}")?;
            if let Some(origin) = &self.origin {
                write!(formatter, " ({origin})")?;
            }
            formatter.write_str(": ")?;
        }
        formatter.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(formatter, "; {hint}"),
            None => Ok(()),
        }
    }
}

/// What kind of failure an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// Of a source.
    Source,
    /// Of a render.
    Render,
    /// Of the Stack's own fields.
    Spec,
    /// Of a target.
    Target,
    /// Of the control plane.
    ControlPlane,
    /// Of an apply or a delete.
    Apply,
    /// Of a hook.
    Hook,
    /// Of an object's health.
    Health,
    /// A rule that holds a plan back.
    Policy,
    /// Of Holdfast itself.
    Defect,
}

impl FailureKind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Source,
        Self::Render,
        Self::Spec,
        Self::Target,
        Self::ControlPlane,
        Self::Apply,
        Self::Hook,
        Self::Health,
        Self::Policy,
        Self::Defect,
    ];

    /// The kind in a word, as metrics have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Render => "render",
            Self::Spec => "spec",
            Self::Target => "target",
            Self::ControlPlane => "control_plane",
            Self::Apply => "apply",
            Self::Hook => "hook",
            Self::Health => "health",
            Self::Policy => "policy",
            Self::Defect => "defect",
        }
    }
}

impl StackEvent {
    /// What happened, as a stable CamelCase word.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Applied { .. } => "Applied",
            Self::Synced { .. } => "Synced",
            Self::DriftHealed { .. } => "DriftHealed",
            Self::SyncFailed { .. } => "SyncFailed",
            Self::HookFailed { .. } => "HookFailed",
            Self::SourceFailed { .. } => "SourceFailed",
            Self::SourceRecovered { .. } => "SourceRecovered",
            Self::RenderFailed(_) => "RenderFailed",
            Self::SpecInvalid(_) => "InvalidSpec",
            Self::NotPermitted(_) => "NotPermitted",
            Self::DependencyCycle(_) => "DependencyCycle",
            Self::TargetFailed(_) => "TargetFailed",
            Self::ControlPlaneFailed(_) => "ControlPlaneFailed",
            Self::ConfirmationNeeded { .. } => "ConfirmationNeeded",
            Self::OutOfSync { .. } => "OutOfSync",
            Self::HealthDegraded(_) => "Degraded",
            Self::HealthRecovered { .. } => "HealthRecovered",
            Self::LeftAlone(_) => "LeftAlone",
            Self::NotOurs(_) => "NotOurs",
            Self::InventoryIgnored(_) => "InventoryIgnored",
            Self::RolledBack { .. } => "RolledBack",
            Self::PinEnded { .. } => "PinEnded",
            Self::Moved { .. } => "Moved",
            Self::LeftBehind(_) => "LeftBehind",
            Self::Deleted { .. } => "Deleted",
            Self::Suspended { .. } => "Suspended",
            Self::Resumed { .. } => "Resumed",
            Self::SyncRequested { .. } => "SyncRequested",
            Self::Approved { .. } => "Approved",
            Self::Terminated { .. } => "Terminated",
            Self::Defect(_) => "Defect",
        }
    }

    /// What kind of failure it is; nothing where it is none.
    pub fn failure(&self) -> Option<FailureKind> {
        Some(match self {
            Self::SyncFailed { .. } => FailureKind::Apply,
            Self::Moved { has_failed, .. } if *has_failed => FailureKind::Apply,
            Self::HookFailed { .. } => FailureKind::Hook,
            Self::SourceFailed { .. } => FailureKind::Source,
            Self::RenderFailed(_) => FailureKind::Render,
            Self::SpecInvalid(_) | Self::DependencyCycle(_) => FailureKind::Spec,
            Self::TargetFailed(_) | Self::LeftBehind(_) => FailureKind::Target,
            Self::ControlPlaneFailed(_) => FailureKind::ControlPlane,
            Self::ConfirmationNeeded { .. } | Self::NotPermitted(_) => FailureKind::Policy,
            Self::HealthDegraded(_) => FailureKind::Health,
            Self::Defect(_) => FailureKind::Defect,
            _ => return None,
        })
    }

    /// Whether somebody should act.
    pub fn is_warning(&self) -> bool {
        self.failure().is_some()
            || matches!(
                self,
                Self::LeftAlone(_) | Self::NotOurs(_) | Self::InventoryIgnored(_)
            )
    }

    /// What is wrong, where that is one thing.
    pub fn blame(&self) -> Option<&Blame> {
        match self {
            Self::SyncFailed { failure, .. }
            | Self::HookFailed { failure, .. }
            | Self::SourceFailed { failure, .. } => Some(failure),
            Self::RenderFailed(blame)
            | Self::SpecInvalid(blame)
            | Self::NotPermitted(blame)
            | Self::DependencyCycle(blame)
            | Self::TargetFailed(blame)
            | Self::ControlPlaneFailed(blame)
            | Self::HealthDegraded(blame)
            | Self::LeftAlone(blame)
            | Self::NotOurs(blame)
            | Self::InventoryIgnored(blame)
            | Self::LeftBehind(blame)
            | Self::Defect(blame) => Some(blame),
            _ => None,
        }
    }

    /// The object that it is about, where it is about one.
    pub fn object(&self) -> Option<&Key> {
        match self {
            Self::DriftHealed { object, .. } => Some(object),
            _ => self.blame()?.object.as_ref(),
        }
    }

    /// What makes two events one that has happened again: the words of a failure may change from one
    /// attempt to the next, as times and counts in them do.
    pub fn identity(&self) -> String {
        let reason = self.reason();
        let object = self.object().map(ToString::to_string).unwrap_or_default();
        let rest = match self {
            Self::SyncFailed { revision, .. }
            | Self::HookFailed { revision, .. }
            | Self::Applied { revision, .. }
            | Self::Synced { revision, .. } => revision.to_string(),
            Self::ConfirmationNeeded { plan, .. } | Self::OutOfSync { plan, .. } => {
                plan.to_string()
            }
            // Each has a report of its own, by which the log is searched.
            Self::Defect(_) => String::new(),
            // The source as a whole is away, whatever it says from one attempt to the next.
            Self::SourceFailed { .. } | Self::SourceRecovered { .. } => String::new(),
            Self::DriftHealed { .. } | Self::HealthRecovered { .. } => String::new(),
            Self::RolledBack { message } | Self::PinEnded { message } => message.clone(),
            Self::Suspended { message } | Self::Resumed { message } => message.clone(),
            Self::SyncRequested { message } | Self::Approved { message } => message.clone(),
            Self::Moved { message, .. }
            | Self::Deleted { message }
            | Self::Terminated { message } => message.clone(),
            _ if object.is_empty() => self.blame().map_or_else(String::new, Blame::to_string),
            _ => String::new(),
        };
        format!("{reason} {object} {rest}")
    }
}

impl fmt::Display for StackEvent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Applied { revision, summary } => {
                write!(formatter, "{revision}: {summary}; not healthy yet")
            }
            Self::Synced { revision, summary }
            | Self::DriftHealed {
                revision, summary, ..
            } => write!(formatter, "{revision}: {summary}"),
            Self::SyncFailed {
                revision,
                summary,
                failure,
            } => write!(formatter, "{revision}: {summary}; {failure}"),
            Self::HookFailed { revision, failure } => {
                write!(formatter, "{revision}: hook {failure}")
            }
            Self::SourceFailed { since, failure } => {
                write!(
                    formatter,
                    "the source cannot be read since {since}: {failure}"
                )
            }
            Self::SourceRecovered { since } => write!(
                formatter,
                "the source can be read again, which it could not since {since}"
            ),
            Self::ConfirmationNeeded { message, .. }
            | Self::OutOfSync { message, .. }
            | Self::RolledBack { message }
            | Self::PinEnded { message }
            | Self::Moved { message, .. }
            | Self::Suspended { message }
            | Self::Resumed { message }
            | Self::SyncRequested { message }
            | Self::Approved { message }
            | Self::Terminated { message }
            | Self::Deleted { message } => formatter.write_str(message),
            Self::HealthRecovered { revision } => {
                write!(formatter, "{revision} is healthy again")
            }
            _ => match self.blame() {
                Some(blame) => blame.fmt(formatter),
                None => Ok(()),
            },
        }
    }
}
