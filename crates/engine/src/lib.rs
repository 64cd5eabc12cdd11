//! The engine: keeps every Stack's target equal to what Git says.
//!
//! It must not know CustomResourceDefinitions, Kubernetes clients or dialects: intents come in as
//! model values, and what has to be written down goes out through [`ControlPlane`].
//!
//! ```text
//! upsert ─▶ queue ─▶ reconcile ─▶ publish
//!             ▲  ▲       └─▶ repositories, externals, target
//!   timers ───┘  └─ changes in repositories, on targets, of other Stacks
//! ```

mod awaiting;
mod backoff;
mod breaker;
mod claims;
mod control;
mod defects;
mod depend;
mod engine;
mod externals;
mod fold;
mod happened;
mod health;
mod journal;
mod leave;
mod locate;
mod lookups;
mod moving;
mod operate;
mod pin;
mod place;
mod queue;
mod reconcile;
mod repositories;
mod resume;
mod rivals;
mod source;
mod state;
mod telemetry;

#[cfg(test)]
mod tests;

pub use control::{ControlPlane, Intent, Unpinned};
pub use defects::Defect;
pub use engine::{Engine, Options};
pub use externals::{Digests, Externals, Job, RenderFailure, Used};
pub use health::HealthReport;
pub use lookups::lookups;
pub use operate::{ask, request};
pub use place::{PlaceError, kinds, place};
pub use reconcile::desired_keys;
pub use telemetry::{StackTelemetry, Telemetry};
