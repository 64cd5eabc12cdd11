//! What controllers make of workloads that are not the plain case.

use kube::Client;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{api, client, is_true, living, object, until};

fn indexed_job(name: &str, spec: Value, annotations: Value) -> DynamicObject {
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
        "spec": {
            "completionMode": "Indexed",
            "template": {
                "metadata": {"annotations": annotations},
                "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]},
            },
        },
    });
    for (field, value) in spec.as_object().into_iter().flatten() {
        job["spec"][field] = value.clone();
    }
    object(job)
}

async fn pods(client: &Client) -> Vec<Value> {
    let pods = api(client, "v1", "Pod", "pods");
    let list = pods.list(&ListParams::default()).await.expect("a list");
    let pods = list.items.into_iter();
    pods.map(|pod| serde_json::to_value(pod).expect("it is JSON"))
        .collect()
}

#[tokio::test]
async fn every_index_of_a_job_has_a_pod_that_knows_it() {
    let (client, _tasks) = living();
    let jobs = api(&client, "batch/v1", "Job", "jobs");
    let spec = json!({"completions": 4, "parallelism": 2});
    let job = indexed_job("j", spec, json!({}));
    jobs.create(&PostParams::default(), &job)
        .await
        .expect("created");
    let done = until(&jobs, "j", |job| is_true(job, "Complete")).await;
    assert_eq!(done["status"]["completedIndexes"], "0-3");
    assert_eq!(done["status"]["succeeded"], 4);
    assert!(done["status"].get("failedIndexes").is_none());
    let mut hosts: Vec<String> = Vec::new();
    for pod in pods(&client).await {
        let index = &pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"];
        let annotations = &pod["metadata"]["annotations"];
        assert_eq!(
            &annotations["batch.kubernetes.io/job-completion-index"],
            index
        );
        let index = index.as_str().expect("it has an index");
        let name = pod["metadata"]["name"].as_str().expect("it has a name");
        assert!(name.starts_with(&format!("j-{index}-")), "{name}");
        let variable = &pod["spec"]["containers"][0]["env"][0];
        assert_eq!(variable["name"], "JOB_COMPLETION_INDEX");
        hosts.push(pod["spec"]["hostname"].as_str().expect("a host").to_owned());
    }
    hosts.sort();
    assert_eq!(hosts, ["j-0", "j-1", "j-2", "j-3"]);
}

#[tokio::test]
async fn an_index_that_fails_too_often_fails_the_job_when_the_others_are_done() {
    let (client, _tasks) = living();
    let jobs = api(&client, "batch/v1", "Job", "jobs");
    let spec = json!({"completions": 2, "parallelism": 2, "backoffLimitPerIndex": 1});
    let failing = json!({"simulation.holdfast.dev/exit-code": "1"});
    let job = indexed_job("j", spec, failing);
    jobs.create(&PostParams::default(), &job)
        .await
        .expect("created");
    let done = until(&jobs, "j", |job| is_true(job, "Failed")).await;
    assert_eq!(done["status"]["failedIndexes"], "0,1");
    assert_eq!(done["status"]["failed"], 4);
    let conditions = done["status"]["conditions"].as_array().expect("conditions");
    let failed = conditions
        .iter()
        .find(|condition| condition["type"] == "Failed");
    assert_eq!(failed.expect("it failed")["reason"], "FailedIndexes");
}

#[tokio::test]
async fn a_job_whose_success_policy_is_met_ends_before_its_last_index() {
    let (client, _tasks) = living();
    let jobs = api(&client, "batch/v1", "Job", "jobs");
    let spec = json!({
        "completions": 3, "parallelism": 1,
        "successPolicy": {"rules": [{"succeededIndexes": "0-1"}]},
    });
    let job = indexed_job("j", spec, json!({}));
    jobs.create(&PostParams::default(), &job)
        .await
        .expect("created");
    let done = until(&jobs, "j", |job| is_true(job, "Complete")).await;
    assert_eq!(done["status"]["completedIndexes"], "0,1");
    let conditions = done["status"]["conditions"].as_array().expect("conditions");
    let met = conditions
        .iter()
        .find(|found| found["type"] == "SuccessCriteriaMet");
    let met = met.expect("it is met");
    assert_eq!(
        (&met["reason"], &met["message"]),
        (&json!("SuccessPolicy"), &json!("Matched rules at index 0"))
    );
}

/// The wanted sizes of the sets of a Deployment, largest first.
async fn sizes(sets: &Api<DynamicObject>) -> Vec<u64> {
    let list = sets.list(&ListParams::default()).await.expect("a list");
    let sizes = list.items.iter();
    let mut sizes: Vec<u64> = sizes
        .filter_map(|set| set.data["spec"]["replicas"].as_u64())
        .collect();
    sizes.sort_unstable_by(|left, right| right.cmp(left));
    sizes
}

