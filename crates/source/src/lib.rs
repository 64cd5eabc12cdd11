//! Git repositories as artifacts: what their references point to, fetched once for all Stacks, and
//! read lazily from the object database without a checkout.
//!
//! It must not know Stacks, rendering or clusters. Everything here blocks; [`Sources`] moves it to
//! threads of its own and gives it a time to end by.

mod fetch;
mod repository;
mod select;
mod sources;
mod tree;
mod working_copy;

#[cfg(test)]
mod tests;

pub use repository::{Credentials, Error};
pub use sources::{Resolved, SourceLimits, Sources};
pub use tree::GitTree;
pub use working_copy::WorkingCopy;
