//! The test bed: the real parts that Holdfast is tested against, started as plain processes.
//!
//! Development only. It must not be used by any crate that people run.

pub mod api;
pub mod audit;
pub mod bed;
pub mod beside;
pub mod bystanders;
pub mod cluster;
pub mod engine;
pub mod git_server;
pub mod measure;
pub mod nodes;
pub mod openbao;
pub mod ownership;
pub mod pairs;
pub mod peers;
pub mod process;
pub mod proxy;
pub mod repository;
pub mod scratch;
pub mod shelf;
pub mod signed;
pub mod sshd;
pub mod stopping;
pub mod undo;
pub mod walk;
