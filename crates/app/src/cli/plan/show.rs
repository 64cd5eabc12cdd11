//! A plan as people and programs read it. It must not know how it was made.

use holdfast_engine::{Review, is_new};
use holdfast_model::Value;
use holdfast_model::operation::Failure;
use holdfast_model::plan::{Plan, Step, Verb, Why, counted};
use serde_json::json;

use super::gather::Gathered;
use crate::cli::show::{Tone, paint};

/// What is refused, with the step.
pub(super) fn refused(gathered: &Gathered) -> Vec<(&Step, &Failure)> {
    of_review(gathered, |review, step| review.refused.get(&step.key.key))
}

fn of_review<'a>(
    gathered: &'a Gathered,
    pick: impl Fn(&'a Review, &Step) -> Option<&'a Failure>,
) -> Vec<(&'a Step, &'a Failure)> {
    let Some(review) = &gathered.review else {
        return Vec::new();
    };
    let steps = gathered.plan.changes();
    steps
        .filter_map(|step| Some((step, pick(review, step)?)))
        .collect()
}

pub(super) fn for_people(gathered: &Gathered) -> String {
    let plan = &gathered.plan;
    let mut out: String = plan.steps.iter().filter_map(line).collect();
    let kept = plan.steps.iter().filter(|step| step.why == Why::Unchanged);
    let changes = plan.changes().count();
    let revision = match plan.revision.commit.0.is_empty() {
        true => plan.revision.reference.clone(),
        false => plan.revision.to_string(),
    };
    let digest = if changes > 0 {
        format!(", plan {}", plan.digest())
    } else {
        String::new()
    };
    out.push_str(&format!(
        "{}, {} unchanged, from {revision}{digest}\n",
        counted(changes, "change"),
        kept.count()
    ));
    for (step, failure) in refused(gathered) {
        let words = format!("✗ the server refuses {}", place(step));
        out.push_str(&format!(
            "{}\n    {}\n",
            paint(Tone::Bad, &words),
            failure.message
        ));
        if let Some(hint) = hint(gathered, failure) {
            out.push_str(&format!("    hint: {hint}\n"));
        }
    }
    for (step, failure) in unasked(gathered) {
        let key = &step.key.key;
        let words = format!("note: not asked of the server: {key}: {}", failure.message);
        out.push_str(&format!("{}\n", paint(Tone::Faint, &words)));
    }
    for note in &gathered.notes {
        out.push_str(&format!(
            "{}\n",
            paint(Tone::Faint, &format!("note: {note}"))
        ));
    }
    if let Some(waits) = waits(gathered) {
        out.push_str(&format!("{}\n", paint(Tone::Warning, &waits)));
    }
    out
}

fn unasked(gathered: &Gathered) -> Vec<(&Step, &Failure)> {
    of_review(gathered, |review, step| review.unasked.get(&step.key.key))
}

/// An object, with the place where it is written.
fn place(step: &Step) -> String {
    let key = &step.key.key;
    match &step.desired {
        Some(desired) => format!("{key} at {}", desired.origin),
        None => key.to_string(),
    }
}

fn hint(gathered: &Gathered, failure: &Failure) -> Option<String> {
    if failure.reason == "Immutable" && gathered.stack.sync.replace {
        return Some("spec.sync.replace is set: it is deleted and made again".to_owned());
    }
    failure.hint.clone()
}

fn line(step: &Step) -> Option<String> {
    let (mark, tone) = match step.verb {
        Verb::Create => ("+", Tone::Good),
        Verb::Update => ("~", Tone::Warning),
        Verb::Replace => ("±", Tone::Bad),
        Verb::Delete => ("-", Tone::Bad),
        Verb::Run => ("▶", Tone::Plain),
        Verb::Keep if step.why == Why::Unchanged => return None,
        Verb::Keep => ("=", Tone::Faint),
    };
    let gate = step.gate.as_ref();
    let gate = gate.map_or_else(String::new, |gate| format!("; waits: {gate}"));
    let line = paint(tone, &format!("{mark} {}", step.key.key));
    Some(format!("{line}  {}{gate}\n", step.why))
}

/// What has to be done by a person before the plan, or a part of it, is carried out.
fn waits(gathered: &Gathered) -> Option<String> {
    let (stack, plan) = (&gathered.stack, &gathered.plan);
    let name = &stack.key.name;
    let then = match gathered.is_now {
        true => "waits",
        false => "would wait",
    };
    if let Some(digest) = plan.held_digest() {
        let held = plan.changes().filter(|step| step.gate.is_some()).count();
        let command = match gathered.is_now {
            true => format!("holdfast approve {name} {digest}"),
            false => format!("holdfast approve {name}, when the Stack has come to it"),
        };
        let objects = counted(held, "object");
        // Who confirms what is held back has not asked for the rest.
        let sync = match stack.sync.automatic || stack.pin.is_some() {
            true => String::new(),
            false => format!(", and then holdfast sync {name}"),
        };
        return Some(format!(
            "{then} for a person because of {objects}: {command}{sync}"
        ));
    }
    let is_asked_for = stack.sync.automatic || stack.approved == Some(plan.digest());
    if stack.suspended && gathered.is_now {
        return Some(format!(
            "the Stack is suspended: nothing is applied before holdfast resume {name}"
        ));
    }
    let is_pinned = stack.pin.is_some() && gathered.is_now;
    (!is_asked_for && !is_pinned && plan.changes().any(is_new)).then(|| {
        let command = match gathered.is_now {
            true => format!(
                "holdfast sync {name}, or holdfast approve {name} {}",
                plan.digest()
            ),
            false => format!("holdfast sync {name}"),
        };
        format!("{then} until a person asks for it: {command}")
    })
}

pub(super) fn for_program(gathered: &Gathered) -> Value {
    let plan: &Plan = &gathered.plan;
    let steps: Vec<Value> = plan
        .steps
        .iter()
        .map(|step| {
            json!({
                "verb": step.verb.to_string(),
                "object": step.key.key.to_string(),
                "why": step.why.to_string(),
                "origin": origin(step),
                "gate": step.gate.as_ref().map(ToString::to_string),
            })
        })
        .collect();
    let failures = |failures: Vec<(&Step, &Failure)>| -> Vec<Value> {
        let failures = failures.into_iter();
        failures
            .map(|(step, failure)| {
                json!({
                    "object": step.key.key.to_string(),
                    "origin": origin(step),
                    "reason": failure.reason,
                    "message": failure.message,
                    "hint": hint(gathered, failure),
                })
            })
            .collect()
    };
    json!({
        "plan": plan.digest().to_string(),
        "commit": plan.revision.commit.0,
        "reference": plan.revision.reference,
        "others": plan.revision.others,
        "charts": plan.revision.charts,
        "changes": plan.changes().count(),
        "steps": steps,
        "approval": plan.held_digest().map(|digest| digest.to_string()),
        "waits": waits(gathered),
        "refused": failures(refused(gathered)),
        "unasked": failures(unasked(gathered)),
        "notes": gathered.notes,
    })
}

fn origin(step: &Step) -> Option<String> {
    let desired = step.desired.as_ref();
    desired.map(|desired| desired.origin.to_string())
}
