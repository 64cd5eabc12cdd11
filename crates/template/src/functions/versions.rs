//! Versions and constraints.
//!
//! It must not know templates.

use std::rc::Rc;

use holdfast_go::semver::{Constraint, Version};

use super::arguments::text;
use crate::error::Error;
use crate::exec::Outcome;
use crate::value::Value;

fn version(text: &str) -> Result<Version, Error> {
    Version::parse(text).map_err(|error| Error::execute(error.to_string()))
}

pub(super) fn semver(arguments: &[Value]) -> Outcome {
    Ok(Value::Version(Rc::new(version(&text(arguments, 0))?)))
}

pub(super) fn semver_compare(arguments: &[Value]) -> Outcome {
    let constraint = Constraint::parse(&text(arguments, 0));
    let constraint = constraint.map_err(|error| Error::execute(error.to_string()))?;
    Ok(Value::Bool(
        constraint.allows(&version(&text(arguments, 1))?),
    ))
}
