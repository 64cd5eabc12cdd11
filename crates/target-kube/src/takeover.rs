//! Whose fields become ours before anything is applied: what `kubectl apply` wrote from the client's side,
//! and what we wrote by other requests than an apply. It must not know how that is sent.

use holdfast_assess::predict::is_taken_over;
use holdfast_merge::fields::{FieldSet, FieldSetError};
use holdfast_model::Value;
use holdfast_model::object::{Manager, ManagerOperation};
use serde_json::json;

/// `metadata.managedFields` with the fields of those managers as `ours`; `None` where there are none.
/// Everybody else's entry stays as it is, with the version that its fields are written in.
///
/// # Errors
/// When the fields of one of them cannot be read.
pub(crate) fn taken_over(
    managers: &[Manager],
    ours: &str,
) -> Result<Option<Vec<Value>>, FieldSetError> {
    let is_taken = |manager: &&Manager| is_taken_over(manager, ours);
    if !managers.iter().any(|manager| is_taken(&manager)) {
        return Ok(None);
    }
    let is_ours = |manager: &&Manager| {
        *manager.name == *ours
            && manager.operation == ManagerOperation::Apply
            && manager.subresource.is_empty()
    };
    let (own, others): (Vec<&Manager>, Vec<&Manager>) = managers
        .iter()
        .partition(|manager| is_taken(manager) || is_ours(manager));
    let mut fields = FieldSet::default();
    for manager in &own {
        fields = fields.union(&FieldSet::read(&manager.fields.unpack())?);
    }
    let newest = own.iter().max_by_key(|manager| &manager.time);
    let own = newest.map(|newest| {
        let entry = Manager {
            name: ours.into(),
            operation: ManagerOperation::Apply,
            ..Manager::clone(newest)
        };
        managed_entry(&entry, fields.write())
    });
    let others = others
        .into_iter()
        .map(|manager| managed_entry(manager, manager.fields.unpack()));
    Ok(Some(own.into_iter().chain(others).collect()))
}

/// An entry of `metadata.managedFields`.
fn managed_entry(manager: &Manager, fields: Value) -> Value {
    let operation = match manager.operation {
        ManagerOperation::Apply => "Apply",
        ManagerOperation::Update => "Update",
    };
    let mut entry = json!({
        "manager": &*manager.name,
        "operation": operation,
        "apiVersion": &*manager.api_version,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    });
    if !manager.time.is_empty() {
        entry["time"] = manager.time.as_ref().into();
    }
    if !manager.subresource.is_empty() {
        entry["subresource"] = manager.subresource.as_ref().into();
    }
    entry
}

#[cfg(test)]
mod tests {
    use holdfast_assess::predict::CLIENT_SIDE_APPLY;
    use holdfast_model::packed::Packed;

    use super::*;

    fn manager(name: &str, operation: ManagerOperation, version: &str, fields: Value) -> Manager {
        Manager {
            name: name.into(),
            operation,
            api_version: version.into(),
            subresource: "".into(),
            time: "2026-01-01T00:00:00Z".into(),
            fields: Packed::new(&fields),
        }
    }

    #[test]
    fn others_keep_the_version_that_their_fields_are_written_in() {
        use ManagerOperation::{Apply, Update};
        let replicas = || json!({"f:spec": {"f:replicas": {}}});
        let managers = [
            manager(CLIENT_SIDE_APPLY, Update, "apps/v1", replicas()),
            manager("scaler", Update, "apps/v1beta1", replicas()),
            manager("other", Apply, "apps/v1beta2", replicas()),
        ];
        let entries = taken_over(&managers, "holdfast").expect("the fields can be read");
        let entries = entries.expect("something is taken over");
        let says: Vec<[&str; 3]> = entries
            .iter()
            .map(|entry| {
                ["manager", "operation", "apiVersion"]
                    .map(|name| entry[name].as_str().unwrap_or_default())
            })
            .collect();
        let expected = [
            ["holdfast", "Apply", "apps/v1"],
            ["scaler", "Update", "apps/v1beta1"],
            ["other", "Apply", "apps/v1beta2"],
        ];
        assert_eq!(says, expected);
    }

    #[test]
    fn what_is_taken_over_joins_what_is_ours_in_one_entry() {
        use ManagerOperation::{Apply, Update};
        let managers = [
            manager("holdfast", Apply, "v1", json!({"f:data": {"f:a": {}}})),
            manager("holdfast", Update, "v1", json!({"f:data": {"f:b": {}}})),
        ];
        let entries = taken_over(&managers, "holdfast").expect("the fields can be read");
        let entries = entries.expect("something is taken over");
        assert_eq!(entries.len(), 1);
        assert_eq!(
            entries[0]["fieldsV1"],
            json!({"f:data": {"f:a": {}, "f:b": {}}})
        );
        assert_eq!(taken_over(&managers[..1], "holdfast"), Ok(None));
    }
}
