//! The four kinds of patches. It must not know how the result is checked or kept.

use std::sync::Arc;

use holdfast_admit::{ApiError, Result, Subject};
use holdfast_merge::apply::{Applier, ApplyError, LAST_APPLIED, apply as apply_patch};
use holdfast_merge::managers::Managers;
use holdfast_merge::{json_patch, merge_patch, strategic};
use holdfast_model::{FieldError, Value};
use serde_json::json;

use super::target::{Target, in_version, name_of};
use super::write::{ATTEMPTS, Incoming, Outcome, Validation, Write};
use super::{directives, metadata};
use crate::body::Reply;
use crate::call::{Call, MAX_BODY, read_document, read_yaml, text_at};
use crate::state::State;
use crate::store::Stored;
use crate::wire::Parsed;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Json,
    Merge,
    Strategic,
    Apply,
}

/// Answers PATCH.
pub(crate) fn patch(state: &State, call: &Call, target: &Target) -> Result<Reply> {
    let kind = kind_of(call, target)?;
    let write = Write::new(state, call, target)?;
    let parsed = match kind {
        Kind::Apply => read_yaml(&call.body)?,
        Kind::Strategic => {
            read_document(&call.body).map_err(|_| ApiError::bad_request("invalid JSON patch"))?
        }
        _ => read_document(&call.body)?,
    };
    if kind == Kind::Apply {
        check_apply(call, target, &parsed.value)?;
    } else if call.query.flag("force") {
        let subject = Subject {
            group: "meta.k8s.io",
            name: "PatchOptions",
        };
        let detail = "may not be specified for non-apply patch";
        let error = FieldError::forbidden("force", detail);
        return Err(ApiError::invalid(&subject, "", &[error]));
    }
    let object_name = target.object_name()?;
    for _ in 0..ATTEMPTS {
        let stored = state.store().get(&target.served.storage, &object_name);
        let Some(stored) = stored else {
            if kind == Kind::Apply && target.subresource.is_empty() {
                return create_by_apply(&write, &parsed);
            }
            return Err(target.not_found());
        };
        let old = in_version(stored.value(), &target.served);
        check_preconditions(&write, &stored, &old, &parsed.value, kind)?;
        let (new, warnings) = match kind {
            Kind::Apply => (
                applied(&write, &old, &parsed.value)?,
                duplicates(&write, &parsed)?,
            ),
            kind => {
                let mut incoming = patched(&write, &old, &parsed, kind)?;
                write.own_as_written(&old, &mut incoming.value, &incoming.rewritten);
                (incoming.value, incoming.warnings)
            }
        };
        let replaced = write.replace(&stored, &old, new);
        let replaced = replaced.map_err(|error| error.warned(&warnings))?;
        if let Outcome::Done(value) = replaced {
            return Ok(write.reply(200, value, warnings));
        }
    }
    Err(ApiError::changed(
        &target.served.resource(),
        &object_name.name,
    ))
}

fn kind_of(call: &Call, target: &Target) -> Result<Kind> {
    let media = call
        .header("content-type")
        .split(';')
        .next()
        .unwrap_or("")
        .trim();
    let custom = target.served.custom.is_some();
    match media {
        "application/json-patch+json" => Ok(Kind::Json),
        "application/merge-patch+json" => Ok(Kind::Merge),
        "application/strategic-merge-patch+json" if !custom => Ok(Kind::Strategic),
        "application/apply-patch+yaml" => Ok(Kind::Apply),
        "application/strategic-merge-patch+json" => {
            let strategic = if custom {
                ""
            } else {
                "application/strategic-merge-patch+json, "
            };
            // Custom kinds take no patches in the binary form.
            let cbor = if custom {
                ""
            } else {
                ", application/apply-patch+cbor"
            };
            Err(ApiError::unsupported_media(format!(
                "the body of the request was in an unknown format - accepted media types \
                 include: application/json-patch+json, application/merge-patch+json, {strategic}\
                 application/apply-patch+yaml{cbor}"
            )))
        }
        _ => {
            let mut error = ApiError::unsupported_media("415: Unsupported Media Type");
            error.details = Some(json!({}));
            Err(error)
        }
    }
}

