//! What the server says of a plan before anybody carries it out: what it refuses, what it cannot be asked
//! about yet, and what an apply would leave as it is although that could not be predicted, as where a
//! webhook puts its own values back. It must not change anything.

use std::collections::BTreeMap;

use futures::future::join_all;
use holdfast_kinds::Typings;
use holdfast_model::object::{Key, LiveObject};
use holdfast_model::operation::{Class, Failure};
use holdfast_model::plan::{Plan, Step, Verb};
use holdfast_model::stack::Stack;
use holdfast_plan::{Settled, is_left};
use holdfast_target::Target;

use crate::operate::{AT_ONCE, checked, request};
use crate::place::brought_scopes;

/// What a server says of a plan.
#[derive(Clone, Debug, Default)]
pub struct Review {
    /// Objects as they would be.
    pub answers: BTreeMap<Key, LiveObject>,
    /// Objects that it would not take, each with the reason.
    pub refused: BTreeMap<Key, Failure>,
    /// Objects about which it cannot be asked, each with the reason.
    pub unasked: BTreeMap<Key, Failure>,
    /// Objects that an apply would leave as they are.
    pub settled: BTreeMap<Key, Settled>,
}

/// Asks the server about each object that would be made or changed.
pub async fn review(target: &dyn Target, stack: &Stack, plan: &Plan, typings: &Typings) -> Review {
    let mut review = Review::default();
    let steps = plan.steps.iter().enumerate();
    let sent: Vec<(usize, &Step)> = steps.filter(|(_, step)| is_sent(step)).collect();
    for some in sent.chunks(AT_ONCE) {
        let asked = some.iter().map(|(_, step)| async {
            let request = request(stack, step, typings);
            target.dry_run(&request).await
        });
        for ((index, _), answer) in some.iter().zip(join_all(asked).await) {
            review.take(plan, *index, stack.generation, answer);
        }
    }
    review
}

/// Whether a step sends an object over one that is there, or where there is none. What is made in the
/// place of another cannot be asked about while that is there.
fn is_sent(step: &Step) -> bool {
    match step.verb {
        Verb::Create | Verb::Update => true,
        Verb::Run => step.live.is_none(),
        Verb::Replace | Verb::Delete | Verb::Keep => false,
    }
}

impl Review {
    fn take(
        &mut self,
        plan: &Plan,
        index: usize,
        generation: i64,
        answer: Result<LiveObject, Failure>,
    ) {
        let step = &plan.steps[index];
        let key = step.key.key.clone();
        let failure = match answer {
            Ok(answer) => {
                if let (Some(desired), Some(live)) = (&step.desired, &step.live)
                    && step.verb == Verb::Update
                    && is_left(live, &answer)
                {
                    let settled = Settled::of(desired, live, generation);
                    self.settled.insert(key.clone(), settled);
                }
                self.answers.insert(key, answer);
                return;
            }
            Err(failure) => failure,
        };
        let Err(failure) = checked(plan, index, Err(failure)) else {
            return;
        };
        let place = match is_refusal(plan, step, &failure) {
            true => &mut self.refused,
            false => &mut self.unasked,
        };
        place.insert(key, failure);
    }
}

/// Whether the server would not take an object, rather than could not be asked: who plans may have fewer
/// rights than the engine, networks break, and what the plan itself brings is not there yet.
fn is_refusal(plan: &Plan, step: &Step, failure: &Failure) -> bool {
    let is_about_its_kind = failure.reason == "UnknownKind" || failure.message.contains(UNTYPED);
    if is_about_its_kind {
        let wanted = plan.steps.iter().filter_map(|step| step.desired.as_ref());
        return !brought_scopes(wanted).contains_key(&*step.key.key.kind);
    }
    failure.class == Class::Terminal && failure.reason != "Forbidden"
}

/// What an API server says of an object that does not fit its type; it does so with code 500.
const UNTYPED: &str = "failed to create typed patch object";
