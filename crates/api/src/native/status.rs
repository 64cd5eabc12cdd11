//! A Stack's status in its wire form, and back. It must not know when a status is written.

use std::collections::BTreeMap;

use holdfast_model::Value;
use holdfast_model::operation::End;
use holdfast_model::revision::{CommitId, Revision};
use holdfast_model::status::{
    Condition, Followed, LeftAlone, Past, PastEnd, Pending, Problem, Remembered, SourceTrouble,
    Status, Terminated, Truth, UnderWay, Worked,
};
use holdfast_model::time::Time;
use serde_json::{Map, json};

use super::pin;

/// Writes a status. A condition keeps the `lastTransitionTime` of `previous` while its truth stays.
pub fn write(status: &Status, previous: &Value, now: Time) -> Value {
    let mut map = Map::new();
    map.insert("observedGeneration".to_owned(), status.generation.into());
    let conditions = [
        ("Ready", &status.ready),
        ("Synced", &status.synced),
        ("Healthy", &status.healthy),
        ("SourceReady", &status.source),
    ]
    .map(|(kind, condition)| write_condition(kind, condition, status, previous, now));
    map.insert("conditions".to_owned(), Value::Array(conditions.into()));
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            map.insert(name.to_owned(), value);
        }
    };
    put("applied", status.applied.as_ref().map(write_revision));
    put("attempted", status.attempted.as_ref().map(write_revision));
    put(
        "rendered",
        status.rendered.map(|digest| digest.to_string().into()),
    );
    let commit = |revision: &Revision| Value::from(revision.commit.0.clone());
    put("appliedRevision", status.applied.as_ref().map(commit));
    let followed = status.followed.as_ref();
    put(
        "sourceRevision",
        followed.map(|followed| commit(&followed.revision)),
    );
    let seen = |followed| write_followed(followed, previous, now);
    put("followed", followed.map(seen));
    let pin = status.pin.as_ref();
    put("pin", pin.map(|held| Value::Object(pin::fields_of(held))));
    put("handledSync", status.handled.clone().map(Value::from));
    let refreshed = status.refreshed.clone();
    put("handledRefresh", refreshed.map(Value::from));
    let approval = status.approval.map(|digest| digest.to_string());
    put("handledApproval", approval.map(Value::from));
    let (count, digest) = status.inventory;
    put(
        "inventory",
        Some(json!({"count": count, "digest": digest.to_string()})),
    );
    put("problems", list(&status.problems, write_problem));
    put("pending", status.pending.as_ref().map(write_pending));
    put("operation", status.operation.as_ref().map(write_under_way));
    put(
        "terminated",
        status.terminated.as_ref().map(write_terminated),
    );
    put("nextRetry", status.retry.map(|at| at.to_string().into()));
    put("leftAlone", list(&status.left, write_left));
    put("history", list(&status.history, write_past));
    put("healthyRevisions", list(&status.worked, write_worked));
    Value::Object(map)
}

/// A list of what is written each; nothing where there is none.
fn list<T>(items: &[T], write: impl Fn(&T) -> Value) -> Option<Value> {
    let items: Vec<Value> = items.iter().map(write).collect();
    (!items.is_empty()).then_some(items.into())
}

fn write_condition(
    kind: &str,
    condition: &Condition,
    status: &Status,
    previous: &Value,
    now: Time,
) -> Value {
    let truth = match condition.holds {
        Truth::True => "True",
        Truth::False => "False",
        Truth::Unknown => "Unknown",
    };
    let before = previous.get("conditions").and_then(Value::as_array);
    let since = before
        .into_iter()
        .flatten()
        .find(|before| before.get("type").and_then(Value::as_str) == Some(kind))
        .filter(|before| before.get("status").and_then(Value::as_str) == Some(truth))
        .and_then(|before| before.get("lastTransitionTime").cloned())
        .unwrap_or_else(|| now.to_string().into());
    json!({
        "type": kind,
        "status": truth,
        "reason": condition.reason.to_string(),
        "message": condition.message,
        "observedGeneration": status.generation,
        "lastTransitionTime": since,
    })
}

fn write_under_way(operation: &UnderWay) -> Value {
    let mut map = revision_fields(&operation.revision);
    map.insert("startedAt".to_owned(), operation.started.to_string().into());
    map.insert("deadline".to_owned(), operation.deadline.to_string().into());
    Value::Object(map)
}

fn read_under_way(value: &Value) -> Option<UnderWay> {
    let time = |name: &str| value.get(name)?.as_str().and_then(Time::parse);
    Some(UnderWay {
        revision: read_revision(value)?,
        started: time("startedAt")?,
        deadline: time("deadline")?,
    })
}

