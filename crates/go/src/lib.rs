//! Small texts as Go's libraries read and write them, for everything that has to say the same as a
//! program in Go: regular expressions, base64, semantic versions and their ranges, addresses, texts in
//! quotes, and what is wrong with a text that is no JSON.
//!
//! Pure. It must not know templates, charts or Kubernetes.

pub mod base64;
pub mod ip;
pub mod json;
pub mod quote;
pub mod regexp;
pub mod semver;
pub mod url;
