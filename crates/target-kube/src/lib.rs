//! A Kubernetes cluster as a target: discovery, a compact store that watches fill, and steps as
//! server-side apply and guarded deletes.
//!
//! It must not know Stacks' sources, plans or the control plane's own objects.
//!
//! ```text
//! observe ─▶ discovery ─▶ one watch a kind ─▶ store ─▶ Snapshot
//! perform ─▶ request ───────────────────────▶ store ─▶ Answer
//! look_up ─▶ discovery ─▶ request ─────────────────▶ Found
//! ```

mod apply;
mod discovery;
mod explain;
mod failure;
mod last_lines;
mod lookup;
mod removed;
mod request;
mod rivals;
mod store;
mod takeover;
mod target;
mod typings;
mod watch;

#[cfg(test)]
mod tests;

pub use request::Limits;
pub use target::KubeTarget;
