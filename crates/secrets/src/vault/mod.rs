//! Values that are kept in Vault or OpenBao and only named in Git: what such references look like, and the
//! calls that read what they name. It must not know Stacks, nor where credentials are kept.

mod client;
mod error;
mod reference;
mod resolve;
mod shape;

#[cfg(test)]
mod tests;

pub use client::{Client, Data, Login, Mount, Network, Settings, Token, Version};
pub use error::Error;
pub use reference::{Location, Malformed, Part, Reference, parse};
pub use resolve::{
    Answers, IGNORE_ANNOTATION, PATH_ANNOTATION, Problem, VERSIONS_ANNOTATION, overlay,
    placeholders, references, resolve,
};
pub use shape::Shaped;
