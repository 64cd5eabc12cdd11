//! The newest plan of a Stack: step by step, with the reason of each and the fields that differ.

use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use holdfast_model::plan::{Verb, Why, counted};
use holdfast_model::time::Time;
use holdfast_model::view::{Course, Proposal, ProposedStep, words};
use http::StatusCode;

use crate::access::roles;
use crate::asker::Asker;
use crate::respond;
use crate::shell::{self, Shell, When, find, key_of};
use crate::stack::Head;
use crate::state::Tone;

/// A plan as it is shown.
pub(crate) struct Shown {
    pub(crate) headline: String,
    pub(crate) tone: Tone,
}

impl Shown {
    pub(crate) fn new(proposal: &Proposal, _now: Time) -> Self {
        let changes = proposal
            .steps
            .iter()
            .filter(|step| step.verb != Verb::Keep)
            .count();
        let what = match changes + proposal.more {
            0 => format!("{} left as it is", counted(proposal.steps.len(), "object")),
            changes => counted(changes, "change"),
        };
        let tone = match proposal.course {
            Course::Done => Tone::Good,
            Course::Waiting => Tone::Busy,
            Course::Resting => Tone::Bad,
            Course::Unasked => Tone::Warn,
        };
        let held = proposal
            .steps
            .iter()
            .filter(|step| step.gate.is_some())
            .count();
        let course = match held {
            0 => words::course(proposal.course).to_owned(),
            held => format!("{} of it wait for a person", counted(held, "step")),
        };
        Self {
            headline: format!("{what} for {}: {course}", proposal.revision),
            tone: if held > 0 { Tone::Warn } else { tone },
        }
    }
}

struct Step {
    verb: String,
    class: &'static str,
    key: String,
    why: String,
    wave: String,
    gate: String,
    origin: String,
    fields: Vec<Field>,
}

struct Field {
    name: String,
    live: String,
    wanted: String,
}

#[derive(Template)]
#[template(path = "plan.html")]
struct PlanPage {
    shell: Shell,
    head: Head,
    headline: String,
    digest: String,
    when: Option<When>,
    steps: Vec<Step>,
    more: usize,
    is_masked: bool,
}

pub(crate) async fn answer(site: Asker, Path(key): Path<(String, String)>) -> Response {
    let view = match find(&site, &key_of(key)) {
        Ok(view) => view,
        Err(missing) => return *missing,
    };
    if !site.may(roles::Verb::Plan, &view.stack) {
        return shell::denied(&site, &view, roles::Verb::Plan);
    }
    let now = site.now();
    let proposal = view.proposal.as_deref();
    let page = PlanPage {
        shell: Shell::of(&site, &view, "Plan of "),
        head: Head::new(&site, &view, "plan"),
        headline: proposal
            .map(|plan| Shown::new(plan, now).headline)
            .unwrap_or_default(),
        digest: proposal
            .map(|plan| plan.digest.to_string())
            .unwrap_or_default(),
        when: proposal.map(|plan| When::new(plan.at, now)),
        steps: proposal
            .map(|plan| plan.steps.iter().map(step).collect())
            .unwrap_or_default(),
        more: proposal.map_or(0, |plan| plan.more),
        is_masked: proposal.is_some_and(|plan| plan.is_masked),
    };
    respond::page(StatusCode::OK, &page)
}

fn step(step: &ProposedStep) -> Step {
    let class = match step.verb {
        Verb::Create | Verb::Run => "good",
        Verb::Update => "warn",
        Verb::Replace | Verb::Delete => "bad",
        Verb::Keep => "calm",
    };
    let nothing = || "(nothing)".to_owned();
    let fields = step.fields.iter().map(|field| Field {
        name: field.field.clone(),
        live: field.live.clone().unwrap_or_else(nothing),
        wanted: field.wanted.clone().unwrap_or_else(nothing),
    });
    let wave = match (step.slot.wave, &step.why) {
        (_, Why::Hook { phase }) => format!("{phase:?} hook"),
        (0, _) => String::new(),
        (wave, _) => format!("wave {wave}"),
    };
    Step {
        verb: step.verb.to_string(),
        class,
        key: step.key.to_string(),
        why: step.why.to_string(),
        wave,
        gate: step
            .gate
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        origin: step
            .origin
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        fields: fields.collect(),
    }
}
