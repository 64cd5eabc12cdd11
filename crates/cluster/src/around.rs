//! What is asked of the server while an object is judged. It must not judge.

use holdfast_admit::{ObjectName, ResourceId, Server};
use holdfast_model::Value;
use holdfast_model::time::Time;

use crate::chance;
use crate::store::Store;

/// The other objects, and when it is.
pub(crate) struct Around<'a> {
    pub(crate) store: &'a Store,
    pub(crate) now: Time,
}

impl Server for Around<'_> {
    fn get(&self, resource: &ResourceId, name: &ObjectName) -> Option<Value> {
        Some(self.store.get(resource, name)?.value())
    }

    fn list(&self, resource: &ResourceId, namespace: Option<&str>) -> Vec<Value> {
        self.store.values(resource, namespace)
    }

    fn now(&self) -> Time {
        self.now
    }

    fn fill(&self, bytes: &mut [u8]) {
        chance::fill(bytes);
    }
}
