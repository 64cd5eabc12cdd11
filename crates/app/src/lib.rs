//! The binary's parts as a library, so that the test bed runs what people run.
//!
//! Only `wiring` knows every crate, and only it reads the environment.

pub mod cli;
pub mod demo;
pub mod embedded;
pub mod git_http;
pub mod observe;
pub mod plane;
pub mod wiring;
