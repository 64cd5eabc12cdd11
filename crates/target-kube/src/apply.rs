//! Steps as requests: server-side apply as field manager `holdfast`, with the object's uid so that
//! what was deleted meanwhile is not made again by an update, and deletes guarded in the same way.
//! It must not know why a step is taken.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_model::Value;
use holdfast_model::object::{LiveObject, strip_server_metadata};
use holdfast_model::operation::{Answer, Changed, Class, Failure};
use holdfast_model::packed::Packed;
use holdfast_model::plan::Verb;
use holdfast_target::Request;
use http::Method;
use serde_json::json;

use crate::discovery::Resource;
use crate::failure;
use crate::request::{Call, JSON};
use crate::rivals::without_rivals;
use crate::store::live_object;
use crate::takeover::taken_over;
use crate::target::Actor;

/// The field manager that is applied as.
const MANAGER: &str = "holdfast";
const APPLY_PATCH: &str = "application/apply-patch+yaml";
const JSON_PATCH: &str = "application/json-patch+json";
/// How long a replaced object may take to go.
const GOING: std::time::Duration = std::time::Duration::from_secs(30);

/// Asks the server whether it would take a step.
pub(crate) async fn check(target: &Actor, request: &Request) -> Result<(), Failure> {
    if request.body.is_none() {
        return Ok(());
    }
    dry_run(target, request).await.map(|_| ())
}

/// Asks the server what it would make of an object.
pub(crate) async fn dry_run(target: &Actor, request: &Request) -> Result<LiveObject, Failure> {
    let resource = find(target, request).await?;
    let path = format!("{}&dryRun=All", apply_path(&resource, request));
    let sent = apply_body(request.body.as_ref(), request.live.as_ref());
    let call = Call::new(Method::PATCH, path, APPLY_PATCH, sent);
    let bytes = target.api.call(&call, &resource.kind).await?;
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|error| failure::unreadable("an object could not be read", &error))?;
    Ok(live_object(&resource, &request.key.key, value))
}

/// Carries a step out.
pub(crate) async fn perform(target: &Actor, request: &Request) -> Result<Answer, Failure> {
    let permit = target.permits.acquire().await;
    let _permit = permit.map_err(|_| failure::unreachable("the target is closed"))?;
    let resource = match find(target, request).await {
        // Nothing of a kind that is not there is there.
        Err(failure) if failure.reason == "UnknownKind" && request.verb == Verb::Delete => {
            return Ok(Answer::Gone);
        }
        found => found?,
    };
    match request.verb {
        Verb::Create | Verb::Update => {
            if let Some(live) = &request.live {
                take_over(target, &resource, live).await?;
            }
            match apply(target, &resource, request, request.live.as_ref()).await {
                Err(failure) if failure.reason == "Invalid" && request.live.is_some() => {
                    apply_without_rivals(target, &resource, request, failure).await
                }
                result => result,
            }
        }
        Verb::Replace | Verb::Run => {
            if request.live.is_some() {
                delete(target, &resource, request).await?;
                await_gone(target, &resource, request).await?;
            }
            apply(target, &resource, request, None).await
        }
        Verb::Delete => delete(target, &resource, request).await,
        Verb::Keep => Ok(Answer::Gone),
    }
}

async fn find(target: &Actor, request: &Request) -> Result<Arc<Resource>, Failure> {
    let kind = &request.key.key.kind;
    if request.verb == Verb::Delete {
        let found = target
            .discovery
            .find_any(&target.api, kind, &request.key.version)
            .await?;
        return found.ok_or_else(|| failure::unknown_kind(kind, &request.key.version));
    }
    target
        .discovery
        .find(&target.api, kind, &request.key.version)
        .await
}

fn apply_path(resource: &Resource, request: &Request) -> String {
    let key = &request.key.key;
    let object = resource.object(key.namespace.as_deref(), &key.name);
    format!("{object}?fieldManager={MANAGER}&force=true")
}

/// The object as it is sent: with the uid of the one that the plan saw.
fn apply_body(body: Option<&Packed>, live: Option<&LiveObject>) -> Bytes {
    let mut body = body.map(Packed::unpack).unwrap_or_default();
    strip_server_metadata(&mut body);
    let metadata = body.get_mut("metadata").and_then(Value::as_object_mut);
    if let (Some(metadata), Some(live)) = (metadata, live) {
        metadata.insert("uid".to_owned(), live.uid().into());
    }
    serde_json::to_vec(&body).unwrap_or_default().into()
}

async fn apply(
    target: &Actor,
    resource: &Arc<Resource>,
    request: &Request,
    live: Option<&LiveObject>,
) -> Result<Answer, Failure> {
    if request.body.is_none() {
        return Ok(Answer::Gone);
    }
    let path = apply_path(resource, request);
    let sent = apply_body(request.body.as_ref(), live);
    let call = Call::new(Method::PATCH, path, APPLY_PATCH, sent);
    let bytes = target.api.call(&call, &resource.kind).await?;
    let value: Value = serde_json::from_slice(&bytes)
        .map_err(|error| failure::unreadable("an object could not be read", &error))?;
    let key = &request.key.key;
    let (answer, _) = target.store.put(resource, key, value);
    if resource
        .kind
        .is("apiextensions.k8s.io", "CustomResourceDefinition")
    {
        target.discovery.forget().await;
        target.typings.forget();
    }
    let changed = match live {
        Some(live) if live.resource_version() == answer.resource_version() => Changed::No,
        _ => Changed::Yes,
    };
    Ok(Answer::Applied(Box::new(answer), changed))
}

