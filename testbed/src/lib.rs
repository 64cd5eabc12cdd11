//! Development only: real servers and the scenarios that run on them.
