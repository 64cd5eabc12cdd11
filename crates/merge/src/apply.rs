//! Server-side apply, and the ownership that other writes leave behind.
//!
//! ```text
//! apply:  merge applied into live ─▶ drop what the manager no longer applies ─▶ conflicts? ─▶ owners
//! update: compare old and new ─▶ take changed fields from their owners ─▶ give them to the writer
//! ```
//! It must not know how objects are defaulted or stored.

use std::collections::BTreeMap;
use std::fmt;

use holdfast_model::Value;
use holdfast_schema::TypeRef;
use serde_json::Map;

use crate::fields::{Element, FieldSet, show_path};
use crate::managers::{ManagerKey, Managers, Owned};
use crate::typed::{
    Comparison, Duplicates, check, compare, field_set, merge, remove, same, with_named_fields,
};

/// The most managers of plain updates that an object keeps; older ones are joined.
const MAX_UPDATE_MANAGERS: usize = 10;
/// The name that joined managers get.
const ANCIENT: &str = "ancient-changes";
/// Who owns what was there before anybody's fields were tracked.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";
/// Where `kubectl apply` keeps what it applied from the client's side.
pub const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Versions of a kind other than that of the request: managers that wrote through one of them own
/// fields by the names that these have there.
pub trait Versions: fmt::Debug {
    /// A value and its type in another version; nothing where that version is not known.
    fn read(&self, value: &Value, api_version: &str) -> Option<(Value, TypeRef)>;
}

/// A kind that has one version.
impl Versions for () {
    fn read(&self, _: &Value, _: &str) -> Option<(Value, TypeRef)> {
        None
    }
}

/// What a write is judged by.
#[derive(Clone, Debug)]
pub struct Context<'a> {
    /// The object's type.
    pub type_ref: &'a TypeRef,
    /// The API version of the request.
    pub api_version: &'a str,
    /// The subresource of the request; empty for the object itself.
    pub subresource: &'a str,
    /// Fields that this request cannot write, such as `status`.
    pub ignored: &'a FieldSet,
    /// What an object of this kind has when nobody has written to it.
    pub empty: &'a Value,
    /// The other versions.
    pub versions: &'a dyn Versions,
    /// The time of the request, RFC 3339.
    pub now: &'a str,
}

/// What a write changes, by the names that fields have in each version.
struct Changes {
    own: Comparison,
    elsewhere: BTreeMap<String, Comparison>,
}

impl Changes {
    fn between(context: &Context<'_>, old: &Value, new: &Value, managers: &Managers) -> Self {
        let compared = |old: &Value, new: &Value, type_ref: &TypeRef| {
            compare(old, new, type_ref).without(context.ignored)
        };
        let mut elsewhere = BTreeMap::new();
        for owned in managers.0.values() {
            let version = owned.api_version.as_str();
            if version == context.api_version || elsewhere.contains_key(version) {
                continue;
            }
            let read = |value: &Value| context.versions.read(value, version);
            if let (Some((old, type_ref)), Some((new, _))) = (read(old), read(new)) {
                elsewhere.insert(version.to_owned(), compared(&old, &new, &type_ref));
            }
        }
        Self {
            own: compared(old, new, context.type_ref),
            elsewhere,
        }
    }

    fn of(&self, owned: &Owned) -> &Comparison {
        self.elsewhere.get(&owned.api_version).unwrap_or(&self.own)
    }
}

/// Two managers want different values for a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// Who owns the field.
    pub manager: ManagerKey,
    /// The field.
    pub path: Vec<Element>,
}

/// Why an apply was refused.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum ApplyError {
    /// The applied object does not fit its type.
    #[error("{}", problems.join("\n"))]
    Invalid {
        /// A message for each problem, with its path.
        problems: Vec<String>,
    },
    /// Other managers own fields that it changes.
    #[error("{}", conflict_message(conflicts))]
    Conflicts {
        /// One for each field and owner.
        conflicts: Vec<Conflict>,
    },
}

/// What an apply gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// The object; `None` when nothing changed but ownership.
    pub object: Option<Value>,
    /// The owners.
    pub managers: Managers,
}

impl Conflict {
    /// The field as messages show it.
    pub fn field(&self) -> String {
        show_path(&self.path)
    }

    /// The owner as messages show it.
    pub fn owner(&self) -> String {
        self.manager.describe()
    }
}

