//! Small texts as Go's libraries read and write them, for everything that has to say the same as a
//! program in Go: regular expressions.
//!
//! Pure. It must not know templates, charts or Kubernetes.

pub mod regexp;
