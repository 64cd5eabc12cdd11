//! CronJobs: jobs by the calendar. It must not know how jobs run.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_admit::ObjectName;
use holdfast_admit::schedule::{MINUTE, Schedule};
use holdfast_kinds::{items, text};
use holdfast_model::Value;
use holdfast_model::time::Time;
use serde_json::json;

use super::api::{CRON_JOBS, JOBS, is_deleting, is_true, name_of, owner_reference};
use super::desk::{Controllers, Task};

/// The uids of the jobs that a status calls active.
fn uids(status: &Value) -> BTreeSet<String> {
    let active = items(status, "active").iter();
    active.map(|job| text(job, "uid").to_owned()).collect()
}

impl Controllers {
    pub(super) fn cron_job(&mut self, name: &ObjectName) {
        let Some(cron) = self.find(CRON_JOBS, name) else {
            return;
        };
        if is_deleting(&cron) {
            return;
        }
        let jobs = self.controlled(JOBS, &cron);
        let ended = |job: &Value| is_true(job, "Complete") || is_true(job, "Failed");
        // Only those that the status has: a job that somebody else made in its name does not count.
        let known = uids(&cron["status"]);
        let is_known = |job: &Value| known.contains(text(&job["metadata"], "uid"));
        let active: Vec<&Value> = jobs
            .iter()
            .filter(|job| !ended(job) && is_known(job))
            .collect();
        self.forget_jobs(&cron, &jobs);
        let spec = &cron["spec"];
        let schedule = Schedule::parse(text(spec, "schedule")).ok();
        let schedule = schedule.map(|schedule| schedule.within(text(spec, "timeZone")));
        let now = self.state.now();
        let mut last = text(&cron["status"], "lastScheduleTime").to_owned();
        let mut made = None;
        if let Some(schedule) = schedule
            && spec["suspend"] != true
        {
            let since = Time::parse(&last)
                .or_else(|| Time::parse(text(&cron["metadata"], "creationTimestamp")))
                .unwrap_or(now);
            let mut due = schedule.next(since).filter(|due| *due <= now);
            // Of several times that were missed only the latest counts.
            while let Some(later) = due
                .and_then(|due| schedule.next(due))
                .filter(|due| *due <= now)
            {
                due = Some(later);
            }
            let policy = text(spec, "concurrencyPolicy");
            if let Some(due) = due
                && (policy != "Forbid" || active.is_empty())
            {
                if policy == "Replace" {
                    for job in &active {
                        let options = json!({"propagationPolicy": "Background"});
                        self.delete(JOBS, &name_of(job), &options);
                    }
                }
                made = self.start_job(&cron, due);
                last = due.to_string();
            }
            if let Some(next) = schedule.next(now) {
                let wait = next.since(now) + Duration::from_millis(1);
                self.after(wait, Task::CronJob(name.clone()));
            }
        }
        self.cron_status(name, &last, made);
    }

    /// Makes a job; its uid.
    fn start_job(&self, cron: &Value, due: Time) -> Option<String> {
        let place = name_of(cron);
        let template = &cron["spec"]["jobTemplate"];
        let mut metadata = json!({
            "name": format!("{}-{}", place.name, due.millis.div_euclid(MINUTE)),
            "ownerReferences": [owner_reference(CRON_JOBS, cron)],
            "annotations": {"batch.kubernetes.io/cronjob-scheduled-timestamp": due.to_string()},
        });
        for field in ["labels", "annotations"] {
            for (key, value) in template["metadata"][field]
                .as_object()
                .into_iter()
                .flatten()
            {
                if !metadata[field].is_object() {
                    metadata[field] = json!({});
                }
                metadata[field][key] = value.clone();
            }
        }
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": template["spec"],
        });
        let made = self.create(JOBS, &place.namespace, &job).ok()?;
        let message = format!("Created job {}", text(&made["metadata"], "name"));
        self.event((CRON_JOBS, cron), "Normal", "SuccessfulCreate", &message);
        Some(text(&made["metadata"], "uid").to_owned())
    }

    fn forget_jobs(&self, cron: &Value, jobs: &[Value]) {
        for (kind, field, default) in [
            ("Complete", "successfulJobsHistoryLimit", 3),
            ("Failed", "failedJobsHistoryLimit", 1),
        ] {
            let limit = cron["spec"][field].as_u64().unwrap_or(default);
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let mut ended: Vec<&Value> = jobs.iter().filter(|job| is_true(job, kind)).collect();
            ended.sort_by_key(|job| text(&job["metadata"], "creationTimestamp").to_owned());
            let spare = ended.len().saturating_sub(limit);
            for job in ended.iter().take(spare) {
                let options = json!({"propagationPolicy": "Background"});
                self.delete(JOBS, &name_of(job), &options);
            }
        }
    }

    fn cron_status(&self, name: &ObjectName, last: &str, made: Option<String>) {
        let Some(cron) = self.find(CRON_JOBS, name) else {
            return;
        };
        let jobs = self.controlled(JOBS, &cron);
        let ended = |job: &&Value| is_true(job, "Complete") || is_true(job, "Failed");
        let mut known = uids(&cron["status"]);
        known.extend(made);
        let active: Vec<Value> = jobs
            .iter()
            .filter(|job| !ended(job) && known.contains(text(&job["metadata"], "uid")))
            .map(|job| {
                json!({
                    "apiVersion": "batch/v1", "kind": "Job", "name": job["metadata"]["name"],
                    "namespace": job["metadata"]["namespace"], "uid": job["metadata"]["uid"],
                    "resourceVersion": job["metadata"]["resourceVersion"],
                })
            })
            .collect();
        let successful = jobs
            .iter()
            .filter(|job| is_true(job, "Complete"))
            .map(|job| text(&job["status"], "completionTime"))
            .max();
        let mut status = json!({});
        if !active.is_empty() {
            status["active"] = json!(active);
        }
        if !last.is_empty() {
            status["lastScheduleTime"] = json!(last);
        }
        let before = text(&cron["status"], "lastSuccessfulTime");
        if let Some(time) = successful.filter(|time| *time > before).or(Some(before))
            && !time.is_empty()
        {
            status["lastSuccessfulTime"] = json!(time);
        }
        self.set_status(CRON_JOBS, &cron, status);
    }
}
