//! What does not run on purpose holds nothing up; and what a cluster does by itself is left to it.

use std::sync::Arc;

use holdfast_model::Value;
use holdfast_testbed::bed::{Bed, Stage, config, find_condition};
use serde_json::json;

use crate::scenario;

const POD: &str = "spec: {restartPolicy: Never, containers: [{name: c, image: web:1}]}";

/// An object in an earlier wave than everything else.
fn first(kind: &str, name: &str, spec: &str) -> String {
    let (version, kind) = kind.rsplit_once('/').unwrap_or(("v1", kind));
    format!(
        "apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {name}\n  annotations: \
         {{holdfast.dev/wave: \"-1\"}}\nspec:\n{spec}\n"
    )
}

/// What does not run on purpose, all in an earlier wave than a ConfigMap.
fn files(class: &str) -> Vec<(&'static str, String)> {
    let deployment = |fields: &str| {
        format!(
            "  {fields}\n  selector: {{matchLabels: {{app: w}}}}\n  template:\n    metadata: \
             {{labels: {{app: w}}}}\n    spec: {{containers: [{{name: c, image: web:1}}]}}"
        )
    };
    let claim = format!(
        "  storageClassName: {class}\n  accessModes: [ReadWriteOnce]\n  resources: {{requests: \
         {{storage: 1Gi}}}}"
    );
    vec![
        (
            "class",
            format!(
                "apiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata:\n  name: {class}\n  \
                 annotations: {{holdfast.dev/wave: \"-1\"}}\nprovisioner: example.org/disk\n\
                 volumeBindingMode: WaitForFirstConsumer\n"
            ),
        ),
        ("claim", first("PersistentVolumeClaim", "claim", &claim)),
        (
            "job",
            first(
                "batch/v1/Job",
                "job",
                &format!("  suspend: true\n  template:\n    {POD}"),
            ),
        ),
        (
            "cron",
            first(
                "batch/v1/CronJob",
                "cron",
                &format!(
                    "  suspend: true\n  schedule: '0 0 1 1 *'\n  jobTemplate:\n    spec:\n      \
                     template:\n        {POD}"
                ),
            ),
        ),
        (
            "paused",
            first("apps/v1/Deployment", "paused", &deployment("paused: true")),
        ),
        (
            "none",
            first("apps/v1/Deployment", "none", &deployment("replicas: 0")),
        ),
        ("later", config("later", "here")),
    ]
}

scenario!(what_does_not_run_on_purpose_holds_up_neither_a_wave_nor_a_stack_that_depends);
async fn what_does_not_run_on_purpose_holds_up_neither_a_wave_nor_a_stack_that_depends(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "on-purpose").await?;
    let files = files(&format!("{}-late", stage.namespace));
    for (name, text) in &files {
        stage.repository.write(&format!("app/{name}.yaml"), text)?;
    }
    stage
        .repository
        .write("next/a.yaml", &config("next", "here"))?;
    let commit = stage.repository.commit("on purpose")?;
    stage.stack("s", json!({})).await?;
    let source = json!({"git": stage.repository.url(), "path": "next", "interval": "1s"});
    let depends = json!({"source": source, "dependsOn": [{"name": "s"}]});
    stage.stack("next", depends).await?;
    stage.wait_config("later", "here").await?;
    let stack = stage.wait_ready("s", &commit).await?;
    let message = find_condition(&stack, "Healthy", "message");
    assert!(message.contains("suspended on purpose"), "{message}");
    stage.wait_ready("next", &commit).await?;

    // It is to run now: the Stack follows it again to its end.
    let job = format!("  suspend: false\n  template:\n    {POD}");
    stage
        .repository
        .write("app/job.yaml", &first("batch/v1/Job", "job", &job))?;
    let commit = stage.repository.commit("run")?;
    stage.wait_ready("s", &commit).await?;
    let path = format!("/apis/batch/v1/namespaces/{}/jobs/job", stage.namespace);
    let is_complete = |job: Option<&Value>| {
        job.is_some_and(|job| find_condition(job, "Complete", "status") == "True")
    };
    stage.api.wait(&path, "complete", is_complete).await?;
    Ok(())
}

fn hook(name: &str, events: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {name}\n  annotations:\n    \
         helm.sh/hook: {events}\n    helm.sh/hook-delete-policy: before-hook-creation\nspec:\n  \
         template:\n    {POD}\n"
    )
}