#[tokio::test]
async fn in_the_middle_of_a_roll_every_set_gets_its_share_of_a_new_size() {
    let (client, _tasks) = living();
    let deployments = api(&client, "apps/v1", "Deployment", "deployments");
    let sets = api(&client, "apps/v1", "ReplicaSet", "replicasets");
    let web = object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"},
        "spec": {
            "replicas": 10, "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{"name": "web", "image": "web:1"}]},
            },
        },
    }));
    deployments
        .create(&PostParams::default(), &web)
        .await
        .expect("created");
    let ready = |value: &Value| value["status"]["availableReplicas"] == 10;
    until(&deployments, "web", ready).await;
    let change = |patch: Value| {
        let deployments = deployments.clone();
        async move {
            let patched = deployments
                .patch("web", &PatchParams::default(), &Patch::Strategic(patch))
                .await;
            patched.expect("patched")
        }
    };
    // The new pods never become ready, so that the roll stays where it is.
    let broken = json!([{"name": "web", "image": "web:broken"}]);
    change(json!({"spec": {"template": {"spec": {"containers": broken}}}})).await;
    let rolled = |value: &Value| {
        value["status"]["updatedReplicas"] == 5 && value["status"]["availableReplicas"] == 8
    };
    until(&deployments, "web", rolled).await;
    assert_eq!(sizes(&sets).await, [8, 5]);
    // 13 pods are 18 now: shares of 8 and 5 in 13, the rest to the larger one.
    change(json!({"spec": {"replicas": 15}})).await;
    let scaled = |value: &Value| value["status"]["replicas"] == 18;
    until(&deployments, "web", scaled).await;
    assert_eq!(sizes(&sets).await, [11, 7]);
}

#[tokio::test]
async fn an_annotation_of_a_deployment_counts_as_a_change_and_its_revision_does_not() {
    let (client, _tasks) = living();
    let deployments = api(&client, "apps/v1", "Deployment", "deployments");
    deployments
        .create(&PostParams::default(), &super::deployment("web:1"))
        .await
        .expect("created");
    let ready = |value: &Value| value["status"]["availableReplicas"] == 2;
    let web = until(&deployments, "web", ready).await;
    assert_eq!(web["metadata"]["generation"], 1);
    let annotations = &web["metadata"]["annotations"];
    assert_eq!(annotations["deployment.kubernetes.io/revision"], "1");
    let patch = Patch::Merge(json!({"metadata": {"annotations": {"a": "b"}}}));
    let web = deployments
        .patch("web", &PatchParams::default(), &patch)
        .await;
    assert_eq!(web.expect("patched").metadata.generation, Some(2));
}

#[tokio::test]
async fn a_job_that_somebody_makes_in_the_name_of_a_schedule_is_not_its_active_one() {
    let (client, _tasks) = living();
    let crons = api(&client, "batch/v1", "CronJob", "cronjobs");
    let jobs = api(&client, "batch/v1", "Job", "jobs");
    let template = json!({
        "metadata": {"annotations": {"simulation.holdfast.dev/run-for": "1h"}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]},
    });
    let cron = object(json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "c"},
        "spec": {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": {"template": template}}},
    }));
    let made = crons
        .create(&PostParams::default(), &cron)
        .await
        .expect("created");
    let job = object(json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"name": "by-hand", "ownerReferences": [{
            "apiVersion": "batch/v1", "kind": "CronJob", "name": "c", "controller": true,
            "uid": made.metadata.uid,
        }]},
        "spec": {"template": template},
    }));
    jobs.create(&PostParams::default(), &job)
        .await
        .expect("created");
    until(&jobs, "by-hand", |job| job["status"]["active"] == 1).await;
    let seen = crons.get("c").await.expect("it is there");
    assert!(
        seen.data["status"].get("active").is_none(),
        "{:?}",
        seen.data
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_services_that_ask_for_a_port_at_once_one_gets_it() {
    let client = client();
    let services = api(&client, "v1", "Service", "services");
    for round in 0..40 {
        let service = |name: &str| {
            object(json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {"name": format!("{name}-{round}")},
                "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30_000 + round}]},
            }))
        };
        let ask = |service: DynamicObject| {
            let services = services.clone();
            tokio::spawn(async move { services.create(&PostParams::default(), &service).await })
        };
        let (left, right) = (ask(service("left")), ask(service("right")));
        let answers = [left.await.expect("it ran"), right.await.expect("it ran")];
        let given = answers.iter().filter(|answer| answer.is_ok()).count();
        assert_eq!(given, 1, "round {round}: {answers:?}");
    }
}
