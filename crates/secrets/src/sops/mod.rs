//! SOPS files: opened, sealed, changed and sealed for others. A file is a tree whose values are sealed
//! each by itself with one data key, which is sealed for every recipient.
//!
//! ```text
//! text ─format─▶ tree ─metadata─▶ data key ─walk─▶ clear tree ─format─▶ text
//!                                  keys ┘   rule, MAC ┘
//! ```

mod cipher;
mod flat;
mod format;
mod found;
mod ini;
mod json;
mod metadata;
mod open;
mod rules;
mod seal;
mod tree;
mod yaml;

pub use format::Format;
pub use found::{Unsealed, is_sealed, unseal};
pub use open::{Described, describe, open};
pub use rules::{Rule, RuleKind};
pub use seal::{DataKey, Plan, edit, rekey, seal};
