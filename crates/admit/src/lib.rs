//! What an API server makes of an object that comes in: it puts in what absent fields stand for,
//! completes it with what others say, refuses it or warns of it, and brings it into the version
//! that is stored. For every built-in kind, and for custom ones by their schema.
//!
//! Pure: the other objects, the time and chance come from a [`Server`]. It must not know how objects
//! are read, stored or sent, nor who may do what.
//!
//! ```text
//! object ─default, admit─▶ complete ─prepare─▶ as the server sets it ─validate─▶ refused, or stored
//! ```

mod addresses;
mod admission;
mod checks;
mod classes;
mod convert;
mod custom;
mod defaults;
mod definitions;
mod embedded;
mod error;
mod formats;
pub mod labels;
mod metadata;
pub mod names;
mod place;
mod prepare;
pub mod schedule;
mod served;
mod services;
mod setting;
mod warnings;

#[cfg(test)]
mod tests;

pub use admission::{admit_create, admit_update};
pub use checks::validate;
pub use classes::SYSTEM_CLASSES;
pub use convert::{convert, to_storage};
pub use defaults::default;
pub use error::{ApiError, Result, Subject};
pub use metadata::{selectable, selects_by_fields, validate_metadata};
pub use place::{ObjectName, ResourceId};
pub use prepare::{
    admit_delete, created_by_update, disruption_refused, needs_version, prepare_create,
    prepare_update,
};
pub use served::Served;
pub use setting::{Server, Setting};
pub use warnings::{status_warnings, warnings};
