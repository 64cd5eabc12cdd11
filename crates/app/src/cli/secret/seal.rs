//! `holdfast secret seal`: a clear file becomes a sealed one.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, ValueEnum};
use holdfast_secrets::sealed::{self, Certificate, Scope};
use holdfast_secrets::sops::{self, Plan, Rule};

use super::files::{self, Named};
use super::rules::{self, To};
use crate::cli::print;
use crate::wiring;

/// Seal a file with SOPS and age, or a Secret as a SealedSecret.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    holdfast secret seal --to age1… --in-place db.yaml\n  \
    kubectl create secret generic db --from-file=password --dry-run=client -o yaml |\n    \
    holdfast secret seal --to age1… -o db.yaml\n  \
    holdfast secret seal --cert sealing.pem db.yaml -o db.sealed.yaml\n\
    \n\
    Of a Secret the values are sealed, and its name and labels stay readable; of other files everything is, \
    unless --rule says otherwise. Values come from a file or standard input, never from an argument, where \
    other people on the machine could see them.")]
pub(crate) struct Seal {
    /// The clear file; standard input when left out, or -.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    #[command(flatten)]
    to: To,
    /// What is sealed: KIND=TEXT, such as encrypted_regex='^(data|stringData)$', with the kinds of sops.
    #[arg(long, value_name = "KIND=TEXT", value_parser = rules::rule)]
    rule: Option<Rule>,
    /// Protect only what is sealed against changes, so that the rest can be edited by hand.
    #[arg(long)]
    mac_only_encrypted: bool,
    /// The format, where the name of the file does not say it.
    #[arg(long, value_name = "FORMAT", value_enum)]
    format: Option<Named>,
    /// Seal as a SealedSecret, with this certificate of its controller.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["recipients", "files", "rule", "format", "mac_only_encrypted"])]
    cert: Option<PathBuf>,
    /// What may be renamed later without the values being lost.
    #[arg(long, value_enum, requires = "cert")]
    scope: Option<ScopeName>,
    /// Put the sealed file in the place of the clear one.
    #[arg(long, short, conflicts_with = "out")]
    in_place: bool,
    /// Where the sealed file is written; standard output when left out.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The scopes of SealedSecrets.
#[derive(Clone, Copy, ValueEnum)]
enum ScopeName {
    Strict,
    NamespaceWide,
    ClusterWide,
}

impl Seal {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let path = files::path_of(self.file.as_ref());
        anyhow::ensure!(
            !self.in_place || path.is_some(),
            "--in-place needs the name of a file"
        );
        let clear = files::read(path)?;
        let sealed = match &self.cert {
            Some(certificate) => self.as_sealed_secret(&clear, certificate),
            None => self.by_sops(&clear, path),
        };
        let sealed = sealed.with_context(|| format!("could not seal {}", files::name_of(path)))?;
        match (&self.out, path) {
            (Some(out), _) => files::replace(out, &sealed)?,
            (None, Some(path)) if self.in_place => files::replace(path, &sealed)?,
            _ => print(&String::from_utf8_lossy(&sealed)),
        }
        Ok(ExitCode::SUCCESS)
    }

    fn as_sealed_secret(&self, clear: &[u8], certificate: &Path) -> anyhow::Result<Vec<u8>> {
        let text = std::str::from_utf8(clear).context("it is no text")?;
        let certificate = Certificate::parse(&files::read_text(certificate)?)
            .with_context(|| format!("{}", certificate.display()))?;
        let scope = self.scope.map(|scope| match scope {
            ScopeName::Strict => Scope::Strict,
            ScopeName::NamespaceWide => Scope::NamespaceWide,
            ScopeName::ClusterWide => Scope::ClusterWide,
        });
        Ok(sealed::seal(text, &certificate, scope)?.into_bytes())
    }

    fn by_sops(&self, clear: &[u8], path: Option<&Path>) -> anyhow::Result<Vec<u8>> {
        // Where the sealed file will stand decides which format and which rule fit.
        let place = self.out.as_deref().or(path);
        let format = files::format_of(self.format, path.or(self.out.as_deref()));
        let named = self.to.recipients()?;
        let configured = match place {
            Some(place) if named.is_empty() => rules::configured(place)?,
            _ => None,
        };
        let (mut plan, has_rule) = configured.unwrap_or_else(|| {
            let groups = match named.is_empty() {
                true => Vec::new(),
                false => vec![named],
            };
            let plan = Plan {
                groups,
                threshold: 0,
                rule: Rule::common(),
                mac_only_encrypted: false,
            };
            (plan, false)
        });
        anyhow::ensure!(
            !plan.groups.is_empty(),
            "there is nobody to seal it for: name recipients with --to age1…, or in .sops.yaml"
        );
        match &self.rule {
            Some(rule) => plan.rule = rule.clone(),
            None if !has_rule && format == sops::Format::Yaml => {
                plan.rule = rules::common_rule(clear)
            }
            None => {}
        }
        plan.mac_only_encrypted |= self.mac_only_encrypted;
        Ok(sops::seal(
            clear,
            format,
            &plan,
            &wiring::now().to_string(),
        )?)
    }
}
