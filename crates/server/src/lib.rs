//! The page: what the engine publishes, as HTML for people and as JSON for programs, and a way to ask it
//! for something. It must not know the engine, an API server or a target: it reads a [`Views`], and what
//! people ask for goes to a [`Commands`].
//!
//! ```text
//! connection ─listen─▶ guard ─router─▶ fleet, stack, plan ─templates─▶ HTML
//!               tls    access       ├─▶ sign_in ─▶ a session, kept by a Keeper
//!                                   ├─▶ ask ─▶ Commands
//!                                   ├─▶ api ─▶ JSON
//!                                   └─▶ events ─▶ a line a change
//! ```

mod access;
mod api;
mod ask;
mod asker;
mod assets;
mod audit;
mod events;
mod fleet;
mod forms;
mod graph;
mod guard;
mod listen;
mod plan;
mod port;
mod respond;
mod router;
mod shell;
mod sign_in;
mod site;
mod stack;
mod state;
#[cfg(test)]
mod tests;
mod texts;
mod tls;

pub use access::accounts::{Account, Refused, Token, is_name};
pub use access::roles::{Fault, Rights, Roles, Subject, Verb, Verdict};
pub use listen::serve;
pub use port::{Asking, BoxFuture, Command, Commands, Edit, Keeper, Kept, Views};
pub use site::{Page, is_loopback};
pub use tls::{Certificate, Unusable};