scenario!(a_hook_of_two_events_of_an_install_runs_before_and_after_the_rest);
async fn a_hook_of_two_events_of_an_install_runs_before_and_after_the_rest(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "two-events").await?;
    let chart = "apiVersion: v2\nname: app\nversion: 1.0.0\n";
    stage.repository.write("app/Chart.yaml", chart)?;
    let both = hook("both", "pre-install,post-install");
    stage.repository.write("app/templates/both.yaml", &both)?;
    stage
        .repository
        .write("app/templates/a.yaml", &config("a", "one"))?;
    let commit = stage.repository.commit("hooks")?;
    stage.stack("s", json!({})).await?;
    let stack = stage.wait_ready("s", &commit).await?;
    assert_eq!(
        stack.pointer("/status/history/0/summary"),
        Some(&json!("1 created, 2 run"))
    );
    Ok(())
}

scenario!(a_definition_that_arrives_becomes_known_to_a_chart);
async fn a_definition_that_arrives_becomes_known_to_a_chart(bed: Arc<Bed>) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "arrives-later").await?;
    let group = "arrives.example.org";
    let chart = "apiVersion: v2\nname: app\nversion: 1.0.0\n";
    stage.repository.write("app/Chart.yaml", chart)?;
    let text = format!(
        "{{{{ .Capabilities.APIVersions.Has \"{group}/v1/Widget\" | ternary \"known\" \"unknown\" }}}}"
    );
    stage
        .repository
        .write("app/templates/a.yaml", &config("a", &text))?;
    let commit = stage.repository.commit("asks")?;
    stage.stack("s", json!({})).await?;
    stage.wait_ready("s", &commit).await?;
    stage.wait_config("a", "unknown").await?;
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("widgets.{group}")},
        "spec": {
            "group": group, "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}}}],
        },
    });
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    stage.api.create(definitions, &definition).await?;
    stage.wait_config("a", "known").await?;
    Ok(())
}

scenario!(an_aggregated_role_is_left_to_the_cluster_and_a_job_goes_after_its_time_to_live);
async fn an_aggregated_role_is_left_to_the_cluster_and_a_job_goes_after_its_time_to_live(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "by-itself").await?;
    let roles = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
    let role = |name: &str, more: Value| {
        let mut role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": format!("by-itself-{name}"), "labels": {"by-itself": name}}});
        if let (Value::Object(role), Value::Object(more)) = (&mut role, more) {
            role.extend(more);
        }
        role
    };
    let rules = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]);
    let selectors = json!([{"matchLabels": {"by-itself": "part"}}]);
    let whole = json!({"aggregationRule": {"clusterRoleSelectors": selectors}, "rules": []});
    stage.api.create(roles, &role("whole", whole)).await?;
    let part = role("part", json!({"rules": rules}));
    stage.api.create(roles, &part).await?;
    let has_rules = |role: Option<&Value>| role.is_some_and(|role| role["rules"] == rules);
    let path = format!("{roles}/by-itself-whole");
    let whole = stage.api.wait(&path, "filled", has_rules).await?;
    let managers = whole["metadata"]["managedFields"].as_array();
    let is_its = |manager: &Value| {
        manager["manager"] == "clusterrole-aggregation-controller"
            && manager["operation"] == "Apply"
    };
    assert!(
        managers.is_some_and(|all| all.iter().any(is_its)),
        "{whole:#}"
    );
    // Whoever takes them away loses them again.
    let none = json!({"rules": []});
    stage.api.merge(&path, "alice", &none).await?;
    stage.api.wait(&path, "filled again", has_rules).await?;

    let jobs = format!("/apis/batch/v1/namespaces/{}/jobs", stage.namespace);
    let container = json!([{"name": "c", "image": "web:1"}]);
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "short"},
        "spec": {"ttlSecondsAfterFinished": 1, "template": {"spec": {
            "restartPolicy": "Never", "containers": container}}}});
    stage.api.create(&jobs, &job).await?;
    stage.wait_gone(&format!("{jobs}/short")).await?;
    stage.api.delete(&path).await?;
    stage.api.delete(&format!("{roles}/by-itself-part")).await?;
    Ok(())
}
