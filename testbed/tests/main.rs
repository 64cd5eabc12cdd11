//! The scenarios: the engine against real parts.

mod spine;
