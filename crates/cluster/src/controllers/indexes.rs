//! The indexes of an indexed Job: which are done, which have failed, which are still to come.
//! It must not know how pods are made or run.
//!
//! Names, reasons and texts are those of the Job controller of Kubernetes 1.37
//! (`pkg/controller/job`: `indexed_job_utils.go`, `success_policy.go`, `backoff_utils.go`).

use std::collections::{BTreeMap, BTreeSet};

use holdfast_kinds::{items, text};
use holdfast_model::Value;
use serde_json::json;

use super::pods::is_active;

/// The index of a pod, as its annotation and label.
pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// How often the index had failed before a pod was made.
const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
/// How a container is told its index.
const VARIABLE: &str = "JOB_COMPLETION_INDEX";
/// The most indexes that are read from one text.
const MAX_INDEXES: u64 = 1_000_000;

/// The indexes of a job.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Indexes {
    /// How many there are.
    wanted: u64,
    completed: BTreeSet<u64>,
    /// Those that are given up; nothing where the job counts failures as a whole.
    failed: Option<BTreeSet<u64>>,
    running: BTreeSet<u64>,
    /// How often the pods of an index have failed.
    failures: BTreeMap<u64, u64>,
}

impl Indexes {
    /// The indexes of a job with these pods; nothing where it has none.
    pub(super) fn of(job: &Value, pods: &[Value]) -> Option<Self> {
        let spec = &job["spec"];
        if text(spec, "completionMode") != "Indexed" {
            return None;
        }
        let wanted = spec["completions"].as_u64().unwrap_or(0).min(MAX_INDEXES);
        let known = |field: &str| read(text(&job["status"], field), wanted);
        let mut found = Self {
            wanted,
            completed: known("completedIndexes"),
            ..Self::default()
        };
        for pod in pods {
            let Some(index) = index_of(pod).filter(|index| *index < wanted) else {
                continue;
            };
            match text(&pod["status"], "phase") {
                "Succeeded" => {
                    found.completed.insert(index);
                }
                "Failed" => {
                    let before = found.failures.entry(index).or_default();
                    *before = (*before).max(failures_before(pod) + 1);
                }
                _ if is_active(pod) => {
                    found.running.insert(index);
                }
                _ => {}
            }
        }
        if let Some(limit) = spec["backoffLimitPerIndex"].as_u64() {
            let mut failed = known("failedIndexes");
            let given_up = found.failures.iter().filter(|(_, count)| **count > limit);
            failed.extend(given_up.map(|(index, _)| *index));
            failed.retain(|index| !found.completed.contains(index));
            found.failed = Some(failed);
        }
        Some(found)
    }

    /// How many are done.
    pub(super) fn succeeded(&self) -> u64 {
        self.completed.len() as u64
    }

    pub(super) fn are_all_done(&self) -> bool {
        self.succeeded() >= self.wanted
    }

    fn has_failed(&self, index: u64) -> bool {
        let failed = self.failed.as_ref();
        failed.is_some_and(|failed| failed.contains(&index))
    }

    /// Indexes that want a pod, lowest first.
    pub(super) fn open(&self) -> impl Iterator<Item = u64> {
        (0..self.wanted).filter(|index| {
            !self.completed.contains(index)
                && !self.running.contains(index)
                && !self.has_failed(*index)
        })
    }

    /// Reason and message of the failure of too many indexes.
    pub(super) fn failure(&self, job: &Value) -> Option<(&'static str, &'static str)> {
        let failed = self.failed.as_ref()?.len() as u64;
        let most = job["spec"]["maxFailedIndexes"].as_u64();
        if most.is_some_and(|most| failed > most) {
            Some((
                "MaxFailedIndexesExceeded",
                "Job has exceeded the specified maximal number of failed indexes",
            ))
        } else if failed > 0 && failed + self.succeeded() >= self.wanted {
            Some(("FailedIndexes", "Job has failed indexes"))
        } else {
            None
        }
    }

    /// The message of the first rule of the success policy that is met.
    pub(super) fn success(&self, job: &Value) -> Option<String> {
        let rules = items(&job["spec"]["successPolicy"], "rules");
        let met = rules.iter().position(|rule| {
            let named = rule["succeededIndexes"].as_str();
            let named = named.map(|named| read(named, self.wanted));
            let done = match &named {
                Some(named) => named.intersection(&self.completed).count(),
                None => self.completed.len(),
            } as u64;
            match (rule["succeededCount"].as_u64(), named) {
                (Some(count), _) => done >= count,
                (None, Some(named)) => done >= named.len() as u64,
                (None, None) => false,
            }
        })?;
        Some(format!("Matched rules at index {met}"))
    }

    /// Puts into a status which indexes are done and which have failed.
    pub(super) fn tell(&self, status: &mut Value) {
        if !self.completed.is_empty() {
            status["completedIndexes"] = json!(written(&self.completed));
        }
        if let Some(failed) = &self.failed {
            status["failedIndexes"] = json!(written(failed));
        }
    }

