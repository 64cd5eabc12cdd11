//! `holdfast secret recipients` and `rotate`: whom files are sealed for, and for whom from now on.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use holdfast_secrets::Recipient;
use holdfast_secrets::sops::{DataKey, Described, describe, rekey};
use serde_json::json;

use super::files;
use super::keys::KeyFiles;
use super::rules::{self, To};
use crate::cli::print;
use crate::wiring;

/// Show whom files are sealed for.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    holdfast secret recipients db.yaml\n  \
    holdfast secret recipients -o json .")]
pub(crate) struct Recipients {
    /// Sealed files, and folders of files.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// How they are printed.
    #[arg(long, short, value_name = "FORMAT", value_parser = ["text", "json"], default_value = "text")]
    output: String,
}

impl Recipients {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let mut described = Vec::new();
        for (path, format, bytes) in files::sealed_below(&self.paths)? {
            let said = describe(&bytes, format);
            let said = said.with_context(|| format!("{}", path.display()))?;
            described.push((path, said));
        }
        if self.output == "json" {
            let files: Vec<_> = described.iter().map(|(path, said)| json!({
                "path": path, "groups": said.groups, "threshold": said.threshold, "rule": said.rule,
                "lastModified": said.last_modified,
            })).collect();
            print(&format!("{:#}\n", json!(files)));
            return Ok(ExitCode::SUCCESS);
        }
        for (path, said) in &described {
            print(&format!("{}\n{}", path.display(), lines(said)));
        }
        if described.is_empty() {
            print("there are no sealed files\n");
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn lines(said: &Described) -> String {
    let mut out = String::new();
    if said.groups.len() > 1 {
        let (needed, all) = (said.threshold, said.groups.len());
        out.push_str(&format!("  {needed} of {all} groups are needed\n"));
    }
    for (index, group) in said.groups.iter().enumerate() {
        for name in group {
            match said.groups.len() {
                1 => out.push_str(&format!("  {name}\n")),
                _ => out.push_str(&format!("  {}: {name}\n", index + 1)),
            }
        }
    }
    out
}

/// Seal files for other recipients.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    holdfast secret rotate --add age1… .\n  \
    holdfast secret rotate --remove age1… --data-key .\n  \
    holdfast secret rotate --to age1…,age1… db.yaml\n  \
    holdfast secret rotate .        (as .sops.yaml says)\n\
    \n\
    Every file is opened and sealed before the first one is written. Who was removed may still have the old \
    files and the data key: use --data-key, and change the values themselves where that matters.")]
pub(crate) struct Rotate {
    /// Sealed files, and folders of files.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    to: To,
    /// Recipients beside those that there are.
    #[arg(long, value_name = "RECIPIENT", conflicts_with_all = ["recipients", "files"])]
    add: Vec<String>,
    /// Recipients that are to be left out.
    #[arg(long, value_name = "RECIPIENT", conflicts_with_all = ["recipients", "files"])]
    remove: Vec<String>,
    /// Make a new data key too, and seal every value with it.
    #[arg(long)]
    data_key: bool,
    #[command(flatten)]
    keys: KeyFiles,
}

impl Rotate {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let keys = self.keys.age()?;
        let sealed = files::sealed_below(&self.paths)?;
        anyhow::ensure!(
            !sealed.is_empty(),
            "there are no sealed files in these paths"
        );
        let now = wiring::now().to_string();
        let data_key = match self.data_key {
            true => DataKey::New,
            false => DataKey::Kept,
        };
        let mut changed = Vec::new();
        for (path, format, bytes) in &sealed {
            let name = || {
                format!(
                    "could not seal {} for others; no file was changed",
                    path.display()
                )
            };
            let said = describe(bytes, *format).with_context(name)?;
            let (groups, threshold) = self.groups(&said, path).with_context(name)?;
            if data_key == DataKey::Kept && is_same(&said, &groups) {
                continue;
            }
            let plan = (groups.as_slice(), threshold);
            let new = rekey(bytes, *format, &keys, plan, (data_key, &now)).with_context(name)?;
            changed.push((path, new));
        }
        for (path, new) in &changed {
            files::replace(path, new)
                .context("some files may be sealed for others; run it again")?;
            print(&format!("{}\n", path.display()));
        }
        let (count, all) = (changed.len(), sealed.len());
        print(&format!("{count} of {all} sealed files changed\n"));
        Ok(ExitCode::SUCCESS)
    }

    /// Whom a file is sealed for from now on, and how many groups are needed.
    fn groups(
        &self,
        said: &Described,
        path: &std::path::Path,
    ) -> anyhow::Result<(Vec<Vec<Recipient>>, u8)> {
        let named = self.to.recipients()?;
        if !named.is_empty() {
            return Ok((vec![named], 0));
        }
        if self.add.is_empty() && self.remove.is_empty() {
            // A new data key alone leaves recipients as they are where no rule says who they are.
            let configured = rules::configured(path)?;
            return match (configured, self.data_key) {
                (Some((plan, _)), _) => Ok((plan.groups, plan.threshold)),
                (None, true) => self.with_changes(said),
                (None, false) => anyhow::bail!(
                    "whom is it to be sealed for? Name them with --to, --add or --remove, or in .sops.yaml"
                ),
            };
        }
        self.with_changes(said)
    }

    fn with_changes(&self, said: &Described) -> anyhow::Result<(Vec<Vec<Recipient>>, u8)> {
        anyhow::ensure!(
            said.groups.len() == 1 || self.add.is_empty() && self.remove.is_empty(),
            "it has several groups of keys: write them down in .sops.yaml"
        );
        let read = |texts: &[String]| -> anyhow::Result<Vec<Recipient>> {
            let texts = texts.iter().flat_map(|text| text.split(','));
            let read: Result<Vec<Recipient>, _> = texts.map(Recipient::parse).collect();
            Ok(read?)
        };
        let (add, remove) = (read(&self.add)?, read(&self.remove)?);
        let mut groups = Vec::new();
        for group in &said.groups {
            // Keys of other kinds stay as they are as long as the data key does.
            let names = group.iter().filter(|name| !name.starts_with("a key of "));
            let kept: Result<Vec<Recipient>, _> =
                names.map(|name| Recipient::parse(name)).collect();
            let mut kept = kept?;
            kept.retain(|recipient| !remove.contains(recipient));
            for recipient in &add {
                if !kept.contains(recipient) {
                    kept.push(recipient.clone());
                }
            }
            groups.push(kept);
        }
        let threshold = u8::try_from(said.threshold).unwrap_or(0);
        Ok((groups, threshold))
    }
}

/// Whether a file is sealed for these already.
fn is_same(said: &Described, groups: &[Vec<Recipient>]) -> bool {
    let names = |group: &Vec<Recipient>| {
        let mut names: Vec<String> = group.iter().map(|one| one.as_str().to_owned()).collect();
        names.sort();
        names
    };
    let mut there = said.groups.clone();
    for group in &mut there {
        group.retain(|name| !name.starts_with("a key of "));
        group.sort();
    }
    there == groups.iter().map(names).collect::<Vec<_>>()
}
