//! Simulated nodes: pods are placed, started, and ended without any container.
//! What happens to a pod is told by its annotations and images; see [`super::Simulation`].

use std::time::Duration;

use holdfast_admit::ObjectName;
use holdfast_kinds::{items, text};
use holdfast_model::Value;
use http::Method;
use serde_json::{Map, json};
use tokio::time::Instant;

use super::api::{KUBELET, PODS, is_deleting, name_of};
use super::desk::{Controllers, Run, Task};

const PREFIX: &str = "simulation.holdfast.dev/";
/// The longest pause between two starts of a container that crashes.
const MAX_BACK_OFF: Duration = Duration::from_secs(300);

/// What is going to happen to a pod.
struct Plan {
    fail: Option<Failure>,
    start_delay: Duration,
    exit: Option<i64>,
    run_for: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Failure {
    Pull,
    Crash,
    Unready,
}

fn annotation<'a>(pod: &'a Value, name: &str) -> Option<&'a str> {
    let annotations = pod["metadata"].get("annotations")?;
    annotations.get(format!("{PREFIX}{name}"))?.as_str()
}

/// Reads `500ms`, `2s` or `1m`; a plain number is seconds.
fn duration(text: &str) -> Option<Duration> {
    let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let (number, unit) = text.split_at(end.unwrap_or(text.len()));
    let number: f64 = number.parse().ok()?;
    let factor = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number * factor).ok()
}

/// Whether an image is one of those that cannot be pulled.
fn is_broken(image: &str) -> bool {
    let name = image.rsplit('/').next().unwrap_or(image);
    let tag = name.split_once(':').map(|(_, tag)| tag);
    tag == Some("broken") || image.contains("does-not-exist")
}

impl Controllers {
    fn plan(&self, pod: &Value) -> Plan {
        let simulation = &self.simulation;
        let spec = &pod["spec"];
        let mut images = items(spec, "containers")
            .iter()
            .chain(items(spec, "initContainers"));
        let broken = images.any(|container| is_broken(text(container, "image")));
        let fail = match annotation(pod, "fail") {
            Some("pull") => Some(Failure::Pull),
            Some("crash") => Some(Failure::Crash),
            Some("unready") => Some(Failure::Unready),
            _ => broken.then_some(Failure::Pull),
        };
        let ends = text(spec, "restartPolicy") != "Always";
        let exit = annotation(pod, "exit-code").and_then(|code| code.parse().ok());
        Plan {
            fail,
            start_delay: annotation(pod, "start-delay")
                .and_then(duration)
                .unwrap_or(simulation.start_delay),
            exit: exit.or(ends.then_some(0)),
            run_for: annotation(pod, "run-for")
                .and_then(duration)
                .unwrap_or(simulation.run_for),
        }
    }

    pub(super) fn pod(&mut self, name: &ObjectName) {
        let Some(pod) = self.find(PODS, name) else {
            return;
        };
        let uid = text(&pod["metadata"], "uid").to_owned();
        if is_deleting(&pod) {
            self.end_pod(name, &pod, &uid);
            return;
        }
        if matches!(text(&pod["status"], "phase"), "Succeeded" | "Failed") {
            return;
        }
        if text(&pod["spec"], "nodeName").is_empty() {
            if items(&pod["spec"], "schedulingGates").is_empty() {
                self.place_pod(name, &pod);
            }
            return;
        }
        self.run_pod(name, &pod, uid);
    }

