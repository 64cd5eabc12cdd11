//! Columns of workloads and pods. It must not know how objects are found.

use holdfast_model::Value;
use holdfast_model::time::Time;
use serde_json::json;

use super::{Printer, age, columns, count, human, name, or_none, since};
use crate::rules::{items, text};

type Cells = fn(&Value, Time) -> Vec<Value>;

pub(super) fn printer(kind: (&str, &str)) -> Option<Printer> {
    let (names, cells): (&str, Cells) = match kind {
        ("", "Pod") => (
            "Name, Ready, Status, Restarts, Age | IP, Node, Nominated Node, Readiness Gates",
            pod,
        ),
        ("apps", "Deployment") => (
            "Name, Ready, Up-to-date, Available, Age | Containers, Images, Selector",
            deployment,
        ),
        ("apps", "ReplicaSet") => (
            "Name, #Desired, #Current, #Ready, Age | Containers, Images, Selector",
            replica_set,
        ),
        ("apps", "StatefulSet") => ("Name, Ready, Age | Containers, Images", stateful_set),
        ("apps", "DaemonSet") => (
            "Name, #Desired, #Current, #Ready, #Up-to-date, #Available, Node Selector, Age | \
             Containers, Images, Selector",
            daemon_set,
        ),
        ("batch", "Job") => (
            "Name, Status, Completions, Duration, Age | Containers, Images, Selector",
            job,
        ),
        ("batch", "CronJob") => (
            "Name, Schedule, Timezone, Suspend, #Active, Last Schedule, Age | Containers, Images, \
             Selector",
            cron_job,
        ),
        _ => return None,
    };
    Some(Printer {
        columns: columns(names),
        cells: Box::new(cells),
    })
}

/// Names and images of a template's containers, and the selector.
fn template(spec: &Value, selector: &Value) -> Vec<Value> {
    let containers = items(&spec["template"]["spec"], "containers");
    let list = |field: &str| {
        let texts: Vec<&str> = containers
            .iter()
            .map(|container| text(container, field))
            .collect();
        json!(texts.join(","))
    };
    vec![list("name"), list("image"), labels(selector)]
}

/// A label selector or labels as text.
pub(super) fn labels(selector: &Value) -> Value {
    let plain = selector.get("matchLabels").unwrap_or(selector);
    let parts: Vec<String> = plain
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?)))
        .collect();
    or_none(parts.join(","))
}

fn pod(value: &Value, now: Time) -> Vec<Value> {
    let statuses = items(&value["status"], "containerStatuses");
    let ready = statuses
        .iter()
        .filter(|status| status["ready"] == true)
        .count();
    let restarts: i64 = statuses
        .iter()
        .map(|status| count(status, "/restartCount"))
        .sum();
    let total = items(&value["spec"], "containers").len();
    let field = |pointer: &str| {
        let found = value.pointer(pointer).and_then(Value::as_str);
        or_none(found.unwrap_or("").to_owned())
    };
    vec![
        name(value),
        json!(format!("{ready}/{total}")),
        json!(pod_status(value, statuses)),
        json!(restarts.to_string()),
        age(value, now),
        field("/status/podIP"),
        field("/spec/nodeName"),
        field("/status/nominatedNodeName"),
        json!("<none>"),
    ]
}

fn pod_status(value: &Value, statuses: &[Value]) -> String {
    let mut status = text(&value["status"], "phase").to_owned();
    if !text(&value["status"], "reason").is_empty() {
        status = text(&value["status"], "reason").to_owned();
    }
    for container in statuses.iter().rev() {
        let state = &container["state"];
        let waiting = text(&state["waiting"], "reason");
        let ended = &state["terminated"];
        if !waiting.is_empty() {
            status = waiting.to_owned();
        } else if !text(ended, "reason").is_empty() {
            status = text(ended, "reason").to_owned();
        } else if ended.is_object() {
            status = format!("ExitCode:{}", count(ended, "/exitCode"));
        }
    }
    if value["metadata"].get("deletionTimestamp").is_some() {
        status = "Terminating".to_owned();
    }
    status
}

