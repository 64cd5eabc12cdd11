//! delete, deletecollection and eviction: what is removed at once, and what waits for finalizers
//! or a grace period. It must not know who does the waiting.

use std::sync::Arc;
use std::time::Duration;

use holdfast_admit::{ApiError, ObjectName, ResourceId, Result, Served, Subject};
use holdfast_model::time::Time;
use holdfast_model::{FieldError, Value};
use serde_json::json;

use super::admitted::{Change, admitted};
use super::target::{Target, in_version};
use super::{finish, metadata, read};
use crate::body::Reply;
use crate::call::{Call, text_at};
use crate::policies::Operation;
use crate::rest::write::ATTEMPTS;
use crate::state::State;
use crate::store::{Expected, Store, Stored};

/// What becomes of an object's dependents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Propagation {
    Background,
    Foreground,
    Orphan,
}

struct Options {
    propagation: Option<Propagation>,
    grace: Option<i64>,
    uid: Option<String>,
    revision: Option<String>,
    dry_run: bool,
}

/// The seconds that a pod has to end when it does not say.
const DEFAULT_GRACE: i64 = 30;

fn options(call: &Call) -> Result<Options> {
    let body = if call.body.is_empty() {
        Value::Null
    } else {
        call.document()?.value
    };
    let asked: Vec<Value> = match body.get("dryRun").and_then(Value::as_array) {
        Some(list) if !list.is_empty() => list.clone(),
        _ => {
            let word = call.query.text("dryRun");
            word.map(|word| json!(word)).into_iter().collect()
        }
    };
    if asked.iter().any(|word| word != "All") {
        let error = FieldError::unsupported("dryRun", &json!(asked), &["All"]);
        let subject = Subject {
            group: "meta.k8s.io",
            name: "DeleteOptions",
        };
        return Err(ApiError::invalid(&subject, "", &[error]));
    }
    let dry_run = !asked.is_empty();
    let grace = body
        .get("gracePeriodSeconds")
        .and_then(Value::as_i64)
        .or_else(|| call.query.get("gracePeriodSeconds")?.parse().ok());
    Ok(Options {
        propagation: propagation(call, &body)?,
        grace,
        uid: text_at(&body, &["preconditions", "uid"]).map(str::to_owned),
        revision: text_at(&body, &["preconditions", "resourceVersion"]).map(str::to_owned),
        dry_run,
    })
}

fn propagation(call: &Call, body: &Value) -> Result<Option<Propagation>> {
    let refuse = |error: FieldError| {
        let subject = Subject {
            group: "meta.k8s.io",
            name: "DeleteOptions",
        };
        Err(ApiError::invalid(&subject, "", &[error]))
    };
    let orphan = body.get("orphanDependents").and_then(Value::as_bool);
    let orphan = orphan.or_else(|| Some(call.query.text("orphanDependents")? == "true"));
    let policy = text_at(body, &["propagationPolicy"]);
    let policy = policy.or_else(|| call.query.text("propagationPolicy"));
    match (policy, orphan) {
        (None, None) => Ok(None),
        (None, Some(true)) => Ok(Some(Propagation::Orphan)),
        (None, Some(false)) => Ok(Some(Propagation::Background)),
        (Some(policy), Some(_)) => refuse(FieldError::invalid(
            "propagationPolicy",
            &json!(policy),
            "orphanDependents and deletionPropagation cannot be both set",
        )),
        (Some("Background"), None) => Ok(Some(Propagation::Background)),
        (Some("Foreground"), None) => Ok(Some(Propagation::Foreground)),
        (Some("Orphan"), None) => Ok(Some(Propagation::Orphan)),
        (Some(other), None) => refuse(FieldError::unsupported(
            "propagationPolicy",
            &json!(other),
            &["Foreground", "Background", "Orphan", "nil"],
        )),
    }
}

