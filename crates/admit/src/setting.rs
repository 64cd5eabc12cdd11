//! The write that an object is judged for, and what is asked of the server meanwhile. It must not
//! know any kind.

use holdfast_model::Value;
use holdfast_model::time::Time;

use crate::place::{ObjectName, ResourceId};
use crate::served::Served;

/// What is asked of the server that an object comes to. Time and chance are its business, too.
pub trait Server {
    /// An object as it is stored.
    fn get(&self, resource: &ResourceId, name: &ObjectName) -> Option<Value>;

    /// The objects of a namespace, or of all of them.
    fn list(&self, resource: &ResourceId, namespace: Option<&str>) -> Vec<Value>;

    /// What time it is.
    fn now(&self) -> Time;

    /// Fills in bytes that nobody can guess.
    fn fill(&self, bytes: &mut [u8]);
}

/// The write that an object is prepared for.
pub struct Setting<'a> {
    /// The server that it comes to.
    pub server: &'a dyn Server,
    /// Its kind.
    pub served: &'a Served,
    /// The part of the object that is written; empty for the whole of it.
    pub subresource: &'a str,
    /// Whether nothing is going to be stored.
    pub dry_run: bool,
}

/// Bytes that nobody can guess.
pub(crate) fn random<const COUNT: usize>(server: &dyn Server) -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    server.fill(&mut bytes);
    bytes
}