fn write_terminated(terminated: &Terminated) -> Value {
    let revision = terminated.revision.as_ref();
    let mut map = revision.map(revision_fields).unwrap_or_default();
    map.insert("request".to_owned(), terminated.request.clone().into());
    map.insert("generation".to_owned(), terminated.generation.into());
    Value::Object(map)
}

fn read_terminated(value: &Value) -> Option<Terminated> {
    Some(Terminated {
        request: value.get("request")?.as_str()?.to_owned(),
        revision: read_revision(value),
        generation: value.get("generation")?.as_i64()?,
    })
}

fn write_revision(revision: &Revision) -> Value {
    Value::Object(revision_fields(revision))
}

pub(super) fn revision_fields(revision: &Revision) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("commit".to_owned(), revision.commit.0.clone().into());
    map.insert("reference".to_owned(), revision.reference.clone().into());
    let others = revision.others.iter();
    let others = others.map(|(name, commit)| (name, &commit.0));
    let mut put = |name: &str, texts: Value| {
        if texts.as_object().is_some_and(|texts| !texts.is_empty()) {
            map.insert(name.to_owned(), texts);
        }
    };
    put("others", texts(others));
    put("charts", texts(revision.charts.iter()));
    map
}

fn texts<'a>(entries: impl Iterator<Item = (&'a String, &'a String)>) -> Value {
    entries
        .map(|(name, text)| (name.clone(), Value::from(text.clone())))
        .collect()
}

/// The texts of an object; what is no text is left out.
fn read_texts(value: &Value, name: &str) -> BTreeMap<String, String> {
    let entries = value.get(name).and_then(Value::as_object);
    let entries = entries.into_iter().flatten();
    entries
        .filter_map(|(name, text)| Some((name.clone(), text.as_str()?.to_owned())))
        .collect()
}

fn write_problem(problem: &Problem) -> Value {
    let mut map = Map::new();
    map.insert("reason".to_owned(), problem.reason.clone().into());
    map.insert("message".to_owned(), problem.message.clone().into());
    if let Some(object) = &problem.object {
        map.insert("object".to_owned(), object.to_string().into());
    }
    if let Some(origin) = &problem.origin {
        map.insert("origin".to_owned(), origin.to_string().into());
    }
    if let Some(hint) = &problem.hint {
        map.insert("hint".to_owned(), hint.clone().into());
    }
    Value::Object(map)
}

fn write_left(left: &LeftAlone) -> Value {
    json!({
        "object": left.object.to_string(),
        "field": left.field,
        "by": left.by,
        "since": left.since.to_string(),
        "until": left.until.to_string(),
    })
}

fn write_pending(pending: &Pending) -> Value {
    json!({
        "plan": pending.plan.to_string(),
        "summary": pending.summary,
        "reason": pending.reason,
    })
}

/// A revision is seen at the time at which a status first names it.
fn write_followed(followed: &Followed, previous: &Value, now: Time) -> Value {
    let mut map = revision_fields(&followed.revision);
    let before = previous.get("followed").and_then(Value::as_object);
    let is_same = |before: &&Map<String, Value>| {
        let mut fields = ["commit", "reference", "others", "charts"].iter();
        fields.all(|name| before.get(*name) == map.get(*name))
    };
    let seen = match before.filter(is_same) {
        Some(before) => before.get("seenAt").cloned(),
        None => Some(now.to_string().into()),
    };
    if let Some(seen) = seen {
        map.insert("seenAt".to_owned(), seen);
    }
    if let Some(rendered) = followed.rendered {
        map.insert("rendered".to_owned(), rendered.to_string().into());
    }
    Value::Object(map)
}

fn write_worked(worked: &Worked) -> Value {
    let mut map = revision_fields(&worked.revision);
    let mut put = |name: &str, text: String| map.insert(name.to_owned(), text.into());
    put("rendered", worked.rendered.to_string());
    put("at", worked.at.to_string());
    if let Some(left) = worked.left {
        put("left", left.to_string());
    }
    Value::Object(map)
}

fn write_past(past: &Past) -> Value {
    let mut map = revision_fields(&past.revision);
    let mut put = |name: &str, text: String| map.insert(name.to_owned(), text.into());
    let end = match past.end {
        PastEnd::Operation(end) => end_word(end),
        PastEnd::Pinned => "pinned",
        PastEnd::Unpinned => "unpinned",
        PastEnd::Suspended => "suspended",
        PastEnd::Resumed => "resumed",
    };
    put("end", end.to_owned());
    put("at", past.at.to_string());
    put("summary", past.summary.clone());
    if let Some(rendered) = past.rendered {
        put("rendered", rendered.to_string());
    }
    if past.attempts > 1 {
        map.insert("attempts".to_owned(), past.attempts.into());
    }
    Value::Object(map)
}

