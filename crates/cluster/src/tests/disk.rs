//! A disk that is full: what is not written is not there, and the rest goes on.

use std::path::Path;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use kube::Client;
use kube::api::{
    Api, DeleteParams, DynamicObject, ListParams, PostParams, WatchEvent, WatchParams,
};
use serde_json::json;

use super::{api, config_map, object, reopened};
use crate::storage::Journal;
use crate::{Cluster, Options};

/// The pages that the file may have: some 400 kB.
const PAGES: u32 = 100;

/// A cluster in a file that SQLite does not let grow beyond some pages.
fn bounded(path: &Path) -> Cluster {
    let (opened, loaded) = Journal::open(path).expect("it opens");
    opened
        .connection
        .pragma_update(None, "max_page_count", PAGES)
        .expect("there is a bound");
    Cluster::of_file(opened, loaded, Options::default()).expect("it starts")
}

fn large(name: &str) -> DynamicObject {
    config_map(name, json!({"text": "x".repeat(60_000)}))
}

async fn names(maps: &Api<DynamicObject>) -> Vec<String> {
    let list = maps.list(&ListParams::default()).await.expect("a list");
    let names = list.items.into_iter().filter_map(|map| map.metadata.name);
    names.collect()
}

/// Creates large objects until there is no more room; the names of those that were acknowledged.
async fn fill(maps: &Api<DynamicObject>) -> Vec<String> {
    let mut kept = Vec::new();
    for number in 0..100 {
        let name = format!("large-{number}");
        match maps.create(&PostParams::default(), &large(&name)).await {
            Ok(_) => kept.push(name),
            Err(kube::Error::Api(status)) => {
                assert_eq!(status.code, 500, "{status:?}");
                assert!(status.message.contains("not on the disk"), "{status:?}");
                return kept;
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the file has no bound");
}

/// Writes as soon as something can be written again.
async fn create(maps: &Api<DynamicObject>, map: &DynamicObject) {
    for _ in 0..500 {
        match maps.create(&PostParams::default(), map).await {
            Ok(_) => return,
            Err(kube::Error::Api(status)) if status.code == 500 => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("nothing can be written any more");
}

async fn delete(maps: &Api<DynamicObject>, name: &str) {
    for _ in 0..500 {
        match maps.delete(name, &DeleteParams::default()).await {
            Ok(_) => return,
            Err(kube::Error::Api(status)) if status.code == 500 => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("nothing can be deleted any more");
}

#[tokio::test]
async fn what_a_full_disk_did_not_take_is_not_there_and_the_cluster_recovers() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cluster.db");
    let mut kept = {
        let cluster = bounded(&path);
        let maps = api(
            &Client::new(cluster.service(), "default"),
            "v1",
            "ConfigMap",
            "configmaps",
        );
        let mut kept = fill(&maps).await;
        assert!(!kept.is_empty());
        kept.sort();
        assert_eq!(names(&maps).await, kept, "what was refused is not there");
        let gone = kept.remove(0);
        delete(&maps, &gone).await;
        create(&maps, &config_map("small", json!({"x": "1"}))).await;
        kept.push("small".to_owned());
        assert_eq!(names(&maps).await, kept);
        kept
    };
    let cluster = reopened(&path).await;
    let maps = api(
        &Client::new(cluster.service(), "default"),
        "v1",
        "ConfigMap",
        "configmaps",
    );
    kept.sort();
    assert_eq!(names(&maps).await, kept, "what was acknowledged is there");
}

#[tokio::test]
async fn a_definition_that_the_disk_did_not_take_defines_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = bounded(&folder.path().join("cluster.db"));
    let client = Client::new(cluster.service(), "default");
    let maps = api(&client, "v1", "ConfigMap", "configmaps");
    fill(&maps).await;
    let definition = object(json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.org"},
        "spec": {
            "group": "example.org", "scope": "Namespaced",
            "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {
                "openAPIV3Schema": {"type": "object", "description": "x".repeat(60_000)},
            }}],
        },
    }));
    let kind = "CustomResourceDefinition";
    let gvk = kube::core::GroupVersionKind::gvk("apiextensions.k8s.io", "v1", kind);
    let resource = kube::core::ApiResource::from_gvk(&gvk);
    let definitions: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let made = definitions
        .create(&PostParams::default(), &definition)
        .await;
    assert!(matches!(made, Err(kube::Error::Api(status)) if status.code == 500));
    let widgets = api(&client, "example.org/v1", "Widget", "widgets");
    let listed = widgets.list(&ListParams::default()).await;
    assert!(matches!(listed, Err(kube::Error::Api(status)) if status.code == 404));
}

#[tokio::test]
async fn a_watch_that_has_told_of_what_was_taken_back_starts_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let cluster = bounded(&folder.path().join("cluster.db"));
    let client = Client::new(cluster.service(), "default");
    let maps = api(&client, "v1", "ConfigMap", "configmaps");
    let watch = maps.watch(&WatchParams::default(), "0").await;
    let mut events = watch.expect("a watch").boxed();
    fill(&maps).await;
    loop {
        match events.try_next().await.expect("an event") {
            Some(WatchEvent::Error(status)) => {
                assert_eq!(status.code, 410, "{status:?}");
                return;
            }
            Some(_) => {}
            None => panic!("the watch ended without a word"),
        }
    }
}
