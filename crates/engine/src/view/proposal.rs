//! What a reconciliation has seen, as it is published: the plan with its reasons, and the objects that are
//! not healthy. Values of fields are shown where nothing that was rendered is secret.

use std::sync::Arc;

use holdfast_assess::health::Health;
use holdfast_model::Value;
use holdfast_model::object::is_sensitive;
use holdfast_model::operation::End;
use holdfast_model::plan::{Plan, Step, Verb, Why};
use holdfast_model::time::Time;
use holdfast_model::view::{
    self, FIELD_LIMIT, FieldChange, Proposal, ProposedStep, STEP_LIMIT, StackView, Unwell,
    VALUE_LIMIT,
};

use crate::look::{Course, Look};
use crate::state::StackState;

/// Takes up what was seen.
pub(super) fn take_up(view: &mut StackView, state: &StackState, look: &Look, now: Time) {
    let unwell = unwell(look);
    if unwell.as_slice() != &*view.unwell {
        view.unwell = unwell.into();
    }
    let awaited = match &look.course {
        Course::Waiting(keys) => keys.as_slice(),
        _ => &[],
    };
    if awaited != &*view.awaited {
        view.awaited = awaited.into();
    }
    // What is there may still be what an earlier render with secrets has made.
    let holds_secrets = holds_secrets(state);
    let is_masked = holds_secrets || !view.is_clean;
    view.is_clean = !holds_secrets && (view.is_clean || look.plan.is_empty());
    let known = view.proposal.take();
    view.proposal = match look.plan.steps.iter().any(is_news) {
        true => {
            let made = propose(look, is_masked, now);
            // The same plan that is made again is no news.
            let known = known.filter(|known| is_same(known, &made));
            Some(known.unwrap_or_else(|| Arc::new(made)))
        }
        false => known.and_then(over),
    };
}

fn is_same(known: &Proposal, made: &Proposal) -> bool {
    known.digest == made.digest
        && known.course == made.course
        && known.steps == made.steps
        && known.more == made.more
}

/// What is left to be said of a plan when nothing is left of it to be done.
fn over(known: Arc<Proposal>) -> Option<Arc<Proposal>> {
    match known.course {
        view::Course::Done => Some(known),
        view::Course::Waiting => Some(Arc::new(Proposal {
            course: view::Course::Done,
            ..Proposal::clone(&known)
        })),
        view::Course::Resting | view::Course::Unasked => None,
    }
}

/// Whether a step does something, or says why it does not.
fn is_news(step: &Step) -> bool {
    let rests = matches!(
        step.why,
        Why::Unchanged | Why::Ended | Why::AlreadyGone | Why::Hook { .. }
    );
    step.verb != Verb::Keep || !rests
}

/// Whether what was rendered last holds secrets, or nothing is known of it.
fn holds_secrets(state: &StackState) -> bool {
    let rendered = state.placed.as_ref().map(|placed| &placed.render.rendered);
    rendered.is_none_or(|rendered| rendered.sensitive)
}

fn propose(look: &Look, is_masked: bool, now: Time) -> Proposal {
    let news = || look.plan.steps.iter().filter(|step| is_news(step));
    let steps: Vec<ProposedStep> = news()
        .take(STEP_LIMIT)
        .map(|step| proposed(step, is_masked))
        .collect();
    Proposal {
        revision: look.revision.clone(),
        digest: digest(&look.plan),
        course: course(look),
        more: news().count() - steps.len(),
        is_masked: is_masked && steps.iter().any(|step| !named(&step.why).is_empty()),
        steps,
        at: now,
    }
}

/// The digest that a confirmation has to name, where one is needed.
fn digest(plan: &Plan) -> holdfast_model::digest::Digest {
    plan.held_digest().unwrap_or_else(|| plan.digest())
}

fn course(look: &Look) -> view::Course {
    match &look.course {
        Course::Ended(outcome) if outcome.end == End::Succeeded => view::Course::Done,
        Course::Ended(_) | Course::Resting => view::Course::Resting,
        Course::Waiting(_) => view::Course::Waiting,
        Course::Unasked => view::Course::Unasked,
    }
}

fn proposed(step: &Step, is_masked: bool) -> ProposedStep {
    // What is no longer sealed in Git may have been when it was applied.
    let has_opened = step
        .live
        .as_ref()
        .is_some_and(|live| !live.opened().is_empty());
    let shows = !is_masked && !has_opened && !is_sensitive(&step.key.key.kind);
    ProposedStep {
        key: step.key.key.clone(),
        verb: step.verb,
        why: step.why.clone(),
        slot: step.slot,
        gate: step.gate.clone(),
        origin: step.desired.as_ref().map(|desired| desired.origin.clone()),
        fields: if shows { fields(step) } else { Vec::new() },
    }
}

/// The fields that a reason names.
fn named(why: &Why) -> &[String] {
    match why {
        Why::NewRevision { fields }
        | Why::SecretRotated { fields, .. }
        | Why::Drift { fields, .. }
        | Why::HealOff { fields }
        | Why::Rival { fields, .. } => fields,
        _ => &[],
    }
}

fn fields(step: &Step) -> Vec<FieldChange> {
    let fields = named(&step.why);
    if fields.is_empty() {
        return Vec::new();
    }
    let live = step.live.as_ref().map(|live| live.value.unpack());
    let wanted = step.desired.as_ref().map(|desired| desired.value());
    let at = |value: &Option<Value>, field: &str| Some(short(value.as_ref()?.pointer(field)?));
    let shown = fields
        .iter()
        .filter(|field| *field != "/metadata/managedFields");
    shown
        .take(FIELD_LIMIT)
        .map(|field| FieldChange {
            field: field.clone(),
            live: at(&live, field),
            wanted: at(&wanted, field),
        })
        .collect()
}

/// A value in a line that is not too long.
fn short(value: &Value) -> String {
    let text = match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    match text.char_indices().nth(VALUE_LIMIT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn unwell(look: &Look) -> Vec<Unwell> {
    let bad = look.health.unhealthy.iter();
    let bad = bad.map(|(key, health, message)| (key, published(*health), message));
    let rests = look.health.suspended.iter();
    let rests = rests.map(|(key, message)| (key, view::Health::Suspended, message));
    bad.chain(rests)
        .map(|(key, health, message)| Unwell {
            key: key.clone(),
            health,
            message: message.clone(),
        })
        .collect()
}

fn published(health: Health) -> view::Health {
    match health {
        Health::Healthy => view::Health::Healthy,
        Health::Suspended => view::Health::Suspended,
        Health::Progressing => view::Health::Progressing,
        Health::Terminating => view::Health::Terminating,
        Health::Missing => view::Health::Missing,
        Health::Degraded => view::Health::Degraded,
    }
}
