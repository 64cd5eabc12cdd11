//! What is special about each kind: defaults, what the server sets, what it refuses.
//! It must not know how objects are read or kept.

mod addresses;
mod admission;
mod checks;
mod convert;
mod custom;
mod definitions;
mod embedded;
mod formats;
mod metadata;
mod prepare;
mod review;
mod services;
mod warnings;

pub(crate) use admission::{admit_create, admit_update};
pub(crate) use checks::validate;
pub(crate) use convert::{convert, to_storage};
pub(crate) use metadata::{selectable, selects_by_fields, validate_metadata};
pub(crate) use prepare::{
    SYSTEM_CLASSES, admit_delete, created_by_update, disruption_refused, needs_version,
    prepare_create, prepare_update,
};
pub(crate) use review::{review, token};
pub(crate) use warnings::{status_warnings, warnings};

use holdfast_kinds::{default_built_in, default_custom};
pub(crate) use holdfast_kinds::{fill, items, items_mut, text};
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

/// Puts in what absent fields stand for.
pub(crate) fn default(served: &Served, value: &mut Value) {
    if served.custom.is_some() {
        default_custom(value, &served.kind.type_ref);
    } else {
        default_built_in(&served.kind, value);
    }
}
