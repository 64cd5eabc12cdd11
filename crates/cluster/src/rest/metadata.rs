//! What every object has in `metadata`: what a request may set, what the server sets, and what
//! stays as it was. It must not know kinds.

use holdfast_admit::names::random_suffix;
use holdfast_admit::{ApiError, Result};
use holdfast_merge::managers::Managers;
use holdfast_model::time::Time;
use holdfast_model::{FieldError, Value};
use serde_json::{Map, json};

use super::target::{Target, name_of};
use crate::call::text_at;
use crate::chance::{new_uid, random};

/// The longest name that a generated one may start with, so that it still fits with its end.
const MAX_GENERATED_BASE: usize = 58;

fn fields(value: &mut Value) -> &mut Map<String, Value> {
    let metadata = &mut value["metadata"];
    if !metadata.is_object() {
        *metadata = json!({});
    }
    metadata
        .as_object_mut()
        .expect("it was made an object just before")
}

/// Takes `managedFields` out of an object.
pub(crate) fn take_managers(value: &mut Value) -> Option<Value> {
    let metadata = value.get_mut("metadata")?.as_object_mut()?;
    metadata.remove("managedFields")
}

/// Puts `managedFields` into an object.
pub(crate) fn put_managers(value: &mut Value, managers: &Managers) {
    if managers.0.is_empty() {
        take_managers(value);
    } else {
        fields(value).insert("managedFields".to_owned(), managers.write());
    }
}

