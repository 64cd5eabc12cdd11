//! Compares and judges: one differ, health per kind, and whether an object fits its schema.
//!
//! Pure. It must not know where objects come from or what is done about a difference.

pub mod diff;
pub mod fit;
pub mod health;
pub mod ownership;
pub mod pointer;
pub mod predict;
pub mod theirs;

#[cfg(test)]
mod tests;