/// How an operation ended, in a word.
pub fn end_word(end: End) -> &'static str {
    match end {
        End::Succeeded => "succeeded",
        End::Failed => "failed",
        End::TimedOut => "timedOut",
        End::Terminated => "terminated",
    }
}

/// Reads back what [`write`] wrote; what cannot be read is left out, since it can be found again.
pub fn read(status: &Value) -> Remembered {
    let list = |name: &str| {
        status
            .get(name)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
    };
    let text = |name: &str| status.get(name).and_then(Value::as_str);
    Remembered {
        applied: status.get("applied").and_then(read_revision),
        attempted: status.get("attempted").and_then(read_revision),
        rendered: text("rendered").and_then(|text| text.parse().ok()),
        ready_generation: find_condition(status, "Ready", "True")
            .and_then(|ready| ready.get("observedGeneration")?.as_i64()),
        is_source_known: ["True", "False"]
            .iter()
            .any(|truth| find_condition(status, "SourceReady", truth).is_some()),
        source_trouble: find_condition(status, "SourceReady", "False").and_then(read_trouble),
        handled: text("handledSync").map(str::to_owned),
        refreshed: text("handledRefresh").map(str::to_owned),
        approval: text("handledApproval").and_then(|text| text.parse().ok()),
        followed: status.get("followed").and_then(read_followed),
        pin: status.get("pin").and_then(pin::read_told),
        history: list("history").filter_map(read_past).collect(),
        worked: list("healthyRevisions").filter_map(read_worked).collect(),
        operation: status.get("operation").and_then(read_under_way),
        terminated: status.get("terminated").and_then(read_terminated),
    }
}

/// A condition of a status, where it has this truth.
fn find_condition<'a>(status: &'a Value, kind: &str, truth: &str) -> Option<&'a Value> {
    let is = |condition: &Value, name: &str, text: &str| {
        condition.get(name).and_then(Value::as_str) == Some(text)
    };
    let mut conditions = status.get("conditions")?.as_array()?.iter();
    conditions.find(|condition| is(condition, "type", kind) && is(condition, "status", truth))
}

fn read_trouble(condition: &Value) -> Option<SourceTrouble> {
    let text = |name: &str| condition.get(name)?.as_str();
    Some(SourceTrouble {
        since: Time::parse(text("lastTransitionTime")?)?,
        message: text("message")?.to_owned(),
    })
}

/// Reads a revision of a status or a history.
pub fn read_revision(value: &Value) -> Option<Revision> {
    let others = read_texts(value, "others").into_iter();
    Some(Revision {
        commit: CommitId(value.get("commit")?.as_str()?.to_owned()),
        reference: value.get("reference")?.as_str()?.to_owned(),
        others: others.map(|(name, id)| (name, CommitId(id))).collect(),
        charts: read_texts(value, "charts"),
    })
}

fn read_followed(value: &Value) -> Option<Followed> {
    let rendered = value.get("rendered").and_then(Value::as_str);
    Some(Followed {
        revision: read_revision(value)?,
        rendered: rendered.and_then(|text| text.parse().ok()),
    })
}

fn read_worked(value: &Value) -> Option<Worked> {
    let text = |name: &str| value.get(name)?.as_str();
    Some(Worked {
        revision: read_revision(value)?,
        rendered: text("rendered")?.parse().ok()?,
        at: Time::parse(text("at")?)?,
        left: text("left").and_then(Time::parse),
    })
}

fn read_past(value: &Value) -> Option<Past> {
    let text = |name: &str| value.get(name)?.as_str();
    let attempts = value.get("attempts").and_then(Value::as_u64);
    Some(Past {
        revision: read_revision(value)?,
        end: match text("end")? {
            "succeeded" => PastEnd::Operation(End::Succeeded),
            "failed" => PastEnd::Operation(End::Failed),
            "timedOut" => PastEnd::Operation(End::TimedOut),
            "terminated" => PastEnd::Operation(End::Terminated),
            "pinned" => PastEnd::Pinned,
            "unpinned" => PastEnd::Unpinned,
            "suspended" => PastEnd::Suspended,
            "resumed" => PastEnd::Resumed,
            _ => return None,
        },
        at: Time::parse(text("at")?)?,
        summary: text("summary")?.to_owned(),
        rendered: text("rendered").and_then(|text| text.parse().ok()),
        attempts: attempts
            .and_then(|count| count.try_into().ok())
            .unwrap_or(1),
    })
}
