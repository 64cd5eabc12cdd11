//! Why a chart cannot be loaded or rendered, in Helm's own words where people search for them.
//!
//! It must not hold values: they may be secret.

use holdfast_model::artifact::BlobError;
use holdfast_template as template;

/// A dependency that a chart names and that is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The chart's name.
    pub name: String,
    /// The versions that will do.
    pub version: String,
    /// Where it can be had; empty for one that should have been vendored.
    pub repository: String,
}

/// Why a chart cannot be loaded or rendered.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// A file could not be read.
    #[error(transparent)]
    Read(#[from] BlobError),
    /// The files are no chart.
    #[error("{0}")]
    Load(String),
    /// An archive is damaged, too large, or reaches outside of itself.
    #[error("{0}")]
    Archive(String),
    /// A subchart is no chart.
    #[error("error unpacking subchart {subchart} in {chart}: {source}")]
    Subchart {
        /// Its folder or file in `charts/`.
        subchart: String,
        /// The chart that holds it.
        chart: String,
        /// What is wrong with it.
        source: Box<Error>,
    },
    /// Dependencies are not there.
    #[error(
        "found in Chart.yaml, but missing in charts/ directory: {}",
        names(.0)
    )]
    Missing(Vec<Wanted>),
    /// Values could not be read or do not fit together.
    #[error("{0}")]
    Values(String),
    /// Values do not fit the schemas of the charts.
    #[error(
        "values don't meet the specifications of the schema(s) in the following chart(s):\n{0}"
    )]
    Schema(String),
    /// The request cannot be met, such as a Kubernetes version that the chart refuses.
    #[error("{0}")]
    Refused(String),
    /// A template could not be read or executed.
    #[error(transparent)]
    Template(#[from] template::Error),
    /// What a template printed is no YAML object.
    #[error("YAML parse error on {path}: {message}")]
    Manifest {
        /// The template.
        path: String,
        /// The line in its output.
        line: u32,
        /// What is wrong.
        message: String,
    },
}

fn names(wanted: &[Wanted]) -> String {
    let names: Vec<&str> = wanted.iter().map(|wanted| wanted.name.as_str()).collect();
    names.join(", ")
}
