//! A change that somebody is about to make, and where. It must not know who judges it.

use std::sync::Arc;

use holdfast_admit::Served;
use holdfast_model::Value;

use crate::call::Call;
use crate::registry::Registry;
use crate::store::Store;

/// What a request does to an object, as policies call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Update,
    Delete,
}

impl Operation {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }
}

/// A change that somebody is about to make.
pub(crate) struct Attempt<'a> {
    pub(crate) call: &'a Call,
    pub(crate) served: &'a Arc<Served>,
    pub(crate) subresource: &'a str,
    /// The namespace of the object; for a namespace, itself.
    pub(crate) namespace: &'a str,
    /// Empty where many are deleted.
    pub(crate) name: &'a str,
    pub(crate) operation: Operation,
    /// Group, version and kind of what is sent, where that is another kind than the resource's.
    pub(crate) sent: Option<[&'static str; 3]>,
    pub(crate) object: Option<&'a Value>,
    pub(crate) old: Option<&'a Value>,
    pub(crate) dry_run: bool,
}

/// What there is on the cluster.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) store: &'a Store,
    pub(crate) registry: &'a Registry,
}
