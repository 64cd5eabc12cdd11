//! get and list, in the form that is asked for. It must not change anything.

use std::sync::Arc;

use bytes::Bytes;
use holdfast_admit::{ApiError, ObjectName, ResourceId, Result, Served};
use holdfast_model::time::Time;
use holdfast_model::{FieldError, Value};
use serde_json::json;

use super::target::{Target, in_version};
use crate::body::Reply;
use crate::call::{Call, Query, text_at};
use crate::negotiate::Form;
use crate::partial::partial;
use crate::select::Selector;
use crate::store::{Store, Stored};
use crate::table;

/// Answers with one object.
pub(crate) fn get(store: &Store, now: Time, call: &Call, target: &Target) -> Result<Reply> {
    let form = call.form();
    let stored = store
        .get(&target.served.storage, &target.object_name()?)
        .ok_or_else(|| target.not_found())?;
    if form == Form::Object {
        return Ok(Reply::bytes(
            200,
            "application/json",
            bytes_of(&stored, &target.served),
        ));
    }
    let value = in_version(stored.value(), &target.served);
    Ok(Reply::json(
        200,
        &shaped(call, &target.served, value, form, now),
    ))
}

/// What an annotation says that a simulated container has logged.
const STAGED_LOG: &str = "simulation.holdfast.dev/log";

/// The lines that a simulated container has logged: none, unless they are staged.
pub(crate) fn log(store: &Store, call: &Call, target: &Target) -> Result<Reply> {
    let name = target.object_name()?;
    let found = store.get(&target.served.storage, &name);
    let pod = found.ok_or_else(|| target.not_found())?.value();
    if let Some(node) = text_at(&pod, &["spec", "nodeName"]) {
        let place = ObjectName {
            namespace: String::new(),
            name: node.to_owned(),
        };
        let nodes = ResourceId::new("", "nodes");
        if store.get(&nodes, &place).is_none() {
            // The real one calls the node a pod here.
            return Err(ApiError::not_found(&target.served.resource(), node));
        }
    }
    let Some(log) = text_at(&pod, &["metadata", "annotations", STAGED_LOG]) else {
        return Ok(Reply::text(
            200,
            "this pod is simulated: no container runs, so there is no log\n",
        ));
    };
    Ok(Reply::text(200, &excerpt(log, &call.query)))
}

/// The newest lines of a log, and of those the first bytes, as a request wants them.
fn excerpt(log: &str, query: &Query) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let wanted = query.number("tailLines").unwrap_or(u64::MAX);
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    let newest = &lines[lines.len().saturating_sub(wanted)..];
    let mut text: String = newest.iter().map(|line| format!("{line}\n")).collect();
    let limit = query.number("limitBytes").unwrap_or(u64::MAX);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    text.truncate(text.floor_char_boundary(limit));
    text
}

/// The object's bytes in the version of `served`.
pub(crate) fn bytes_of(stored: &Stored, served: &Served) -> Bytes {
    if served.storage_version == served.kind.api_version() {
        stored.bytes()
    } else {
        Bytes::from(in_version(stored.value(), served).to_string())
    }
}

/// One object in a form.
pub(crate) fn shaped(call: &Call, served: &Served, value: Value, form: Form, now: Time) -> Value {
    match form {
        Form::Object => value,
        Form::Partial => partial(&value),
        Form::Table => {
            // What is not stored has no version.
            let version = value["metadata"].get("resourceVersion");
            let metadata = version.map_or(json!({}), |version| json!({"resourceVersion": version}));
            table::table(served, &[value], metadata, &table_options(call, now, true))
        }
    }
}

pub(crate) fn table_options(call: &Call, now: Time, headers: bool) -> table::Options {
    table::Options {
        include: call.query.get("includeObject").unwrap_or("").to_owned(),
        headers,
        now,
    }
}

/// Where a page of a list goes on.
struct Continue {
    revision: u64,
    after: ObjectName,
}

fn read_continue(token: &str) -> Option<Continue> {
    let value: Value = serde_json::from_slice(&from_hex(token)?).ok()?;
    Some(Continue {
        revision: value["rv"].as_u64()?,
        after: ObjectName {
            namespace: value["ns"].as_str()?.to_owned(),
            name: value["name"].as_str()?.to_owned(),
        },
    })
}

