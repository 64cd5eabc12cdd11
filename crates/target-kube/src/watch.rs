//! One watch a kind, or a kind in a namespace where no more is allowed: list once, then follow, and
//! list again when the server has forgotten where the watch was. It must not know what changes are
//! used for.
//!
//! ```text
//! list ─▶ synced ─▶ follow ─▶ (connection ends) ─▶ follow ─▶ (410 Gone) ─▶ list ─▶ …
//! ```

use std::collections::HashSet;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::BytesMut;
use holdfast_model::Value;
use holdfast_model::object::Key;
use holdfast_model::operation::Failure;
use holdfast_model::percent::encode;
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::Notify;
use tokio::sync::watch::Sender;
use tracing::{debug, info, warn};

use crate::discovery::{Extent, Resource};
use crate::failure;
use crate::request::Call;
use crate::target::Shared;

/// Where a watch is.
#[derive(Clone, Debug)]
pub(crate) enum Progress {
    /// The first list is not complete.
    Listing,
    /// The store shows what is there.
    Synced,
    /// The objects cannot be listed; why. The watch tries again.
    Failed(Failure),
}

/// How many objects one answer of a list holds.
const PAGE: usize = 500;
/// The most bytes of one event: objects are at most some 3 MB as JSON.
const EVENT_LIMIT: usize = 16 << 20;
/// A cluster that comes back is seen again within this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct Page<'a> {
    metadata: ListMetadata,
    #[serde(borrow, default)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMetadata {
    #[serde(default)]
    resource_version: String,
    #[serde(default, rename = "continue")]
    next: String,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: String,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// As much of an object as says which it is.
#[derive(Deserialize)]
struct Probe {
    #[serde(default)]
    metadata: ProbeMetadata,
    #[serde(default)]
    code: u16,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProbeMetadata {
    namespace: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    resource_version: String,
}

/// Why following ended.
enum Stop {
    /// The connection ended as connections do.
    Closed,
    /// The server no longer knows where we were.
    Gone,
}

/// Follows an extent for as long as the target is there and some Stack manages objects of it. Where a
/// whole cluster may not be listed it ends at once: the Stacks look again, namespace by namespace.
pub(crate) async fn follow(
    shared: Weak<Shared>,
    extent: Extent,
    progress: Sender<Progress>,
    again: Arc<Notify>,
) {
    let mut pause = Duration::from_millis(100);
    loop {
        let Some(target) = shared.upgrade() else {
            return;
        };
        if target.end_watch(&extent) {
            return;
        }
        let version = match list(&target, &extent).await {
            Ok(version) => version,
            Err(failure) if failure.reason == "Forbidden" && extent.can_narrow() => {
                info!(kind = %extent.resource.kind, %failure, "Namespaces are watched one by one.");
                target.narrow(&extent);
                let before = progress.send_replace(Progress::Failed(failure));
                if matches!(before, Progress::Synced) {
                    // Those who relied on this watch need others now.
                    tell_all(&target, &extent);
                }
                return;
            }
            Err(failure) => {
                warn!(kind = %extent.resource.kind, %failure, "Objects could not be listed.");
                progress.send_replace(Progress::Failed(failure));
                drop(target);
                let _ = tokio::time::timeout(pause, again.notified()).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                continue;
            }
        };
        pause = Duration::from_millis(100);
        let before = progress.send_replace(Progress::Synced);
        if matches!(before, Progress::Failed(_)) {
            // Looks that failed for want of it are worth taking again.
            tell_all(&target, &extent);
        }
        follow_from(&shared, target, &extent, version).await;
    }
}

/// Follows until the server has forgotten where we were, or nobody is interested any more.
async fn follow_from(
    shared: &Weak<Shared>,
    mut target: Arc<Shared>,
    extent: &Extent,
    mut version: String,
) {
    let mut pause = Duration::from_millis(100);
    loop {
        match stream(&target, extent, &mut version).await {
            Ok(Stop::Gone) => return,
            Ok(Stop::Closed) => pause = Duration::from_millis(100),
            Err(failure) => {
                debug!(kind = %extent.resource.kind, %failure, "A watch broke off.");
                drop(target);
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                match shared.upgrade() {
                    Some(again) => target = again,
                    None => return,
                }
            }
        }
        if !target.store.has_interest(extent) {
            return;
        }
    }
}

/// Lists everything into the store and tells of what changed or went meanwhile; the version to
/// follow from.
async fn list(target: &Shared, extent: &Extent) -> Result<String, Failure> {
    let resource = &extent.resource;
    let mut seen: HashSet<Key> = HashSet::new();
    let mut next = String::new();
    let version = loop {
        let mut path = format!("{}?limit={PAGE}", extent.collection());
        if !next.is_empty() {
            path = format!("{path}&continue={}", encode(&next));
        }
        let bytes = target.api.call(&Call::get(path), &resource.kind).await?;
        let page: Page<'_> = serde_json::from_slice(&bytes)
            .map_err(|error| failure::unreadable("a list could not be read", &error))?;
        for item in page.items.into_iter().flatten() {
            if let Some((key, news)) = take(target, resource, item)? {
                if news {
                    tell(target, resource, &key);
                }
                seen.insert(key);
            }
        }
        if page.metadata.next.is_empty() {
            break page.metadata.resource_version;
        }
        next = page.metadata.next;
    };
    for key in target.store.keys(extent) {
        if !seen.contains(&key) && target.store.remove(resource, &key, Some(&version)) {
            tell(target, resource, &key);
        }
    }
    Ok(version)
}

/// Reads one watch connection to its end.
async fn stream(target: &Shared, extent: &Extent, version: &mut String) -> Result<Stop, Failure> {
    let resource = &extent.resource;
    let path = format!(
        "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds=290&resourceVersion={version}",
        extent.collection()
    );
    let call = Call::get(path);
    let opened = tokio::time::timeout(target.api.limits.timeout, target.api.open(&call)).await;
    let response = opened.map_err(|_| failure::unreachable("a watch was not answered"))??;
    if response.status() == http::StatusCode::GONE {
        return Ok(Stop::Gone);
    }
    if !response.status().is_success() {
        return Err(failure::of_status(
            response.status().as_u16(),
            &[],
            &resource.kind,
        ));
    }
    let mut body = response.into_body();
    let mut buffer = BytesMut::new();
    // A connection that is silent for longer than the server promised to hold it is dead.
    let silence = Duration::from_secs(300);
    while let Some(frame) = tokio::time::timeout(silence, body.frame())
        .await
        .map_err(|_| failure::unreachable("a watch was silent for too long"))?
    {
        let frame = frame.map_err(|error| failure::unreadable("a watch broke off", &error))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        buffer.extend_from_slice(&data);
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line = buffer.split_to(end + 1);
            if let Some(stop) = event(target, resource, &line, version)? {
                return Ok(stop);
            }
        }
        if buffer.len() > EVENT_LIMIT {
            return Err(failure::unreadable(
                "a watch event is too large",
                &EVENT_LIMIT,
            ));
        }
    }
    Ok(Stop::Closed)
}

