//! The binary's parts as a library, so that the test bed runs what people run.
//!
//! Only `wiring` knows every crate, and only it reads the environment.

/// The allocator of everything that is linked with this. After bursts, such as a first sync of many
/// objects, it gives memory back that glibc's keeps in the arenas of threads.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

pub mod cli;
pub mod demo;
pub mod embedded;
pub mod git_http;
pub mod kubeconfigs;
pub mod observe;
mod page;
mod people;
pub mod plane;
pub mod wiring;
