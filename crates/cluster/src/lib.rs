//! An embedded Kubernetes API server as a tower service, with the controllers a GitOps engine
//! needs to see.
//!
//! It promises the API's behaviour as far as a GitOps engine and `kubectl` use it, not
//! containers: pods are simulated and say so. It must not know who uses it.
//!
//! ```text
//! request ─call─▶ route ─▶ rest (read │ write │ watch) ─▶ store ─▶ log ─▶ watches
//!                          │ wire: reads, canonical form     ▲
//!                          │ crate admit: what is decided    │ controllers, through the same calls
//! ```

mod access;
mod around;
mod body;
mod call;
mod chance;
mod clock;
mod cluster;
mod controllers;
mod discovery;
mod groups;
mod identity;
mod listen;
mod negotiate;
mod openapi;
mod partial;
mod policies;
mod registry;
mod rest;
mod select;
mod service;
mod settling;
mod state;
mod storage;
mod store;
mod stored;
mod table;
mod wire;

pub use body::ResponseBody;
pub use clock::Clock;
pub use cluster::{Cluster, Options};
pub use controllers::Simulation;
pub use listen::{Credentials, ListenError, Listening};
pub use service::{ApiService, BoxError};
pub use storage::OpenError;

#[cfg(test)]
mod tests;
