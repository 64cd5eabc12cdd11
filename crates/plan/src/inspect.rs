//! What applying a desired object would change about the live one: predicted by its type, or as the
//! server answered. It must not know what follows from a difference.

use holdfast_assess::diff::{Difference, Learned, differences, is_below};
use holdfast_assess::predict::{After, answered, predict};
use holdfast_model::applyset;
use holdfast_model::digest::Digest;
use holdfast_model::object::{LiveObject, Object};
use holdfast_schema::TypeRef;

use crate::body::{Sending, body};
use crate::order::MANAGER;

/// A live object of which it is known that applying a desired one changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The desired object.
    pub desired: Digest,
    /// The generation of the Stack whose rules counted.
    pub generation: i64,
    /// The live object's uid and resourceVersion.
    pub state: (Box<str>, Box<str>),
}

impl Settled {
    /// That applying an object changes nothing about a live one in its present state.
    pub fn of(desired: &Object, live: &LiveObject, generation: i64) -> Self {
        Self {
            desired: desired.digest(),
            generation,
            state: (live.uid().into(), live.resource_version().into()),
        }
    }

    /// Whether that is known of these.
    pub fn covers(&self, desired: &Object, live: &LiveObject, generation: i64) -> bool {
        self.desired == desired.digest()
            && self.generation == generation
            && !self.state.1.is_empty()
            && *self.state.1 == *live.resource_version()
            && *self.state.0 == *live.uid()
    }
}

/// What an apply would change; `None` where nobody can say without asking the server.
pub fn changes(
    desired: &Object,
    live: &LiveObject,
    sending: Sending<'_>,
    answer: Option<&LiveObject>,
) -> Option<Vec<Difference>> {
    // Who takes the label of an ApplySet away is no rival, and no object is written for its sake; one
    // of another set is.
    let is_in_a_set = live.value.text(&["metadata", "labels", applyset::PART_OF]);
    let sent = body(
        desired,
        Sending {
            live: Some(live),
            part_of: sending.part_of.filter(|_| is_in_a_set.is_some()),
            ..sending
        },
    );
    let predicted = sending
        .typing
        .and_then(|typing| Some((predict(&sent, live, typing, MANAGER).ok()?, typing)));
    let (after, type_ref): (After, TypeRef) = match (predicted, answer) {
        (Some((after, typing)), _) => (after, typing.type_ref().clone()),
        (None, Some(answer)) => {
            let known = sending.typing.map(|typing| typing.type_ref().clone());
            (
                answered(live, answer, MANAGER),
                known.unwrap_or_else(TypeRef::any),
            )
        }
        (None, None) => return None,
    };
    let mut found = differences(&after, &type_ref);
    found.retain(|difference| {
        let path = &difference.path;
        !sending.left.iter().any(|left| is_below(path, left))
    });
    Some(found)
}

/// Whether an apply would leave a live object as it is, by what the server answered to a dry run of it.
pub fn is_left(live: &LiveObject, answer: &LiveObject) -> bool {
    differences(&answered(live, answer, MANAGER), &TypeRef::any()).is_empty()
}

/// What the server insisted on when an object was applied that it then answered with.
pub fn learn(desired: &Object, answer: &LiveObject, sending: Sending<'_>) -> Learned {
    let found = changes(desired, answer, sending, None).unwrap_or_default();
    Learned::of(desired.digest(), answer, &found)
}
