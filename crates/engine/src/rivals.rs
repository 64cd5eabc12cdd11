//! Fields that another writer keeps putting back, and objects that keep vanishing. After three times a
//! field is left alone and an object is made again only after growing pauses, so that nobody fights
//! for ever. It must not know how a field is put back.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_model::digest::Digest;
use holdfast_model::object::Key;
use holdfast_model::plan::{Step, Why};
use holdfast_model::time::Time;

/// After so many times a field is left to the other writer.
const PATIENCE: u32 = 3;

/// How often each field was put back, and by whom it was changed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rivals {
    counts: BTreeMap<Key, Fight>,
}

#[derive(Clone, Debug, Default)]
struct Fight {
    /// The desired object that is fought over; another one starts afresh.
    desired: Digest,
    fields: BTreeMap<String, (String, u32)>,
    /// How often it was made again after it had vanished.
    made: u32,
    last_made: Time,
}

/// Whoever it is, where the target does not say.
const SOMEBODY: &str = "somebody";

/// How long an object that was deleted after so many times of being made stays away.
fn pause(times: u32) -> Duration {
    Duration::from_secs(60 << times.saturating_sub(PATIENCE).min(6))
}

impl Rivals {
    /// Notes a step that put drift back.
    pub(crate) fn note(&mut self, step: &Step, now: Time) {
        let (Why::Drift { fields, by, .. }, Some(desired)) = (&step.why, &step.desired) else {
            return;
        };
        let by = by.as_deref().unwrap_or(SOMEBODY);
        let fight = self.counts.entry(step.key.key.clone()).or_default();
        if fight.desired != desired.digest() {
            *fight = Fight {
                desired: desired.digest(),
                ..Fight::default()
            };
        }
        if fields.is_empty() {
            fight.made += 1;
            fight.last_made = now;
        }
        for field in fields {
            let (writer, count) = fight.fields.entry(field.clone()).or_default();
            if writer != by {
                (*writer, *count) = (by.to_owned(), 0);
            }
            *count += 1;
        }
    }

    /// Fields that are left alone, with the writer that has them, by object; only where the
    /// desired object is still the one that was fought over. An empty field stands for an object
    /// that is not made again yet.
    pub(crate) fn left_alone(
        &self,
        now: Time,
        is_current: impl Fn(&Key, &Digest) -> bool,
    ) -> BTreeMap<Key, BTreeMap<String, String>> {
        let mut left = BTreeMap::new();
        for (key, fight) in &self.counts {
            let fields = fight.fields.iter();
            let contended = fields.filter(|(_, (_, count))| *count >= PATIENCE);
            let mut fields: BTreeMap<String, String> = contended
                .map(|(field, (writer, _))| (field.clone(), writer.clone()))
                .collect();
            if fight.until().is_some_and(|until| now < until) {
                fields.insert(String::new(), SOMEBODY.to_owned());
            }
            if !fields.is_empty() && is_current(key, &fight.desired) {
                left.insert(key.clone(), fields);
            }
        }
        left
    }

    /// When the next object that keeps vanishing is made again.
    pub(crate) fn next(&self, now: Time) -> Option<Duration> {
        let all = self.counts.values().filter_map(Fight::until);
        all.filter(|until| now < *until)
            .map(|until| until.since(now))
            .min()
    }
}

impl Fight {
    /// Until when the object is not made again, where it was made too often.
    fn until(&self) -> Option<Time> {
        (self.made >= PATIENCE).then(|| self.last_made + pause(self.made))
    }
}
