//! Fields that another writer keeps putting back. After three times the field is left alone, so
//! that two controllers do not fight for ever. It must not know how a field is put back.

use std::collections::BTreeMap;

use holdfast_model::digest::Digest;
use holdfast_model::object::Key;
use holdfast_model::plan::{Step, Why};

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
}

impl Rivals {
    /// Notes a step that put drift back.
    pub(crate) fn note(&mut self, step: &Step) {
        let (
            Why::Drift {
                fields,
                by: Some(by),
                ..
            },
            Some(desired),
        ) = (&step.why, &step.desired)
        else {
            return;
        };
        let fight = self.counts.entry(step.key.key.clone()).or_default();
        if fight.desired != desired.digest() {
            *fight = Fight {
                desired: desired.digest(),
                fields: BTreeMap::new(),
            };
        }
        for field in fields {
            let (writer, count) = fight.fields.entry(field.clone()).or_default();
            if writer != by {
                (*writer, *count) = (by.clone(), 0);
            }
            *count += 1;
        }
    }

    /// Fields that are left alone, with the writer that has them, by object; only where the
    /// desired object is still the one that was fought over.
    pub(crate) fn left_alone(
        &self,
        is_current: impl Fn(&Key, &Digest) -> bool,
    ) -> BTreeMap<Key, BTreeMap<String, String>> {
        let mut left = BTreeMap::new();
        for (key, fight) in &self.counts {
            let fields: BTreeMap<String, String> = fight
                .fields
                .iter()
                .filter(|(_, (_, count))| *count >= PATIENCE)
                .map(|(field, (writer, _))| (field.clone(), writer.clone()))
                .collect();
            if !fields.is_empty() && is_current(key, &fight.desired) {
                left.insert(key.clone(), fields);
            }
        }
        left
    }
}
