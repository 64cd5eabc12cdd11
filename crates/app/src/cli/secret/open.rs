//! `holdfast secret open`: prints what is sealed.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use holdfast_secrets::sealed::{self, Chances};
use holdfast_secrets::{Clear, sops};
use holdfast_yaml::{Limits, read_value};
use zeroize::Zeroizing;

use super::files::{self, Named};
use super::keys::KeyFiles;
use crate::wiring;

/// Print what is sealed.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    holdfast secret open db.yaml | kubectl apply -f -\n  \
    holdfast secret open --sealing-key sealing.key db.sealed.yaml\n\
    \n\
    What it prints is clear: do not write it to a file of the repository; `holdfast secret edit` needs none.")]
pub(crate) struct Open {
    /// The sealed file; standard input when left out, or -.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    keys: KeyFiles,
    /// The format, where the name of the file does not say it.
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<Named>,
}

impl Open {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let path = files::path_of(self.file.as_ref());
        let sealed = files::read(path)?;
        let clear = self.open(&sealed, path);
        let clear = clear.with_context(|| format!("could not open {}", files::name_of(path)))?;
        write(clear.expose());
        Ok(ExitCode::SUCCESS)
    }

    fn open(&self, sealed: &[u8], path: Option<&Path>) -> anyhow::Result<Clear> {
        if let Some(text) = sealed_secret(sealed) {
            let entropy = Zeroizing::new(wiring::chance()?);
            let chances = Chances {
                now: wiring::now(),
                entropy: &entropy,
            };
            return Ok(sealed::open(text, &self.keys.sealing()?, chances)?);
        }
        let format = files::format_of(self.format, path);
        sops::describe(sealed, format)?;
        Ok(sops::open(sealed, format, &self.keys.age()?)?)
    }
}

/// The text of a SealedSecret, if it is one.
pub(super) fn sealed_secret(bytes: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(bytes).ok()?;
    let value = read_value(text, &Limits::default()).ok()?;
    sealed::is_sealed(&value).then_some(text)
}

/// Writes bytes to standard output. A reader that has gone is no error.
fn write(bytes: &[u8]) {
    use std::io::Write as _;
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(bytes);
    let _ = out.flush();
}
