//! Jobs: pods until enough of them have succeeded. It must not know how pods run.

use std::time::Duration;

use holdfast_admit::ObjectName;
use holdfast_kinds::{items, text};
use holdfast_model::Value;
use holdfast_model::time::Time;
use serde_json::json;

use super::api::{JOBS, PODS, condition, is_deleting, is_true, name_of, pod_from};
use super::desk::{Controllers, Task};
use super::indexes::Indexes;
use super::pods::{is_active, is_ready};

/// Reason and message of a failure.
type Failure = (&'static str, &'static str);
/// Reason and message of a success.
type Success = (&'static str, String);

/// Why a job has succeeded, if it has.
fn success(job: &Value, pods: &[Value], indexes: Option<&Indexes>) -> Option<Success> {
    let met = indexes.and_then(|indexes| indexes.success(job));
    if let Some(message) = met {
        return Some(("SuccessPolicy", message));
    }
    let enough = match (indexes, job["spec"]["completions"].as_u64()) {
        (Some(indexes), _) => indexes.are_all_done(),
        (None, Some(wanted)) => in_phase(pods, "Succeeded") as u64 >= wanted,
        (None, None) => in_phase(pods, "Succeeded") > 0 && !pods.iter().any(is_active),
    };
    let message = "Reached expected number of succeeded pods";
    enough.then(|| ("CompletionsReached", message.to_owned()))
}

fn in_phase(pods: &[Value], phase: &str) -> usize {
    let pods = pods.iter();
    pods.filter(|pod| pod["status"]["phase"] == phase).count()
}

impl Controllers {
    pub(super) fn job(&mut self, name: &ObjectName) {
        let Some(job) = self.find(JOBS, name) else {
            return;
        };
        if is_deleting(&job) {
            return;
        }
        if is_true(&job, "Complete") || is_true(&job, "Failed") {
            self.end_of_life(name, &job);
            return;
        }
        let pods = self.controlled(PODS, &job);
        let active: Vec<&Value> = pods.iter().filter(|pod| is_active(pod)).collect();
        let indexes = Indexes::of(&job, &pods);
        let success = success(&job, &pods, indexes.as_ref());
        let failure = match (&success, &indexes) {
            (Some(_), _) => None,
            (None, Some(indexes)) => self
                .failure(name, &job, &pods)
                .or_else(|| indexes.failure(&job)),
            (None, None) => self.failure(name, &job, &pods),
        };
        let suspended = job["spec"]["suspend"] == true;
        if success.is_some() || failure.is_some() || suspended {
            for pod in active {
                self.delete(PODS, &name_of(pod), &Value::Null);
            }
        } else if let Some(indexes) = &indexes {
            let parallelism = job["spec"]["parallelism"].as_u64().unwrap_or(1);
            let room = parallelism.saturating_sub(active.len() as u64);
            let room = usize::try_from(room).unwrap_or(usize::MAX);
            for index in indexes.open().take(room) {
                self.start_pod(&job, Some((indexes, index)));
            }
        } else {
            let succeeded = in_phase(&pods, "Succeeded") as u64;
            self.start_pods(&job, active.len() as u64, succeeded);
        }
        self.job_status(name, success, failure);
    }

    /// Why a job is given up, if it is.
    fn failure(&mut self, name: &ObjectName, job: &Value, pods: &[Value]) -> Option<Failure> {
        let restarts: u64 = pods
            .iter()
            .filter(|pod| is_active(pod))
            .flat_map(|pod| items(&pod["status"], "containerStatuses"))
            .filter_map(|container| container["restartCount"].as_u64())
            .sum();
        let limit = job["spec"]["backoffLimit"].as_u64().unwrap_or(6);
        if in_phase(pods, "Failed") as u64 + restarts > limit {
            return Some((
                "BackoffLimitExceeded",
                "Job has reached the specified backoff limit",
            ));
        }
        let seconds = job["spec"]["activeDeadlineSeconds"].as_u64()?;
        let started = Time::parse(text(&job["status"], "startTime"))?;
        let passed = self.state.now().since(started);
        match Duration::from_secs(seconds).checked_sub(passed) {
            Some(left) if !left.is_zero() => {
                self.after(left, Task::Job(name.clone()));
                None
            }
            _ => Some((
                "DeadlineExceeded",
                "Job was active longer than specified deadline",
            )),
        }
    }

    fn start_pods(&self, job: &Value, active: u64, succeeded: u64) {
        let spec = &job["spec"];
        let parallelism = spec["parallelism"].as_u64().unwrap_or(1);
        let left = match spec["completions"].as_u64() {
            Some(wanted) => wanted.saturating_sub(succeeded),
            // One success is enough; then nothing new is started.
            None if succeeded > 0 => 0,
            None => parallelism,
        };
        for _ in active..parallelism.min(left) {
            self.start_pod(job, None);
        }
    }

    fn start_pod(&self, job: &Value, index: Option<(&Indexes, u64)>) {
        let mut pod = pod_from(&job["spec"]["template"], (JOBS, job), None);
        if let Some((indexes, index)) = index {
            indexes.give(&mut pod, job, index);
        }
        let namespace = text(&job["metadata"], "namespace");
        if let Some(made) = self.create(PODS, namespace, &pod).ok() {
            let message = format!("Created pod: {}", text(&made["metadata"], "name"));
            self.event((JOBS, job), "Normal", "SuccessfulCreate", &message);
        }
    }

    fn job_status(&self, name: &ObjectName, success: Option<Success>, failure: Option<Failure>) {
        let Some(job) = self.find(JOBS, name) else {
            return;
        };
        let mut status = self.job_counts(&job);
        let now = self.state.now().to_string();
        let mut conditions: Vec<Value> = Vec::new();
        let mut put = |kind: &str, holds: &str, reason: &str, message: &str| {
            let before = condition(&job, kind).filter(|before| before["status"] == holds);
            conditions.push(before.cloned().unwrap_or_else(|| {
                json!({
                    "type": kind, "status": holds, "reason": reason, "message": message,
                    "lastProbeTime": now, "lastTransitionTime": now,
                })
            }));
        };
        if job["spec"]["suspend"] == true {
            put("Suspended", "True", "JobSuspended", "Job suspended");
        } else if condition(&job, "Suspended").is_some() {
            put("Suspended", "False", "JobResumed", "Job resumed");
        }
        let mut add = |kind: &str, reason: &str, message: &str| put(kind, "True", reason, message);
        if let Some((reason, message)) = &success {
            add("SuccessCriteriaMet", reason, message);
            add("Complete", reason, message);
            status["completionTime"] = json!(now);
        } else if let Some((reason, message)) = failure {
            add("FailureTarget", reason, message);
            add("Failed", reason, message);
        }
        if !conditions.is_empty() {
            status["conditions"] = json!(conditions);
        }
        self.set_status(JOBS, &job, status);
        let ended = match (success, failure) {
            (Some(_), _) => ("Normal", "Completed", "Job completed"),
            (None, Some((reason, message))) => ("Warning", reason, message),
            _ => return,
        };
        self.event((JOBS, &job), ended.0, ended.1, ended.2);
    }

    fn job_counts(&self, job: &Value) -> Value {
        let pods = self.controlled(PODS, job);
        let active: Vec<&Value> = pods.iter().filter(|pod| is_active(pod)).collect();
        let ready = active.iter().filter(|pod| is_ready(pod)).count();
        let terminating = pods.iter().filter(|pod| is_deleting(pod)).count();
        let started = job["status"].get("startTime");
        let mut status = json!({
            "ready": ready, "terminating": terminating, "uncountedTerminatedPods": {},
        });
        if job["spec"]["suspend"] != true || started.is_some() {
            let now = || json!(self.state.now().to_string());
            status["startTime"] = started.cloned().unwrap_or_else(now);
        }
        let mut succeeded = in_phase(&pods, "Succeeded");
        if let Some(indexes) = Indexes::of(job, &pods) {
            indexes.tell(&mut status);
            succeeded = usize::try_from(indexes.succeeded()).unwrap_or(usize::MAX);
        }
        for (field, amount) in [
            ("active", active.len()),
            ("succeeded", succeeded),
            ("failed", in_phase(&pods, "Failed")),
        ] {
            if amount > 0 {
                status[field] = json!(amount);
            }
        }
        status
    }

    /// A job that has ended goes after the time that it says.
    fn end_of_life(&mut self, name: &ObjectName, job: &Value) {
        let Some(seconds) = job["spec"]["ttlSecondsAfterFinished"].as_u64() else {
            return;
        };
        let ended = ["Complete", "Failed"]
            .iter()
            .filter_map(|kind| condition(job, kind))
            .find_map(|condition| Time::parse(text(condition, "lastTransitionTime")));
        let passed = self.state.now().since(ended.unwrap_or_default());
        match Duration::from_secs(seconds).checked_sub(passed) {
            Some(left) if !left.is_zero() => self.after(left, Task::Job(name.clone())),
            _ => {
                self.delete(JOBS, name, &json!({"propagationPolicy": "Foreground"}));
            }
        }
    }
}
