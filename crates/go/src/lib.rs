//! Small texts as Go's libraries read and write them, for everything that has to say the same as a
//! program in Go: regular expressions,
//! and what is wrong with a text that is no JSON.
//!
//! Pure. It must not know templates, charts or Kubernetes.

pub mod json;
pub mod regexp;
