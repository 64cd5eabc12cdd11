//! What does not run on purpose is suspended: neither on its way nor broken.

use std::collections::BTreeSet;

use holdfast_model::Value;
use holdfast_model::object::GroupKind;
use serde_json::json;

use super::{Health, Surroundings, deciding_class, judge, judge_within};

fn check(group: &str, kind: &str, value: Value, expected: (Health, &str)) {
    let verdict = judge(&GroupKind::new(group, kind), &value);
    let found = (verdict.health, verdict.message.as_str());
    assert_eq!(found, expected, "{value}");
}

const WELL: (Health, &str) = (Health::Healthy, "");

#[test]
fn a_job_that_is_not_to_run_is_suspended_until_it_has_ended() {
    let check = |value: Value, expected: (Health, &str)| check("batch", "Job", value, expected);
    let ended = |kind: &str| json!([{"type": kind, "status": "True", "reason": "R"}]);
    check(
        json!({"spec": {"suspend": true}}),
        (Health::Suspended, "the Job is suspended"),
    );
    check(
        json!({"spec": {"parallelism": 0}}),
        (Health::Suspended, "the Job is paused: its parallelism is 0"),
    );
    check(
        json!({"spec": {"suspend": true}, "status": {"conditions": ended("Complete")}}),
        WELL,
    );
    check(
        json!({"spec": {"suspend": true}, "status": {"conditions": ended("Failed")}}),
        (Health::Degraded, "R"),
    );
    // It is to run again: what the status says is of a time before.
    check(
        json!({"spec": {"suspend": false, "completions": 2},
            "status": {"conditions": ended("Suspended")}}),
        (Health::Progressing, "0 of 2 completions"),
    );
}

#[test]
fn a_cron_job_is_suspended_or_well() {
    let suspended = (Health::Suspended, "the CronJob is suspended");
    check(
        "batch",
        "CronJob",
        json!({"spec": {"suspend": true}}),
        suspended,
    );
    check(
        "batch",
        "CronJob",
        json!({"spec": {"suspend": false}}),
        WELL,
    );
}

#[test]
fn a_paused_deployment_is_suspended_whatever_its_replicas_are() {
    let paused = |status: Value| {
        json!({"metadata": {"generation": 1}, "spec": {"paused": true, "replicas": 2},
            "status": status})
    };
    let suspended = (Health::Suspended, "the rollout is paused");
    check("apps", "Deployment", paused(json!({})), suspended);
    let seen = json!({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 1});
    check("apps", "Deployment", paused(seen), suspended);
    let late = json!([{"type": "Progressing", "status": "False",
        "reason": "ProgressDeadlineExceeded"}]);
    check(
        "apps",
        "Deployment",
        paused(json!({"conditions": late})),
        suspended,
    );
}

#[test]
fn what_is_scaled_to_zero_is_well() {
    let none = json!({"metadata": {"generation": 1}, "spec": {"replicas": 0},
        "status": {"observedGeneration": 1, "replicas": 0}});
    check("apps", "Deployment", none.clone(), WELL);
    check("apps", "StatefulSet", none.clone(), WELL);
    check("apps", "ReplicaSet", none.clone(), WELL);
    check("", "ReplicationController", none, WELL);
    let daemons = json!({"metadata": {"generation": 1}, "status": {"observedGeneration": 1,
        "desiredNumberScheduled": 0}});
    check("apps", "DaemonSet", daemons, WELL);
    // A budget that asks for one pod of a workload that has none.
    let budget = |pods: u64| json!({"status": {"expectedPods": pods, "desiredHealthy": 1, "currentHealthy": 0}});
    check("policy", "PodDisruptionBudget", budget(0), WELL);
    let expected = (Health::Progressing, "0 of 1 pods healthy");
    check("policy", "PodDisruptionBudget", budget(1), expected);
}

