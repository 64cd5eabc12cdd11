//! Helm charts: loading, values, dependencies, rendering, hooks.
//!
//! Pure: charts come as files, time and chance are inputs, and nothing here knows clusters.
//!
//! ```text
//! files ─load─▶ Chart (shared) ─┐
//! layers, parameters ─▶ values ─┴─settle─▶ Active ─coalesce─▶ values ─schema─▶ checked
//!                                            └─templates─▶ outputs ─split─▶ manifests, hooks
//! ```

mod active;
mod chart;
mod error;
mod files;
mod glob;
mod globals;
mod ignore;
mod manifest;
mod metadata;
mod objects;
mod parameters;
mod pattern;
mod render;
mod request;
mod schema;
mod stack;
mod values;
mod versions;

#[cfg(test)]
mod tests;

pub use chart::{Chart, load, load_archive};
pub use error::{Error, Wanted};
pub use holdfast_template::{Error as TemplateError, Limits, Lookup};
pub use manifest::{Hook, HookEvent, Manifest};
pub use metadata::{Dependency, Maintainer, Metadata};
pub use render::{CrdFile, Rendered, render};
pub use request::{Capabilities, Layer, Level, Parameter, Request};
pub use stack::on_own_stack;
pub use versions::{is_exact, newest};