fn deployment(value: &Value, now: Time) -> Vec<Value> {
    let ready = count(value, "/status/readyReplicas");
    let mut cells = vec![
        name(value),
        json!(format!("{ready}/{}", count(value, "/spec/replicas"))),
        json!(count(value, "/status/updatedReplicas")),
        json!(count(value, "/status/availableReplicas")),
        age(value, now),
    ];
    cells.extend(template(&value["spec"], &value["spec"]["selector"]));
    cells
}

fn replica_set(value: &Value, now: Time) -> Vec<Value> {
    let mut cells = vec![
        name(value),
        json!(count(value, "/spec/replicas")),
        json!(count(value, "/status/replicas")),
        json!(count(value, "/status/readyReplicas")),
        age(value, now),
    ];
    cells.extend(template(&value["spec"], &value["spec"]["selector"]));
    cells
}

fn stateful_set(value: &Value, now: Time) -> Vec<Value> {
    let ready = count(value, "/status/readyReplicas");
    let mut cells = vec![
        name(value),
        json!(format!("{ready}/{}", count(value, "/spec/replicas"))),
        age(value, now),
    ];
    cells.extend(template(&value["spec"], &Value::Null).into_iter().take(2));
    cells
}

fn daemon_set(value: &Value, now: Time) -> Vec<Value> {
    let number = |field: &str| json!(count(value, &format!("/status/{field}")));
    let mut cells = vec![
        name(value),
        number("desiredNumberScheduled"),
        number("currentNumberScheduled"),
        number("numberReady"),
        number("updatedNumberScheduled"),
        number("numberAvailable"),
        labels(&value["spec"]["template"]["spec"]["nodeSelector"]),
        age(value, now),
    ];
    cells.extend(template(&value["spec"], &value["spec"]["selector"]));
    cells
}

fn job(value: &Value, now: Time) -> Vec<Value> {
    let conditions = items(&value["status"], "conditions");
    let holds = |kind: &str| {
        let mut conditions = conditions.iter();
        conditions.any(|condition| condition["type"] == kind && condition["status"] == "True")
    };
    let status = if holds("Complete") {
        "Complete"
    } else if holds("Failed") {
        "Failed"
    } else if value["metadata"].get("deletionTimestamp").is_some() {
        "Terminating"
    } else if holds("Suspended") {
        "Suspended"
    } else {
        "Running"
    };
    let succeeded = count(value, "/status/succeeded");
    let wanted = value["spec"]["completions"].as_i64().unwrap_or(1);
    let time = |field: &str| Time::parse(text(&value["status"], field));
    let duration = match (time("startTime"), time("completionTime")) {
        (Some(start), Some(end)) => human(end.since(start)),
        (Some(start), None) => human(now.since(start)),
        _ => String::new(),
    };
    let mut cells = vec![
        name(value),
        json!(status),
        json!(format!("{succeeded}/{wanted}")),
        json!(duration),
        age(value, now),
    ];
    cells.extend(template(&value["spec"], &value["spec"]["selector"]));
    cells
}

fn cron_job(value: &Value, now: Time) -> Vec<Value> {
    let spec = &value["spec"];
    let suspend = if spec["suspend"] == true {
        "True"
    } else {
        "False"
    };
    let last = match value["status"].get("lastScheduleTime") {
        Some(time) => since(time, now),
        None => "<none>".to_owned(),
    };
    let mut cells = vec![
        name(value),
        spec["schedule"].clone(),
        or_none(text(spec, "timeZone").to_owned()),
        json!(suspend),
        json!(items(&value["status"], "active").len()),
        json!(last),
        age(value, now),
    ];
    cells.extend(template(&spec["jobTemplate"]["spec"], &Value::Null));
    cells
}