fn event(
    target: &Shared,
    resource: &Arc<Resource>,
    line: &[u8],
    version: &mut String,
) -> Result<Option<Stop>, Failure> {
    let unreadable =
        |error: serde_json::Error| failure::unreadable("a watch event could not be read", &error);
    if line.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let event: Event<'_> = serde_json::from_slice(line).map_err(unreadable)?;
    let probe: Probe = serde_json::from_str(event.object.get()).map_err(unreadable)?;
    let key = key(resource, probe.metadata.namespace, probe.metadata.name);
    match event.kind.as_str() {
        "ADDED" | "MODIFIED" => {
            if let Some((key, true)) = take(target, resource, event.object)? {
                tell(target, resource, &key);
            }
        }
        "DELETED" => {
            let gone_at = Some(probe.metadata.resource_version.as_str());
            if target.store.remove(resource, &key, gone_at) {
                tell(target, resource, &key);
            }
        }
        "BOOKMARK" => {}
        "ERROR" if probe.code == 410 => return Ok(Some(Stop::Gone)),
        _ => {
            let body = event.object.get().as_bytes();
            return Err(failure::of_status(probe.code, body, &resource.kind));
        }
    }
    *version = probe.metadata.resource_version;
    Ok(None)
}

fn key(resource: &Resource, namespace: Option<String>, name: String) -> Key {
    Key::new(&resource.kind, namespace.as_deref(), name)
}

/// Takes an object into the store: in full when somebody manages it. Its key, and whether a
/// managed object changed.
fn take(
    target: &Shared,
    resource: &Arc<Resource>,
    item: &RawValue,
) -> Result<Option<(Key, bool)>, Failure> {
    let unreadable =
        |error: serde_json::Error| failure::unreadable("an object could not be read", &error);
    let probe: Probe = serde_json::from_str(item.get()).map_err(unreadable)?;
    if probe.metadata.name.is_empty() {
        return Ok(None);
    }
    let key = key(resource, probe.metadata.namespace, probe.metadata.name);
    if !target.store.is_managed(resource, &key) {
        target.store.see(resource, &key);
        return Ok(Some((key, false)));
    }
    let mut value: Value = serde_json::from_str(item.get()).map_err(unreadable)?;
    complete(&mut value, resource);
    let (_, news) = target.store.put(resource, &key, value);
    Ok(Some((key, news)))
}

/// Items of lists come without kind and version.
pub(crate) fn complete(value: &mut Value, resource: &Resource) {
    if let Some(map) = value.as_object_mut() {
        map.entry("apiVersion")
            .or_insert_with(|| resource.api_version().into());
        map.entry("kind")
            .or_insert_with(|| resource.kind.kind.clone().into());
    }
}

fn tell_all(target: &Shared, extent: &Extent) {
    for key in target.store.managed(extent) {
        (target.listener)(&key);
    }
}

fn tell(target: &Shared, resource: &Resource, key: &Key) {
    if target.store.is_managed(resource, key) {
        (target.listener)(key);
    }
}
