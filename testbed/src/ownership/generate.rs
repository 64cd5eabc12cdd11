//! Draws sequences of writes from a seed. It must not know how servers answer.

use std::fmt;

use http::Method;
use serde_json::{Value, json};

use super::kinds::Kind;

/// Writes to one object, in their order.
#[derive(Clone, Debug)]
pub struct Sequence {
    /// What it was drawn from.
    pub seed: u64,
    /// Its writes.
    pub steps: Vec<Step>,
    pub(super) kind: Kind,
}

/// One write.
#[derive(Clone, Debug)]
pub struct Step {
    pub(super) method: Method,
    pub(super) media: &'static str,
    manager: &'static str,
    force: bool,
    pub(super) is_status: bool,
    pub(super) body: Value,
}

impl Step {
    pub(super) fn query(&self) -> String {
        if self.method == Method::DELETE {
            return String::new();
        }
        let force = if self.force { "&force=true" } else { "" };
        format!("?fieldManager={}{force}", self.manager)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = if self.is_status { " /status" } else { "" };
        let Self {
            method,
            media,
            body,
            ..
        } = self;
        write!(
            formatter,
            "{method}{status} {} {media} {body}",
            self.query()
        )
    }
}

const MANAGERS: [&str; 3] = ["one", "two", "three"];

/// Numbers that follow from a seed (SplitMix64, of S. Vigna's public domain reference).
pub(super) struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap_or(1).max(1);
        usize::try_from(self.next() % bound).unwrap_or_default()
    }

    /// True so many times of a hundred.
    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())].clone()
    }
}

impl Sequence {
    /// So many writes, drawn from a seed; the kind of the object follows from it too.
    pub fn new(seed: u64, count: usize) -> Self {
        let kind = Kind::of(seed);
        let mut dice = Dice(seed);
        let mut steps = vec![kind.first(&mut dice)];
        steps.extend((1..count).map(|_| Step::draw(&mut dice, kind)));
        Self { seed, steps, kind }
    }
}

impl Kind {
    /// An apply of everything that the kind must have.
    fn first(self, dice: &mut Dice) -> Step {
        Step {
            body: self.whole(self.config(dice)),
            force: false,
            ..Step::apply(dice)
        }
    }
}

impl Step {
    fn apply(dice: &mut Dice) -> Self {
        Self {
            method: Method::PATCH,
            media: "application/apply-patch+yaml",
            manager: dice.pick(&MANAGERS),
            force: dice.chance(40),
            is_status: false,
            body: Value::Null,
        }
    }

    fn draw(dice: &mut Dice, kind: Kind) -> Self {
        let apply = Self::apply(dice);
        let other = Self {
            force: false,
            ..apply.clone()
        };
        match dice.below(100) {
            0..45 => Self {
                body: kind.whole(kind.config(dice)),
                ..apply
            },
            45..58 => Self {
                media: "application/merge-patch+json",
                body: with_holes(kind.config(dice), dice),
                ..other
            },
            58..68 => Self {
                media: "application/json-patch+json",
                body: kind.operations(dice),
                ..other
            },
            68..80 if kind.is_built_in() => Self {
                media: "application/strategic-merge-patch+json",
                body: kind.strategic(dice),
                ..other
            },
            68..89 => Self {
                method: Method::PUT,
                media: "application/json",
                body: update(kind, dice),
                ..other
            },
            89..98 if kind.has_status() => Self::on_status(dice, kind, apply),
            98.. if kind.is_gone_for_good() => Self {
                method: Method::DELETE,
                media: "application/json",
                ..other
            },
            _ => Self {
                body: kind.whole(kind.config(dice)),
                ..apply
            },
        }
    }

    fn on_status(dice: &mut Dice, kind: Kind, apply: Self) -> Self {
        let body = kind.status(dice);
        let apply = Self {
            is_status: true,
            ..apply
        };
        match dice.below(3) {
            0 => Self {
                body: kind.whole(body),
                ..apply
            },
            1 => Self {
                media: "application/merge-patch+json",
                force: false,
                body,
                ..apply
            },
            _ => Self {
                method: Method::PUT,
                media: "application/json",
                force: false,
                body: kind.whole(body),
                ..apply
            },
        }
    }
}

/// What an update changes, and now and then what it does to the owners of fields.
fn update(kind: Kind, dice: &mut Dice) -> Value {
    let mut change = kind.whole(with_holes(kind.config(dice), dice));
    let owners = match dice.below(10) {
        0 => Some(json!([])),
        1 => Some(json!([{}])),
        2 => Some(Value::Null),
        _ => None,
    };
    if let Some(owners) = owners {
        change["metadata"]["managedFields"] = owners;
    }
    change
}

/// A change with some of its fields taken away instead of set.
pub(super) fn with_holes(mut change: Value, dice: &mut Dice) -> Value {
    if let Value::Object(fields) = &mut change {
        for (name, value) in fields.iter_mut() {
            // Without it a Deployment would be refused for its selector.
            let is_needed = name == "app";
            if value.is_object() {
                *value = with_holes(value.take(), dice);
            } else if !is_needed && !value.is_array() && dice.chance(20) {
                *value = Value::Null;
            }
        }
    }
    change
}
