//! Holdfast as an engine of the bench: a Stack for each folder. It asks the repository by itself once
//! a second, which is part of what it costs.

use holdfast_model::Value;
use serde_json::json;

use super::field::{Field, listens, object_name, path};
use super::{NAMESPACE, Peer};
use crate::bed::{Bed, find_condition};
use crate::engine;
use crate::process::{Process, free_port};

/// Holdfast, as it is built beside the bench.
pub(crate) struct Holdfast;

impl Peer for Holdfast {
    const NAME: &str = "Holdfast";
    const OBJECTS: &str = "/apis/holdfast.dev/v1alpha1/namespaces/bench/stacks";
    const RESOURCE: &str = "stacks";

    async fn start(field: &Field) -> anyhow::Result<Vec<Process>> {
        // The definitions are served from now on.
        Bed::on(field.api.client.clone()).await?;
        let port = free_port()?;
        let mut process = engine::start(&field.cluster, &field.folder("holdfast")?, port)?;
        listens(&mut process, port).await?;
        Ok(vec![process])
    }

    fn object(index: usize, url: &str) -> Value {
        json!({
            "apiVersion": "holdfast.dev/v1alpha1",
            "kind": "Stack",
            "metadata": {"name": object_name(index), "namespace": NAMESPACE},
            "spec": {"source": {"git": url, "path": path(index), "interval": "1s"}},
        })
    }

    fn settled(object: &Value) -> Option<&str> {
        let commit = object.pointer("/status/applied/commit")?.as_str()?;
        (find_condition(object, "Ready", "status") == "True").then_some(commit)
    }
}
