//! Go's text/template with sprig's and Helm's functions, over values with Go's kinds and sharing.
//!
//! Pure: time and chance are inputs, and nothing here knows charts, files or Kubernetes.
//!
//! ```text
//! text ─lex─▶ tokens ─parse─▶ Template (shared by all renders) ─┐
//!                                        Set of Templates ──────┴─ Run ─exec─▶ text
//! ```

mod ast;
mod cast;
mod chance;
mod crypto;
mod decimal;
mod emit;
mod equal;
mod error;
mod exec;
mod float;
mod format;
mod functions;
mod inputs;
mod lex;
mod literal;
mod methods;
mod moment;
mod moment_parse;
mod parse;
mod set;
mod toml;
mod toml_read;
mod value;
mod words;
mod zones;

#[cfg(test)]
mod tests;

pub use ast::{Source, Template};
pub use crypto::der::{Reader as DerReader, wrap as wrap_der};
pub use error::{Class, Error, Place};
pub use exec::Run;
pub use functions::names as function_names;
pub use inputs::{Inputs, Limits, Lookup};
pub use moment::{Moment, Zone};
pub use parse::parse;
pub use set::Set;
pub use value::{Element, Entries, IntKind, List, Map, Object, Shape, Value};

/// A compiled regular expression.
pub use holdfast_go::regexp::Regex;

/// A regular expression by Go's syntax; `None` for what is none.
pub fn compile_regex(pattern: &str) -> Option<Regex> {
    functions::compile_regex(pattern).ok()
}

/// A value as YAML, as `toYaml` writes it but with the newline at its end.
///
/// # Errors
/// A text for what has no YAML form.
pub fn to_yaml(value: &Value) -> Result<String, String> {
    emit::yaml(value, holdfast_yaml::Dialect::Sigs)
}
