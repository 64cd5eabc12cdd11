//! How a Stack or an object is doing, in a word, a shape and a colour. It must not know where that is
//! shown.

use holdfast_model::status::{Reason, Truth};
use holdfast_model::view::{Health, StackView};

/// What a Stack needs. What needs most comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    Failing,
    Waiting,
    Progressing,
    Ready,
}

impl Need {
    pub(crate) const ALL: [Self; 4] =
        [Self::Failing, Self::Waiting, Self::Progressing, Self::Ready];

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Failing => "Failing",
            Self::Waiting => "Waiting",
            Self::Progressing => "Progressing",
            Self::Ready => "Ready",
        }
    }

    /// Its name in addresses.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Failing => "failing",
            Self::Waiting => "waiting",
            Self::Progressing => "progressing",
            Self::Ready => "ready",
        }
    }

    pub(crate) fn tone(self) -> Tone {
        match self {
            Self::Failing => Tone::Bad,
            Self::Waiting => Tone::Warn,
            Self::Progressing => Tone::Busy,
            Self::Ready => Tone::Good,
        }
    }

    pub(crate) fn of(view: &StackView) -> Self {
        let ready = &view.status.ready;
        match (ready.holds, ready.reason) {
            (Truth::True, _) if view.status.source.holds == Truth::False => Self::Failing,
            (Truth::True, _) => Self::Ready,
            (
                Truth::False,
                Reason::Suspended
                | Reason::OutOfSync
                | Reason::ConfirmationNeeded
                | Reason::DependencyNotReady
                | Reason::Deleting,
            ) => Self::Waiting,
            (Truth::False, _) => Self::Failing,
            (Truth::Unknown, _) => Self::Progressing,
        }
    }
}

/// What something means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Warn,
    Bad,
    Busy,
    Calm,
}

impl Tone {
    /// Its class in the style.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
            Self::Busy => "busy",
            Self::Calm => "calm",
        }
    }

    /// The paths of its shape in a box of 16 by 16: nobody has to tell colours apart.
    pub(crate) fn shape(self) -> &'static str {
        match self {
            Self::Good => {
                r#"<circle cx="8" cy="8" r="7" fill="none" stroke="currentColor" stroke-width="1.8"/><path d="M4.8 8.2l2.2 2.3 4.2-4.6" fill="none" stroke="currentColor" stroke-width="1.8"/>"#
            }
            Self::Warn => {
                r#"<path d="M8 1.5 15 14.2H1z" fill="none" stroke="currentColor" stroke-width="1.7" stroke-linejoin="round"/><path d="M8 6v4M8 11.3v1.4" stroke="currentColor" stroke-width="1.7"/>"#
            }
            Self::Bad => {
                r#"<path d="M5 1h6l4 4v6l-4 4H5l-4-4V5z" fill="currentColor"/><path class="cut" d="M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2" stroke="Canvas" stroke-width="1.7"/>"#
            }
            Self::Busy => {
                r#"<g class="turns"><path d="M14.5 8A6.5 6.5 0 1 1 8 1.5" fill="none" stroke="currentColor" stroke-width="1.8"/><path d="M8 .2v3.6L10.6 2z" fill="currentColor"/></g>"#
            }
            Self::Calm => {
                r#"<circle cx="8" cy="8" r="7" fill="none" stroke="currentColor" stroke-width="1.7" stroke-dasharray="2.5 2"/><path d="M5 8h6" stroke="currentColor" stroke-width="1.7"/>"#
            }
        }
    }

    pub(crate) fn of_truth(truth: Truth) -> Self {
        match truth {
            Truth::True => Self::Good,
            Truth::False => Self::Bad,
            Truth::Unknown => Self::Busy,
        }
    }

    pub(crate) fn of_health(health: Health) -> Self {
        match health {
            Health::Healthy => Self::Good,
            Health::Unknown | Health::Suspended => Self::Calm,
            Health::Progressing | Health::Terminating => Self::Busy,
            Health::Missing | Health::Degraded => Self::Bad,
        }
    }

    /// The tone of how a line of the history ended.
    pub(crate) fn of_end(end: &str) -> Self {
        match end {
            "succeeded" => Self::Good,
            "pinned" | "unpinned" | "suspended" | "resumed" => Self::Warn,
            _ => Self::Bad,
        }
    }
}

/// A word with its shape and colour.
#[derive(Clone, Debug)]
pub(crate) struct Badge {
    pub(crate) class: &'static str,
    pub(crate) shape: &'static str,
    pub(crate) word: String,
}

impl Badge {
    pub(crate) fn new(tone: Tone, word: impl Into<String>) -> Self {
        Self {
            class: tone.class(),
            shape: tone.shape(),
            word: word.into(),
        }
    }

    /// How a Stack is doing.
    pub(crate) fn of(view: &StackView) -> Self {
        let need = Need::of(view);
        let reason = match view.status.ready.reason {
            Reason::Succeeded if need == Need::Failing => view.status.source.reason,
            reason => reason,
        };
        let word = match (need, reason) {
            (Need::Ready, Reason::Pinned) => "Ready, pinned".to_owned(),
            (Need::Ready, _) => "Ready".to_owned(),
            (_, reason) => spaced(&reason.to_string()),
        };
        let tone = match need {
            Need::Failing if view.status.ready.holds == Truth::True => Tone::Warn,
            need => need.tone(),
        };
        Self::new(tone, word)
    }
}

/// A CamelCase word as people write it.
pub(crate) fn spaced(word: &str) -> String {
    let mut out = String::with_capacity(word.len() + 4);
    for (at, letter) in word.chars().enumerate() {
        if at > 0 && letter.is_uppercase() {
            out.push(' ');
            out.extend(letter.to_lowercase());
        } else {
            out.push(letter);
        }
    }
    out
}
