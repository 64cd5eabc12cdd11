//! Deployments: rolls from one ReplicaSet to the next. It must not know pods.

use std::time::Duration;

use holdfast_admit::ObjectName;
use holdfast_kinds::text;
use holdfast_merge::typed::same;
use holdfast_model::Value;
use holdfast_model::time::Time;
use serde_json::json;

use super::api::{
    DEPLOYMENTS, MANAGER, REPLICA_SETS, condition, hash_of, is_deleting, name_of, owner_reference,
};
use super::desk::{Controllers, Task};
use super::replica_sets::{FAILURE, drop_zeros};

const HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";
/// How many pods the deployment wanted when a set was last sized, and how many it allowed.
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MOST: &str = "deployment.kubernetes.io/max-replicas";

fn count(value: &Value, pointer: &str) -> i64 {
    value.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

fn wanted(set: &Value) -> i64 {
    count(set, "/spec/replicas")
}

fn available(set: &Value) -> i64 {
    count(set, "/status/availableReplicas")
}

fn revision(object: &Value) -> i64 {
    let annotations = object["metadata"].get("annotations");
    let text = annotations.and_then(|annotations| annotations.get(REVISION));
    text.and_then(Value::as_str)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// A count, or a share of `total`.
pub(super) fn share(value: &Value, total: i64, up: bool) -> i64 {
    let percent = value
        .as_str()
        .and_then(|text| text.strip_suffix('%')?.parse::<i64>().ok());
    match (value.as_i64(), percent) {
        (Some(number), _) => number,
        (None, Some(percent)) if up => (total * percent + 99) / 100,
        (None, Some(percent)) => total * percent / 100,
        (None, None) => 0,
    }
}

impl Controllers {
    pub(super) fn deployment(&mut self, name: &ObjectName) {
        let Some(deployment) = self.find(DEPLOYMENTS, name) else {
            return;
        };
        if is_deleting(&deployment) {
            return;
        }
        let sets = self.controlled(REPLICA_SETS, &deployment);
        let (mut new, old) = split(&deployment, sets);
        let paused = deployment["spec"]["paused"] == true;
        if paused || is_rescaled(&deployment, new.iter().chain(&old)) {
            self.rescale(&deployment, new.as_ref(), &old);
            if paused {
                self.forget_old_sets(&deployment, &old);
            }
            self.deployment_status(name);
            return;
        }
        if new.is_none() {
            new = self.create_set(&deployment, &old);
        }
        if let Some(set) = &new {
            self.number_set(&deployment, set, &old);
        }
        if deployment["spec"]["strategy"]["type"] == "Recreate" {
            self.recreate(&deployment, new.as_ref(), &old);
        } else if let Some(new) = &new {
            self.roll(&deployment, new, &old);
        }
        self.forget_old_sets(&deployment, &old);
        self.deployment_status(name);
    }

    fn create_set(&self, deployment: &Value, old: &[Value]) -> Option<Value> {
        let template = &deployment["spec"]["template"];
        let hash = hash_of(template);
        let mut template = template.clone();
        if !template["metadata"]["labels"].is_object() {
            template["metadata"]["labels"] = json!({});
        }
        template["metadata"]["labels"][HASH] = json!(hash);
        let mut selector = deployment["spec"]["selector"].clone();
        if !selector["matchLabels"].is_object() {
            selector["matchLabels"] = json!({});
        }
        selector["matchLabels"][HASH] = json!(hash);
        let name = name_of(deployment);
        let replicas = first_replicas(deployment, old);
        let set = json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {
                "name": format!("{}-{hash}", name.name),
                "labels": template["metadata"]["labels"],
                "annotations": {
                    REVISION: next_revision(old).to_string(),
                    DESIRED: sizes(deployment)[DESIRED], MOST: sizes(deployment)[MOST],
                },
                "ownerReferences": [owner_reference(DEPLOYMENTS, deployment)],
            },
            "spec": {
                "replicas": replicas, "selector": selector, "template": template,
                "minReadySeconds": count(deployment, "/spec/minReadySeconds"),
            },
        });
        let created = self.create(REPLICA_SETS, &name.namespace, &set).ok()?;
        let message = format!(
            "Scaled up replica set {} from 0 to {replicas}",
            text(&created["metadata"], "name")
        );
        self.event(
            (DEPLOYMENTS, deployment),
            "Normal",
            "ScalingReplicaSet",
            &message,
        );
        Some(created)
    }

    /// The set in use has the highest number, and the deployment carries it.
    fn number_set(&self, deployment: &Value, set: &Value, old: &[Value]) {
        let number = revision(set).max(next_revision(old));
        let patch =
            |number: i64| json!({"metadata": {"annotations": {REVISION: number.to_string()}}});
        if revision(set) != number {
            self.patch(REPLICA_SETS, &name_of(set), &patch(number));
        }
        if revision(deployment) != number {
            // Through the status, so that it counts as no change of the deployment.
            let mut new = deployment.clone();
            if !new["metadata"]["annotations"].is_object() {
                new["metadata"]["annotations"] = json!({});
            }
            new["metadata"]["annotations"][REVISION] = json!(number.to_string());
            self.put_status(MANAGER, DEPLOYMENTS, new);
        }
    }

    fn scale_set(&self, deployment: &Value, set: &Value, replicas: i64) {
        let before = wanted(set);
        let sizes = sizes(deployment);
        let known = |name: &str| set["metadata"]["annotations"].get(name) == sizes.get(name);
        if before == replicas && known(DESIRED) && known(MOST) {
            return;
        }
        let patch = json!({
            "metadata": {"annotations": sizes}, "spec": {"replicas": replicas},
        });
        self.patch(REPLICA_SETS, &name_of(set), &patch);
        if before == replicas {
            return;
        }
        let direction = if replicas > before { "up" } else { "down" };
        let message = format!(
            "Scaled {direction} replica set {} from {before} to {replicas}",
            text(&set["metadata"], "name")
        );
        self.event(
            (DEPLOYMENTS, deployment),
            "Normal",
            "ScalingReplicaSet",
            &message,
        );
    }

    /// Follows a change of the wanted number without rolling on: in the middle of a roll every set
    /// gets its share, as `scale` of Kubernetes' `pkg/controller/deployment/sync.go` gives it.
    fn rescale(&self, deployment: &Value, new: Option<&Value>, old: &[Value]) {
        let replicas = count(deployment, "/spec/replicas");
        let all = || old.iter().chain(new);
        let mut active: Vec<&Value> = all().filter(|set| wanted(set) > 0).collect();
        let only = match active.as_slice() {
            [] => new.or_else(|| old.last()),
            [only] => Some(*only),
            _ => None,
        };
        if let Some(only) = only {
            self.scale_set(deployment, only, replicas);
            return;
        }
        let is_full = |set: &Value| wanted(set) == replicas && available(set) == replicas;
        if new.is_some_and(is_full) {
            for set in old.iter().filter(|set| wanted(set) > 0) {
                self.scale_set(deployment, set, 0);
            }
            return;
        }
        if deployment["spec"]["strategy"]["type"] != "RollingUpdate" {
            return;
        }
        let total: i64 = active.iter().map(|set| wanted(set)).sum();
        let allowed = if replicas > 0 {
            replicas + limits(deployment).0
        } else {
            0
        };
        let change = allowed - total;
        let made = |set: &Value| text(&set["metadata"], "creationTimestamp").to_owned();
        active.sort_by(|left, right| {
            let by_size = wanted(right).cmp(&wanted(left));
            // Of sets of one size the newer grow first, and the older shrink first.
            by_size.then_with(|| match change {
                1.. => made(right).cmp(&made(left)),
                _ => made(left).cmp(&made(right)),
            })
        });
        let mut done = 0;
        let mut sizes = Vec::new();
        for set in &active {
            let share = set_share(set, deployment, change - done);
            done += share;
            sizes.push(wanted(set) + share);
        }
        if let Some(first) = sizes.first_mut() {
            *first = (*first + change - done).max(0);
        }
        for (set, size) in active.into_iter().zip(sizes) {
            self.scale_set(deployment, set, size);
        }
    }

    fn recreate(&mut self, deployment: &Value, new: Option<&Value>, old: &[Value]) {
        for set in old.iter().filter(|set| wanted(set) > 0) {
            self.scale_set(deployment, set, 0);
        }
        let left: i64 = old
            .iter()
            .map(|set| count(set, "/status/replicas").max(wanted(set)))
            .sum();
        if let Some(new) = new
            && left == 0
        {
            self.scale_set(deployment, new, count(deployment, "/spec/replicas"));
        }
    }

    fn roll(&mut self, deployment: &Value, new: &Value, old: &[Value]) {
        let replicas = count(deployment, "/spec/replicas");
        let (surge, unavailable) = limits(deployment);
        let total: i64 = wanted(new) + old.iter().map(wanted).sum::<i64>();
        if wanted(new) > replicas {
            self.scale_set(deployment, new, replicas);
            return;
        }
        if wanted(new) < replicas && total < replicas + surge {
            let step = (replicas + surge - total).min(replicas - wanted(new));
            self.scale_set(deployment, new, wanted(new) + step);
            return;
        }
        let minimum = replicas - unavailable;
        let starting = wanted(new) - available(new);
        let mut spare = total - minimum - starting;
        let mut left: Vec<(Value, i64)> =
            old.iter().map(|set| (set.clone(), wanted(set))).collect();
        left.sort_by_key(|(set, _)| text(&set["metadata"], "creationTimestamp").to_owned());
        // First those that are of no use anyway.
        for (set, size) in &mut left {
            let useless = (*size - available(set)).clamp(0, spare.max(0));
            *size -= useless;
            spare -= useless;
        }
        let in_use: i64 = available(new) + old.iter().map(available).sum::<i64>();
        let mut spare = (in_use - minimum).max(0);
        for (_, size) in &mut left {
            let step = (*size).min(spare);
            *size -= step;
            spare -= step;
        }
        for (set, size) in left {
            self.scale_set(deployment, &set, size);
        }
    }

    /// Keeps as many old sets as the history is long.
    fn forget_old_sets(&self, deployment: &Value, old: &[Value]) {
        let limit = deployment["spec"]["revisionHistoryLimit"]
            .as_u64()
            .unwrap_or(10);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut idle: Vec<&Value> = old
            .iter()
            .filter(|set| wanted(set) == 0 && count(set, "/status/replicas") == 0)
            .collect();
        idle.sort_by_key(|set| revision(set));
        let spare = idle.len().saturating_sub(limit);
        for set in idle.iter().take(spare) {
            self.delete(REPLICA_SETS, &name_of(set), &Value::Null);
        }
    }

    fn deployment_status(&mut self, name: &ObjectName) {
        let Some(deployment) = self.find(DEPLOYMENTS, name) else {
            return;
        };
        let sets = self.controlled(REPLICA_SETS, &deployment);
        let (new, old) = split(&deployment, sets);
        let sum = |pointer: &str| -> i64 {
            let all = new.iter().chain(&old);
            all.map(|set| count(set, pointer)).sum()
        };
        let replicas = count(&deployment, "/spec/replicas");
        let updated = new.as_ref().map_or(0, |set| count(set, "/status/replicas"));
        let (total, ready) = (sum("/status/replicas"), sum("/status/readyReplicas"));
        let usable = sum("/status/availableReplicas");
        let mut status = json!({
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": total, "updatedReplicas": updated, "readyReplicas": ready,
            "availableReplicas": usable,
            "unavailableReplicas": (sum("/spec/replicas").max(total) - usable).max(0),
            "terminatingReplicas": sum("/status/terminatingReplicas"),
        });
        drop_zeros(&mut status, &["terminatingReplicas"]);
        let (_, unavailable) = limits(&deployment);
        let now = self.state.now().to_string();
        let enough = usable >= replicas - unavailable;
        let mut conditions = Vec::new();
        if let Some(new) = &new {
            let complete = updated == replicas && total == replicas && usable == replicas;
            let counts = [total, updated, ready, usable];
            conditions.push(self.progress(&deployment, new, complete, &counts));
        }
        let availability = if enough {
            (
                "True",
                "MinimumReplicasAvailable",
                "Deployment has minimum availability.",
            )
        } else {
            (
                "False",
                "MinimumReplicasUnavailable",
                "Deployment does not have minimum availability.",
            )
        };
        conditions.insert(0, with_times(&deployment, "Available", availability, &now));
        // Why pods could not be made is shown where people look first.
        let mut sets = new.iter().chain(&old);
        if let Some(failure) = sets.find_map(|set| condition(set, FAILURE)) {
            let (reason, message) = (text(failure, "reason"), text(failure, "message"));
            let failure = ("True", reason, message);
            conditions.push(with_times(&deployment, FAILURE, failure, &now));
        }
        status["conditions"] = json!(conditions);
        self.set_status(DEPLOYMENTS, &deployment, status);
    }

    /// The condition that tells whether a roll goes on, has ended, or is stuck.
    fn progress(
        &mut self,
        deployment: &Value,
        new: &Value,
        complete: bool,
        counts: &[i64; 4],
    ) -> Value {
        let now = self.state.now();
        let set = text(&new["metadata"], "name");
        let before = condition(deployment, "Progressing");
        let known = [
            "replicas",
            "updatedReplicas",
            "readyReplicas",
            "availableReplicas",
        ]
        .map(|name| count(&deployment["status"], &format!("/{name}")));
        let observed = &deployment["status"]["observedGeneration"];
        let moved = known != *counts || *observed != deployment["metadata"]["generation"];
        let finished = format!("ReplicaSet {set:?} has successfully progressed.");
        let going = format!("ReplicaSet {set:?} is progressing.");
        let late = format!("ReplicaSet {set:?} has timed out progressing.");
        if complete {
            let truth = ("True", "NewReplicaSetAvailable", finished.as_str());
            return with_times(deployment, "Progressing", truth, &now.to_string());
        }
        let deadline = count(deployment, "/spec/progressDeadlineSeconds");
        let deadline = Duration::from_secs(u64::try_from(deadline).unwrap_or(600));
        let was_late = before.is_some_and(|before| before["reason"] == "ProgressDeadlineExceeded");
        let since = before
            .and_then(|before| Time::parse(text(before, "lastUpdateTime")))
            .filter(|_| !moved)
            .unwrap_or(now);
        let passed = now.since(since);
        if passed >= deadline || was_late && !moved {
            let truth = ("False", "ProgressDeadlineExceeded", late.as_str());
            return with_times(deployment, "Progressing", truth, &now.to_string());
        }
        self.after(
            deadline - passed + Duration::from_millis(1),
            Task::Deployment(name_of(deployment)),
        );
        let truth = ("True", "ReplicaSetUpdated", going.as_str());
        let mut condition = with_times(deployment, "Progressing", truth, &now.to_string());
        condition["lastUpdateTime"] = json!(since.to_string());
        condition
    }
}

