//! Git repositories as artifacts.
