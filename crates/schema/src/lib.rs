//! Compact tables of Kubernetes types: fields, scope, merge keys, list types, defaults. Pure.
//!
//! The built-in tables are generated from what Kubernetes publishes (`cargo xtask schema`); the
//! types of a CustomResourceDefinition come in the same form. Nothing here knows how objects are
//! merged, checked or stored.

mod crd;
mod kind;
mod message;
mod shape;
mod table;

pub use crd::{CrdError, CustomKind, kinds_of_crd, type_of_schema};
pub use kind::{Kind, Subresource};
pub use message::{Message, MessageField};
pub use shape::{Field, List, ListRelation, Map, Patch, Scalar, Shape, Struct, TypeRef};
pub use table::Schema;

#[cfg(test)]
mod tests;
