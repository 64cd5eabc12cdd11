//! Git repositories as artifacts: what their references point to, fetched once for all Stacks, and
//! read lazily from the object database without a checkout. Beside them, charts of repositories and
//! registries, and single files.
//!
//! It must not know Stacks, rendering or clusters. What blocks, [`Sources`] moves to threads of its
//! own; all of it has a time to end by.

mod cause;
mod charts;
mod copies;
mod fetch;
mod guard;
mod index;
mod registry;
mod repository;
mod select;
mod sources;
mod ssh;
mod tree;
mod trouble;
mod walk;
mod web;
mod working_copy;

#[cfg(test)]
mod tests;

pub use cause::Cause;
pub use charts::Archive;
pub use guard::Guard;
pub use index::ChartVersion;
pub use repository::{Credentials, Error};
pub use sources::{Resolved, SourceLimits, Sources};
pub use tree::GitTree;
pub use working_copy::WorkingCopy;
