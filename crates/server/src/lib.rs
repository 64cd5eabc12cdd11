//! The page: what the engine publishes, as HTML for people and as JSON for programs, and a way to ask it
//! for something. It must not know the engine, an API server or a target: it reads a [`Views`], and what
//! people ask for goes to a [`Commands`].
//!
//! ```text
//! connection ─listen─▶ guard ─router─▶ fleet, stack, plan ─templates─▶ HTML
//!                                  ├─▶ ask ─▶ Commands
//!                                  ├─▶ api ─▶ JSON
//!                                  └─▶ events ─▶ a line a change
//! ```

mod api;
mod ask;
mod assets;
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
mod site;
mod stack;
mod state;
#[cfg(test)]
mod tests;
mod texts;

pub use listen::serve;
pub use port::{BoxFuture, Command, Commands, Views};
pub use site::{Page, is_loopback};
