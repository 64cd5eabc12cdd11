//! What an engine writes down, when somebody else writes there too: nothing is written over what was not
//! seen.

use std::sync::Arc;

use anyhow::Context as _;
use holdfast::wiring::{self, EngineSettings};
use holdfast_control::Plane;
use holdfast_model::Value;
use holdfast_model::inventory::Inventory;
use holdfast_model::object::{GroupKind, Key};
use holdfast_model::revision::{CommitId, Revision};
use holdfast_model::stack::{StackKey, StackUid};
use holdfast_model::status::{Status, Terminated};
use holdfast_testbed::bed::{Bed, Stage, config, find_condition};
use serde_json::json;

use crate::scenario;

fn inventory(stage: &Stage, names: &[String]) -> Inventory {
    let kind = GroupKind::new("", "ConfigMap");
    let key = |name: &String| Key::new(&kind, Some(&stage.namespace), name.clone());
    Inventory {
        entries: names.iter().map(|name| (key(name), "v1".into())).collect(),
        ..Inventory::default()
    }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

/// More than one ConfigMap holds.
fn many(last: &str) -> Vec<String> {
    let long = "long-name".repeat(20);
    let mut names: Vec<String> = (0..4_000)
        .map(|number| format!("a-{long}-{number}"))
        .collect();
    names.push(last.to_owned());
    names
}

scenario!(an_inventory_that_another_engine_has_written_is_not_written_over);
async fn an_inventory_that_another_engine_has_written_is_not_written_over(
    bed: Arc<Bed>,
) -> anyhow::Result<()> {
    let mut stage = Stage::new(&bed, "two-writers").await?;
    stage.stop_engine();
    stage.stack("s", json!({"suspend": true})).await?;
    let stack = stage.api.get(&stage.stack_path("s")).await?;
    let uid = stack["metadata"]["uid"].as_str().context("it has a uid")?;
    let uid = StackUid(uid.to_owned());
    let key = StackKey {
        namespace: stage.namespace.clone(),
        name: "s".to_owned(),
    };
    let secret = EngineSettings::new(stage.repository.path().to_owned()).entropy;
    let client = bed.client().await?;
    let [first, second] = [(); 2].map(|()| Plane::new(client.clone()).sealed(&secret));
    let save = async |plane: &Plane, names: &[String]| {
        let inventory = inventory(&stage, names);
        plane.save_inventory(&key, &uid, &inventory).await
    };
    let within = Some(stage.namespace.as_str());

    assert_eq!(save(&first, &names(&["a"])).await?, None);
    second.inventories(within).await?;
    assert_eq!(save(&second, &names(&["a", "b"])).await?, None);
    // A write that was on its way for too long, and what is taken up from there.
    let late = save(&first, &names(&["a", "c"])).await?;
    assert_eq!(late, Some(inventory(&stage, &names(&["a", "b"]))));
    assert_eq!(save(&first, &names(&["a", "b", "c"])).await?, None);

    // What others write beside it is none of its business.
    let path = stage.config_path("holdfast-inventory-s");
    let note = json!({"metadata": {"annotations": {"example.com/note": "seen"}}});
    stage.api.merge(&path, "alice", &note).await?;
    assert_eq!(save(&first, &names(&["a"])).await?, None);
    stage.api.delete(&path).await?;
    assert_eq!(save(&first, &names(&["a", "d"])).await?, None);
    let found = second.inventory(&key, &uid).await?;
    assert_eq!(found, inventory(&stage, &names(&["a", "d"])));

    // Where only a later one of several ConfigMaps changes, that counts as well.
    assert_eq!(save(&first, &many("y")).await?, None);
    second.inventories(within).await?;
    assert_eq!(save(&second, &many("z")).await?, None);
    let late = save(&first, &names(&["a"])).await?;
    assert!(late.is_some_and(|found| found.entries.len() > 4_000));
    Ok(())
}

scenario!(what_a_status_no_longer_says_is_gone_at_every_depth);
async fn what_a_status_no_longer_says_is_gone_at_every_depth(bed: Arc<Bed>) -> anyhow::Result<()> {
    let mut stage = Stage::new(&bed, "retracted").await?;
    stage.stop_engine();
    stage.stack("s", json!({"suspend": true})).await?;
    let plane = Plane::new(bed.client().await?);
    let key = StackKey {
        namespace: stage.namespace.clone(),
        name: "s".to_owned(),
    };
    let path = stage.stack_path("s");
    plane.see(&key, &stage.api.get(&path).await?);
    let revision = Revision {
        commit: CommitId("a".repeat(40)),
        charts: [("web".to_owned(), "1.2.3".to_owned())].into(),
        ..Revision::default()
    };
    let terminated = Terminated {
        request: "1".to_owned(),
        revision: Some(revision.clone()),
        generation: 1,
    };
    let mut status = Status {
        applied: Some(revision.clone()),
        terminated: Some(terminated.clone()),
        ..Status::default()
    };
    plane.write_status(&key, &status, wiring::now()).await?;
    status.terminated = Some(Terminated {
        revision: None,
        ..terminated
    });
    status.applied = Some(Revision {
        charts: Default::default(),
        ..revision
    });
    plane.write_status(&key, &status, wiring::now()).await?;
    let shown = stage.api.get(&path).await?;
    let expected = json!({"request": "1", "generation": 1});
    assert_eq!(shown["status"]["terminated"], expected);
    assert_eq!(shown["status"]["applied"]["charts"], Value::Null);
    Ok(())
}

scenario!(a_status_that_somebody_else_wrote_is_shown_again);
async fn a_status_that_somebody_else_wrote_is_shown_again(bed: Arc<Bed>) -> anyhow::Result<()> {
    let stage = Stage::new(&bed, "overwritten").await?;
    stage.repository.write("app/a.yaml", &config("a", "one"))?;
    let commit = stage.repository.commit("one")?;
    stage.stack("s", json!({})).await?;
    let ready = stage.wait_ready("s", &commit).await?;
    let message = find_condition(&ready, "Ready", "message").to_owned();

    let forged = json!({"status": {"conditions": [{
        "type": "Ready", "status": "False", "reason": "Forged", "message": "nothing works",
        "lastTransitionTime": "2020-01-01T00:00:00Z",
    }], "applied": null}});
    let path = stage.stack_path("s");
    for _ in 0..2 {
        stage
            .api
            .merge(&format!("{path}/status"), "mallory", &forged)
            .await?;
        let is_shown =
            |stack: &Value| find_condition(stack, "Ready", "message") == message.as_str();
        stage
            .api
            .wait(&path, "its status again", |stack| {
                stack.is_some_and(is_shown)
            })
            .await?;
        stage.wait_ready("s", &commit).await?;
    }
    Ok(())
}
