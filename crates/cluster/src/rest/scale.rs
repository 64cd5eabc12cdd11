//! The `scale` subresource: a view of replicas. It must not know workloads beyond their paths.

use holdfast_admit::labels::text_of_selector;
use holdfast_admit::{ApiError, Result, Subject};
use holdfast_model::time::Time;
use holdfast_model::{FieldError, Value};
use http::Method;
use serde_json::{Map, json};

use super::admitted::Change;
use super::metadata::check_name;
use super::read;
use super::target::{Target, in_version, name_of};
use super::write::{ATTEMPTS, Outcome, Write};
use crate::body::Reply;
use crate::call::{Call, read_document, read_yaml, text_at};
use crate::negotiate::Form;
use crate::partial::partial;
use crate::policies::Operation;
use crate::state::State;
use crate::table;

/// Where a kind keeps what scaling needs.
struct Paths {
    spec: Vec<String>,
    status: Vec<String>,
    selector: Vec<String>,
}

fn paths(target: &Target) -> Paths {
    let split = |text: &str| -> Vec<String> {
        let parts = text.split('.').filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    };
    let custom = target
        .served
        .custom
        .as_ref()
        .and_then(|custom| custom.scale.as_ref());
    let text = |name: &str, default: &str| {
        let Some(custom) = custom else {
            return split(default);
        };
        split(custom.get(name).and_then(Value::as_str).unwrap_or(""))
    };
    Paths {
        spec: text("specReplicasPath", ".spec.replicas"),
        status: text("statusReplicasPath", ".status.replicas"),
        selector: text("labelSelectorPath", ".spec.selector"),
    }
}

fn lookup<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    if path.is_empty() {
        return None;
    }
    path.iter()
        .try_fold(value, |current, name| current.get(name))
}

fn store(value: &mut Value, path: &[String], replicas: i64) {
    let Some((last, parents)) = path.split_last() else {
        return;
    };
    let mut current = value;
    for name in parents {
        if !current[name.as_str()].is_object() {
            current[name.as_str()] = json!({});
        }
        current = &mut current[name.as_str()];
    }
    current[last.as_str()] = json!(replicas);
}

fn view(value: &Value, paths: &Paths) -> Value {
    let mut metadata = Map::new();
    for name in [
        "name",
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
    ] {
        if let Some(found) = value["metadata"].get(name) {
            metadata.insert(name.to_owned(), found.clone());
        }
    }
    let replicas = |path: &[String]| lookup(value, path).and_then(Value::as_i64).unwrap_or(0);
    let mut spec = json!({});
    if replicas(&paths.spec) != 0 {
        spec["replicas"] = json!(replicas(&paths.spec));
    }
    let mut status = json!({"replicas": replicas(&paths.status)});
    let selector = match lookup(value, &paths.selector) {
        Some(Value::String(text)) => text.clone(),
        Some(selector) => text_of_selector(selector),
        None => String::new(),
    };
    if !selector.is_empty() {
        status["selector"] = json!(selector);
    }
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata, "spec": spec,
        "status": status,
    })
}

/// Answers GET, PUT and PATCH of `scale`.
pub(crate) fn scale(state: &State, call: &Call, target: &Target) -> Result<Reply> {
    let paths = paths(target);
    let object_name = target.object_name()?;
    let find = || {
        let stored = state.store().get(&target.served.storage, &object_name);
        stored.ok_or_else(|| target.not_found())
    };
    if call.method == Method::GET {
        let value = in_version(find()?.value(), &target.served);
        check_replicas(target, &value, &paths)?;
        return reply(state.now(), call, view(&value, &paths));
    }
    let write = Write::new(state, call, target)?;
    let patch = if is_applied(call) {
        read_yaml(&call.body)?.value
    } else {
        read_document(&call.body)?.value
    };
    for _ in 0..ATTEMPTS {
        let stored = find()?;
        let old = in_version(stored.value(), &target.served);
        let wanted = wanted_scale(call, view(&old, &paths), &patch)?;
        check_name(name_of(&wanted), &object_name.name)?;
        let version = text_at(&wanted, &["metadata", "resourceVersion"]);
        if version.is_some_and(|version| version != stored.revision.to_string()) {
            return Err(ApiError::changed(
                &target.served.resource(),
                &object_name.name,
            ));
        }
        let replicas = wanted["spec"]["replicas"].as_i64().unwrap_or(0);
        if replicas < 0 && target.served.custom.is_none() {
            let subject = Subject {
                group: "autoscaling",
                name: "Scale",
            };
            let error = FieldError::invalid(
                "spec.replicas",
                &json!(replicas),
                "must be greater than or equal to 0",
            );
            return Err(ApiError::invalid(&subject, &object_name.name, &[error]));
        }
        let mut new = old.clone();
        store(&mut new, &paths.spec, replicas);
        write.own(&old, &mut new);
        ask_policies(&write, &view(&new, &paths), &view(&old, &paths))?;
        mark_owner(&mut new, &write.manager, is_applied(call));
        if let Outcome::Done(value) = write.replace(&stored, &old, new)? {
            return reply(state.now(), call, view(&value, &paths));
        }
    }
    Err(ApiError::changed(
        &target.served.resource(),
        &object_name.name,
    ))
}

/// Has the admission policies judge the scale, as that is what is written.
fn ask_policies(write: &Write<'_>, new: &Value, old: &Value) -> Result<()> {
    write.ask_policies_of(&Change {
        operation: Operation::Update,
        sent: Some(["autoscaling", "v1", "Scale"]),
        object: Some(new),
        old: Some(old),
        dry_run: write.dry_run,
    })
}

/// A custom object has to say how many replicas it wants before it can be looked at as a scale.
fn check_replicas(target: &Target, value: &Value, paths: &Paths) -> Result<()> {
    if target.served.custom.is_none() || lookup(value, &paths.spec).is_some() {
        return Ok(());
    }
    let path = paths.spec.join(".");
    let problem = format!("the spec replicas field \".{path}\" does not exist");
    Err(ApiError::internal(problem))
}

/// A view in the form that is asked for.
fn reply(now: Time, call: &Call, view: Value) -> Result<Reply> {
    let shaped = match call.form() {
        Form::Object => view,
        Form::Partial => partial(&view),
        Form::Table => table::scale(&view, &read::table_options(call, now, true)),
    };
    Ok(Reply::json(200, &shaped))
}

fn is_applied(call: &Call) -> bool {
    let media = call.header("content-type");
    media.starts_with("application/apply-patch+yaml")
}

/// Owners through `scale` have no time, in the real one either; who applied is told from who
/// updated.
fn mark_owner(value: &mut Value, manager: &str, is_applied: bool) {
    let entries = value["metadata"]["managedFields"].as_array_mut();
    for entry in entries.into_iter().flatten() {
        if entry["subresource"] == "scale"
            && entry["manager"] == manager
            && let Some(fields) = entry.as_object_mut()
        {
            fields.remove("time");
            if is_applied {
                fields.insert("operation".to_owned(), json!("Apply"));
            }
        }
    }
}

fn wanted_scale(call: &Call, mut current: Value, patch: &Value) -> Result<Value> {
    if call.method == Method::PUT {
        return Ok(patch.clone());
    }
    let media = call.header("content-type");
    if media.starts_with("application/json-patch+json") {
        holdfast_merge::json_patch::apply(&mut current, patch)
            .map_err(|error| ApiError::unprocessable(error.to_string()))?;
    } else {
        holdfast_merge::merge_patch::apply(&mut current, patch);
    }
    Ok(current)
}
