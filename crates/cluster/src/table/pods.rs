//! The row of a pod. It must not know how pods are found.

use holdfast_kinds::{items, text};
use holdfast_model::Value;
use holdfast_model::time::Time;
use serde_json::json;

use super::cells::{age, count, name, or_none, since};

/// What the containers of a pod come to.
struct Tally {
    ready: usize,
    restarts: i64,
    reason: String,
    /// When a container last ended; empty when none did.
    ended: String,
}

impl Tally {
    fn restarted(&mut self, status: &Value) {
        self.restarts += count(status, "/restartCount");
        let ended = text(&status["lastState"]["terminated"], "finishedAt");
        if ended > self.ended.as_str() {
            self.ended = ended.to_owned();
        }
    }
}

pub(super) fn pod(pod: &Value, now: Time) -> Vec<Value> {
    let (spec, status) = (&pod["spec"], &pod["status"]);
    let stays = |container: &&Value| text(container, "restartPolicy") == "Always";
    let total = items(spec, "containers").len()
        + items(spec, "initContainers").iter().filter(stays).count();
    let mut tally = tally(pod);
    let is_going = pod["metadata"].get("deletionTimestamp").is_some();
    if is_going && text(status, "reason") == "NodeLost" {
        "Unknown".clone_into(&mut tally.reason);
    } else if is_going && !matches!(text(status, "phase"), "Failed" | "Succeeded") {
        "Terminating".clone_into(&mut tally.reason);
    }
    let restarts = if tally.restarts != 0 && !tally.ended.is_empty() {
        let ended = since(&json!(tally.ended), now);
        format!("{} ({ended} ago)", tally.restarts)
    } else {
        tally.restarts.to_string()
    };
    let address = items(status, "podIPs").first();
    let address = address.map_or(text(status, "podIP"), |first| text(first, "ip"));
    vec![
        name(pod),
        json!(format!("{}/{total}", tally.ready)),
        json!(tally.reason),
        json!(restarts),
        age(pod, now),
        or_none(address.to_owned()),
        or_none(text(spec, "nodeName").to_owned()),
        or_none(text(status, "nominatedNodeName").to_owned()),
        json!(gates(pod)),
    ]
}

fn tally(pod: &Value) -> Tally {
    let status = &pod["status"];
    let mut tally = Tally {
        ready: 0,
        restarts: 0,
        reason: text(status, "phase").to_owned(),
        ended: String::new(),
    };
    if !text(status, "reason").is_empty() {
        text(status, "reason").clone_into(&mut tally.reason);
    }
    let conditions = items(status, "conditions");
    let is_gated = |condition: &Value| {
        condition["type"] == "PodScheduled" && condition["reason"] == "SchedulingGated"
    };
    if conditions.iter().any(is_gated) {
        "SchedulingGated".clone_into(&mut tally.reason);
    }
    let (is_initializing, stayed) = initialize(pod, &mut tally);
    let holds = |kind: &str| {
        let mut conditions = conditions.iter();
        conditions.any(|condition| condition["type"] == kind && condition["status"] == "True")
    };
    if !is_initializing || holds("Initialized") {
        (tally.restarts, tally.ended) = stayed;
        run(status, holds("Ready"), &mut tally);
    }
    tally
}

/// Counts what runs before the others; whether it is not done yet, and the restarts of those that
/// stay.
fn initialize(pod: &Value, tally: &mut Tally) -> (bool, (i64, String)) {
    let first = items(&pod["spec"], "initContainers");
    let mut stayed = Tally {
        ready: 0,
        restarts: 0,
        reason: String::new(),
        ended: String::new(),
    };
    let statuses = items(&pod["status"], "initContainerStatuses").iter();
    for (index, status) in statuses.enumerate() {
        tally.restarted(status);
        let mut same = first.iter();
        let container = same.find(|container| container["name"] == status["name"]);
        let stays = container.is_some_and(|found| text(found, "restartPolicy") == "Always");
        if stays {
            stayed.restarted(status);
        }
        let state = &status["state"];
        let (ended, waiting) = (&state["terminated"], text(&state["waiting"], "reason"));
        if ended.is_object() && count(ended, "/exitCode") == 0 {
            continue;
        }
        if stays && status["started"] == true {
            tally.ready += usize::from(status["ready"] == true);
            continue;
        }
        tally.reason = if ended.is_object() {
            format!("Init:{}", end_of(ended))
        } else if !waiting.is_empty() && waiting != "PodInitializing" {
            format!("Init:{waiting}")
        } else {
            format!("Init:{index}/{}", first.len())
        };
        return (true, (stayed.restarts, stayed.ended));
    }
    (false, (stayed.restarts, stayed.ended))
}

/// How a container ended.
fn end_of(ended: &Value) -> String {
    let signal = count(ended, "/signal");
    match text(ended, "reason") {
        "" if signal != 0 => format!("Signal:{signal}"),
        "" => format!("ExitCode:{}", count(ended, "/exitCode")),
        reason => reason.to_owned(),
    }
}

fn run(status: &Value, is_ready: bool, tally: &mut Tally) {
    let mut has_running = false;
    let mut failure = String::new();
    for container in items(status, "containerStatuses").iter().rev() {
        tally.restarted(container);
        let state = &container["state"];
        let waiting = text(&state["waiting"], "reason");
        let ended = &state["terminated"];
        if !waiting.is_empty() {
            waiting.clone_into(&mut tally.reason);
        } else if ended.is_object() {
            tally.reason = end_of(ended);
            if count(ended, "/exitCode") != 0 {
                failure.clone_from(&tally.reason);
            }
        } else if container["ready"] == true && state["running"].is_object() {
            has_running = true;
            tally.ready += 1;
        }
    }
    if tally.reason != "Completed" {
        return;
    }
    if has_running && is_ready {
        "Running".clone_into(&mut tally.reason);
    } else if !failure.is_empty() {
        tally.reason = failure;
    } else if has_running {
        "NotReady".clone_into(&mut tally.reason);
    }
}

fn gates(pod: &Value) -> String {
    let gates = items(&pod["spec"], "readinessGates");
    if gates.is_empty() {
        return "<none>".to_owned();
    }
    let conditions = items(&pod["status"], "conditions");
    let is_open = |gate: &&Value| {
        let mut conditions = conditions.iter();
        let found = conditions.find(|condition| condition["type"] == gate["conditionType"]);
        found.is_some_and(|condition| condition["status"] == "True")
    };
    format!("{}/{}", gates.iter().filter(is_open).count(), gates.len())
}

/// What is said of a row, beyond its cells.
pub(super) fn conditions(pod: &Value) -> Option<Value> {
    let (reason, message) = match text(&pod["status"], "phase") {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!([{
        "type": "Completed", "status": "True", "reason": reason, "message": message,
    }]))
}
