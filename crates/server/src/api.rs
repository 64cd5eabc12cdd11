//! What the pages show, as JSON for programs: `/api/v1/stacks` and what is below it. Each answer has a tag
//! that changes when it does.

use axum::extract::{Path, Query};
use axum::response::Response;
use holdfast_model::Value;
use holdfast_model::revision::Revision;
use holdfast_model::status::{Condition, Past, Truth};
use holdfast_model::view::{Sight, StackView, words};
use http::{HeaderMap, StatusCode};
use serde_json::json;

use crate::access::roles::Verb;
use crate::asker::Asker;
use crate::fleet::{Choice, choose, message};
use crate::respond;
use crate::shell::{self, Asked, key_of};
use crate::state::Need;

/// The most Stacks of an answer, and how many it has unless another number is asked for.
const LIMIT: usize = 500;

pub(crate) async fn stacks(site: Asker, Query(asked): Asked, headers: HeaderMap) -> Response {
    let choice = Choice::read(&asked);
    let fleet = site.fleet();
    let limit = asked.get("limit").and_then(|limit| limit.parse().ok());
    let limit = limit.unwrap_or(LIMIT).clamp(1, LIMIT);
    let (chosen, counts) = choose(&fleet.stacks, &choice);
    let first = (choice.page - 1).saturating_mul(limit);
    let window = chosen.iter().skip(first).take(limit);
    let counts: serde_json::Map<String, Value> = counts
        .into_iter()
        .map(|(need, count)| (need.name().to_owned(), count.into()))
        .collect();
    let next = (first.saturating_add(limit) < chosen.len()).then_some(choice.page + 1);
    let value = json!({
        "number": fleet.number,
        "sight": sight(fleet.sight),
        "total": chosen.len(),
        "counts": counts,
        "nextPage": next,
        "stacks": window.map(|view| brief(view)).collect::<Vec<_>>(),
    });
    let tag = format!("{}-{}", site.boot, fleet.number);
    respond::json(&headers, &tag, &value)
}

fn sight(sight: Sight) -> Value {
    match sight {
        Sight::Starting => json!({"state": "starting"}),
        Sight::Clear => json!({"state": "clear"}),
        Sight::Blind(since) => json!({"state": "blind", "since": since.to_string()}),
    }
}

/// A Stack, made of what is known of it by `make`.
fn of(
    site: &Asker,
    key: (String, String),
    headers: &HeaderMap,
    make: impl FnOnce(&StackView) -> Value,
) -> Response {
    match site.stack(&key_of(key)) {
        Some(view) => {
            let tag = format!("{}-{}", site.boot, view.number);
            respond::json(headers, &tag, &make(&view))
        }
        None => respond::problem(StatusCode::NOT_FOUND, "there is no such Stack"),
    }
}

pub(crate) async fn stack(
    site: Asker,
    Path(key): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    of(&site, key, &headers, whole)
}

pub(crate) async fn history(
    site: Asker,
    Path(key): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    of(&site, key, &headers, |view| {
        let history = view.status.history.iter().map(past);
        json!({"history": history.collect::<Vec<_>>()})
    })
}

pub(crate) async fn plan(
    site: Asker,
    Path(key): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    if let Some(view) = site.stack(&key_of(key.clone()))
        && !site.may(Verb::Plan, &view.stack)
    {
        return shell::denied_problem(&site, &view, Verb::Plan);
    }
    of(&site, key, &headers, |view| json!({"plan": proposal(view)}))
}

fn revision(revision: &Revision) -> Value {
    json!({
        "reference": revision.reference, "commit": revision.commit.0,
        "others": revision.others, "charts": revision.charts,
    })
}

fn condition(condition: &Condition) -> Value {
    let status = match condition.holds {
        Truth::True => "True",
        Truth::False => "False",
        Truth::Unknown => "Unknown",
    };
    json!({
        "status": status, "reason": condition.reason.to_string(), "message": condition.message,
    })
}

