//! What a hook that fails has logged.

use std::sync::Arc;

use holdfast_model::Value;
use holdfast_testbed::bed::{Bed, Stage, config, find_condition};
use serde_json::json;

use crate::scenario;

const HOOK: &str = r#"apiVersion: batch/v1
kind: Job
metadata:
  name: migrate
  annotations: {holdfast.dev/hook: pre-sync}
spec:
  backoffLimit: 0
  template:
    metadata:
      labels: {fate: fail}
      annotations:
        simulation.holdfast.dev/exit-code: "3"
        simulation.holdfast.dev/log: "first\nconnects as app with hunter-two\nlent: sessam-open\nno such table"
    spec:
      restartPolicy: Never
      containers:
      - name: main
        image: migrate:1
        env:
        - {name: TOKEN, valueFrom: {secretKeyRef: {name: of-others, key: token}}}
"#;

const SECRET: &str = "apiVersion: v1\nkind: Secret\nmetadata: {name: ours}\n\
    stringData: {password: hunter-two}\n";

scenario!(a_hook_that_fails_shows_what_its_pods_logged_last);
async fn a_hook_that_fails_shows_what_its_pods_logged_last(bed: Arc<Bed>) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "hook-logs").await?;
    let secrets = format!("/api/v1/namespaces/{}/secrets", stage.namespace);
    let of_others = json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "of-others"}, "stringData": {"token": "sessam-open"}});
    stage.api.create(&secrets, &of_others).await?;
    let repository = &stage.repository;
    repository.write("app/migrate.yaml", HOOK)?;
    repository.write("app/secret.yaml", SECRET)?;
    repository.write("app/config.yaml", &config("settings", "1"))?;
    repository.commit("a migration that fails")?;
    stage.stack("s", json!({})).await?;

    let failed = stage.wait_reason("s", "Synced", "ApplyFailed").await?;
    let message = find_condition(&failed, "Ready", "message");
    assert!(
        message.contains("migrate (app/migrate.yaml:1)"),
        "{message}"
    );
    let log = "logged last: first | connects as app with *** | lent: *** | no such table";
    let path = format!(
        "/api/v1/namespaces/{}/events?fieldSelector=reason%3DHookFailed",
        stage.namespace
    );
    let has_failed = |list: Option<&Value>| list.is_some_and(|list| list["items"] != json!([]));
    let events = stage.api.wait(&path, "HookFailed", has_failed).await?;
    let event = events["items"][0]["message"].as_str().unwrap_or_default();
    for said in [message, event] {
        // The node of the real cluster is played by kwok, and keeps no logs.
        assert_eq!(said.contains(log), bed.real.is_none(), "{said}");
    }
    let all = format!("{failed} {events}");
    assert!(
        !all.contains("hunter-two") && !all.contains("sessam-open"),
        "{all}"
    );

    // A Stack that does not want logs shown has none shown.
    let quiet = json!({"spec": {"sync": {"hookLogs": false}}});
    stage
        .api
        .merge(&stage.stack_path("s"), "test", &quiet)
        .await?;
    stage.ask("s", "again").await?;
    let is_quiet = |stack: Option<&Value>| {
        stack.is_some_and(|stack| {
            let message = find_condition(stack, "Ready", "message");
            message.contains("migrate (app") && !message.contains("such table")
        })
    };
    let path = stage.stack_path("s");
    stage
        .api
        .wait(&path, "a message without a log", is_quiet)
        .await?;
    Ok(())
}