fn write_continue(revision: u64, last: &ObjectName) -> String {
    let token = json!({"rv": revision, "ns": last.namespace, "name": last.name});
    let text = token.to_string();
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) || text.len() > 4096 {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|index| u8::from_str_radix(&text[index..index + 2], 16).ok())
        .collect()
}

/// Reads the selectors of a list or watch.
pub(crate) fn selector(call: &Call, target: &Target) -> Result<Selector> {
    let labels = call.query.get("labelSelector");
    let fields = call.query.get("fieldSelector");
    let selector = Selector::read(labels, fields)?;
    let unknown = selector
        .field_paths()
        .find(|path| !holdfast_admit::selectable(&target.served, path));
    match unknown {
        None => Ok(selector),
        Some(path) if holdfast_admit::selects_by_fields(&target.served) => Err(
            ApiError::bad_request(format!("field label not supported: {path}")),
        ),
        Some(path) => Err(ApiError::bad_request(format!(
            "{path:?} is not a known field selector: only \"metadata.name\", \
             \"metadata.namespace\""
        ))),
    }
}

/// What is said about a revision that is no number.
pub(crate) fn bad_revision(text: &str) -> String {
    format!(
        "resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid \
         syntax"
    )
}

/// The revision that a list is asked for, by `resourceVersion` and `resourceVersionMatch`.
fn wanted_revision(call: &Call, current: u64) -> Result<Option<u64>> {
    let matching = call.query.text("resourceVersionMatch");
    let Some(text) = call.query.text("resourceVersion") else {
        if matching.is_some() {
            return Err(ApiError::list_options(&[FieldError::forbidden(
                "resourceVersionMatch",
                "resourceVersionMatch is forbidden unless resourceVersion is provided",
            )]));
        }
        return Ok(None);
    };
    let revision: u64 = text.parse().map_err(|_| {
        ApiError::bad_request(format!("invalid resource version: {}", bad_revision(text)))
    })?;
    if revision > current {
        let mut error = ApiError::server_error(format!(
            "Timeout: Too large resource version: {revision}, current: {current}"
        ));
        error.code = 504;
        error.reason = "Timeout";
        error.details = Some(json!({
            "causes": [{
                "reason": "ResourceVersionTooLarge", "message": "Too large resource version"
            }],
            "retryAfterSeconds": 1,
        }));
        return Err(error);
    }
    Ok((matching == Some("Exact")).then_some(revision))
}

/// What may not be asked of a list.
fn check_list_options(call: &Call) -> Result<()> {
    if let Some(limit) = call.query.text("limit")
        && limit.parse::<i64>().is_err()
    {
        let problem = format!("strconv.ParseInt: parsing {limit:?}: invalid syntax");
        return Err(ApiError::bad_request(problem));
    }
    let field = "resourceVersionMatch";
    let revision = call.query.text("resourceVersion");
    let error = match call.query.text(field).unwrap_or("") {
        _ if call.query.get("sendInitialEvents").is_some() => FieldError::forbidden(
            "sendInitialEvents",
            "sendInitialEvents is forbidden for list",
        ),
        "" | "NotOlderThan" => return check_continue(call),
        "Exact" if revision != Some("0") => return check_continue(call),
        "Exact" => FieldError::forbidden(
            field,
            "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"",
        ),
        other => {
            let known = ["Exact", "NotOlderThan", ""];
            FieldError::unsupported(field, &json!(other), &known)
        }
    };
    Err(ApiError::list_options(&[error]))
}

/// The rest of a list is of the revision of its start.
fn check_continue(call: &Call) -> Result<()> {
    let revision = call.query.text("resourceVersion");
    let is_named = revision.is_some_and(|revision| revision != "0");
    if call.query.text("continue").is_some() && is_named {
        let problem = "specifying resource version is not allowed when using continue";
        return Err(ApiError::bad_request(problem));
    }
    Ok(())
}