/// The namespace of the object has to be that of the path; it is filled in when left out.
pub(crate) fn check_namespace(target: &Target, value: &mut Value) -> Result<()> {
    let found = text_at(value, &["metadata", "namespace"]).unwrap_or("");
    match &target.namespace {
        Some(namespace) if found.is_empty() => {
            let namespace = json!(namespace);
            fields(value).insert("namespace".to_owned(), namespace);
            Ok(())
        }
        Some(namespace) if found != namespace => Err(ApiError::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        )),
        None if !found.is_empty() => {
            // The real one forgets what makes no sense for a kind without namespaces.
            fields(value).remove("namespace");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The name in the document has to be that of the path.
pub(crate) fn check_name(name: &str, wanted: &str) -> Result<()> {
    if name.is_empty() {
        return Err(ApiError::bad_request(format!(
            "the name of the object ({wanted} based on URL) was undeterminable: name must be \
             provided"
        )));
    }
    if name == wanted {
        return Ok(());
    }
    Err(ApiError::bad_request(format!(
        "the name of the object ({name}) does not match the name on the URL ({wanted})"
    )))
}

/// What an update that makes an object says of the one that it means.
pub(crate) fn as_new(target: &Target, name: &str, value: &mut Value) -> Result<()> {
    if let Some(uid) = text_at(value, &["metadata", "uid"]) {
        let problem =
            format!("Precondition failed: UID in precondition: {uid}, UID in object meta: ");
        return Err(ApiError::conflict(
            &target.served.resource(),
            name,
            &problem,
        ));
    }
    if let Some(metadata) = value["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
    }
    Ok(())
}

/// Sets what the server sets on a new object.
pub(crate) fn prepare_create(target: &Target, now: Time, value: &mut Value) -> Result<()> {
    let served = &target.served;
    let metadata = fields(value);
    let has = |metadata: &Map<String, Value>, name: &str| {
        metadata
            .get(name)
            .and_then(Value::as_str)
            .is_some_and(|text| !text.is_empty())
    };
    if has(metadata, "resourceVersion") {
        return Err(ApiError::server_error(
            "resourceVersion should not be set on objects to be created",
        ));
    }
    if !has(metadata, "name") {
        let base = metadata
            .get("generateName")
            .and_then(Value::as_str)
            .unwrap_or("");
        if base.is_empty() {
            let error = FieldError::required("metadata.name", "name or generateName is required");
            return Err(ApiError::invalid(&served.subject(), "", &[error]));
        }
        let base: String = base.chars().take(MAX_GENERATED_BASE).collect();
        let name = format!("{base}{}", random_suffix(&random::<5>()));
        metadata.insert("name".to_owned(), json!(name));
    }
    for name in [
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "resourceVersion",
    ] {
        metadata.remove(name);
    }
    metadata.insert("uid".to_owned(), json!(new_uid()));
    metadata.insert("creationTimestamp".to_owned(), json!(now.to_string()));
    if served.counted {
        metadata.insert("generation".to_owned(), json!(1));
    } else {
        metadata.remove("generation");
    }
    let errors = holdfast_admit::validate_metadata(served, value);
    if errors.is_empty() {
        Ok(())
    } else {
        let name = name_of(value);
        Err(ApiError::invalid(&served.subject(), name, &errors))
    }
}

/// Keeps what a request cannot change, and counts the change where it counts.
pub(crate) fn prepare_update(target: &Target, old: &Value, new: &mut Value) -> Result<()> {
    let served = &target.served;
    let name = name_of(old).to_owned();
    let old_meta = old["metadata"].as_object().cloned().unwrap_or_default();
    let metadata = fields(new);
    if let Some(uid) = metadata.get("uid").and_then(Value::as_str)
        && !uid.is_empty()
        && old_meta.get("uid").and_then(Value::as_str) != Some(uid)
    {
        let found = old_meta.get("uid").and_then(Value::as_str).unwrap_or("");
        return Err(ApiError::conflict(
            &served.resource(),
            &name,
            &format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {found}"
            ),
        ));
    }
    let kept = [
        "name",
        "namespace",
        "generateName",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "resourceVersion",
    ];
    for field in kept {
        match old_meta.get(field) {
            Some(value) => metadata.insert(field.to_owned(), value.clone()),
            None => metadata.remove(field),
        };
    }
    metadata.remove("selfLink");
    if served.custom.is_some() && target.subresource == "status" {
        // Writing the status changes nothing else, and the ownership of the status.
        let managers = metadata.get("managedFields").cloned();
        *metadata = old_meta.clone();
        match managers {
            Some(managers) => metadata.insert("managedFields".to_owned(), managers),
            None => metadata.remove("managedFields"),
        };
    }
    let mut errors = holdfast_admit::validate_metadata(served, new);
    if old_meta.contains_key("deletionTimestamp") {
        errors.extend(new_finalizers(&old_meta, new));
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(ApiError::invalid(&served.subject(), &name, &errors))
    }
}

fn new_finalizers(old: &Map<String, Value>, new: &Value) -> Option<FieldError> {
    let known = old
        .get("finalizers")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let found = new["metadata"]["finalizers"].as_array()?;
    let added: Vec<String> = found
        .iter()
        .filter(|finalizer| !known.contains(finalizer))
        .map(Value::to_string)
        .collect();
    (!added.is_empty()).then(|| {
        FieldError::forbidden(
            "metadata.finalizers",
            &format!(
                "no new finalizers can be added if the object is being deleted, found new \
                 finalizers []string{{{}}}",
                added.join(", ")
            ),
        )
    })
}

/// Whether an object that is being deleted waits for nothing any more.
pub(crate) fn is_finished(value: &Value) -> bool {
    let metadata = &value["metadata"];
    let deleting = metadata
        .get("deletionTimestamp")
        .is_some_and(|time| !time.is_null());
    let waits = |list: Option<&Value>| {
        list.and_then(Value::as_array)
            .is_some_and(|list| !list.is_empty())
    };
    let grace = metadata
        .get("deletionGracePeriodSeconds")
        .and_then(Value::as_i64);
    let namespace = value["kind"] == "Namespace" && value["apiVersion"] == "v1";
    deleting
        && grace.unwrap_or(0) == 0
        && !waits(metadata.get("finalizers"))
        && !(namespace && waits(value["spec"].get("finalizers")))
}