#[test]
fn a_claim_waits_for_its_first_consumer_where_its_class_says_so() {
    let claim = |class: Value, annotations: Value| {
        json!({"metadata": {"annotations": annotations},
            "spec": {"storageClassName": class}, "status": {"phase": "Pending"}})
    };
    let kind = GroupKind::new("", "PersistentVolumeClaim");
    let deferred_classes = &BTreeSet::from(["local".to_owned()]);
    let judged = |claim: &Value| {
        let verdict = judge_within(&kind, claim, Surroundings { deferred_classes });
        (verdict.health, verdict.message)
    };
    let waits = (
        Health::Suspended,
        "it waits for its first consumer".to_owned(),
    );
    let unbound = (Health::Progressing, "not bound to a volume yet".to_owned());
    let local = claim(json!("local"), json!({}));
    assert_eq!(deciding_class(&kind, &local), Some("local"));
    assert_eq!(judged(&local), waits);
    let fast = claim(json!("fast"), json!({}));
    assert_eq!(judged(&fast), unbound);
    // A pod uses it: the volume is on its way.
    let chosen = json!({"volume.kubernetes.io/selected-node": "node-1"});
    let chosen = claim(json!("local"), chosen);
    assert_eq!(deciding_class(&kind, &chosen), None);
    assert_eq!(judged(&chosen), unbound);
    assert_eq!(deciding_class(&kind, &claim(Value::Null, json!({}))), None);
    // Nobody has to be asked about what is bound.
    let bound = json!({"spec": {"storageClassName": "local"}, "status": {"phase": "Bound"}});
    assert_eq!(deciding_class(&kind, &bound), None);
    assert_eq!(judged(&bound).0, Health::Healthy);
}

#[test]
fn a_pod_behind_a_gate_names_the_gate() {
    check(
        "",
        "Pod",
        json!({"spec": {"schedulingGates": [{"name": "example.org/quota"}]},
            "status": {"phase": "Pending"}}),
        (
            Health::Suspended,
            "its scheduling is gated by example.org/quota",
        ),
    );
}

#[test]
fn custom_kinds_are_suspended_by_their_usual_fields_before_their_controller_has_seen_it() {
    let status = json!({"observedGeneration": 1,
        "conditions": [{"type": "Ready", "status": "False", "reason": "R"}]});
    let object =
        |spec: Value| json!({"metadata": {"generation": 2}, "spec": spec, "status": status});
    for (spec, message) in [
        (json!({"suspend": true}), "it is suspended"),
        (json!({"suspended": true}), "it is suspended"),
        (json!({"paused": true}), "it is paused"),
    ] {
        let expected = (Health::Suspended, message);
        check("example.org", "Widget", object(spec), expected);
    }
    let behind = (
        Health::Progressing,
        "its controller has not seen the newest change yet",
    );
    check(
        "example.org",
        "Widget",
        object(json!({"suspend": false})),
        behind,
    );
    check(
        "example.org",
        "Widget",
        object(json!({"suspend": "true"})),
        behind,
    );
}

#[test]
fn a_deployment_whose_pods_are_refused_says_so_while_it_waits() {
    let refused = |status: &str| {
        json!({"spec": {"replicas": 2}, "status": {"observedGeneration": 1, "updatedReplicas": 1,
            "replicas": 1, "availableReplicas": 1, "conditions": [{"type": "ReplicaFailure",
            "status": status, "reason": "FailedCreate", "message": "exceeded quota: small"}]}})
    };
    let verdict = judge(&GroupKind::new("apps", "Deployment"), &refused("True"));
    assert_eq!(verdict.health, Health::Progressing);
    assert!(
        verdict.message.starts_with("1 of 2 replicas updated; ")
            && verdict.message.contains("exceeded quota: small"),
        "{}",
        verdict.message
    );
    check(
        "apps",
        "Deployment",
        refused("False"),
        (Health::Progressing, "1 of 2 replicas updated"),
    );
}
