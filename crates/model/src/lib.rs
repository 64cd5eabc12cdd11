//! The nouns of Holdfast: plain values that every other crate speaks in.
//!
//! Pure: nothing here reads a file, a clock, the network, the environment or chance,
//! and nothing here knows Kubernetes clients, renderers or storage.

pub mod applyset;
pub mod artifact;
pub mod base64;
pub mod deed;
pub mod digest;
pub mod event;
pub mod external;
mod field_error;
pub mod inventory;
pub mod lookup;
pub mod object;
pub mod operation;
pub mod packed;
pub mod percent;
pub mod pin;
pub mod plan;
pub mod revision;
pub mod secret;
pub mod stack;
pub mod status;
pub mod tenant;
pub mod time;
pub mod undo;
pub mod vault;
pub mod view;

pub use field_error::FieldError;

/// A JSON value; the form in which objects travel between crates. Maps are sorted by key.
pub use serde_json::Value;
