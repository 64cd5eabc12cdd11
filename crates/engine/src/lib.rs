//! The engine: keeps every Stack's target equal to what Git says.
//!
//! It must not know CustomResourceDefinitions, Kubernetes clients or dialects: intents come in as
//! model values, and what has to be written down goes out through [`Ports`].
//!
//! ```text
//! upsert ─▶ queue ─▶ reconcile ─▶ publish
//!             ▲  ▲       └─▶ repositories, externals, target
//!   timers ───┘  └─ changes in repositories, on targets, of other Stacks
//! ```

mod accept;
mod approval;
mod arrange;
mod awaiting;
mod backoff;
mod breaker;
mod carry_out;
mod claims;
mod defects;
mod depend;
mod engine;
mod entropy;
mod externals;
mod fold;
mod happened;
mod health;
mod intents;
mod journal;
mod keep;
mod keys;
mod last_words;
mod leave;
mod locate;
mod look;
mod lookups;
mod masking;
mod moving;
mod namespace;
mod opening;
mod operate;
mod others;
mod pin;
mod place;
mod plain;
mod ports;
mod propose;
mod queue;
mod reconcile;
mod references;
mod repositories;
mod resume;
mod review;
mod rivals;
mod rotated;
mod settle;
mod source;
mod state;
mod telemetry;
mod tenancy;
mod terminate;
mod vaults;
mod view;
mod who;

#[cfg(test)]
mod tests;

pub use defects::Defect;
pub use engine::{Engine, Options};
pub use entropy::{digest_key, entropy};
pub use externals::{Digests, Externals, Job, RenderFailure, Used};
pub use health::HealthReport;
pub use keys::marked;
pub use lookups::lookups;
pub use namespace::makes_namespace;
pub use opening::{Chance, Opening};
pub use operate::{is_new, request};
pub use others::{Others, Owners, Standing};
pub use place::{PlaceError, kinds, place};
pub use plain::{PlainSecret, plain_secrets};
pub use ports::{
    AccountToken, Connections, Entries, Intent, Ledger, Ports, Reporter, Unpinned, Unread, Unsaved,
};
pub use propose::{Known, Question, desired_keys, propose};
pub use references::{Vault, Watched};
pub use review::{Review, review};
pub use telemetry::{StackTelemetry, Telemetry};
pub use vaults::Vaults;
pub use view::View;
