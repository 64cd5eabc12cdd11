//! Where a rollback goes: what worked before, and never what did not. It must not know how a person
//! asks for it, nor how a revision is applied.

use crate::digest::Digest;
use crate::pin::{Pin, RolledBack};
use crate::revision::{CommitId, Revision};
use crate::status::{Past, PastEnd, Remembered, Worked};

/// The fewest digits by which a commit is named, as in git.
const SHORTEST: usize = 4;

/// What a rollback goes back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The revision.
    pub revision: Revision,
    /// Why this one.
    pub why: String,
    /// Newer revisions that it passes over, each with the reason.
    pub skipped: Vec<String>,
}

/// Why it is not known what a rollback goes back to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nothing further back has worked.
    #[error("no revision further back has become healthy{}", of(.0))]
    NothingWorked(Vec<String>),
    /// There are not so many.
    #[error("only {known} revisions further back have become healthy, and -{wanted} is asked for")]
    TooFar {
        /// How far back was asked for.
        wanted: usize,
        /// How many there are.
        known: usize,
    },
    /// The Stack is held at a revision that is not among those that became healthy.
    #[error(
        "{0}, at which it is held, is not among the revisions that became healthy, so that none of them is further back"
    )]
    Unplaced(Box<Revision>),
    /// Several revisions begin so.
    #[error("{text} is the beginning of several revisions: {}", .found.join(", "))]
    Ambiguous {
        /// What was asked for.
        text: String,
        /// The revisions.
        found: Vec<String>,
    },
}

fn of(skipped: &[String]) -> String {
    match skipped {
        [] => String::new(),
        some => format!("; skipped {}", some.join(", ")),
    }
}

/// The newest revision further back that became healthy, and from which nobody went back since.
///
/// # Errors
/// [`Refusal`].
pub fn choose_newest(known: &Remembered, pin: Option<&Pin>) -> Result<Choice, Refusal> {
    let further = further_back(known, pin)?;
    let chosen = further.iter().find(|worked| worked.left.is_none());
    let passed = further.iter().take_while(|worked| worked.left.is_some());
    let mut skipped: Vec<String> = passed
        .filter_map(|worked| Some((worked, worked.left?)))
        .map(|(worked, left)| format!("{} (gone back from at {left})", worked.revision))
        .collect();
    let Some(chosen) = chosen else {
        return Err(Refusal::NothingWorked(skipped));
    };
    skipped.extend(never_healthy(known, pin, chosen));
    Ok(Choice {
        revision: chosen.revision.clone(),
        why: format!(
            "the newest further back that became healthy, at {}",
            chosen.at
        ),
        skipped,
    })
}

/// The revision so many steps further back among those that became healthy; 1 is the nearest.
///
/// # Errors
/// [`Refusal`].
pub fn choose_back(known: &Remembered, pin: Option<&Pin>, steps: usize) -> Result<Choice, Refusal> {
    let further = further_back(known, pin)?;
    let chosen = steps.checked_sub(1).and_then(|index| further.get(index));
    let chosen = chosen.ok_or(Refusal::TooFar {
        wanted: steps,
        known: further.len(),
    })?;
    Ok(Choice {
        revision: chosen.revision.clone(),
        why: format!("-{steps} of those that became healthy, at {}", chosen.at),
        skipped: Vec::new(),
    })
}

/// The revision among those that are known which a text names: by the first digits of a commit, also
/// of another source, or by the version of a chart.
///
/// # Errors
/// [`Refusal::Ambiguous`].
pub fn find(known: &Remembered, text: &str) -> Result<Option<Choice>, Refusal> {
    let worked = known.worked.iter().map(|worked| &worked.revision);
    let past = known.history.iter().map(|past| &past.revision);
    let seen = known.followed.iter().map(|followed| &followed.revision);
    let pinned = known.pin.iter().map(|pin| &pin.revision);
    let tried = known.applied.iter().chain(&known.attempted);
    let all = worked.chain(past).chain(seen).chain(tried).chain(pinned);
    let digits = text.to_lowercase();
    let begins = |commit: &CommitId| digits.len() >= SHORTEST && commit.0.starts_with(&digits);
    let named: Vec<&Revision> = all
        .filter(|revision| {
            let commits = std::iter::once(&revision.commit).chain(revision.others.values());
            commits.into_iter().any(begins)
                || revision.charts.values().any(|version| version == text)
        })
        .collect();
    let own = |revision: &&&Revision| begins(&revision.commit);
    let mut commits: Vec<&str> = named
        .iter()
        .filter(own)
        .map(|known| known.commit.0.as_str())
        .collect();
    commits.sort_unstable();
    commits.dedup();
    if commits.len() > 1 {
        return Err(Refusal::Ambiguous {
            text: text.to_owned(),
            found: commits.into_iter().map(str::to_owned).collect(),
        });
    }
    Ok(named.first().map(|revision| Choice {
        revision: Revision::clone(revision),
        why: "as asked for".to_owned(),
        skipped: Vec::new(),
    }))
}

