//! Tests of charts: loading, values, dependencies, rendering, hooks, limits.

mod charts;
mod loading;
mod mutation;
mod parameters;
mod patterns;
mod schemas;

use std::sync::Arc;

use holdfast_model::artifact::{MemoryBlobs, TreePath};

use crate::{Error, Rendered, Request, load, render};

/// A chart of these files at the root of a tree.
fn chart(files: &[(&str, &str)]) -> Result<Arc<crate::Chart>, Error> {
    let blobs = MemoryBlobs::of(files.iter().copied());
    load(&blobs, &TreePath::root()).map(Arc::new)
}

/// What these files render to for a request.
fn rendered(files: &[(&str, &str)], request: &Request<'_>) -> Result<Rendered, Error> {
    render(&chart(files)?, request)
}

fn request() -> Request<'static> {
    Request::new("rel", "ns")
}

const META: (&str, &str) = ("Chart.yaml", "apiVersion: v2\nname: app\nversion: 1.2.3\n");

/// The text of the only manifest of a chart with one template and these other files.
fn printed(template: &str, files: &[(&str, &str)], request: &Request<'_>) -> String {
    let mut all = vec![META, ("templates/a.yaml", template)];
    all.extend_from_slice(files);
    match rendered(&all, request) {
        Ok(rendered) => rendered
            .manifests
            .first()
            .map_or(String::new(), |manifest| {
                manifest.text.trim_end().to_owned()
            }),
        Err(error) => format!("error: {error}"),
    }
}
