//! Holdfast beside Argo CD and Flux: each on a fresh cluster of its own, given as many objects of its
//! own kind, which all follow the same repository, and measured by the same code from outside. What
//! an engine is and how it is asked stands in its own file; this one only lists them.

mod argo;
mod field;
mod flux;
mod holdfast;
mod phases;
#[cfg(test)]
mod tests;
mod watch;

use holdfast_model::Value;

use crate::measure::Cost;
use crate::process::Process;
use field::Field;

/// The namespace of what is applied.
const NAMESPACE: &str = "bench";

/// An engine that keeps objects equal to folders of a repository.
pub(crate) trait Peer {
    /// What people call it, with its version.
    const NAME: &str;
    /// The path of its objects, one for each folder.
    const OBJECTS: &str;
    /// The kind of these objects as requests are counted by it.
    const RESOURCE: &str;

    /// Installs it and starts its processes.
    async fn start(field: &Field) -> anyhow::Result<Vec<Process>>;

    /// What has to be there once before the first of its objects: a path and an object.
    fn source(_url: &str) -> Option<(&'static str, Value)> {
        None
    }

    /// The object for a folder of the repository at an address.
    fn object(index: usize, url: &str) -> Value;

    /// The commit that such an object says is in place, once it says that all is well.
    fn settled(object: &Value) -> Option<&str>;

    /// How its users tell it of a commit that changes a folder; nothing for one that asks by itself.
    fn refresh(_index: usize) -> Option<Ask> {
        None
    }

    /// How its users have a folder's drift put back; nothing for one that watches for it.
    fn reconcile(_index: usize) -> Option<Ask> {
        None
    }
}

/// A patch that asks an engine for something.
pub(crate) struct Ask {
    path: String,
    /// The kind that is patched, as requests are counted by it.
    resource: &'static str,
    patch: Value,
}

/// What the phases of an engine cost, or why it could not be measured.
pub struct Measured {
    /// The engine.
    pub name: &'static str,
    /// Its phases.
    pub costs: anyhow::Result<Vec<Cost>>,
}

/// Measures every engine with `count` objects, one after the other. One that fails holds up no
/// other.
pub async fn measure(count: usize) -> Vec<Measured> {
    vec![
        measure_one::<holdfast::Holdfast>(count).await,
        measure_one::<argo::ArgoCd>(count).await,
        measure_one::<flux::Flux>(count).await,
    ]
}

async fn measure_one<P: Peer>(count: usize) -> Measured {
    Measured {
        name: P::NAME,
        costs: Box::pin(phases::measure::<P>(count)).await,
    }
}
