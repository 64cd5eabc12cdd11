//! How often each event of a Stack has happened, so that what happens again is counted and not said
//! anew; and which failures stand. It must not know what the events are about.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_model::event::StackEvent;
use holdfast_model::time::Time;

/// The most events of a Stack of which it is known how often they have happened.
const KEPT: usize = 64;
/// What has not happened for so long is news when it happens again; and a failure that stands for so
/// long is said again when the Stack is reconciled, since Events of Kubernetes go after an hour.
const QUIET: Duration = Duration::from_secs(15 * 60);

/// What has been said of a Stack.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    said: BTreeMap<String, Said>,
    /// The failures that stand, by identity.
    standing: BTreeMap<String, StackEvent>,
}

#[derive(Clone, Debug)]
struct Said {
    times: u32,
    last: Time,
}

impl Journal {
    /// Notes that an event has happened; how often it has by now.
    pub(crate) fn note(&mut self, event: &StackEvent, now: Time) -> u32 {
        let identity = event.identity();
        let said = self.said.entry(identity).or_insert(Said {
            times: 0,
            last: now,
        });
        if now.since(said.last) > QUIET {
            said.times = 0;
        }
        said.times = said.times.saturating_add(1);
        said.last = now;
        let times = said.times;
        if self.said.len() > KEPT {
            let oldest = self.said.iter().min_by_key(|(_, said)| said.last);
            if let Some(oldest) = oldest.map(|(identity, _)| identity.clone()) {
                self.said.remove(&oldest);
            }
        }
        times
    }

    /// Operations succeed again: the next failure is news.
    pub(crate) fn succeed(&mut self) {
        let is_of_operations = |identity: &String| {
            ["SyncFailed ", "HookFailed "]
                .iter()
                .any(|word| identity.starts_with(word))
        };
        self.said.retain(|identity, _| !is_of_operations(identity));
    }

    /// Takes the failures that stand now: those that are new, or were said long ago, are to be said;
    /// and those that no longer stand.
    pub(crate) fn stand(
        &mut self,
        now: Vec<StackEvent>,
        time: Time,
    ) -> (Vec<StackEvent>, Vec<StackEvent>) {
        let now: BTreeMap<String, StackEvent> = now
            .into_iter()
            .map(|event| (event.identity(), event))
            .collect();
        let mut news = Vec::new();
        for (identity, event) in &now {
            let is_recent = self
                .said
                .get(identity)
                .is_some_and(|said| time.since(said.last) <= QUIET);
            if !(self.standing.contains_key(identity) && is_recent) {
                news.push(event.clone());
            }
        }
        let before = std::mem::replace(&mut self.standing, now);
        let mut over = Vec::new();
        for (identity, event) in before {
            if !self.standing.contains_key(&identity) {
                self.said.remove(&identity);
                over.push(event);
            }
        }
        (news, over)
    }

    /// The failures that were standing and of which nothing is known now: what is in place was not seen.
    pub(crate) fn unseen(&self) -> impl Iterator<Item = &StackEvent> {
        self.standing.values().filter(|event| {
            matches!(
                event,
                StackEvent::HealthDegraded(_)
                    | StackEvent::LeftAlone(_)
                    | StackEvent::ConfirmationNeeded { .. }
                    | StackEvent::OutOfSync { .. }
            )
        })
    }
}
