//! What clients send, as documents: JSON with the fields that stand there twice, and the protobuf
//! form. It must not know what a field means.

mod json;
pub(crate) mod protobuf;

pub(crate) use json::{Parsed, parse_json};