/// The message that names all conflicts.
pub fn conflict_message(conflicts: &[Conflict]) -> String {
    if let [conflict] = conflicts {
        return format!(
            "Apply failed with 1 conflict: conflict with {}: {}",
            conflict.owner(),
            conflict.field()
        );
    }
    // Of one name, who applies is told before who updates.
    let mut sorted: Vec<&Conflict> = conflicts.iter().collect();
    sorted.sort_by_key(|conflict| {
        let key = &conflict.manager;
        (&key.name, !key.applies, &key.api_version, &key.subresource)
    });
    let mut lines = Vec::new();
    let mut last = None;
    for conflict in sorted {
        if last != Some(&conflict.manager) {
            lines.push(format!("conflicts with {}:", conflict.owner()));
            last = Some(&conflict.manager);
        }
        lines.push(format!("- {}", conflict.field()));
    }
    format!(
        "Apply failed with {} conflicts: {}",
        conflicts.len(),
        lines.join("\n")
    )
}

/// Applies `config` to `live` in the name of `manager`. Both are without `managedFields`.
///
/// # Errors
/// [`ApplyError`] when the object does not fit its type, or, unless forced, when other managers
/// own what it changes.
pub fn apply(
    context: &Context<'_>,
    live: &Value,
    config: &Value,
    managers: Managers,
    applier: Applier<'_>,
) -> Result<Applied, ApplyError> {
    let problems = check(config, context.type_ref, Duplicates::Refused);
    if !problems.is_empty() {
        return Err(ApplyError::Invalid { problems });
    }
    let managers = if managers.0.is_empty() && !same(live, context.empty) {
        update(context, context.empty, live, managers, BEFORE_FIRST_APPLY)
    } else {
        managers
    };
    let result = apply_once(context, live, config, managers.clone(), applier);
    let Err(ApplyError::Conflicts { conflicts }) = &result else {
        return result;
    };
    if applier.manager != "kubectl" {
        return result;
    }
    let allowed = allowed_by_last_applied(context, live);
    let left: Vec<Conflict> = conflicts
        .iter()
        .filter(|conflict| !allowed.has(&conflict.path))
        .cloned()
        .collect();
    if !left.is_empty() {
        return Err(ApplyError::Conflicts { conflicts: left });
    }
    let forced = Applier {
        force: true,
        ..applier
    };
    apply_once(context, live, config, managers, forced)
}

/// Who applies.
#[derive(Clone, Copy, Debug)]
pub struct Applier<'a> {
    /// The manager's name.
    pub manager: &'a str,
    /// Whether it takes fields that others own.
    pub force: bool,
}

fn apply_once(
    context: &Context<'_>,
    live: &Value,
    config: &Value,
    mut managers: Managers,
    applier: Applier<'_>,
) -> Result<Applied, ApplyError> {
    let key = ManagerKey {
        name: applier.manager.to_owned(),
        applies: true,
        api_version: String::new(),
        subresource: context.subresource.to_owned(),
    };
    let merged = merge(live, config, context.type_ref);
    let fields = field_set(config, context.type_ref).difference_below(context.ignored);
    let last = managers.0.get(&key).cloned();
    let owned = Owned {
        api_version: context.api_version.to_owned(),
        fields,
        time: last.as_ref().and_then(|last| last.time.clone()),
    };
    managers.0.insert(key.clone(), owned);
    let object = match &last {
        Some(last) if !last.fields.is_empty() => {
            prune(&merged, &managers, &last.fields, context.type_ref)
        }
        _ => merged,
    };
    let changes = Changes::between(context, live, &object, &managers);
    let conflicts = conflicts(&managers, &changes, &key);
    if !applier.force && !conflicts.is_empty() {
        return Err(ApplyError::Conflicts { conflicts });
    }
    take_from_others(&mut managers, &changes, &key);
    strip(&mut managers, &key);
    let changed = !same(live, &object);
    if changed && let Some(owned) = managers.0.get_mut(&key) {
        owned.time = Some(context.now.to_owned());
    }
    Ok(Applied {
        object: changed.then_some(object),
        managers,
    })
}

/// The owners after a write that is no apply. `old` and `new` are without `managedFields`.
pub fn update(
    context: &Context<'_>,
    old: &Value,
    new: &Value,
    mut managers: Managers,
    manager: &str,
) -> Managers {
    let changes = Changes::between(context, old, new, &managers);
    let key = ManagerKey {
        name: manager.to_owned(),
        applies: false,
        api_version: context.api_version.to_owned(),
        subresource: context.subresource.to_owned(),
    };
    let nobody = ManagerKey {
        name: String::new(),
        ..key.clone()
    };
    take_from_others(&mut managers, &changes, &nobody);
    let taken = changes.own.modified.union(&changes.own.added);
    let taken = taken.difference_below(context.ignored);
    let taken = taken.difference(&never_owned());
    if !taken.is_empty() {
        let owned = managers.0.entry(key).or_insert_with(|| Owned {
            api_version: context.api_version.to_owned(),
            fields: FieldSet::default(),
            time: None,
        });
        owned.fields = owned.fields.union(&taken);
        owned.time = Some(context.now.to_owned());
    }
    join_oldest(&mut managers);
    managers
}

