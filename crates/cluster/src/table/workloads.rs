//! Columns of workloads and pods. It must not know how objects are found.

use holdfast_admit::labels::text_of_selector;
use holdfast_kinds::{items, text};
use holdfast_model::Value;
use holdfast_model::time::Time;
use serde_json::json;

use super::cells::{Printer, age, columns, count, human, name, or_none, since, some_of};
use super::pods;

type Cells = fn(&Value, Time) -> Vec<Value>;

pub(super) fn printer(kind: (&str, &str)) -> Option<Printer> {
    let (names, cells): (&str, Cells) = match kind {
        ("", "Pod") => (
            "Name, Ready, Status, Restarts, Age | IP, Node, Nominated Node, Readiness Gates",
            pods::pod,
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
            "Name, Schedule, Timezone, ?Suspend, #Active, Last Schedule, Age | Containers, Images, \
             Selector",
            cron_job,
        ),
        ("", "ReplicationController") => (
            "Name, #Desired, #Current, #Ready, Age | Containers, Images, Selector",
            replica_set,
        ),
        ("", "PodTemplate") => ("Name, Containers, Images, Pod Labels", pod_template),
        ("autoscaling", "HorizontalPodAutoscaler") => (
            "Name, Reference, Targets, MinPods, MaxPods, Replicas, Age",
            autoscaler,
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
    or_none(text_of_selector(selector))
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
    let parallel = count(value, "/spec/parallelism");
    let wanted = match value["spec"]["completions"].as_i64() {
        Some(wanted) => wanted.to_string(),
        None if parallel > 1 => format!("1 of {parallel}"),
        None => "1".to_owned(),
    };
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

fn pod_template(value: &Value, _: Time) -> Vec<Value> {
    let mut cells = vec![name(value)];
    let labels = &value["template"]["metadata"]["labels"];
    cells.extend(template(value, labels));
    cells
}

fn autoscaler(value: &Value, now: Time) -> Vec<Value> {
    let spec = &value["spec"];
    let target = &spec["scaleTargetRef"];
    let statuses = items(&value["status"], "currentMetrics");
    let metrics = items(spec, "metrics").iter().enumerate();
    let shown: Vec<String> = metrics
        .map(|(index, metric)| measure(metric, statuses.get(index).unwrap_or(&Value::Null)))
        .collect();
    let least = match spec["minReplicas"].as_i64() {
        Some(least) => least.to_string(),
        None => "<unset>".to_owned(),
    };
    vec![
        name(value),
        json!(format!("{}/{}", text(target, "kind"), text(target, "name"))),
        or_none(some_of(&shown, 2, ", ")),
        json!(least),
        json!(count(value, "/spec/maxReplicas")),
        json!(count(value, "/status/currentReplicas")),
        age(value, now),
    ]
}

/// A metric as it is and as it should be.
fn measure(metric: &Value, status: &Value) -> String {
    let (field, is_of_resource) = match text(metric, "type") {
        "External" => ("external", false),
        "Pods" => ("pods", false),
        "Object" => ("object", false),
        "Resource" => ("resource", true),
        "ContainerResource" => ("containerResource", true),
        _ => return "<unknown type>".to_owned(),
    };
    let (target, current) = (&metric[field]["target"], &status[field]["current"]);
    let amount = |found: &Value, name: &str| found[name].as_str().map(str::to_owned);
    let share = |found: &Value| Some(format!("{}%", found["averageUtilization"].as_i64()?));
    let unknown = || "<unknown>".to_owned();
    if is_of_resource {
        let named = text(&metric[field], "name");
        return match amount(target, "averageValue") {
            Some(wanted) => {
                let current = amount(current, "averageValue").unwrap_or_else(unknown);
                format!("{named}: {current}/{wanted}")
            }
            None => {
                let wanted = share(target).unwrap_or_else(|| "<auto>".to_owned());
                let current = share(current).unwrap_or_else(unknown);
                format!("{named}: {current}/{wanted}")
            }
        };
    }
    match amount(target, "averageValue") {
        Some(wanted) => {
            let current = amount(current, "averageValue").unwrap_or_else(unknown);
            let mark = if field == "pods" { "" } else { " (avg)" };
            format!("{current}/{wanted}{mark}")
        }
        None => {
            let current = amount(current, "value").unwrap_or_else(unknown);
            let wanted = amount(target, "value").unwrap_or_else(|| "0".to_owned());
            format!("{current}/{wanted}")
        }
    }
}
