//! `holdfast secret`: secrets that are sealed in Git, on the way in and out, and what a Stack has of
//! them. No value is ever an argument or part of a message.

mod edit;
mod files;
mod keys;
mod list;
mod open;
mod recipients;
mod report;
mod rules;
mod scan;
mod seal;

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::Global;

pub(in crate::cli) use keys::KeyFiles;

/// Seal, open, edit and rotate secrets in Git, and find those that are not sealed.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    holdfast secret keygen --out ~/.config/sops/age/keys.txt\n  \
    holdfast secret seal --to age1… -i db.yaml\n  \
    holdfast secret edit db.yaml\n  \
    holdfast secret scan --staged")]
pub(crate) struct SecretCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make a key of age, which opens what is sealed for it.
    Keygen(keys::Keygen),
    /// Seal a file with SOPS and age, or a Secret as a SealedSecret.
    Seal(seal::Seal),
    /// Print what is sealed.
    Open(open::Open),
    /// Open a file in an editor, and seal what changed.
    Edit(edit::Edit),
    /// Show every secret of a Stack: its source, who can open it, and what uses it.
    List(list::List),
    /// Show whom files are sealed for.
    Recipients(recipients::Recipients),
    /// Seal files for other recipients.
    Rotate(recipients::Rotate),
    /// Find what should not stand in Git unsealed.
    Scan(scan::Scan),
}

impl SecretCommand {
    pub(crate) async fn run(self, global: &Global) -> anyhow::Result<ExitCode> {
        match self.action {
            Action::Keygen(command) => command.run(),
            Action::Seal(command) => command.run(),
            Action::Open(command) => command.run(),
            Action::Edit(command) => command.run().await,
            Action::List(command) => command.run(global).await,
            Action::Recipients(command) => command.run(),
            Action::Rotate(command) => command.run(),
            Action::Scan(command) => command.run(),
        }
    }
}
