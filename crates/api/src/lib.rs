//! Wire types: the dialects that intents are written in, converted to the model by hand.
//!
//! It must not know how objects are listed, watched or written, nor what the engine does with them.

pub mod fields;
pub mod native;