/// What a rollback is from: what the Stack already was rolled back from, or else what Git is at.
pub fn rolled_back(known: &Remembered, pin: Option<&Pin>) -> Option<RolledBack> {
    let from = pin.and_then(|pin| pin.from.clone());
    let followed = known.followed.as_ref();
    let followed =
        followed.map(|known| RolledBack::Revision(known.revision.clone(), known.rendered));
    // An engine that does not tell what Git is at has tried it last.
    let tried = known.history.first().and_then(|past| past.rendered);
    from.or(followed).or(tried.map(RolledBack::Digest))
}

/// What became healthy and is older than what the Stack is at, newest first.
fn further_back<'a>(known: &'a Remembered, pin: Option<&Pin>) -> Result<Vec<&'a Worked>, Refusal> {
    let Some(pin) = pin else {
        let live = live(known);
        let others = known.worked.iter();
        return Ok(others
            .filter(|worked| !live.contains(&worked.rendered))
            .collect());
    };
    let held = &pin.revision;
    let applied = known.applied.as_ref();
    // A commit may be known under the name of another one that renders to the same.
    let rendered = known
        .rendered
        .filter(|_| applied.is_some_and(|applied| applied.has_commits_of(held)));
    let is_held = |worked: &Worked| {
        let same = worked.revision.has_commits_of(held) && held.has_charts_of(&worked.revision);
        same || Some(worked.rendered) == rendered
    };
    let place = known.worked.iter().position(is_held);
    let place = place.ok_or_else(|| Refusal::Unplaced(Box::new(held.clone())))?;
    let from = pin.from.as_ref().and_then(RolledBack::rendered);
    let older = known.worked[place + 1..].iter();
    Ok(older
        .filter(|worked| Some(worked.rendered) != from)
        .collect())
}

/// What a Stack that is not held back is at: what Git is at, and what is in place unless something
/// newer is on its way.
fn live(known: &Remembered) -> Vec<Digest> {
    let followed = known
        .followed
        .as_ref()
        .and_then(|followed| followed.rendered);
    let is_at_rest = match (&known.attempted, &known.applied) {
        (Some(attempted), Some(applied)) => {
            attempted.has_commits_of(applied) && attempted.has_charts_of(applied)
        }
        _ => true,
    };
    let applied = known.rendered.filter(|_| is_at_rest);
    followed.into_iter().chain(applied).collect()
}

