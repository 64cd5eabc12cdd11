//! `holdfast page`: who may sign in to the page. It must not know what the page shows.

mod account;
mod options;
mod prompt;

use std::process::ExitCode;

use clap::{Args, Subcommand};

pub(crate) use options::PageOptions;

use super::Global;

/// Keep accounts of the page.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    holdfast page account add alice --group leads\n  \
    holdfast page account token ci --name deploys --expires 90d\n  \
    holdfast page account list")]
pub(crate) struct PageCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Add, list and remove accounts, and make tokens for programs.
    Account(account::AccountCommand),
}

impl PageCommand {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        match self.action {
            Action::Account(command) => command.run(global).await,
        }
    }
}
