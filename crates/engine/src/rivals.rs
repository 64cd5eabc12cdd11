//! Fields that another writer keeps putting back, and objects that keep vanishing. After three times a
//! field is left alone and an object is made again only after growing pauses, so that nobody fights
//! for ever. It must not know how a field is put back.

use std::collections::BTreeMap;
use std::time::Duration;

use holdfast_model::digest::Digest;
use holdfast_model::object::Key;
use holdfast_model::plan::{Step, Why};
use holdfast_model::stack::TakeBack;
use holdfast_model::status::{LEFT_LIMIT, LeftAlone};
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
    fields: BTreeMap<String, Contest>,
    /// How often it was made again after it had vanished.
    made: u32,
    last_made: Time,
}

/// How often a field was put back.
#[derive(Clone, Debug, Default)]
struct Contest {
    by: String,
    count: u32,
    /// When it was put back last.
    last: Time,
}

/// How long a field is left to another writer before it is put back once more: one that is still there
/// has it again at once, and one that has gone quiet no longer has it.
const QUIET: Duration = Duration::from_secs(60 * 60);

impl Contest {
    /// Until when the field is left alone, where it was put back too often.
    fn until(&self) -> Option<Time> {
        (self.count >= PATIENCE).then(|| self.last + QUIET)
    }
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
            let contest = fight.fields.entry(field.clone()).or_default();
            if contest.by != by {
                (contest.by, contest.count) = (by.to_owned(), 0);
            }
            contest.count += 1;
            contest.last = now;
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
            let contended =
                fields.filter(|(_, contest)| contest.until().is_some_and(|until| now < until));
            let mut fields: BTreeMap<String, String> = contended
                .map(|(field, contest)| (field.clone(), contest.by.clone()))
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

    /// What is left alone of the objects that are as they were when they were fought over, whether or not
    /// its time is over.
    pub(crate) fn list(&self, is_current: impl Fn(&Key, &Digest) -> bool) -> Vec<LeftAlone> {
        let mut list = Vec::new();
        let current = self.counts.iter();
        for (key, fight) in current.filter(|(key, fight)| is_current(key, &fight.desired)) {
            let left = |field: &str, by: &str, since, until| LeftAlone {
                object: key.clone(),
                field: field.to_owned(),
                by: by.to_owned(),
                since,
                until,
            };
            let fields = fight.fields.iter().filter_map(|(field, contest)| {
                Some(left(field, &contest.by, contest.last, contest.until()?))
            });
            list.extend(fields);
            let vanished = fight.until();
            list.extend(vanished.map(|until| left("", SOMEBODY, fight.last_made, until)));
        }
        list.truncate(LEFT_LIMIT);
        list
    }

    /// Since when a field of an object is left alone.
    pub(crate) fn since(&self, key: &Key, field: &str) -> Option<Time> {
        let contest = self.counts.get(key)?.fields.get(field)?;
        contest.until().map(|_| contest.last)
    }

    /// Takes back what was left to others, as a person asks: all of it, an object, or a field of one.
    pub(crate) fn take_back(&mut self, asked: &TakeBack) {
        self.counts.retain(|key, fight| {
            let is_meant = asked
                .object
                .as_ref()
                .is_none_or(|object| key.to_string() == *object);
            match (&asked.field, is_meant) {
                (_, false) => true,
                (None, true) => false,
                (Some(field), true) => {
                    fight.fields.remove(field);
                    true
                }
            }
        });
    }

    /// When the next object that keeps vanishing is made again, or the next field is put back once
    /// more.
    pub(crate) fn next(&self, now: Time) -> Option<Duration> {
        let objects = self.counts.values().filter_map(Fight::until);
        let fields = self.counts.values().flat_map(|fight| fight.fields.values());
        let all = objects.chain(fields.filter_map(Contest::until));
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

#[cfg(test)]
mod tests {
    use super::*;
    use holdfast_model::object::{GroupKind, Object, Origin, VersionedKey};
    use holdfast_model::plan::{Phase, Slot, Verb};

    fn at(minutes: i64) -> Time {
        Time::from_millis(minutes * 60_000)
    }

    fn object() -> Object {
        let text = r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}}"#;
        let value = text.parse().expect("JSON");
        Object::new(value, Origin::default()).expect("an object")
    }

    fn key() -> Key {
        Key::new(&GroupKind::new("", "ConfigMap"), Some("n"), "c")
    }

    /// Rivals after a field was put back so often, each time a minute after the last.
    fn after(times: i64) -> Rivals {
        let mut rivals = Rivals::default();
        for minute in 0..times {
            put_back(&mut rivals, minute);
        }
        rivals
    }

    fn put_back(rivals: &mut Rivals, minute: i64) {
        let step = Step {
            verb: Verb::Update,
            key: VersionedKey {
                key: key(),
                version: "v1".into(),
            },
            desired: Some(object()),
            live: None,
            why: Why::Drift {
                fields: vec!["/data/a".to_owned()],
                by: Some("alice".to_owned()),
                at: None,
            },
            slot: Slot {
                phase: Phase::Sync,
                wave: 0,
                rank: 0,
            },
            gate: None,
            left: Vec::new(),
        };
        rivals.note(&step, at(minute));
    }

    fn check(rivals: &Rivals, minute: i64, expected: bool) {
        let left = rivals.left_alone(at(minute), |_, _| true);
        assert_eq!(!left.is_empty(), expected, "{left:?}");
    }

    #[test]
    fn a_field_is_left_alone_for_an_hour_and_then_put_back_once() {
        check(&after(2), 2, false);
        let mut rivals = after(3);
        check(&rivals, 3, true);
        assert_eq!(rivals.since(&key(), "/data/a"), Some(at(2)));
        let listed = rivals.list(|_, _| true);
        let [left] = listed.as_slice() else {
            panic!("{listed:?}")
        };
        assert_eq!(
            (left.field.as_str(), left.since, left.until),
            ("/data/a", at(2), at(62))
        );
        assert!(rivals.list(|_, _| false).is_empty());
        assert_eq!(rivals.next(at(2)), Some(QUIET));
        check(&rivals, 61, true);
        check(&rivals, 62, false);
        // Whoever is still there has it again at once, for another hour.
        put_back(&mut rivals, 62);
        check(&rivals, 63, true);
        check(&rivals, 122, false);
    }

    #[test]
    fn what_was_left_alone_is_taken_back_when_a_person_asks() {
        let asked = |object: Option<&str>, field: Option<&str>| TakeBack {
            request: "now".to_owned(),
            object: object.map(str::to_owned),
            field: field.map(str::to_owned),
        };
        let object = Some("ConfigMap/n/c");
        for (asked, is_left) in [
            (asked(None, None), false),
            (asked(object, None), false),
            (asked(object, Some("/data/a")), false),
            (asked(object, Some("/data/b")), true),
            (asked(Some("ConfigMap/n/d"), None), true),
        ] {
            let mut rivals = after(3);
            rivals.take_back(&asked);
            check(&rivals, 3, is_left);
        }
    }
}
