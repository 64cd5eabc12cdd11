//! The `Target` trait: what the engine asks of anything that objects are applied to.
