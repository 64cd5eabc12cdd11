//! What a render is given besides values: time, chance, limits and the view of a cluster.
//!
//! It must not read any of them from the world itself.

use holdfast_model::Value as Json;
use holdfast_model::time::Time;

/// Answers `lookup`: API version, kind, namespace and name to an object, a list, or nothing.
pub type Lookup<'r> = &'r (dyn Fn(&str, &str, &str, &str) -> Result<Option<Json>, String> + Sync);

/// What a render is given besides values.
#[derive(Clone, Copy)]
pub struct Inputs<'r> {
    /// The moment that `now` gives.
    pub now: Time,
    /// What everything random is derived from.
    pub entropy: &'r [u8; 32],
    /// Answers `lookup`; empty when there is none.
    pub lookup: Option<Lookup<'r>>,
    /// Whether a missing key is an error.
    pub strict: bool,
    /// Bounds.
    pub limits: Limits,
}

/// Bounds of one render.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Actions executed.
    pub steps: u64,
    /// Bytes of one string.
    pub text: usize,
    /// Bytes that all templates and functions together may make.
    pub bytes: u64,
    /// Bytes of stack that nested templates may take.
    pub stack: usize,
    /// Items of one list made by a function.
    pub items: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 20_000_000,
            text: 64 << 20,
            bytes: 2 << 30,
            // What a thread has that nobody asked more for.
            stack: 1 << 20,
            items: 1 << 20,
        }
    }
}