/// Applies an object again that the server refused as invalid, without the items that others put
/// beside ours; `refused` stands where there are none.
async fn apply_without_rivals(
    target: &Actor,
    resource: &Arc<Resource>,
    request: &Request,
    refused: Failure,
) -> Result<Answer, Failure> {
    let typing = target.typings.find(&target.api, resource).await;
    let uid = request.live.as_ref().map(LiveObject::uid);
    let live = target.read(resource, &request.key).await?;
    let live = live.filter(|live| Some(live.uid()) == uid);
    let (Some(typing), Some(live), Some(body)) = (typing, live, &request.body) else {
        return Err(refused);
    };
    let Some(patch) = without_rivals(&body.unpack(), &live, &typing, MANAGER) else {
        return Err(refused);
    };
    let key = &request.key.key;
    let object = resource.object(key.namespace.as_deref(), &key.name);
    let path = format!("{object}?fieldManager={MANAGER}");
    let body = serde_json::to_vec(&patch).unwrap_or_default().into();
    let call = Call::new(Method::PATCH, path, JSON_PATCH, body);
    // Where the whole is invalid for another reason, the first refusal says it better.
    if target.api.call(&call, &resource.kind).await.is_err() {
        return Err(refused);
    }
    let live = target.read(resource, &request.key).await?;
    if let Some(live) = &live {
        take_over(target, resource, live).await?;
    }
    match apply(target, resource, request, live.as_ref()).await? {
        Answer::Applied(live, _) => Ok(Answer::Applied(live, Changed::Yes)),
        answer => Ok(answer),
    }
}

/// Makes what `kubectl apply` owns ours, and what we wrote by other requests than an apply, so that a
/// field that Git drops later goes. Values stay as they are, so nothing restarts; the
/// resourceVersion guards against a write in between.
async fn take_over(target: &Actor, resource: &Resource, live: &LiveObject) -> Result<(), Failure> {
    let entries = taken_over(&live.managers, MANAGER)
        .map_err(|error| failure::unreadable("managed fields", &error))?;
    let Some(entries) = entries else {
        return Ok(());
    };
    let patch = json!([
        {"op": "test", "path": "/metadata/resourceVersion", "value": live.resource_version()},
        {"op": "replace", "path": "/metadata/managedFields", "value": entries},
    ]);
    let key = &live.key.key;
    let path = resource.object(key.namespace.as_deref(), &key.name);
    let body = serde_json::to_vec(&patch).unwrap_or_default().into();
    let call = Call::new(Method::PATCH, path, JSON_PATCH, body);
    target
        .api
        .call(&call, &resource.kind)
        .await
        .map(|_| ())
        .map_err(|mut failure| {
            // A failed test operation is told as invalid; it means that somebody wrote in between.
            failure.class = Class::Transient;
            failure
        })
}

async fn delete(
    target: &Actor,
    resource: &Arc<Resource>,
    request: &Request,
) -> Result<Answer, Failure> {
    let key = &request.key.key;
    let mut options = json!({
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Background",
    });
    if let Some(live) = &request.live {
        options["preconditions"] = json!({"uid": live.uid()});
    }
    let path = resource.object(key.namespace.as_deref(), &key.name);
    let body = serde_json::to_vec(&options).unwrap_or_default().into();
    let call = Call::new(Method::DELETE, path, JSON, body);
    let bytes = match target.api.call(&call, &resource.kind).await {
        Ok(bytes) => bytes,
        // Another object of that name is none of ours; the one that was is gone.
        Err(failure) if matches!(failure.reason, "NotFound" | "Conflict") => {
            return Ok(Answer::Gone);
        }
        Err(failure) => return Err(failure),
    };
    let value: Value = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    let deletion = value.pointer("/metadata/deletionTimestamp");
    let finalizers = value
        .pointer("/metadata/finalizers")
        .and_then(Value::as_array);
    let going = deletion.is_some_and(|time| !time.is_null());
    if going && (finalizers.is_some_and(|list| !list.is_empty()) || has_grace(resource)) {
        target.store.put(resource, key, value);
        return Ok(Answer::Going);
    }
    target.store.remove(resource, key, None);
    if resource
        .kind
        .is("apiextensions.k8s.io", "CustomResourceDefinition")
    {
        target.discovery.forget().await;
        target.typings.forget();
    }
    Ok(Answer::Gone)
}

/// Kinds whose objects go some time after their delete was answered.
fn has_grace(resource: &Resource) -> bool {
    resource.kind.is("", "Pod") || resource.kind.is("", "Namespace")
}

async fn await_gone(
    target: &Actor,
    resource: &Arc<Resource>,
    request: &Request,
) -> Result<(), Failure> {
    let uid = request.live.as_ref().map(LiveObject::uid);
    let gone = async {
        loop {
            match target.read(resource, &request.key).await? {
                Some(live) if Some(live.uid()) == uid => {}
                _ => return Ok(()),
            }
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(GOING, gone).await.unwrap_or_else(|_| {
        Err(Failure {
            class: Class::Transient,
            reason: "StillGoing",
            message: "the object to be replaced is still being deleted".to_owned(),
            hint: Some("see its finalizers".to_owned()),
        })
    })
}