fn check_apply(call: &Call, target: &Target, config: &Value) -> Result<()> {
    if call.query.text("fieldManager").is_none() {
        let subject = Subject {
            group: "meta.k8s.io",
            name: "PatchOptions",
        };
        let error = FieldError::required("fieldManager", "is required for apply patch");
        return Err(ApiError::invalid(&subject, "", &[error]));
    }
    let kind = &target.served.kind;
    if !config.is_object() {
        return Err(ApiError::bad_request(
            "error decoding YAML: the patch is not an object",
        ));
    }
    let version = text_at(config, &["apiVersion"]);
    let expected = kind.api_version();
    let found_kind = text_at(config, &["kind"]).unwrap_or("");
    if version == Some(&expected) && found_kind != kind.kind {
        return Err(ApiError::bad_request(format!(
            "invalid object type: {}/{}, Kind={found_kind}",
            kind.group, kind.version
        )));
    }
    if version != Some(&expected) {
        return Err(ApiError::bad_request(format!(
            "Incorrect version specified in apply patch. Specified patch version: {}, expected: \
             {expected}",
            version.unwrap_or("")
        )));
    }
    if config["metadata"]
        .get("managedFields")
        .is_some_and(|fields| !fields.is_null())
    {
        return Err(ApiError::bad_request("metadata.managedFields must be nil"));
    }
    let name = name_of(config);
    let wanted = target.name.as_deref().unwrap_or("");
    if !name.is_empty() && name != wanted {
        return Err(ApiError::bad_request(format!(
            "the name of the object ({name}) does not match the name on the URL ({wanted})"
        )));
    }
    let namespace = text_at(config, &["metadata", "namespace"]).unwrap_or("");
    match &target.namespace {
        Some(wanted) if !namespace.is_empty() && namespace != wanted => Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the \
                 request",
        )),
        _ => Ok(()),
    }
}

/// A patch may say which state of the object it is for.
fn check_preconditions(
    write: &Write<'_>,
    stored: &Arc<Stored>,
    old: &Value,
    patch: &Value,
    kind: Kind,
) -> Result<()> {
    if kind == Kind::Json {
        return Ok(());
    }
    let served = &write.target.served;
    let wanted = text_at(patch, &["metadata", "resourceVersion"]);
    if wanted.is_some_and(|wanted| wanted != stored.revision.to_string()) {
        return Err(ApiError::changed(&served.resource(), &stored.name.name));
    }
    let uid = text_at(patch, &["metadata", "uid"]);
    let found = text_at(old, &["metadata", "uid"]).unwrap_or("");
    match uid {
        Some(uid) if uid != found => Err(ApiError::conflict(
            &served.resource(),
            &stored.name.name,
            &format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {found}"
            ),
        )),
        _ => Ok(()),
    }
}

fn duplicates(write: &Write<'_>, parsed: &Parsed) -> Result<Vec<String>> {
    let found: Vec<String> = parsed
        .duplicates
        .iter()
        .map(|path| format!("duplicate field {path:?}"))
        .collect();
    match write.validation {
        Validation::Strict if !found.is_empty() => Err(ApiError::bad_request(format!(
            "error decoding YAML: {}",
            found.join(", ")
        ))),
        Validation::Warn => Ok(found),
        _ => Ok(Vec::new()),
    }
}

fn patched(write: &Write<'_>, old: &Value, parsed: &Parsed, kind: Kind) -> Result<Incoming> {
    let patch = &parsed.value;
    let mut value = old.clone();
    match kind {
        Kind::Json => json_patch::apply(&mut value, patch).map_err(|error| match error {
            json_patch::Error::NotAList => ApiError::bad_request(
                "error decoding patch: json: cannot unmarshal object into Go value of type \
                 []handlers.jsonPatchOp",
            ),
            json_patch::Error::BadOperation { .. } => ApiError::bad_request(error.to_string()),
            json_patch::Error::TooMany { .. } => {
                let mut refused = ApiError::too_large(MAX_BODY);
                refused.message = format!("Request entity too large: {error}");
                refused
            }
            _ => ApiError::unprocessable(
                "the server rejected our request due to an error in our request",
            ),
        })?,
        Kind::Strategic => {
            let type_ref = &write.target.served.kind.type_ref;
            let may_show = !write.target.served.is("", "Secret");
            value = strategic::apply(&value, patch, type_ref)
                .map_err(|error| directives::refuse(&error, patch, may_show))?;
        }
        _ if patch.is_object() => merge_patch::apply(&mut value, patch),
        _ => {
            return Err(ApiError::bad_request(
                "error decoding patch: json: cannot unmarshal array into Go value of type \
                 map[string]interface {}",
            ));
        }
    }
    let name = name_of(&value);
    let wanted = write.target.name.as_deref().unwrap_or("");
    metadata::check_name(name, wanted)?;
    let mut result = Parsed::of(value);
    result.duplicates = parsed.duplicates.clone();
    write.read(result).map_err(as_patch)
}

