//! `holdfast crds`: the definitions that a cluster needs, to be piped into `kubectl apply -f -`.

use std::process::ExitCode;

use clap::Args;
use holdfast_api::native::crds::definitions;

use super::print;

/// Print the CustomResourceDefinitions that a cluster needs.
#[derive(Args)]
pub(crate) struct Crds {}

impl Crds {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        print(&text());
        Ok(ExitCode::SUCCESS)
    }
}

/// Both definitions as YAML.
pub(crate) fn text() -> String {
    let documents: Vec<String> = definitions().iter().map(holdfast_yaml::to_yaml).collect();
    documents.join("---\n")
}
