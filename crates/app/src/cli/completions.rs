//! `holdfast completions`: for shells.

use std::process::ExitCode;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

/// Print completions for a shell.
#[derive(Args)]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self) -> anyhow::Result<ExitCode> {
        let mut command = super::Cli::command();
        clap_complete::generate(self.shell, &mut command, "holdfast", &mut std::io::stdout());
        Ok(ExitCode::SUCCESS)
    }
}