/// Answers with a list.
pub(crate) fn list(store: &Store, now: Time, call: &Call, target: &Target) -> Result<Reply> {
    let form = call.form();
    check_list_options(call)?;
    let selector = selector(call, target)?;
    let token = call.query.text("continue");
    let from = match token {
        Some(token) => Some(read_continue(token).ok_or_else(|| {
            ApiError::bad_request(
                "invalid continue token: continue key is not valid: it was not made by this server",
            )
        })?),
        None => None,
    };
    let at = match &from {
        Some(from) => Some(from.revision),
        None => wanted_revision(call, store.revision())?,
    };
    let page = store
        .list(&target.served.storage, target.namespace.as_deref(), at)
        .map_err(|_| {
            ApiError::expired(if from.is_some() {
                "The provided continue parameter is too old to display a consistent list result. \
                 You can start a new list without the continue parameter."
            } else {
                "The resourceVersion for the provided list is too old."
            })
        })?;
    let mut objects = page.objects;
    if let Some(from) = &from {
        objects.retain(|stored| stored.name > from.after);
    }
    if !selector.is_empty() {
        objects.retain(|stored| {
            selector.matches(stored, || in_version(stored.value(), &target.served))
        });
    }
    let mut metadata = json!({"resourceVersion": page.revision.to_string()});
    if target.served.custom.is_some() && form == Form::Object {
        metadata["continue"] = json!("");
    }
    cut(
        call,
        &mut objects,
        (&mut metadata, page.revision),
        selector.is_empty(),
    );
    Ok(list_reply(now, call, target, (&objects, metadata), form))
}

/// Keeps as many objects as a request wants at once, and says how it goes on.
pub(crate) fn cut(
    call: &Call,
    objects: &mut Vec<Arc<Stored>>,
    (metadata, revision): (&mut Value, u64),
    counts_rest: bool,
) {
    // A list out of the cache is a whole one.
    let is_first = call.query.text("continue").is_none();
    let is_cached = is_first && call.query.text("resourceVersion") == Some("0");
    let limit = call.query.number("limit").filter(|limit| *limit > 0);
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.filter(|limit| *limit < objects.len() && !is_cached);
    let Some(limit) = limit else {
        return;
    };
    let left = objects.len() - limit;
    objects.truncate(limit);
    if let Some(last) = objects.last() {
        metadata["continue"] = json!(write_continue(revision, &last.name));
    }
    // The real one does not count what a selector would leave out.
    if counts_rest {
        metadata["remainingItemCount"] = json!(left);
    }
}

fn list_reply(
    now: Time,
    call: &Call,
    target: &Target,
    (objects, metadata): (&[Arc<Stored>], Value),
    form: Form,
) -> Reply {
    let served = &target.served;
    if form == Form::Object {
        let size: usize = objects.iter().map(|stored| stored.rest.len() + 96).sum();
        let mut bytes = Vec::with_capacity(256 + size);
        let head = format!(
            "{{\"kind\":{},\"apiVersion\":{},\"metadata\":{metadata},\"items\":[",
            json!(served.kind.list_kind),
            json!(served.kind.api_version()),
        );
        bytes.extend_from_slice(head.as_bytes());
        for (index, stored) in objects.iter().enumerate() {
            if index > 0 {
                bytes.push(b',');
            }
            let same_version = served.storage_version == served.kind.api_version();
            if same_version && served.custom.is_none() {
                bytes.extend_from_slice(&stored.rest);
            } else if same_version {
                stored.write_to(&mut bytes);
            } else {
                bytes.extend_from_slice(item(stored, served).to_string().as_bytes());
            }
        }
        bytes.extend_from_slice(b"]}");
        return Reply::bytes(200, "application/json", Bytes::from(bytes));
    }
    // A table of autoscalers is made of what is kept, in which nothing has changed its place.
    let is_kept = form == Form::Table && served.is("autoscaling", "HorizontalPodAutoscaler");
    let values: Vec<Value> = objects
        .iter()
        .map(|stored| match is_kept {
            true => stored.value(),
            false => in_version(stored.value(), served),
        })
        .collect();
    let value = if form == Form::Table {
        let options = table_options(call, now, true);
        let mut table = table::table(served, &values, metadata, &options);
        table::mark_default(served, &values, &mut table);
        table
    } else {
        json!({
            "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1",
            "metadata": metadata, "items": values.iter().map(partial).collect::<Vec<_>>(),
        })
    };
    Reply::json(200, &value)
}

/// An item of a list in the version of `served`.
pub(crate) fn item(stored: &Stored, served: &Served) -> Value {
    let mut value = in_version(stored.value(), served);
    if served.custom.is_none()
        && let Some(fields) = value.as_object_mut()
    {
        fields.remove("apiVersion");
        fields.remove("kind");
    }
    value
}