/// What was tried since a revision and never became healthy, but for what the Stack is at.
fn never_healthy(known: &Remembered, pin: Option<&Pin>, chosen: &Worked) -> Vec<String> {
    let live = match pin {
        None => live(known),
        Some(pin) => {
            let from = pin.from.as_ref().and_then(RolledBack::rendered);
            known.rendered.into_iter().chain(from).collect()
        }
    };
    let newer = known
        .history
        .iter()
        .take_while(|past| past.rendered != Some(chosen.rendered));
    let mut said: Vec<String> = Vec::new();
    for past in newer {
        let Past {
            end: PastEnd::Operation(_),
            rendered: Some(rendered),
            ..
        } = past
        else {
            continue;
        };
        let is_known = live.contains(rendered)
            || known
                .worked
                .iter()
                .any(|worked| worked.rendered == *rendered);
        let words = format!("{} (never became healthy)", past.revision);
        if !is_known && !said.contains(&words) {
            said.push(words);
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::End;
    use crate::status::Followed;
    use crate::time::Time;

    fn digest(name: &str) -> Digest {
        Digest::of_bytes(name.as_bytes())
    }

    fn revision(name: &str) -> Revision {
        Revision::new(CommitId(name.repeat(40)), "main")
    }

    /// Revisions that became healthy, newest first; those in capitals were gone back from.
    fn known(worked: &str, followed: &str, applied: &str) -> Remembered {
        let worked = worked.chars().map(|name| Worked {
            revision: revision(&name.to_lowercase().to_string()),
            rendered: digest(&name.to_lowercase().to_string()),
            at: Time::default(),
            left: name.is_uppercase().then(Time::default),
        });
        Remembered {
            applied: Some(revision(applied)),
            attempted: Some(revision(applied)),
            rendered: Some(digest(applied)),
            followed: Some(Followed {
                revision: revision(followed),
                rendered: Some(digest(followed)),
            }),
            worked: worked.collect(),
            ..Remembered::default()
        }
    }

    fn pin(to: &str, from: &str) -> Pin {
        Pin {
            revision: revision(to),
            from: Some(RolledBack::Revision(revision(from), Some(digest(from)))),
            ..Pin::default()
        }
    }

    fn check(known: &Remembered, pin: Option<&Pin>, expected: Result<&str, &str>) {
        let chosen = choose_newest(known, pin);
        let chosen = chosen.map(|choice| choice.revision.commit.0[..1].to_owned());
        let chosen = chosen.map_err(|refusal| refusal.to_string());
        match expected {
            Ok(name) => assert_eq!(chosen, Ok(name.to_owned())),
            Err(words) => {
                let said = chosen.expect_err("it is refused");
                assert!(said.contains(words), "{said}");
            }
        }
    }

    #[test]
    fn a_rollback_goes_to_the_newest_that_worked_and_then_further_back() {
        check(&known("cba", "c", "c"), None, Ok("b"));
        check(&known("Cba", "c", "b"), Some(&pin("b", "c")), Ok("a"));
        check(
            &known("CBa", "c", "a"),
            Some(&pin("a", "c")),
            Err("no revision further back"),
        );
        // What never worked is not in the list, however new it is.
        check(&known("ba", "d", "d"), None, Ok("b"));
        // What was gone back from is passed over later too.
        check(&known("CBa", "d", "d"), None, Ok("a"));
    }

    #[test]
    fn what_is_on_its_way_or_waits_is_not_what_is_in_place() {
        let mut rolling = known("cba", "d", "c");
        rolling.attempted = Some(revision("d"));
        check(&rolling, None, Ok("c"));
        // A Stack that waits to be asked is at what is in place.
        check(&known("cba", "d", "c"), None, Ok("b"));
        // So is one whose newest commit cannot be rendered.
        let mut broken = known("cba", "d", "c");
        broken.followed = Some(Followed {
            revision: revision("d"),
            rendered: None,
        });
        check(&broken, None, Ok("b"));
    }

    #[test]
    fn from_a_revision_that_nobody_knows_it_is_not_guessed_what_is_further_back() {
        check(
            &known("cba", "c", "f"),
            Some(&pin("f", "c")),
            Err("not among the revisions that became healthy"),
        );
        // One that is known under the name of another commit is.
        let mut same = known("cba", "c", "b");
        same.applied = Some(revision("f"));
        check(&same, Some(&pin("f", "c")), Ok("a"));
    }

    #[test]
    fn it_says_what_it_skips() {
        let mut known = known("CBa", "e", "e");
        let past = |name: &str| Past {
            revision: revision(name),
            end: PastEnd::Operation(End::Failed),
            at: Time::default(),
            summary: String::new(),
            rendered: Some(digest(name)),
            attempts: 3,
        };
        known.history = ["e", "d", "a", "f"].map(past).into();
        let skipped = choose_newest(&known, None).expect("a").skipped;
        let words: Vec<_> = skipped.iter().map(|text| &text[..8]).collect();
        assert_eq!(words, ["main@ccc", "main@bbb", "main@ddd"]);
        assert!(skipped[2].contains("never became healthy"), "{skipped:?}");
    }

    #[test]
    fn steps_count_what_worked() {
        let all = known("CBa", "d", "d");
        let to = |steps| {
            let chosen = choose_back(&all, None, steps);
            chosen.map(|choice| choice.revision.commit.0[..1].to_owned())
        };
        assert_eq!(to(1), Ok("c".to_owned()));
        assert_eq!(to(3), Ok("a".to_owned()));
        assert_eq!(
            to(4),
            Err(Refusal::TooFar {
                wanted: 4,
                known: 3
            })
        );
        assert_eq!(
            to(0),
            Err(Refusal::TooFar {
                wanted: 0,
                known: 3
            })
        );
    }

    #[test]
    fn a_revision_is_found_by_its_first_digits_if_they_are_its_alone() {
        let mut all = known("cba", "d", "c");
        let found = find(&all, "BBBB").expect("one").expect("it is there");
        assert_eq!(found.revision, revision("b"));
        assert_eq!(find(&all, "ffff"), Ok(None));
        all.worked[0].revision.commit = CommitId(format!("{}c", "b".repeat(39)));
        assert!(find(&all, "bbbb").is_err());
        assert_eq!(find(&all, "bbb"), Ok(None));
        let charts = [("https://x.example/web@1.x".to_owned(), "1.0.0".to_owned())];
        all.worked[2].revision.charts = charts.into();
        let found = find(&all, "1.0.0").expect("one").expect("it is there");
        assert_eq!(found.revision.commit, revision("a").commit);
    }
}
