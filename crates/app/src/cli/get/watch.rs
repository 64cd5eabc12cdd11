//! Follows the objects of a path for as long as the command runs. It must not know what they are.

use std::convert::Infallible;
use std::pin::pin;

use anyhow::Context as _;
use futures::StreamExt as _;
use holdfast_model::Value;
use http::Request;
use kube::core::WatchEvent;

use crate::cli::api::{Api, items, text};

/// What is seen of the objects of a path.
pub(crate) enum Seen<'a> {
    /// One was made or changed.
    Changed(&'a Value),
    /// One is gone.
    Gone(&'a Value),
    /// All that are there, after some changes may have been missed; those that have changed follow.
    All(&'a [Value]),
}

/// Calls `see` with each change after `version`; ends when the control plane cannot be asked.
pub(crate) async fn follow(
    api: &Api,
    path: &str,
    mut version: String,
    mut see: impl FnMut(Seen<'_>),
) -> anyhow::Result<Infallible> {
    let mark = if path.contains('?') { '&' } else { '?' };
    loop {
        let path_now = format!("{path}{mark}watch=true&resourceVersion={version}");
        let request = Request::get(path_now).body(Vec::new())?;
        let events = api.client.request_events::<Value>(request).await;
        let mut events = pin!(events.context("the control plane could not be reached")?);
        while let Some(Ok(event)) = events.next().await {
            match event {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    text(&object, "/metadata/resourceVersion").clone_into(&mut version);
                    see(Seen::Changed(&object));
                }
                WatchEvent::Deleted(object) => see(Seen::Gone(&object)),
                // What was missed is listed anew.
                WatchEvent::Error(_) => break,
                WatchEvent::Bookmark(_) => {}
            }
        }
        let list = api.get(path).await?;
        let newest = text(&list, "/metadata/resourceVersion");
        let is_new = |object: &&Value| {
            let of = |text: &str| text.parse::<u64>().unwrap_or_default();
            of(text(object, "/metadata/resourceVersion")) > of(&version)
        };
        let all = items(&list, "/items");
        see(Seen::All(all));
        for object in all.iter().filter(is_new) {
            see(Seen::Changed(object));
        }
        newest.clone_into(&mut version);
    }
}
