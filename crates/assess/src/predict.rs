//! What a live object would be after an apply of ours: exactly what the API server would make of it,
//! ownership included, as far as its type is known. It must not know what is done about it.
//!
//! ```text
//! live ─canonical─▶ merge::apply(sent, managers) ─canonical─▶ default ─▶ After
//! ```

use holdfast_kinds::Typing;
use holdfast_merge::apply::{Applier, ApplyError, Context, apply};
use holdfast_merge::fields::{FieldSet, FieldSetError};
use holdfast_merge::managers::{ManagerKey, Managers, Owned};
use holdfast_model::Value;
use holdfast_model::applyset;
use holdfast_model::object::{LiveObject, Manager, ManagerOperation};

/// What `kubectl apply` without `--server-side` writes as.
pub const CLIENT_SIDE_APPLY: &str = "kubectl-client-side-apply";

/// An object as an apply of ours would leave it.
#[derive(Clone, Debug)]
pub struct After {
    /// The live object in the form in which it is compared.
    pub before: Value,
    /// The object afterwards, in the same form.
    pub value: Value,
    /// Whether the apply changes which fields are ours.
    pub changes_ownership: bool,
}

/// Why it cannot be said what an apply would do; the server has to be asked.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Unpredictable {
    /// The live object was read in another version than is sent.
    #[error("it was read as {found} and is sent as {sent}")]
    Version {
        /// The version that was read.
        found: String,
        /// The version that is sent.
        sent: String,
    },
    /// What is sent has fields that the known type does not have, or values that do not fit it.
    #[error("it does not fit the type that is known: {problem}")]
    Unfit {
        /// The first thing that is wrong.
        problem: String,
    },
    /// The target's ownership cannot be read.
    #[error("its managed fields cannot be read")]
    Ownership(#[source] FieldSetError),
}

/// Whether a manager's fields are taken for ours before anything is applied: what `kubectl apply` wrote
/// from the client's side, and what we wrote by other requests than an apply.
pub fn is_taken_over(manager: &Manager, ours: &str) -> bool {
    let is_update = manager.operation == ManagerOperation::Update && manager.subresource.is_empty();
    is_update && (*manager.name == *CLIENT_SIDE_APPLY || *manager.name == *ours)
}

fn takes_over(live: &LiveObject, ours: &str) -> bool {
    let mut managers = live.managers.iter();
    managers.any(|manager| is_taken_over(manager, ours))
}

/// Predicts what applying `sent` as the field manager `ours`, with force, makes of `live`.
///
/// # Errors
/// [`Unpredictable`] where the types that are known do not say it.
pub fn predict(
    sent: &Value,
    live: &LiveObject,
    typing: &Typing,
    ours: &str,
) -> Result<After, Unpredictable> {
    let version = typing.kind().api_version();
    let value = live.value.unpack();
    let found = value.get("apiVersion").and_then(Value::as_str);
    if found != Some(&*version) {
        return Err(Unpredictable::Version {
            found: found.unwrap_or_default().to_owned(),
            sent: version,
        });
    }
    let unfit = |problem| Unpredictable::Unfit { problem };
    let mut sent = sent.clone();
    typing.drop_nulls(&mut sent);
    let fitting = typing.canonical(sent.clone()).map_err(unfit)?;
    if let Some(path) = fitting.unknown.first() {
        return Err(unfit(format!("unknown field {path}")));
    }
    let before = typing.canonical(value).map_err(unfit)?.value;
    let given = managers(live, ours).map_err(Unpredictable::Ownership)?;
    let applier = Applier {
        manager: ours,
        force: true,
    };
    let unwritten = typing.unwritten();
    let paths: Vec<&[&str]> = unwritten.iter().map(std::slice::from_ref).collect();
    let ignored = FieldSet::of_fields(&paths);
    let context = Context {
        type_ref: typing.type_ref(),
        api_version: &version,
        subresource: "",
        ignored: &ignored,
        empty: &typing.empty(),
        versions: &(),
        now: "",
    };
    let applied = apply(&context, &before, &sent, given.clone(), applier).map_err(|error| {
        unfit(match error {
            ApplyError::Invalid { problems } => problems.join("; "),
            error @ ApplyError::Conflicts { .. } => error.to_string(),
        })
    })?;
    let mut value = match applied.object {
        Some(object) => {
            let mut object = typing.canonical(object).map_err(unfit)?.value;
            typing.default(&mut object);
            typing.admit(&mut object);
            object
        }
        None => before.clone(),
    };
    keep_what_the_server_sets(&before, &mut value, &unwritten);
    Ok(After {
        changes_ownership: takes_over(live, ours)
            || owned(&given, ours) != owned(&applied.managers, ours),
        before,
        value,
    })
}

/// What the server answered to a dry run of the same apply.
pub fn answered(live: &LiveObject, answer: &LiveObject, ours: &str) -> After {
    let of = |object: &LiveObject| managers(object, ours).map(|managers| owned(&managers, ours));
    let (before, mut value) = (live.value.unpack(), answer.value.unpack());
    keep_what_the_server_sets(&before, &mut value, &["status"]);
    After {
        changes_ownership: takes_over(live, ours) || of(live) != of(answer),
        before,
        value,
    }
}

/// Metadata that only the server writes, and fields such as a status that is written in another way, stay.
fn keep_what_the_server_sets(before: &Value, value: &mut Value, unwritten: &[&str]) {
    const METADATA: [&str; 8] = [
        "uid",
        "resourceVersion",
        "generation",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "selfLink",
        "managedFields",
    ];
    if let (Some(kept), Some(metadata)) = (
        before.get("metadata"),
        value.get_mut("metadata").and_then(Value::as_object_mut),
    ) {
        for name in METADATA {
            keep(kept, metadata, name);
        }
    }
    for name in unwritten {
        if let Some(fields) = value.as_object_mut() {
            keep(before, fields, name);
        }
    }
}

fn keep(before: &Value, fields: &mut serde_json::Map<String, Value>, name: &str) {
    match before.get(name) {
        Some(kept) => fields.insert(name.to_owned(), kept.clone()),
        None => fields.remove(name),
    };
}

/// The owners of a live object, with those taken over whose fields are ours.
fn managers(live: &LiveObject, ours: &str) -> Result<Managers, FieldSetError> {
    let mut found = Managers::default();
    for manager in live.managers.iter() {
        let is_ours = is_taken_over(manager, ours);
        let applies = is_ours || manager.operation == ManagerOperation::Apply;
        let name = if is_ours { ours } else { &*manager.name };
        let key = ManagerKey {
            name: name.to_owned(),
            applies,
            api_version: if applies { "" } else { &*manager.api_version }.to_owned(),
            subresource: manager.subresource.to_string(),
        };
        let fields = FieldSet::read(&manager.fields.unpack())?;
        let owned = found.0.entry(key).or_insert_with(|| Owned {
            api_version: manager.api_version.to_string(),
            fields: FieldSet::default(),
            time: None,
        });
        owned.fields = owned.fields.union(&fields);
    }
    Ok(found)
}

/// What we own, and in which version; the label of an ApplySet does not count, for whose sake no
/// object is written.
fn owned(managers: &Managers, ours: &str) -> Option<(String, FieldSet)> {
    let key = ManagerKey {
        name: ours.to_owned(),
        applies: true,
        api_version: String::new(),
        subresource: String::new(),
    };
    let label = FieldSet::of_fields(&[
        &["metadata", "labels", applyset::PART_OF],
        &["metadata", "labels"],
    ]);
    let owned = managers.0.get(&key)?;
    Some((owned.api_version.clone(), owned.fields.difference(&label)))
}
