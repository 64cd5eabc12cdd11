//! `holdfast version`.

use std::process::ExitCode;

use clap::Args;

use super::print;

/// Print the version.
#[derive(Args)]
pub(crate) struct Version {}

impl Version {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        print(&format!("holdfast {}\n", env!("CARGO_PKG_VERSION")));
        Ok(ExitCode::SUCCESS)
    }
}