    fn run_pod(&mut self, name: &ObjectName, pod: &Value, uid: String) {
        let now = Instant::now();
        let run = self.pods.entry(uid).or_insert(Run {
            started: now,
            ending: None,
            restarts: 0,
            again: None,
        });
        let (started, restarts, again) = (run.started, run.restarts, run.again);
        let plan = self.plan(pod);
        let task = Task::Pod(name.clone());
        if plan.fail == Some(Failure::Pull) {
            self.fail_pull(pod);
            return;
        }
        let ready_at = again.unwrap_or(started + plan.start_delay);
        if now < ready_at {
            if again.is_none() {
                self.show(pod, &waiting("ContainerCreating", ""), "Pending");
            }
            self.after(ready_at - now, task);
            return;
        }
        let exit = match plan.fail {
            Some(Failure::Crash) => Some(1),
            _ => plan.exit,
        };
        let Some(code) = exit else {
            let state = running(&self.state.now().to_string());
            let state = if plan.fail == Some(Failure::Unready) {
                State {
                    ready: false,
                    ..state
                }
            } else {
                state
            };
            self.show(pod, &State { restarts, ..state }, "Running");
            return;
        };
        let exit_at = ready_at + plan.run_for;
        if now < exit_at {
            let state = running(&self.state.now().to_string());
            self.show(pod, &State { restarts, ..state }, "Running");
            self.after(exit_at - now, task);
            return;
        }
        self.exited(name, pod, code);
    }

