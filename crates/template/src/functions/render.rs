//! Functions that render other templates, and `lookup`.
//!
//! It must not know what a cluster is: answers come from the inputs of the render.

use std::rc::Rc;

use super::arguments::{any, text};
use crate::error::Error;
use crate::exec::{Outcome, Run};
use crate::value::{Entries, Value};

pub(super) fn include(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let data = match any(arguments, 1) {
        Value::Nil => &Value::Invalid,
        data => data,
    };
    run.include(&text(arguments, 0), data)
}

pub(super) fn tpl(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let data = match any(arguments, 1) {
        Value::Nil => &Value::Invalid,
        data => data,
    };
    match &arguments[0] {
        Value::Text(text) => run.expand(text, data),
        _ => run.expand(&Rc::from(&*text(arguments, 0)), data),
    }
}

pub(super) fn lookup(run: &mut Run<'_>, arguments: &[Value]) -> Outcome {
    let Some(lookup) = run.inputs.lookup else {
        return Ok(Value::map(Entries::new()));
    };
    let [version, kind, namespace, name] = [0, 1, 2, 3].map(|index| text(arguments, index));
    match lookup(&version, &kind, &namespace, &name) {
        Ok(Some(found)) => Ok(Value::from_json(&found)),
        Ok(None) => Ok(Value::map(Entries::new())),
        Err(message) => Err(Error::execute(message)),
    }
}
