//! What is special about each kind: defaults, what the server sets, what it refuses.
//! It must not know how objects are read or kept.

mod addresses;
mod admission;
mod autoscalers;
mod cel;
mod checks;
mod convert;
mod custom;
mod defaults;
mod definitions;
mod embedded;
mod formats;
mod metadata;
mod patterns;
mod pods;
mod prepare;
mod review;
mod services;
mod warnings;

pub(crate) use admission::{admit_create, admit_update};
pub(crate) use cel::{Rules, compile};
pub(crate) use checks::validate;
pub(crate) use convert::{convert, to_storage};
pub(crate) use defaults::default;
pub(crate) use metadata::{selectable, selects_by_fields, validate_metadata};
pub(crate) use prepare::{
    SYSTEM_CLASSES, admit_delete, created_by_update, disruption_refused, needs_version,
    prepare_create, prepare_update,
};
pub(crate) use review::{review, token};
pub(crate) use warnings::{status_warnings, warnings};

use holdfast_model::Value;

use crate::cluster::Cluster;
use crate::registry::Served;

/// The write that an object is prepared for.
pub(crate) struct Setting<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) served: &'a Served,
    /// The part of the object that is written; empty for the whole of it.
    pub(crate) subresource: &'a str,
    /// Whether nothing is going to be stored.
    pub(crate) dry_run: bool,
}

/// Sets a field when it is absent or null.
pub(crate) fn fill(value: &mut Value, name: &str, default: impl Into<Value>) {
    if value.get(name).is_none_or(Value::is_null)
        && let Some(fields) = value.as_object_mut()
    {
        fields.insert(name.to_owned(), default.into());
    }
}

/// The items of a list field.
pub(crate) fn items<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value
        .get(name)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The items of a list field, to be changed.
pub(crate) fn items_mut<'a>(value: &'a mut Value, name: &str) -> &'a mut [Value] {
    match value.get_mut(name) {
        Some(Value::Array(items)) => items,
        _ => &mut [],
    }
}

/// A text field; empty when absent.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or("")
}
