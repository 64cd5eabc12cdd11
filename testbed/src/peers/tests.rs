//! What engines say of their objects, and what a watch tells.

use std::time::Duration;

use serde_json::json;

use super::Peer;
use super::argo::ArgoCd;
use super::flux::Flux;
use super::holdfast::Holdfast;
use super::watch::{Objects, Seen};
use crate::bed::Bed;

/// What an engine's object with a status says is in place.
fn check<P: Peer>(status: serde_json::Value, expected: Option<&str>) {
    let mut object = P::object(0, "http://localhost/.git");
    object["status"] = status;
    assert_eq!(P::settled(&object), expected, "{}: {object}", P::NAME);
}

#[test]
fn an_object_is_settled_at_a_commit_once_its_engine_says_that_all_is_well() {
    let ready = |status: &str| json!([{"type": "Ready", "status": status}]);
    check::<Holdfast>(json!({}), None);
    check::<Holdfast>(
        json!({"applied": {"commit": "c1"}, "conditions": ready("False")}),
        None,
    );
    check::<Holdfast>(
        json!({"applied": {"commit": "c1"}, "conditions": ready("True")}),
        Some("c1"),
    );
    let argo = |sync: &str, health: &str| json!({"sync": {"status": sync, "revision": "c1"}, "health": {"status": health}});
    check::<ArgoCd>(json!({}), None);
    check::<ArgoCd>(argo("OutOfSync", "Healthy"), None);
    check::<ArgoCd>(argo("Synced", "Progressing"), None);
    check::<ArgoCd>(argo("Synced", "Healthy"), Some("c1"));
    let flux =
        |status: &str| json!({"lastAppliedRevision": "main@sha1:c1", "conditions": ready(status)});
    check::<Flux>(json!({"conditions": ready("True")}), None);
    check::<Flux>(flux("Unknown"), None);
    check::<Flux>(flux("True"), Some("c1"));
}

#[tokio::test]
async fn a_watch_tells_what_is_there_what_becomes_of_it_and_what_is_gone() -> anyhow::Result<()> {
    const PATIENCE: Duration = Duration::from_secs(30);
    let bed = Bed::embedded().await?;
    let configs = "/api/v1/namespaces/default/configmaps";
    let config =
        |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    bed.api.create(configs, &config("earlier")).await?;
    let seen = Seen::watch(bed.api.client.clone(), configs);
    let has = |objects: &Objects, name: &str| objects.contains_key(name);
    seen.wait("there", PATIENCE, |objects| has(objects, "earlier"))
        .await?;
    bed.api.create(configs, &config("later")).await?;
    seen.wait("made", PATIENCE, |objects| has(objects, "later"))
        .await?;
    let path = format!("{configs}/later");
    let change = json!({"data": {"text": "changed"}});
    bed.api.merge(&path, "test", &change).await?;
    seen.wait("changed", PATIENCE, |objects| {
        objects
            .get("later")
            .and_then(|later| later.pointer("/data/text"))
            == Some(&json!("changed"))
    })
    .await?;
    bed.api.delete(&path).await?;
    seen.wait("gone", PATIENCE, |objects| !has(objects, "later"))
        .await?;
    Ok(())
}
