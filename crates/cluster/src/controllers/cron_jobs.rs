//! CronJobs: jobs by the calendar, in UTC. It must not know how jobs run.

use std::time::Duration;

use holdfast_model::Value;
use holdfast_model::time::Time;
use serde_json::json;

use super::api::{CRON_JOBS, JOBS, is_deleting, is_true, name_of, owner_reference};
use super::{Controllers, Task};
use crate::rules::text;
use crate::store::ObjectName;

const MINUTE: i64 = 60_000;
/// How far ahead the next time is looked for.
const HORIZON_MINUTES: i64 = 366 * 24 * 60;

/// When a schedule is due: which minutes, hours, days, months and weekdays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether a day counts by either of its two rules, which holds when both are given.
    either: bool,
}

impl Schedule {
    /// Reads the five fields of a schedule, or a word such as `@daily`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = match text.trim() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            other => other,
        };
        let fields: Vec<&str> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
            return None;
        };
        let names = |text: &str, names: &[&str], first: usize| {
            let mut text = text.to_lowercase();
            for (index, name) in names.iter().enumerate() {
                text = text.replace(name, &(index + first).to_string());
            }
            text
        };
        let months = names(
            months,
            &[
                "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
            ],
            1,
        );
        let week = names(
            weekdays,
            &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
            0,
        );
        let starred = |text: &str| text.starts_with('*') || text == "?";
        let mut weekdays = read_field(&week, 0, 7)?;
        // Sunday is both 0 and 7.
        weekdays |= weekdays >> 7 & 1;
        Some(Self {
            minutes: read_field(minutes, 0, 59)?,
            hours: read_field(hours, 0, 23)?,
            days: read_field(days, 1, 31)?,
            months: read_field(&months, 1, 12)?,
            weekdays,
            either: !starred(days) && !starred(&week),
        })
    }

    /// The first time that is due after `time`.
    fn next(&self, time: Time) -> Option<Time> {
        let first = time.millis.div_euclid(MINUTE) + 1;
        (first..first + HORIZON_MINUTES)
            .map(|minute| Time::from_millis(minute * MINUTE))
            .find(|time| self.is_due(*time))
    }

    fn is_due(&self, time: Time) -> bool {
        let text = time.to_string();
        let number = |range: std::ops::Range<usize>| -> u32 {
            text.get(range)
                .and_then(|text| text.parse().ok())
                .unwrap_or(0)
        };
        let has = |set: u64, number: u32| set >> number & 1 == 1;
        let weekday = (time.millis.div_euclid(86_400_000) + 4).rem_euclid(7);
        let by_day = has(self.days, number(8..10));
        let by_week = has(self.weekdays, u32::try_from(weekday).unwrap_or(0));
        let day = if self.either {
            by_day || by_week
        } else {
            by_day && by_week
        };
        day && has(self.months, number(5..7))
            && has(self.hours, number(11..13))
            && has(self.minutes, number(14..16))
    }
}

/// A set of numbers from a list of ranges with steps.
fn read_field(text: &str, low: u32, high: u32) -> Option<u64> {
    let mut set = 0;
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (from, to) = match range {
            "*" | "?" => (low, high),
            range => match range.split_once('-') {
                Some((from, to)) => (from.parse().ok()?, to.parse().ok()?),
                None => {
                    let from: u32 = range.parse().ok()?;
                    (from, if part.contains('/') { high } else { from })
                }
            },
        };
        if from < low || to > high || from > to {
            return None;
        }
        for number in (from..=to).step_by(step) {
            set |= 1_u64 << number;
        }
    }
    Some(set)
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
        let active: Vec<&Value> = jobs.iter().filter(|job| !ended(job)).collect();
        self.forget_jobs(&cron, &jobs);
        let spec = &cron["spec"];
        let schedule = Schedule::parse(text(spec, "schedule"));
        let now = self.cluster.now();
        let mut last = text(&cron["status"], "lastScheduleTime").to_owned();
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
                self.start_job(&cron, due);
                last = due.to_string();
            }
            if let Some(next) = schedule.next(now) {
                let wait = next.since(now) + Duration::from_millis(1);
                self.after(wait, Task::CronJob(name.clone()));
            }
        }
        self.cron_status(name, &last);
    }

    fn start_job(&self, cron: &Value, due: Time) {
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
        if let Some(made) = self.create(JOBS, &place.namespace, &job).ok() {
            let message = format!("Created job {}", text(&made["metadata"], "name"));
            self.event((CRON_JOBS, cron), "Normal", "SuccessfulCreate", &message);
        }
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

    fn cron_status(&self, name: &ObjectName, last: &str) {
        let Some(cron) = self.find(CRON_JOBS, name) else {
            return;
        };
        let jobs = self.controlled(JOBS, &cron);
        let ended = |job: &&Value| is_true(job, "Complete") || is_true(job, "Failed");
        let active: Vec<Value> = jobs
            .iter()
            .filter(|job| !ended(job))
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

#[cfg(test)]
mod tests {
    use holdfast_model::time::Time;

    use super::Schedule;

    fn check(schedule: &str, after: &str, expected: &str) {
        let schedule = Schedule::parse(schedule).expect("it is a schedule");
        let next = schedule.next(Time::parse(after).expect("it is a time"));
        assert_eq!(next.map(|time| time.to_string()).as_deref(), Some(expected));
    }

    #[test]
    fn the_next_time_of_a_schedule_is_found() {
        check(
            "*/5 * * * *",
            "2026-01-01T00:01:30Z",
            "2026-01-01T00:05:00Z",
        );
        check(
            "0 12 * * mon",
            "2026-01-01T00:00:00Z",
            "2026-01-05T12:00:00Z",
        );
        check("@daily", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        check(
            "0 0 29 feb *",
            "2027-03-01T00:00:00Z",
            "2028-02-29T00:00:00Z",
        );
        check("0 0 13 * 5", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        check(
            "30 1-3/2 * * *",
            "2026-01-01T01:45:00Z",
            "2026-01-01T03:30:00Z",
        );
    }

    #[test]
    fn other_texts_are_no_schedules() {
        for text in [
            "",
            "* * * *",
            "60 * * * *",
            "a * * * *",
            "*/0 * * * *",
            "5-1 * * * *",
        ] {
            assert_eq!(Schedule::parse(text), None, "{text}");
        }
    }
}