    /// Makes a pod the one of an index of a job.
    pub(super) fn give(&self, pod: &mut Value, job: &Value, index: u64) {
        let name = text(&job["metadata"], "name");
        let host = format!("{name}-{index}");
        pod["metadata"]["generateName"] = json!(format!("{host}-"));
        for field in ["annotations", "labels"] {
            if !pod["metadata"][field].is_object() {
                pod["metadata"][field] = json!({});
            }
            pod["metadata"][field][INDEX] = json!(index.to_string());
        }
        if self.failed.is_some() {
            let failures = self.failures.get(&index).copied().unwrap_or(0);
            pod["metadata"]["annotations"][FAILURES] = json!(failures.to_string());
        }
        pod["spec"]["hostname"] = json!(host);
        for list in ["containers", "initContainers"] {
            for container in holdfast_kinds::items_mut(&mut pod["spec"], list) {
                tell_container(container);
            }
        }
    }
}

fn tell_container(container: &mut Value) {
    let mut variables = items(container, "env").to_vec();
    if variables
        .iter()
        .any(|variable| text(variable, "name") == VARIABLE)
    {
        return;
    }
    let path = format!("metadata.labels['{INDEX}']");
    variables.push(json!({
        "name": VARIABLE, "valueFrom": {"fieldRef": {"fieldPath": path}},
    }));
    container["env"] = json!(variables);
}

fn annotation(pod: &Value, name: &str) -> Option<u64> {
    let found = pod["metadata"]["annotations"].get(name)?.as_str()?;
    found.parse().ok()
}

/// The index of a pod.
pub(super) fn index_of(pod: &Value) -> Option<u64> {
    annotation(pod, INDEX)
}

fn failures_before(pod: &Value) -> u64 {
    annotation(pod, FAILURES).unwrap_or(0)
}

/// Reads `1,3-5,7`; what is no index below `end` is left out.
fn read(text: &str, end: u64) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        if let (Ok(first), Ok(last)) = (first.parse::<u64>(), last.parse::<u64>()) {
            found.extend(first..(last.saturating_add(1)).min(end));
        }
    }
    found
}

/// Writes `1,3-5,7`; two neighbours are written with a comma, as Kubernetes does.
fn written(indexes: &BTreeSet<u64>) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut indexes = indexes.iter().copied().peekable();
    while let Some(first) = indexes.next() {
        let mut last = first;
        while indexes.next_if_eq(&(last + 1)).is_some() {
            last += 1;
        }
        parts.push(match last - first {
            0 => first.to_string(),
            1 => format!("{first},{last}"),
            _ => format!("{first}-{last}"),
        });
    }
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::{Indexes, read, written};

    #[test]
    fn indexes_are_read_as_they_are_written() {
        for text in ["", "0", "0,1", "0-2", "1,3-5,7,9,10"] {
            assert_eq!(written(&read(text, 100)), text);
        }
        assert_eq!(read("0-9999999999", 3), BTreeSet::from([0, 1, 2]));
        assert_eq!(read("x,2,-", 5), BTreeSet::from([2]));
    }

    fn pod(index: u64, phase: &str, failures: u64) -> serde_json::Value {
        json!({
            "metadata": {"annotations": {
                super::INDEX: index.to_string(), super::FAILURES: failures.to_string(),
            }},
            "status": {"phase": phase},
        })
    }

    #[test]
    fn an_index_is_given_up_after_so_many_failures_and_the_others_go_on() {
        let job = json!({
            "spec": {"completionMode": "Indexed", "completions": 4, "backoffLimitPerIndex": 1},
            "status": {"completedIndexes": "3"},
        });
        let pods = [
            pod(0, "Failed", 0),
            pod(1, "Failed", 1),
            pod(2, "Running", 0),
        ];
        let indexes = Indexes::of(&job, &pods).expect("it has indexes");
        assert_eq!(indexes.open().collect::<Vec<u64>>(), [0]);
        assert_eq!(indexes.failure(&job), None);
        let mut status = json!({});
        indexes.tell(&mut status);
        assert_eq!(
            status,
            json!({"completedIndexes": "3", "failedIndexes": "1"})
        );
        let over = [
            pod(0, "Succeeded", 1),
            pod(1, "Failed", 1),
            pod(2, "Succeeded", 0),
        ];
        let indexes = Indexes::of(&job, &over).expect("it has indexes");
        assert_eq!(
            indexes.failure(&job).map(|failure| failure.0),
            Some("FailedIndexes")
        );
    }

    #[test]
    fn a_success_policy_is_met_by_the_indexes_that_it_names_or_by_their_number() {
        let job = |rule: serde_json::Value| {
            json!({
                "spec": {
                    "completionMode": "Indexed", "completions": 5, "successPolicy": {"rules": [rule]},
                },
                "status": {"completedIndexes": "1,3"},
            })
        };
        for (rule, is_met) in [
            (json!({"succeededIndexes": "1,3"}), true),
            (json!({"succeededIndexes": "1-3"}), false),
            (
                json!({"succeededIndexes": "1-3", "succeededCount": 2}),
                true,
            ),
            (json!({"succeededCount": 2}), true),
            (json!({"succeededCount": 3}), false),
        ] {
            let job = job(rule);
            let indexes = Indexes::of(&job, &[]).expect("it has indexes");
            assert_eq!(indexes.success(&job).is_some(), is_met, "{job}");
        }
    }
}
