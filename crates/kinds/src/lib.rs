//! What an API server makes of an object by its type before anybody judges it: the canonical form
//! that Go's types give it, the defaults of built-in and custom kinds, quantities.
//!
//! Pure. It must not know what is allowed, how objects are stored, or who owns a field. The embedded
//! API server keeps objects in this form, and the differ predicts with it.

pub mod amounts;
mod autoscalers;
mod canonical;
mod custom;
mod defaults;
mod fields;
mod pods;
mod quantity;
mod secret;
mod typing;

pub use autoscalers::{SOURCES, to_first, to_second};
pub use canonical::{Decoded, MAX_DEPTH, decode, shown_path, zero};
pub use custom::{default_custom, drop_nulls, prune_custom};
pub use defaults::default_built_in;
pub use fields::{fill, items, items_mut, text};
pub use pods::tolerate_trouble;
pub use quantity::{PROBLEM as QUANTITY_PROBLEM, Quantity};
pub use secret::fold_string_data;
pub use typing::{Typing, Typings, canonical_custom, is_signing_request};