/// What a set remembers of the deployment's size.
fn sizes(deployment: &Value) -> Value {
    let replicas = count(deployment, "/spec/replicas");
    let most = replicas + limits(deployment).0;
    json!({DESIRED: replicas.to_string(), MOST: most.to_string()})
}

fn remembered(set: &Value, name: &str) -> Option<i64> {
    set["metadata"]["annotations"]
        .get(name)?
        .as_str()?
        .parse()
        .ok()
}

/// Whether another number of pods is wanted than when the sets were sized.
fn is_rescaled<'a>(deployment: &Value, mut sets: impl Iterator<Item = &'a Value>) -> bool {
    let replicas = count(deployment, "/spec/replicas");
    sets.any(|set| {
        let desired = remembered(set, DESIRED);
        wanted(set) > 0 && desired.is_some_and(|desired| desired != replicas)
    })
}

/// A set's share of a change of size, of which so much is left.
fn set_share(set: &Value, deployment: &Value, left: i64) -> i64 {
    let (own, replicas) = (wanted(set), count(deployment, "/spec/replicas"));
    if left == 0 {
        return 0;
    }
    let share = if replicas == 0 {
        -own
    } else {
        let most = replicas + limits(deployment).0;
        let before = remembered(set, MOST).filter(|before| *before > 0);
        let before = before.unwrap_or_else(|| count(deployment, "/status/replicas"));
        if before == 0 {
            return 0;
        }
        // Rounded to the nearest, as numbers that are never negative here.
        (own * most * 2 + before) / (before * 2) - own
    };
    if left > 0 {
        share.min(left)
    } else {
        share.max(left)
    }
}