    fn place_pod(&mut self, name: &ObjectName, pod: &Value) {
        let nodes = self.simulation.nodes.max(1);
        let digest = holdfast_model::digest::Digest::of_bytes(name.name.as_bytes());
        let number = u32::from(digest.as_bytes()[0]) % nodes + 1;
        let node = format!("simulated-{number}");
        if !self.claims_allow(pod, &node) {
            return;
        }
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding", "metadata": {"name": name.name},
            "target": {"kind": "Node", "name": node},
        });
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}/binding",
            name.namespace, name.name
        );
        self.state
            .ask("kube-scheduler", Method::POST, &path, &binding);
        let message = format!(
            "Successfully assigned {}/{} to {node} (simulated)",
            name.namespace, name.name
        );
        self.event((PODS, pod), "Normal", "Scheduled", &message);
    }

    fn end_pod(&mut self, name: &ObjectName, pod: &Value, uid: &str) {
        let grace = pod["metadata"]["deletionGracePeriodSeconds"]
            .as_u64()
            .unwrap_or(0);
        let stop = self.simulation.stop_delay.min(Duration::from_secs(grace));
        let now = Instant::now();
        let end = self
            .pods
            .get(uid)
            .and_then(|run| run.ending)
            .unwrap_or(now + stop);
        if now < end
            && let Some(run) = self.pods.get_mut(uid)
        {
            run.ending = Some(end);
            self.after(end - now, Task::Pod(name.clone()));
            return;
        }
        let options = json!({
            "gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}
        });
        self.delete(PODS, name, &options);
    }

    fn fail_pull(&mut self, pod: &Value) {
        let first = items(&pod["status"], "containerStatuses").is_empty();
        let images = items(&pod["spec"], "containers").iter();
        let image = images
            .map(|container| text(container, "image"))
            .find(|image| is_broken(image))
            .unwrap_or_else(|| text(&items(&pod["spec"], "containers")[0], "image"))
            .to_owned();
        if first {
            let message =
                format!("Failed to pull image {image:?}: simulated: there is no such image");
            self.event((PODS, pod), "Warning", "Failed", &message);
            self.event((PODS, pod), "Warning", "Failed", "Error: ImagePullBackOff");
        }
        let message =
            format!("Back-off pulling image {image:?}: simulated: there is no such image");
        self.show(pod, &waiting("ImagePullBackOff", &message), "Pending");
    }

    fn exited(&mut self, name: &ObjectName, pod: &Value, code: i64) {
        let policy = text(&pod["spec"], "restartPolicy");
        let again = policy == "Always" || policy == "OnFailure" && code != 0;
        let now = self.state.now().to_string();
        let uid = text(&pod["metadata"], "uid").to_owned();
        let restarts = self.pods.get(&uid).map_or(0, |run| run.restarts);
        if !again {
            let phase = if code == 0 { "Succeeded" } else { "Failed" };
            let state = State {
                state: terminated(code, &now),
                last: Value::Null,
                ready: false,
                started: false,
                restarts,
            };
            self.show(pod, &state, phase);
            return;
        }
        let pause = Duration::from_secs(10)
            .saturating_mul(1 << restarts.min(6))
            .min(MAX_BACK_OFF);
        if let Some(run) = self.pods.get_mut(&uid) {
            run.restarts += 1;
            run.again = Some(Instant::now() + pause);
        }
        let container = &items(&pod["spec"], "containers")[0]["name"];
        let container = container.as_str().unwrap_or("");
        let message = format!("Back-off restarting failed container {container} (simulated)");
        self.event((PODS, pod), "Warning", "BackOff", &message);
        let seconds = pause.as_secs();
        let text = format!("back-off {seconds}s restarting failed container={container}");
        let state = State {
            last: terminated(code, &now),
            restarts: restarts + 1,
            ..waiting("CrashLoopBackOff", &text)
        };
        self.show(pod, &state, "Running");
        self.after(pause, Task::Pod(name.clone()));
    }

    /// Writes a status in which every container is in the same state.
    fn show(&self, pod: &Value, state: &State, phase: &str) {
        let now = self.state.now().to_string();
        let old = &pod["status"];
        let mut status = old.as_object().cloned().unwrap_or_default();
        status.insert("phase".to_owned(), json!(phase));
        status.entry("startTime").or_insert_with(|| json!(now));
        status.insert("hostIP".to_owned(), json!("192.0.2.1"));
        status.insert("hostIPs".to_owned(), json!([{"ip": "192.0.2.1"}]));
        if phase != "Pending" {
            let address = address_of(text(&pod["metadata"], "uid"));
            status.insert("podIPs".to_owned(), json!([{"ip": address}]));
            status.insert("podIP".to_owned(), json!(address));
        }
        let containers = items(&pod["spec"], "containers").iter();
        let containers: Vec<Value> = containers
            .map(|container| container_status(container, state, old))
            .collect();
        status.insert("containerStatuses".to_owned(), json!(containers));
        let done = phase == "Succeeded";
        let truths = [
            ("PodReadyToStartContainers", phase != "Pending" && !done, ""),
            ("Initialized", true, ""),
            ("Ready", state.ready, "ContainersNotReady"),
            ("ContainersReady", state.ready, "ContainersNotReady"),
            ("PodScheduled", true, ""),
        ];
        let conditions: Vec<Value> = truths
            .iter()
            .map(|(kind, truth, reason)| {
                let reason = if done && !truth {
                    "PodCompleted"
                } else {
                    reason
                };
                pod_condition(pod, (kind, *truth, reason), &now)
            })
            .collect();
        status.insert("conditions".to_owned(), json!(conditions));
        let generation = &pod["metadata"]["generation"];
        status.insert("observedGeneration".to_owned(), generation.clone());
        self.set_status_as(KUBELET, PODS, pod, Value::Object(status));
    }
}

/// The state of a container.
struct State {
    state: Value,
    last: Value,
    ready: bool,
    started: bool,
    restarts: u32,
}

fn waiting(reason: &str, message: &str) -> State {
    let mut state = json!({"reason": reason});
    if !message.is_empty() {
        state["message"] = json!(message);
    }
    State {
        state: json!({ "waiting": state }),
        last: Value::Null,
        ready: false,
        started: false,
        restarts: 0,
    }
}

fn running(now: &str) -> State {
    State {
        state: json!({"running": {"startedAt": now}}),
        last: Value::Null,
        ready: true,
        started: true,
        restarts: 0,
    }
}

fn terminated(code: i64, now: &str) -> Value {
    let reason = if code == 0 { "Completed" } else { "Error" };
    json!({"terminated": {
        "exitCode": code, "reason": reason, "startedAt": now, "finishedAt": now,
        "containerID": "simulation://none",
    }})
}

