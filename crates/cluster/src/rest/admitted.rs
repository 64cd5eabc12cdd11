//! Asks the admission policies before something is stored. It must not know what is stored.

use holdfast_admit::Result;
use holdfast_model::Value;

use super::target::{Target, name_of};
use crate::call::Call;
use crate::policies::{Attempt, Operation, Place, judge};
use crate::state::State;

/// A change to an object.
pub(crate) struct Change<'a> {
    pub(crate) operation: Operation,
    /// Group, version and kind of what is sent, where it is no object of the resource.
    pub(crate) sent: Option<[&'static str; 3]>,
    pub(crate) object: Option<&'a Value>,
    pub(crate) old: Option<&'a Value>,
    pub(crate) dry_run: bool,
}

/// What policies warn of.
///
/// # Errors
/// The refusal of one of them.
pub(crate) fn admitted(
    state: &State,
    call: &Call,
    target: &Target,
    change: &Change<'_>,
) -> Result<Vec<String>> {
    // One that is made has a name of its own, which may have been found for it.
    let made = change
        .object
        .filter(|_| change.operation == Operation::Create);
    let name = target.name.as_deref();
    let name = name.or_else(|| made.map(name_of)).unwrap_or("");
    let namespace = match &target.namespace {
        Some(namespace) => namespace,
        None if target.served.is("", "Namespace") => name,
        None => "",
    };
    let attempt = Attempt {
        call,
        served: &target.served,
        subresource: &target.subresource,
        namespace,
        name,
        operation: change.operation,
        sent: change.sent,
        object: change.object,
        old: change.old,
        dry_run: change.dry_run,
    };
    let place = Place {
        store: state.store(),
        registry: state.registry(),
    };
    judge(state.policies(), place, &attempt)
}