fn conflicts(managers: &Managers, changes: &Changes, own: &ManagerKey) -> Vec<Conflict> {
    let mut found = Vec::new();
    for (key, owned) in &managers.0 {
        if key == own {
            continue;
        }
        let comparison = changes.of(owned);
        let changed = comparison.modified.union(&comparison.added);
        for path in owned.fields.intersection(&changed).paths() {
            found.push(Conflict {
                manager: key.clone(),
                path,
            });
        }
    }
    found
}

fn take_from_others(managers: &mut Managers, changes: &Changes, own: &ManagerKey) {
    for (key, owned) in &mut managers.0 {
        if key == own {
            continue;
        }
        let comparison = changes.of(owned);
        let changed = comparison.modified.union(&comparison.added);
        let conflicting = owned.fields.intersection(&changed);
        let kept = owned.fields.difference(&conflicting);
        owned.fields = kept.difference(&comparison.removed);
    }
    managers.0.retain(|_, owned| !owned.fields.is_empty());
}

/// Fields that are never anybody's.
fn never_owned() -> FieldSet {
    FieldSet::of_fields(&[
        &["apiVersion"],
        &["kind"],
        &["metadata"],
        &["metadata", "name"],
        &["metadata", "namespace"],
        &["metadata", "creationTimestamp"],
        &["metadata", "selfLink"],
        &["metadata", "uid"],
        &["metadata", "clusterName"],
        &["metadata", "generation"],
        &["metadata", "managedFields"],
        &["metadata", "resourceVersion"],
    ])
}

fn strip(managers: &mut Managers, key: &ManagerKey) {
    if let Some(owned) = managers.0.get_mut(key) {
        owned.fields = owned.fields.difference(&never_owned());
        if owned.fields.is_empty() {
            managers.0.remove(key);
        }
    }
}

/// Takes out what the manager applied last time, does not apply now, and nobody else owns.
fn prune(merged: &Value, managers: &Managers, last: &FieldSet, type_ref: &TypeRef) -> Value {
    let named = |set: &FieldSet| with_named_fields(set, type_ref);
    let fields_of = |value: &Value| named(&field_set(value, type_ref));
    let last = named(last);
    let pruned = remove(merged, &last, type_ref);
    let mut owned = FieldSet::default();
    for manager in managers.0.values() {
        owned = owned.union(&manager.fields);
    }
    let merged_fields = fields_of(merged);
    let kept = fields_of(&pruned).union(&named(&owned));
    let pruned = remove(merged, &merged_fields.difference(&kept), type_ref);
    // What nobody owns is not this manager's to remove.
    let gone = merged_fields.difference(&fields_of(&pruned));
    remove(merged, &gone.intersection(&last), type_ref)
}

/// Fields in which `kubectl apply` from the client's side left its own values: taking them over
/// is no conflict.
fn allowed_by_last_applied(context: &Context<'_>, live: &Value) -> FieldSet {
    let annotation = live
        .get("metadata")
        .and_then(|metadata| metadata.get("annotations"))
        .and_then(|annotations| annotations.get(LAST_APPLIED))
        .and_then(Value::as_str);
    let Some(last) = annotation.and_then(|text| serde_json::from_str::<Value>(text).ok()) else {
        return FieldSet::default();
    };
    if last.get("apiVersion").and_then(Value::as_str) != Some(context.api_version) {
        return FieldSet::default();
    }
    let comparison = compare(&last, live, context.type_ref);
    field_set(&last, context.type_ref)
        .difference(&comparison.modified)
        .difference(&comparison.added)
        .difference(&comparison.removed)
}

/// Joins the oldest managers of plain updates, until there are few enough.
fn join_oldest(managers: &mut Managers) {
    let mut updaters: Vec<(Option<String>, ManagerKey)> = managers
        .0
        .iter()
        .filter(|(key, _)| !key.applies)
        .map(|(key, owned)| (owned.time.clone(), key.clone()))
        .collect();
    if updaters.len() <= MAX_UPDATE_MANAGERS {
        return;
    }
    updaters.sort();
    let mut count = updaters.len();
    let mut joined: Map<String, Value> = Map::new();
    for (_, key) in updaters {
        if count <= MAX_UPDATE_MANAGERS {
            break;
        }
        let first = joined
            .insert(key.api_version.clone(), Value::Bool(true))
            .is_none();
        let Some(owned) = managers.0.remove(&key) else {
            continue;
        };
        let bucket = ManagerKey {
            name: ANCIENT.to_owned(),
            applies: false,
            api_version: key.api_version.clone(),
            subresource: String::new(),
        };
        let entry = managers.0.entry(bucket).or_insert_with(|| Owned {
            fields: FieldSet::default(),
            ..owned.clone()
        });
        entry.fields = entry.fields.union(&owned.fields);
        entry.time = owned.time;
        if !first {
            count -= 1;
        }
    }
}