/// The set that has the template of the deployment, and the others.
fn split(deployment: &Value, sets: Vec<Value>) -> (Option<Value>, Vec<Value>) {
    let mut sets = sets;
    sets.sort_by_key(|set| text(&set["metadata"], "creationTimestamp").to_owned());
    let matches = |set: &Value| {
        let mut template = set["spec"]["template"].clone();
        if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
            labels.remove(HASH);
        }
        same(&template, &deployment["spec"]["template"])
    };
    let at = sets.iter().position(matches);
    let new = at.map(|index| sets.remove(index));
    (new, sets)
}

fn next_revision(old: &[Value]) -> i64 {
    old.iter().map(revision).max().unwrap_or(0) + 1
}

/// How many pods there may be beyond the wanted number, and how many may be missing.
fn limits(deployment: &Value) -> (i64, i64) {
    let replicas = count(deployment, "/spec/replicas");
    let strategy = &deployment["spec"]["strategy"];
    if strategy["type"] != "RollingUpdate" {
        return (
            0,
            if strategy["type"] == "Recreate" {
                0
            } else {
                replicas
            },
        );
    }
    let rolling = &strategy["rollingUpdate"];
    let surge = share(&rolling["maxSurge"], replicas, true);
    let unavailable = share(&rolling["maxUnavailable"], replicas, false);
    if surge == 0 && unavailable == 0 {
        (0, 1)
    } else {
        (surge, unavailable.min(replicas))
    }
}

fn first_replicas(deployment: &Value, old: &[Value]) -> i64 {
    let replicas = count(deployment, "/spec/replicas");
    let running: i64 = old.iter().map(wanted).sum();
    if deployment["spec"]["strategy"]["type"] == "Recreate" {
        return if running == 0 { replicas } else { 0 };
    }
    let (surge, _) = limits(deployment);
    (replicas + surge - running).clamp(0, replicas)
}

/// A condition that keeps the times of the one before as far as it says the same.
fn with_times(
    deployment: &Value,
    kind: &str,
    (status, reason, message): (&str, &str, &str),
    now: &str,
) -> Value {
    let before = condition(deployment, kind);
    let kept = |field: &str, keep: bool| match before {
        Some(before) if keep => before[field].clone(),
        _ => json!(now),
    };
    let same_status = before.is_some_and(|before| before["status"] == status);
    let same_reason =
        before.is_some_and(|before| before["reason"] == reason && before["message"] == message);
    json!({
        "type": kind, "status": status, "reason": reason, "message": message,
        "lastUpdateTime": kept("lastUpdateTime", same_status && same_reason),
        "lastTransitionTime": kept("lastTransitionTime", same_status),
    })
}