fn container_status(container: &Value, state: &State, old: &Value) -> Value {
    let name = text(container, "name");
    let before = items(old, "containerStatuses")
        .iter()
        .find(|known| known["name"] == name);
    let mut current = state.state.clone();
    // A container that goes on running has started when it started.
    if let Some(before) = before
        && before["state"].get("running").is_some()
        && current.get("running").is_some()
    {
        current = before["state"].clone();
    }
    let last = if state.last.is_null() {
        before.map_or_else(|| json!({}), |before| before["lastState"].clone())
    } else {
        state.last.clone()
    };
    let pulled = current
        .get("waiting")
        .is_none_or(|waiting| waiting["reason"] == "CrashLoopBackOff");
    let mut status = Map::new();
    status.insert("name".to_owned(), json!(name));
    status.insert("state".to_owned(), current);
    status.insert("lastState".to_owned(), last);
    status.insert("ready".to_owned(), json!(state.ready));
    status.insert("restartCount".to_owned(), json!(state.restarts));
    status.insert("image".to_owned(), container["image"].clone());
    let id = if pulled {
        format!("simulation://{}", text(container, "image"))
    } else {
        String::new()
    };
    status.insert("imageID".to_owned(), json!(id));
    status.insert("started".to_owned(), json!(state.started));
    Value::Object(status)
}

fn pod_condition(pod: &Value, (kind, truth, reason): (&str, bool, &str), now: &str) -> Value {
    let status = if truth { "True" } else { "False" };
    let before = super::api::condition(pod, kind).filter(|before| before["status"] == status);
    let since = before.map_or_else(|| json!(now), |before| before["lastTransitionTime"].clone());
    let mut condition = json!({
        "type": kind, "status": status, "lastProbeTime": null, "lastTransitionTime": since,
        "observedGeneration": pod["metadata"]["generation"],
    });
    if !truth && !reason.is_empty() {
        condition["reason"] = json!(reason);
        if reason == "ContainersNotReady" {
            let names = items(&pod["spec"], "containers").iter();
            let names: Vec<&str> = names.map(|container| text(container, "name")).collect();
            condition["message"] = json!(format!(
                "containers with unready status: [{}]",
                names.join(" ")
            ));
        }
    }
    condition
}

/// An address out of a range that is for examples, the same for the pod's life.
fn address_of(uid: &str) -> String {
    let digest = holdfast_model::digest::Digest::of_bytes(uid.as_bytes());
    let bytes = digest.as_bytes();
    format!("10.244.{}.{}", bytes[0], bytes[1].clamp(1, 254))
}

/// Whether a pod still counts: it neither ended nor is it ending.
pub(super) fn is_active(pod: &Value) -> bool {
    !is_deleting(pod) && !matches!(text(&pod["status"], "phase"), "Succeeded" | "Failed")
}

pub(super) fn is_ready(pod: &Value) -> bool {
    super::api::is_true(pod, "Ready")
}

/// How long until a ready pod has been ready for so long; nothing when it has.
pub(super) fn until_available(
    controllers: &Controllers,
    pod: &Value,
    seconds: i64,
) -> Option<Duration> {
    let condition = super::api::condition(pod, "Ready")?;
    let since = holdfast_model::time::Time::parse(text(condition, "lastTransitionTime"))?;
    let needed = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let passed = controllers.state.now().since(since);
    (passed < needed).then(|| needed - passed)
}

/// Which pods go first when there are too many: those that are furthest from being of use.
pub(super) fn sort_for_removal(pods: &mut [Value]) {
    pods.sort_by_key(|pod| {
        (
            !text(&pod["spec"], "nodeName").is_empty(),
            text(&pod["status"], "phase") == "Running",
            is_ready(pod),
            std::cmp::Reverse(text(&pod["metadata"], "creationTimestamp").to_owned()),
            name_of(pod),
        )
    });
}
