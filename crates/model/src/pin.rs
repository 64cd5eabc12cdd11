//! A Stack that is held at an older revision after a rollback, and what ends that. It must not know
//! where a pin is written, nor how a revision is rendered.

use std::fmt;

use crate::digest::Digest;
use crate::revision::Revision;
use crate::time::Time;

/// A Stack held at an older revision.
#[derive(Clone, Debug, Default)]
pub struct Pin {
    /// What is kept: the commit, those of other sources, and versions of charts. A source or a range
    /// that it does not name is followed.
    pub revision: Revision,
    /// What Git was at when it was rolled back. The pin ends when a newer commit renders to something
    /// else; without it, Git does not end the pin. A further rollback keeps it.
    pub from: Option<RolledBack>,
    /// When the pin ends whatever happens.
    pub expires: Option<Time>,
    /// Who asked for it.
    pub by: Option<String>,
    /// When it was asked for.
    pub since: Option<Time>,
    /// Why it was asked for.
    pub reason: Option<String>,
    /// The text that it was read from. A pin that has ended is taken away only as long as this is
    /// still what is written, so that one that somebody writes meanwhile is not lost.
    pub written: String,
}

impl PartialEq for Pin {
    /// Two pins are one whatever their text looks like.
    fn eq(&self, other: &Self) -> bool {
        let says = |pin: &Self| {
            let (since, by, reason) = (pin.since, pin.by.clone(), pin.reason.clone());
            let (commit, others) = (pin.revision.commit.clone(), pin.revision.others.clone());
            let charts = pin.revision.charts.clone();
            let held = (commit, others, charts, pin.expires);
            (held, pin.from.clone(), since, by, reason)
        };
        says(self) == says(other)
    }
}

/// What Git was at when a Stack was rolled back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RolledBack {
    /// What it rendered to, where only that is known.
    Digest(Digest),
    /// The revision, and what it rendered to unless it could not be rendered.
    Revision(Revision, Option<Digest>),
}

impl RolledBack {
    /// What it rendered to.
    pub fn rendered(&self) -> Option<Digest> {
        match self {
            Self::Digest(digest) => Some(*digest),
            Self::Revision(_, digest) => *digest,
        }
    }
}

/// What the revision that Git is at means for a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing<'a> {
    /// Git is at nothing newer.
    Holds,
    /// Git has something newer.
    Ended,
    /// Git is at another commit, and it is not certain that it renders to something else: what was
    /// rolled back may have to be rendered anew, since the Stack or the renderer has changed.
    Unclear(&'a Revision),
}

/// Why a pin has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PinEnd {
    /// A newer commit renders to something else than what was rolled back.
    Newer,
    /// Its time is over.
    Expired,
    /// Somebody took it away.
    Resumed,
}

impl fmt::Display for PinEnd {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Newer => "Git has something newer",
            Self::Expired => "its time is over",
            Self::Resumed => "it was taken away",
        })
    }
}

impl Pin {
    /// Whether its time is over.
    pub fn is_expired(&self, now: Time) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// What the revision that Git is at, and what it renders to, mean for this pin.
    pub fn standing(&self, followed: &Revision, rendered: Digest) -> Standing<'_> {
        let Some(from) = &self.from else {
            return Standing::Holds;
        };
        if from.rendered() == Some(rendered) {
            return Standing::Holds;
        }
        match from {
            RolledBack::Digest(_) => Standing::Ended,
            RolledBack::Revision(from, _) => {
                let is_same = from.has_commits_of(followed) && from.has_charts_of(followed);
                if is_same {
                    Standing::Holds
                } else {
                    Standing::Unclear(from)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::revision::CommitId;

    fn revision(commit: &str) -> Revision {
        Revision::new(CommitId(commit.to_owned()), "main")
    }

    fn check(from: Option<RolledBack>, rendered: &str, expected: Standing<'_>) {
        let pin = Pin {
            from,
            ..Pin::default()
        };
        let digest = Digest::of_bytes(rendered.as_bytes());
        assert_eq!(pin.standing(&revision("d"), digest), expected);
    }

    #[test]
    fn a_pin_holds_as_long_as_git_is_at_nothing_newer() {
        let bad = Digest::of_bytes(b"bad");
        check(None, "new", Standing::Holds);
        check(Some(RolledBack::Digest(bad)), "bad", Standing::Holds);
        check(Some(RolledBack::Digest(bad)), "new", Standing::Ended);
        let from = |commit: &str, digest| Some(RolledBack::Revision(revision(commit), digest));
        check(from("c", Some(bad)), "bad", Standing::Holds);
        // The Stack was changed meanwhile: the same commit is no news.
        check(from("d", Some(bad)), "new", Standing::Holds);
        check(from("d", None), "new", Standing::Holds);
        check(
            from("c", Some(bad)),
            "new",
            Standing::Unclear(&revision("c")),
        );
        check(from("c", None), "new", Standing::Unclear(&revision("c")));
    }

    #[test]
    fn a_newer_chart_of_a_range_is_something_newer_at_the_same_commit() {
        let with = |version: &str| {
            let mut revision = revision("d");
            let label = "https://x.example/web@1.x".to_owned();
            revision.charts.insert(label, version.to_owned());
            revision
        };
        let pin = Pin {
            from: Some(RolledBack::Revision(with("1.1.0"), None)),
            ..Pin::default()
        };
        let digest = Digest::of_bytes(b"any");
        assert_eq!(pin.standing(&with("1.1.0"), digest), Standing::Holds);
        let standing = pin.standing(&with("1.2.0"), digest);
        assert_eq!(standing, Standing::Unclear(&with("1.1.0")));
    }
}
