//! Types of CEL, and whether the parts of an expression fit together: the rules are those of
//! cel-go's checker. It must not know definitions, values or costs.
//!
//! ```text
//! schema ─shape─▶ type of self ─check, with signatures and bindings─▶ problems, or the result's type
//! ```

mod bindings;
mod check;
mod kinds;
mod literals;
mod shape;
mod signatures;

pub(super) use check::{Typed, check};
pub(super) use kinds::{BOOL, INT, STRING, Type};
pub(super) use shape::{member, shape};
pub(super) use signatures::Signature;
pub(super) use signatures::{is_function, is_type};