fn past(past: &Past) -> Value {
    let mut value = revision(&past.revision);
    value["end"] = words::end(past.end).into();
    value["at"] = past.at.to_string().into();
    value["summary"] = past.summary.clone().into();
    value["attempts"] = past.attempts.into();
    value
}

/// A Stack as lists have it.
fn brief(view: &StackView) -> Value {
    let (stack, status) = (&view.stack, &view.status);
    json!({
        "namespace": stack.key.namespace,
        "name": stack.key.name,
        "state": Need::of(view).name(),
        "message": message(view),
        "ready": condition(&status.ready),
        "target": {
            "name": stack.destination.target.0, "namespace": stack.destination.namespace,
        },
        "applied": status.applied.as_ref().map(revision),
        "last": status.history.first().map(past),
        "number": view.number,
    })
}

fn whole(view: &StackView) -> Value {
    let (stack, status) = (&view.stack, &view.status);
    let mut value = brief(view);
    value["source"] = json!({
        "git": stack.source.repository.url,
        "reference": stack.source.reference.to_string(),
        "path": stack.source.path.to_string(),
    });
    value["suspended"] = stack.suspended.into();
    value["conditions"] = json!({
        "synced": condition(&status.synced),
        "healthy": condition(&status.healthy),
        "source": condition(&status.source),
    });
    value["followed"] = json!(
        status
            .followed
            .as_ref()
            .map(|known| revision(&known.revision))
    );
    value["pending"] = json!(status.pending.as_ref().map(|pending| json!({
        "plan": pending.plan.to_string(), "summary": pending.summary, "reason": pending.reason,
    })));
    value["operation"] = json!(status.operation.as_ref().map(|operation| json!({
        "revision": revision(&operation.revision),
        "started": operation.started.to_string(),
        "deadline": operation.deadline.to_string(),
        "waitsFor": view.awaited.iter().map(ToString::to_string).collect::<Vec<_>>(),
    })));
    value["wake"] = json!(view.wake.map(|wake| json!({
        "at": wake.at.to_string(), "why": words::woken(wake.why),
    })));
    let problems = status.problems.iter().map(|problem| {
        json!({
            "reason": problem.reason,
            "object": problem.object.as_ref().map(ToString::to_string),
            "origin": problem.origin.as_ref().map(ToString::to_string),
            "message": problem.message,
            "hint": problem.hint,
        })
    });
    value["problems"] = problems.collect();
    let objects = view.objects.iter().map(|(key, origin)| {
        let (health, message) = view.health_of(key);
        json!({
            "object": key.to_string(), "origin": origin.to_string(),
            "health": health.word(), "message": message,
        })
    });
    value["objects"] = objects.collect();
    let events = view.said.iter().map(|said| {
        json!({
            "at": said.at.to_string(), "reason": said.reason, "warning": said.is_warning,
            "object": said.object.as_ref().map(ToString::to_string),
            "message": said.message, "times": said.times,
        })
    });
    value["events"] = events.collect();
    value["history"] = status.history.iter().map(past).collect();
    value
}

fn proposal(view: &StackView) -> Value {
    let Some(proposal) = &view.proposal else {
        return Value::Null;
    };
    let steps = proposal.steps.iter().map(|step| {
        let fields = step
            .fields
            .iter()
            .map(|field| json!({"field": field.field, "live": field.live, "wanted": field.wanted}));
        json!({
            "verb": step.verb.to_string(),
            "object": step.key.to_string(),
            "why": step.why.to_string(),
            "wave": step.slot.wave,
            "gate": step.gate.as_ref().map(ToString::to_string),
            "origin": step.origin.as_ref().map(ToString::to_string),
            "fields": fields.collect::<Vec<_>>(),
        })
    });
    json!({
        "digest": proposal.digest.to_string(),
        "revision": revision(&proposal.revision),
        "course": words::course(proposal.course),
        "at": proposal.at.to_string(),
        "masked": proposal.is_masked,
        "more": proposal.more,
        "steps": steps.collect::<Vec<_>>(),
    })
}