/// What cannot be read after a patch is the patch's fault. The object that it makes, which the real
/// one shows, may hold secrets.
fn as_patch(error: ApiError) -> ApiError {
    if error.code != 400 {
        return error;
    }
    let subject = Subject {
        group: "",
        name: "",
    };
    let message = format!("Invalid value: {}", error.message);
    let error = FieldError::plain("FieldValueInvalid", "patch", message);
    ApiError::invalid(&subject, "", &[error])
}

fn applied(write: &Write<'_>, old: &Value, config: &Value) -> Result<Value> {
    let mut live = old.clone();
    let managers = metadata::take_managers(&mut live);
    let managers = Managers::read(managers.as_ref()).map_err(|error| {
        ApiError::server_error(format!("failed to decode managed fields: {error}"))
    })?;
    let mut config = config.clone();
    if let Some(metadata) = config.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
    }
    let ignored = write.target.served.ignored(&write.target.subresource);
    let now = write.now.to_string();
    let version = write.target.served.kind.api_version();
    let context = write.context(&ignored, &now, &version);
    let applier = Applier {
        manager: &write.manager,
        force: write.call.query.flag("force"),
    };
    let applied = apply_patch(&context, &live, &config, managers, applier);
    let applied = applied.map_err(|error| refuse_apply(write, &config, &error))?;
    let mut object = match applied.object {
        Some(object) => {
            let (mut object, _) = write.canonical(object)?;
            holdfast_admit::default(&write.target.served, &mut object);
            object
        }
        None => live,
    };
    if write.manager == "kubectl" {
        update_last_applied(&mut object, &config);
    }
    metadata::put_managers(&mut object, &applied.managers);
    Ok(object)
}

/// Keeps what `kubectl apply` compares with true to what kubectl applies by the server, so that a
/// person may go back to the client's form.
fn update_last_applied(object: &mut Value, config: &Value) {
    let mut config = config.clone();
    let metadata = config.get_mut("metadata").and_then(Value::as_object_mut);
    if let Some(metadata) = metadata {
        let annotations = metadata.get_mut("annotations");
        if let Some(annotations) = annotations.and_then(Value::as_object_mut) {
            annotations.remove(LAST_APPLIED);
            if annotations.is_empty() {
                metadata.remove("annotations");
            }
        }
    }
    let kept = object.pointer_mut("/metadata/annotations");
    if let Some(kept) = kept.and_then(|kept| kept.get_mut(LAST_APPLIED)) {
        *kept = json!(format!("{config}\n"));
    }
}

fn refuse_apply(write: &Write<'_>, config: &Value, error: &ApplyError) -> ApiError {
    match error {
        ApplyError::Conflicts { conflicts } => {
            let causes = conflicts.iter().map(|conflict| {
                json!({
                    "reason": "FieldManagerConflict",
                    "message": format!("conflict with {}", conflict.owner()),
                    "field": conflict.field(),
                })
            });
            ApiError::apply_conflict(error.to_string(), causes.collect())
        }
        ApplyError::Invalid { problems } => {
            let kind = &write.target.served.kind;
            let place = text_at(config, &["metadata", "namespace"]).unwrap_or("");
            let lines = match problems.as_slice() {
                [problem] => problem.clone(),
                problems => {
                    let lines: Vec<String> = problems
                        .iter()
                        .map(|problem| format!("  {problem}"))
                        .collect();
                    format!("errors:\n{}", lines.join("\n"))
                }
            };
            ApiError::server_error(format!(
                "failed to create typed patch object ({place}/{}; {}/{}, Kind={}): {lines}",
                name_of(config),
                kind.group,
                kind.version,
                kind.kind,
            ))
        }
    }
}

fn create_by_apply(write: &Write<'_>, parsed: &Parsed) -> Result<Reply> {
    let target = write.target;
    let warnings = duplicates(write, parsed)?;
    let config = &parsed.value;
    // Of an object that is there the name is known; a new one has to say it.
    let wanted = target.name.as_deref().unwrap_or("");
    metadata::check_name(name_of(config), wanted)?;
    if let Some(uid) = text_at(config, &["metadata", "uid"]) {
        let name = target.name.as_deref().unwrap_or("");
        return Err(ApiError::conflict(
            &target.served.resource(),
            name,
            &format!(
                "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
            ),
        ));
    }
    let mut object = applied(write, &target.served.empty, config)?;
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("name".to_owned(), json!(target.name));
        metadata.remove("resourceVersion");
    }
    metadata::check_namespace(target, &mut object)?;
    let created = write.create(object)?;
    Ok(write.reply(201, created, warnings))
}
