//! What follows from a write at once: kinds that definitions add and take away.
//! It must not know what else controllers do later.

use holdfast_admit::{ResourceId, Served};
use holdfast_model::Value;
use http::Method;
use serde_json::json;

use crate::call::text_at;
use crate::state::State;

/// The finalizer that keeps a definition until its objects are gone.
pub(crate) const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";
/// Whose name the API server itself writes under.
const SELF: &str = "kube-apiserver";

fn definition_path(name: &str) -> String {
    format!("/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
}

fn is_definition(served: &Served) -> bool {
    served.is("apiextensions.k8s.io", "CustomResourceDefinition")
}

/// Whether it says what is let in.
fn is_of_admission(served: &Served) -> bool {
    served.custom.is_none() && served.kind.group == "admissionregistration.k8s.io"
}

/// After an object was written.
pub(crate) fn written(state: &State, served: &Served, value: &Value) {
    if is_of_admission(served) {
        state.policies().forget();
    }
    if !is_definition(served) {
        return;
    }
    state.registry().define(value);
    let name = text_at(value, &["metadata", "name"]).unwrap_or("");
    if value["metadata"].get("deletionTimestamp").is_some() {
        terminate(state, value, name);
        return;
    }
    let accepted = json!(value["spec"]["names"]);
    if value["status"]["acceptedNames"] == accepted && established(value) {
        return;
    }
    let now = state.now().to_string();
    let condition = |kind: &str, reason: &str, message: &str| {
        json!({
            "type": kind, "status": "True", "lastTransitionTime": now, "reason": reason,
            "message": message,
        })
    };
    let status = json!({"status": {
        "acceptedNames": accepted,
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
    }});
    let path = format!("{}/status", definition_path(name));
    state.ask(SELF, Method::PATCH, &path, &status);
}

fn established(value: &Value) -> bool {
    let conditions = value["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Established" && condition["status"] == "True")
}

/// After an object is gone.
pub(crate) fn removed(state: &State, served: &Served, value: &Value) {
    if is_of_admission(served) {
        state.policies().forget();
    }
    if is_definition(served) {
        state
            .registry()
            .undefine(text_at(value, &["metadata", "name"]).unwrap_or(""));
        return;
    }
    if served.custom.is_some() {
        finish_definitions(state, &served.storage);
    }
}

/// Deletes the objects of a definition that is going, and lets it go when none is left.
fn terminate(state: &State, value: &Value, name: &str) {
    let finalizers = value["metadata"]["finalizers"].as_array();
    let waits = finalizers
        .into_iter()
        .flatten()
        .any(|finalizer| finalizer == CLEANUP);
    if !waits {
        return;
    }
    let text = |path: &[&str]| text_at(value, path).unwrap_or("");
    let storage = ResourceId::new(text(&["spec", "group"]), text(&["spec", "names", "plural"]));
    if let Some(served) = state.registry().of_storage(&storage) {
        let page = state.store().list(&storage, None, None);
        for stored in page.map(|page| page.objects).unwrap_or_default() {
            let path = served.path(&stored.name.namespace, &stored.name.name);
            state.ask(SELF, Method::DELETE, &path, &Value::Null);
        }
    }
    if state.store().count(&storage) == 0 {
        release(state, name, value);
    }
}

fn release(state: &State, name: &str, value: &Value) {
    let finalizers = value["metadata"]["finalizers"].as_array();
    let left: Vec<&Value> = finalizers
        .into_iter()
        .flatten()
        .filter(|finalizer| *finalizer != CLEANUP)
        .collect();
    let patch = json!({"metadata": {"finalizers": left}});
    state.ask(SELF, Method::PATCH, &definition_path(name), &patch);
}

/// Lets the definition of a resource go, if it is going and its last object is gone.
pub(crate) fn finish_definitions(state: &State, storage: &ResourceId) {
    if state.store().count(storage) > 0 {
        return;
    }
    let name = format!("{}.{}", storage.plural, storage.group);
    let found = state.ask(SELF, Method::GET, &definition_path(&name), &Value::Null);
    if let Some(value) = found.ok()
        && value["metadata"].get("deletionTimestamp").is_some()
    {
        release(state, &name, &value);
    }
}
