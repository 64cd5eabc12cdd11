//! From desired and live to a plan, and from a plan to its outcome.
//!
//! Pure. It must not know how objects are rendered, fetched, applied or stored; the clock is a
//! parameter.
//!
//! ```text
//! desired, live, inventory ──plan──▶ Plan ──begin──▶ Operation ──advance(event)*──▶ Outcome
//!                                                       │ effects: Check Record Perform Judge Remove Close
//! ```

mod advance;
mod body;
mod gate;
mod inspect;
mod leave;
mod order;
mod plan;
mod summary;

#[cfg(test)]
mod tests;

pub use advance::{advance, begin, outcome};
pub use body::{Sending, body};
pub use gate::brought_kind;
pub use inspect::{Settled, changes, is_left, learn};
pub use leave::leave;
pub use order::{MANAGER, hook_phases, slot};
pub use plan::{Inputs, Passing, plan};
pub use summary::summary;
