//! The parameters of a policy, as a binding of it names them. It must not know what they are for.

use std::sync::Arc;

use holdfast_admit::labels::{labels_match, of_label_selector};
use holdfast_admit::{ObjectName, Served};
use holdfast_cel::Input;
use holdfast_kinds::text;
use holdfast_model::Value;

use super::facts::Known;
use crate::registry::Registry;

/// The kind of the parameters; nothing for a policy that has none.
///
/// # Errors
/// When there is no such kind.
pub(super) fn kind(spec: &Value, registry: &Registry) -> Result<Option<Arc<Served>>, String> {
    let kind = &spec["paramKind"];
    if !kind.is_object() {
        return Ok(None);
    }
    let version = text(kind, "apiVersion");
    let (group, version) = version.split_once('/').unwrap_or(("", version));
    let kind = text(kind, "kind");
    let found = registry.of_kind(group, version, kind);
    found.map(Some).ok_or_else(|| {
        format!("failed to find resource referenced by paramKind: '{group}/{version}, Kind={kind}'")
    })
}

/// The parameters for each of which the policy is asked once.
///
/// # Errors
/// Why there are none.
pub(super) fn collect(
    kind: Option<&Served>,
    reference: &Value,
    known: &Known<'_>,
) -> Result<Vec<Input>, String> {
    let Some(kind) = kind.filter(|_| reference.is_object()) else {
        return Ok(vec![Input::null()]);
    };
    let named = text(reference, "namespace");
    let mut namespace = "";
    if kind.kind.namespaced {
        namespace = if named.is_empty() {
            known.attempt.namespace
        } else {
            named
        };
        if namespace.is_empty() {
            let problem = "cannot use namespaced paramRef in policy binding that matches \
                           cluster-scoped resources";
            return Err(problem.to_owned());
        }
    } else if !named.is_empty() {
        let problem = "paramRef.namespace must not be provided for a cluster-scoped `paramKind`";
        return Err(problem.to_owned());
    }
    let store = known.place.store;
    let name = text(reference, "name");
    let found = if name.is_empty() {
        let wanted = of_label_selector(&reference["selector"]).unwrap_or_default();
        let place = Some(namespace).filter(|namespace| !namespace.is_empty());
        let mut found = store.values(&kind.storage, place);
        found.retain(|value| labels_match(&wanted, value["metadata"].get("labels")));
        found
    } else {
        let name = ObjectName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let stored = store.get(&kind.storage, &name);
        stored.map(|stored| stored.value()).into_iter().collect()
    };
    if found.is_empty() && text(reference, "parameterNotFoundAction") == "Deny" {
        let problem = "no params found for policy binding with `Deny` parameterNotFoundAction";
        return Err(problem.to_owned());
    }
    let found = found.into_iter().map(|mut value| {
        if text(&value, "apiVersion") != kind.kind.api_version() {
            holdfast_admit::convert(&mut value, kind);
        }
        Input::of(&value)
    });
    Ok(found.collect())
}