/// Answers DELETE of one object.
pub(crate) fn delete(state: &State, call: &Call, target: &Target) -> Result<Reply> {
    let options = options(call)?;
    let name = target.object_name()?;
    let change = (state, call, target);
    let (value, gone, warnings) = delete_asked(change, &name, &options)?;
    let served = &target.served;
    if !gone || returns_object(served) {
        let form = call.form();
        let shaped = read::shaped(call, served, value, form, state.now());
        return Ok(warned(Reply::json(200, &shaped), warnings));
    }
    let mut details = json!({
        "name": name.name, "kind": served.kind.plural, "uid": value["metadata"]["uid"],
    });
    if !served.kind.group.is_empty() {
        details["group"] = json!(served.kind.group);
    }
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": details,
    });
    Ok(warned(Reply::json(200, &status), warnings))
}

fn warned(mut reply: Reply, warnings: Vec<String>) -> Reply {
    reply.warnings = warnings;
    reply
}

/// Kinds whose deletion is answered with the object, even when it is gone.
fn returns_object(served: &Served) -> bool {
    let kind = (served.kind.group.as_str(), served.kind.kind.as_str());
    served.custom.is_none()
        && matches!(
            kind,
            (
                "",
                "Pod"
                    | "Namespace"
                    | "Service"
                    | "PersistentVolumeClaim"
                    | "PersistentVolume"
                    | "ServiceAccount"
                    | "PodTemplate"
                    | "ResourceQuota"
            ) | (
                "storage.k8s.io",
                "CSIDriver"
                    | "CSINode"
                    | "StorageClass"
                    | "VolumeAttachment"
                    | "VolumeAttributesClass"
            ) | (
                "resource.k8s.io",
                "DeviceClass" | "ResourceClaim" | "ResourceClaimTemplate" | "ResourceSlice"
            )
        )
}

/// Deletes an object if the admission policies let it; the answer is its state, whether it is gone,
/// and what they warn of.
fn delete_asked(
    (state, call, target): (&State, &Call, &Target),
    name: &ObjectName,
    options: &Options,
) -> Result<(Value, bool, Vec<String>)> {
    let mut warnings = Vec::new();
    let (value, gone) = delete_one((state, target), name, options, &mut |old| {
        warnings = admitted(
            state,
            call,
            target,
            &Change {
                operation: Operation::Delete,
                sent: None,
                object: None,
                old: Some(old),
                dry_run: options.dry_run,
            },
        )?;
        Ok(())
    })?;
    Ok((value, gone, warnings))
}

/// Deletes an object or begins to, if it may be; the answer is its state and whether it is gone.
fn delete_one(
    (state, target): (&State, &Target),
    name: &ObjectName,
    options: &Options,
    may_go: &mut dyn FnMut(&Value) -> Result<()>,
) -> Result<(Value, bool)> {
    let served = &target.served;
    let resource = served.resource();
    let not_found = || ApiError::not_found(&resource, &name.name);
    for _ in 0..ATTEMPTS {
        let stored = state.store().get(&served.storage, name);
        let stored = stored.ok_or_else(not_found)?;
        let old = in_version(stored.value(), served);
        check_preconditions(target, &stored, &old, options)?;
        holdfast_admit::admit_delete(served, &old)?;
        may_go(&old)?;
        let mut new = old.clone();
        mark(state.now(), target, &mut new, options);
        if options.dry_run {
            let is_over = metadata::is_finished(&new);
            let shows_old = is_over && !served.is("", "Pod");
            return Ok((if shows_old { old } else { new }, is_over));
        }
        let done = if metadata::is_finished(&new) {
            let removed = state.store().remove(&served.storage, name, stored.revision);
            removed.map(|removed| {
                finish::removed(state, served, &old);
                // Of a pod the answer shows that it was told to end.
                let last = if served.is("", "Pod") {
                    new.clone()
                } else {
                    in_version(removed.value(), served)
                };
                (last, true)
            })
        } else if new == old {
            Ok((old, false))
        } else {
            let mut value = new;
            holdfast_admit::to_storage(&mut value, served);
            let expected = Expected::Revision(stored.revision);
            let put = state
                .store()
                .put(&served.storage, name, expected, &mut value);
            put.map(|_| {
                finish::written(state, served, &value);
                (in_version(value, served), false)
            })
        };
        if let Ok(done) = done {
            return Ok(done);
        }
    }
    Err(ApiError::changed(&resource, &name.name))
}

