//! JSON patch, merge patch, strategic merge patch and server-side apply with field ownership. Pure.
//!
//! Everything here takes values and types and gives values back; nothing knows where an object
//! is kept or who asks.

pub mod apply;
pub mod fields;
pub mod json_patch;
pub mod managers;
pub mod merge_patch;
pub mod strategic;
pub mod typed;

#[cfg(test)]
mod tests;
