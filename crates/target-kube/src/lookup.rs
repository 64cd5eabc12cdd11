//! What charts look up in a cluster. It must not know which chart asks, nor what it may ask for.

use holdfast_model::Value;
use holdfast_model::lookup::Lookup;
use holdfast_model::operation::Failure;
use holdfast_target::Found;

use crate::discovery::Served;
use crate::failure;
use crate::request::Call;
use crate::target::Actor;

/// Asks for an object or a list in the version that the question names, as Helm 4.3.1 does.
pub(crate) async fn look_up(target: &Actor, question: &Lookup) -> Result<Found, Failure> {
    let (api, kind) = (&target.api, question.group_kind());
    let served = target
        .discovery
        .look_for(api, &question.api_version, &kind)
        .await?;
    let resource = match served {
        Served::NoVersion => return Ok(Found::NoVersion),
        Served::NoKind => return Ok(Found::Nothing),
        Served::Kind(resource) => resource,
    };
    let namespace = Some(question.namespace.as_str()).filter(|namespace| !namespace.is_empty());
    let is_list = question.name.is_empty();
    let path = if is_list {
        resource.collection(namespace)
    } else if resource.namespaced && namespace.is_none() {
        // No server has an object of a namespace outside of namespaces.
        return Ok(Found::Nothing);
    } else {
        resource.object(namespace, &question.name)
    };
    let bytes = match api.call(&Call::get(path), &kind).await {
        Ok(bytes) => bytes,
        Err(failure) if is_absent(failure.reason) && !is_list => return Ok(Found::Nothing),
        Err(failure) => return Err(failure),
    };
    let mut found: Value = serde_json::from_slice(&bytes)
        .map_err(|error| failure::unreadable("what was looked up could not be read", &error))?;
    if is_list && let Some(version) = found.pointer_mut("/metadata/resourceVersion") {
        // It changes with every change of the cluster, and says nothing about the objects.
        *version = Value::String(String::new());
    }
    Ok(Found::Object(found))
}

/// Whether an object is not there; what is said of a missing Namespace is said of what is in one too.
fn is_absent(reason: &str) -> bool {
    matches!(reason, "NotFound" | "NamespaceMissing")
}