fn check_preconditions(
    target: &Target,
    stored: &Arc<Stored>,
    old: &Value,
    options: &Options,
) -> Result<()> {
    let refuse = |message: &str| {
        let subject = target.served.subject();
        Err(ApiError::conflict(&subject, &stored.name.name, message))
    };
    let found = text_at(old, &["metadata", "uid"]).unwrap_or("");
    if let Some(uid) = &options.uid
        && uid != found
    {
        return refuse(&format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({found}). The \
             object might have been deleted and then recreated"
        ));
    }
    let found = stored.revision.to_string();
    match &options.revision {
        Some(revision) if *revision != found => refuse(&format!(
            "the ResourceVersion in the precondition ({revision}) does not match the \
             ResourceVersion in record ({found}). The object might have been modified"
        )),
        _ => Ok(()),
    }
}

/// Marks an object as being deleted, with the finalizers and the grace period that it gets.
fn mark(now: Time, target: &Target, value: &mut Value, options: &Options) {
    let served = &target.served;
    let grace = if served.is("", "Pod") {
        pod_grace(value, options.grace)
    } else {
        0
    };
    let deleting = value["metadata"].get("deletionTimestamp").is_some();
    let mut finalizers: Vec<Value> = value["metadata"]["finalizers"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let own = |finalizer: &Value| finalizer == "foregroundDeletion" || finalizer == "orphan";
    if options.propagation.is_some() {
        finalizers.retain(|finalizer| !own(finalizer));
    }
    match options.propagation {
        Some(Propagation::Foreground) => finalizers.push(json!("foregroundDeletion")),
        Some(Propagation::Orphan) => finalizers.push(json!("orphan")),
        _ => {}
    }
    let metadata = &mut value["metadata"];
    if finalizers.is_empty() {
        if let Some(fields) = metadata.as_object_mut() {
            fields.remove("finalizers");
        }
    } else {
        metadata["finalizers"] = json!(finalizers);
    }
    let known = metadata
        .get("deletionGracePeriodSeconds")
        .and_then(Value::as_i64);
    let shorter = known.is_none_or(|known| grace < known);
    if !deleting || shorter {
        let seconds = u64::try_from(grace).unwrap_or(0);
        let end = now + Duration::from_secs(seconds);
        metadata["deletionTimestamp"] = json!(end.to_string());
        if !ends_in_own_way(served) {
            metadata["deletionGracePeriodSeconds"] = json!(grace);
        }
    }
    if served.is("apiextensions.k8s.io", "CustomResourceDefinition") {
        end_definition(value, &now.to_string());
        return;
    }
    if !deleting && served.counted {
        let generation = metadata["generation"].as_i64().unwrap_or(0);
        metadata["generation"] = json!(generation + 1);
    }
    if served.is("", "Namespace") {
        value["status"]["phase"] = json!("Terminating");
    }
}

/// Kinds whose end has no grace period.
fn ends_in_own_way(served: &Served) -> bool {
    served.is("", "Namespace") || served.is("apiextensions.k8s.io", "CustomResourceDefinition")
}

/// A definition goes when the last object of its kind is gone.
fn end_definition(value: &mut Value, now: &str) {
    let cleanup = json!(finish::CLEANUP);
    let mut finalizers = holdfast_kinds::items(&value["metadata"], "finalizers").to_vec();
    if !finalizers.contains(&cleanup) {
        finalizers.push(cleanup);
        value["metadata"]["finalizers"] = json!(finalizers);
    }
    let mut conditions = holdfast_kinds::items(&value["status"], "conditions").to_vec();
    if !conditions
        .iter()
        .any(|condition| condition["type"] == "Terminating")
    {
        conditions.push(json!({
            "type": "Terminating", "status": "True", "reason": "InstanceDeletionPending",
            "message": "CustomResourceDefinition marked for deletion; CustomResource deletion will \
                        begin soon",
            "lastTransitionTime": now,
        }));
        value["status"]["conditions"] = json!(conditions);
    }
}

/// A pod that nobody runs ends at once.
fn pod_grace(pod: &Value, asked: Option<i64>) -> i64 {
    let own = pod["spec"]["terminationGracePeriodSeconds"].as_i64();
    let phase = text_at(pod, &["status", "phase"]).unwrap_or("");
    let ended = matches!(phase, "Failed" | "Succeeded");
    if text_at(pod, &["spec", "nodeName"]).is_none() || ended {
        return 0;
    }
    match asked.or(own).unwrap_or(DEFAULT_GRACE) {
        negative if negative < 0 => 1,
        grace => grace,
    }
}

/// Answers DELETE of all objects that are selected.
pub(crate) fn delete_collection(state: &State, call: &Call, target: &Target) -> Result<Reply> {
    let options = options(call)?;
    let selector = read::selector(call, target)?;
    let page = state
        .store()
        .list(&target.served.storage, target.namespace.as_deref(), None);
    let page = page.map_err(|_| ApiError::internal("the present is always known"))?;
    let mut objects = page.objects;
    objects
        .retain(|stored| selector.matches(stored, || in_version(stored.value(), &target.served)));
    let mut head = json!({"resourceVersion": page.revision.to_string()});
    if target.served.custom.is_some() {
        head["continue"] = json!("");
    }
    let place = (&mut head, page.revision);
    read::cut(call, &mut objects, place, selector.is_empty());
    let mut items = Vec::new();
    let mut warnings: Vec<String> = Vec::new();
    for stored in objects {
        match delete_asked((state, call, target), &stored.name, &options) {
            Ok((_, _, said)) => {
                for warning in said {
                    if !warnings.contains(&warning) {
                        warnings.push(warning);
                    }
                }
                // What is told is what there was.
                let mut value = in_version(stored.value(), &target.served);
                if let Some(fields) = value.as_object_mut()
                    && target.served.custom.is_none()
                {
                    fields.remove("apiVersion");
                    fields.remove("kind");
                }
                items.push(value);
            }
            Err(error) if error.code == 404 => {}
            Err(error) => return Err(error),
        }
    }
    let served = &target.served;
    let list = json!({
        "kind": served.kind.list_kind, "apiVersion": served.kind.api_version(),
        "metadata": head, "items": items,
    });
    Ok(warned(Reply::json(200, &list), warnings))
}

/// Answers an eviction: a delete that disruption budgets may refuse.
pub(crate) fn evict(state: &State, call: &Call, target: &Target) -> Result<Reply> {
    let eviction = call.document()?.value;
    let delete = json!(eviction.get("deleteOptions").cloned().unwrap_or_default());
    let mut inner = call.clone();
    inner.body = if delete.is_null() {
        bytes::Bytes::new()
    } else {
        bytes::Bytes::from(delete.to_string())
    };
    let options = options(&inner)?;
    let name = target.object_name()?;
    let asked = Change {
        operation: Operation::Create,
        sent: Some(["policy", "v1", "Eviction"]),
        object: Some(&eviction),
        old: None,
        dry_run: options.dry_run,
    };
    let warnings = admitted(state, call, target, &asked)?;
    if let Some(message) = disruption_refused(state.store(), target, &name) {
        let mut error = ApiError::server_error(
            "Cannot evict pod as it would violate the pod's disruption budget.",
        );
        error.code = 429;
        error.reason = "TooManyRequests";
        error.details = Some(json!({
            "causes": [{"reason": "DisruptionBudget", "message": message}]
        }));
        return Err(error);
    }
    // That it goes has been judged with the eviction.
    delete_one((state, target), &name, &options, &mut |_| Ok(()))?;
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201,
    });
    Ok(warned(Reply::json(201, &status), warnings))
}

/// Why a disruption budget refuses the eviction of a pod.
fn disruption_refused(store: &Store, target: &Target, name: &ObjectName) -> Option<String> {
    let pod = store.get(&target.served.storage, name)?;
    let budgets = ResourceId::new("policy", "poddisruptionbudgets");
    let budgets = store.values(&budgets, Some(&name.namespace));
    holdfast_admit::disruption_refused(&pod.value(), &budgets)
}
