//! Certificates, keys and passwords, drawn from the entropy of the render.
//!
//! It must not use any other source of chance.

use crate::error::Error;
use crate::exec::{Outcome, Run};
use crate::value::Value;

pub(super) fn unavailable(_: &mut Run<'_>, _: &[Value]) -> Outcome {
    Err(Error::execute("this function is not available yet"))
}
