//! Compares and judges: one differ, and health per kind.
//!
//! Pure. It must not know where objects come from or what is done about a difference.

pub mod diff;
pub mod fit;
pub mod health;
pub mod ownership;
pub mod pointer;
mod quantity;

#[cfg(test)]
mod tests;
