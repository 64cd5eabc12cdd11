//! Tests of the template engine.

mod golden;
mod language;
