//! The client that Rust's controllers use, kube, against both clusters: its watchers, in each of their
//! ways to begin, and its applies.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::{Stream, TryStreamExt as _};
use holdfast_testbed::bed::Bed;
use kube::api::{
    ApiResource, DeleteParams, DynamicObject, ListParams, PartialObjectMeta, Patch, PatchParams,
    PostParams, VersionMatch,
};
use kube::{Api, ResourceExt};
use kube_runtime::watcher::{Config, Event, watcher};
use serde_json::json;

use crate::scenario;

/// A namespace with three ConfigMaps, seen as kube sees it.
async fn prepared(bed: &Bed, namespace: &str) -> anyhow::Result<Api<DynamicObject>> {
    let client = bed.client().await?;
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    let by_path = holdfast_testbed::api::Api {
        client: client.clone(),
    };
    by_path.create("/api/v1/namespaces", &object).await?;
    let api = Api::namespaced_with(client, namespace, &configs());
    for name in ["a", "b", "c"] {
        api.create(&PostParams::default(), &config(name, "one")?)
            .await?;
    }
    // A real server streams from its cache, which may be behind for a moment.
    let cached = ListParams::default()
        .at("0")
        .matching(VersionMatch::NotOlderThan)
        .labels("test=kube");
    for _ in 0..1_000 {
        if api.list(&cached).await?.items.len() == 3 {
            return Ok(api);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    anyhow::bail!("three objects were made, and they are not listed")
}

fn configs() -> ApiResource {
    ApiResource {
        group: String::new(),
        version: "v1".to_owned(),
        api_version: "v1".to_owned(),
        kind: "ConfigMap".to_owned(),
        plural: "configmaps".to_owned(),
    }
}

fn config(name: &str, text: &str) -> anyhow::Result<DynamicObject> {
    let value = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"test": "kube"}},
        "data": {"text": text},
    });
    Ok(serde_json::from_value(value)?)
}

/// What an event says, with the object's text where it has any.
fn said(event: &Event<DynamicObject>) -> String {
    let of = |object: &DynamicObject| {
        let text = object.data.pointer("/data/text");
        let text = text.and_then(|text| text.as_str()).unwrap_or_default();
        format!("{} {text}", object.name_any())
            .trim_end()
            .to_owned()
    };
    match event {
        Event::Apply(object) => format!("applied {}", of(object)),
        Event::Delete(object) => format!("deleted {}", object.name_any()),
        Event::Init => "begins".to_owned(),
        Event::InitApply(object) => format!("there is {}", of(object)),
        Event::InitDone => "that is all".to_owned(),
    }
}

/// The next events.
async fn next<E>(
    events: &mut (impl Stream<Item = Result<Event<DynamicObject>, E>> + Unpin),
    count: usize,
) -> anyhow::Result<Vec<String>>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let mut told = Vec::new();
    while told.len() < count {
        let event = tokio::time::timeout(Duration::from_secs(30), events.try_next()).await;
        let event = event.with_context(|| format!("nothing came after {told:?}"))??;
        told.push(said(&event.context("the events ended")?));
    }
    Ok(told)
}

async fn follow(bed: &Bed, namespace: &str, how: Config) -> anyhow::Result<()> {
    let api = prepared(bed, namespace).await?;
    let mut events = pin!(watcher(api.clone(), how.labels("test=kube")));
    let begins = [
        "begins",
        "there is a one",
        "there is b one",
        "there is c one",
        "that is all",
    ];
    assert_eq!(next(&mut events, 5).await?, begins);

    let ours = PatchParams::apply("ours");
    let mut wanted = config("a", "two")?;
    let conflict = api.patch("a", &ours, &Patch::Apply(&wanted)).await;
    let Err(kube::Error::Api(refusal)) = conflict else {
        anyhow::bail!("the creator's fields were taken without force: {conflict:?}");
    };
    assert_eq!((refusal.code, refusal.reason.as_str()), (409, "Conflict"));
    let ours = ours.force();
    let applied = api.patch("a", &ours, &Patch::Apply(&wanted)).await?;
    let managers = applied.managed_fields().iter();
    let managers: Vec<_> = managers
        .filter_map(|entry| entry.manager.as_deref())
        .collect();
    assert!(managers.contains(&"ours"), "{managers:?}");
    // What changes nothing is no event: the next one is of another object.
    wanted.metadata.managed_fields = None;
    api.patch("a", &ours.force(), &Patch::Apply(&wanted))
        .await?;
    let merged = Patch::Merge(json!({"data": {"text": "three"}}));
    api.patch("b", &PatchParams::default(), &merged).await?;
    api.delete("c", &DeleteParams::default()).await?;
    // What leaves the selection is gone for who selects.
    let unlabelled = Patch::Merge(json!({"metadata": {"labels": null}}));
    api.patch("b", &PatchParams::default(), &unlabelled).await?;
    let told = ["applied a two", "applied b three", "deleted c", "deleted b"];
    assert_eq!(next(&mut events, 4).await?, told);
    Ok(())
}

scenario!(kubes_watcher_lists_page_by_page_and_follows);
async fn kubes_watcher_lists_page_by_page_and_follows(bed: Arc<Bed>) -> anyhow::Result<()> {
    follow(&bed, "kube-pages", Config::default().page_size(2)).await
}

scenario!(kubes_watcher_begins_with_a_streamed_list);
async fn kubes_watcher_begins_with_a_streamed_list(bed: Arc<Bed>) -> anyhow::Result<()> {
    follow(&bed, "kube-stream", Config::default().streaming_lists()).await
}

scenario!(kubes_watcher_of_metadata_sees_no_more);
async fn kubes_watcher_of_metadata_sees_no_more(bed: Arc<Bed>) -> anyhow::Result<()> {
    let api = prepared(&bed, "kube-metadata").await?;
    let client = bed.client().await?;
    let metadata: Api<PartialObjectMeta<DynamicObject>> =
        Api::namespaced_with(client, "kube-metadata", &configs());
    let one = Config::default().fields("metadata.name=a");
    let mut events = pin!(watcher(metadata, one));
    let mut names = Vec::new();
    for _ in 0..3 {
        let event = tokio::time::timeout(Duration::from_secs(30), events.try_next()).await??;
        names.push(match event.context("the events ended")? {
            Event::Init => "begins".to_owned(),
            Event::InitApply(object) => object.name_any(),
            Event::InitDone => "that is all".to_owned(),
            Event::Apply(object) | Event::Delete(object) => {
                format!("{} changed", object.name_any())
            }
        });
    }
    assert_eq!(names, ["begins", "a", "that is all"]);
    let text = Patch::Merge(json!({"data": {"text": "two"}}));
    api.patch("a", &PatchParams::default(), &text).await?;
    let event = tokio::time::timeout(Duration::from_secs(30), events.try_next()).await??;
    let Some(Event::Apply(object)) = event else {
        anyhow::bail!("{event:?} came");
    };
    assert_eq!(object.name_any(), "a");
    Ok(())
}
