//! The control plane's objects over any Kubernetes API: Stacks, Targets and Tenants in, statuses,
//! inventories and Events out, credentials from Secrets; and the lease on being its engine.
//!
//! It must not know what the engine does with a Stack, nor how targets are written to.

mod credentials;
mod events;
mod fence;
mod inventory;
mod kept;
mod lease;
mod ledger;
mod outbox;
mod plane;
mod rest;
mod watch;

#[cfg(test)]
mod tests;

pub use credentials::{GitCredentials, TargetAccess};
pub use events::EventRecord;
pub use fence::Fence;
pub use inventory::Distrusted;
pub use kept::{Held, Holder, Shelf, Texts};
pub use lease::Lease;
pub use outbox::EventLosses;
pub use plane::Plane;
pub use rest::{Error, ErrorKind};
pub use watch::{StackChange, TenantChange};
