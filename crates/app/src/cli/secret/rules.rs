//! Whom something is sealed for, and what of it: as the command says, else as `.sops.yaml` says, as sops
//! reads it.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use holdfast_model::Value;
use holdfast_secrets::Recipient;
use holdfast_secrets::sops::{Plan, Rule, RuleKind};
use holdfast_yaml::{Limits, read_value, read_values};

use super::files;

/// The name of the file with rules.
const RULES: &str = ".sops.yaml";

/// Kinds of keys that a rule may name and that cannot be sealed for.
const OTHER_KEYS: [&str; 6] = [
    "pgp",
    "kms",
    "gcp_kms",
    "azure_keyvault",
    "hc_vault_transit_uri",
    "hckms",
];

/// Whom something is sealed for.
#[derive(Args, Default)]
pub(super) struct To {
    /// Who can open it: `age1…`, or a public key of SSH in quotes. By default those that .sops.yaml names.
    #[arg(long = "to", short, value_name = "RECIPIENT")]
    recipients: Vec<String>,
    /// Files of recipients, one a line.
    #[arg(long = "to-file", value_name = "FILE")]
    files: Vec<PathBuf>,
}

impl To {
    /// The recipients that the command names.
    pub(super) fn recipients(&self) -> anyhow::Result<Vec<Recipient>> {
        let mut recipients = Vec::new();
        for text in &self.recipients {
            let parts = text
                .split(',')
                .map(str::trim)
                .filter(|part| !part.is_empty());
            for part in parts {
                let recipient = Recipient::parse(part).context("--to")?;
                recipients.push(recipient);
            }
        }
        for path in &self.files {
            let text = files::read_text(path)?;
            for (number, line) in (1..).zip(text.lines().map(str::trim)) {
                if !line.is_empty() && !line.starts_with('#') {
                    let recipient = Recipient::parse(line);
                    let place = || format!("line {number} of {}", path.display());
                    recipients.push(recipient.with_context(place)?);
                }
            }
        }
        let mut once: Vec<Recipient> = Vec::new();
        for recipient in recipients {
            if !once.contains(&recipient) {
                once.push(recipient);
            }
        }
        Ok(once)
    }
}

/// A rule as it is written on a command line: `encrypted_regex=^data$`.
pub(super) fn rule(text: &str) -> Result<Rule, String> {
    let kinds = RuleKind::ALL.map(RuleKind::key).join(", ");
    let (name, value) = text
        .split_once('=')
        .ok_or_else(|| format!("write KIND=TEXT, where KIND is one of {kinds}"))?;
    let kind = RuleKind::ALL.into_iter().find(|kind| kind.key() == name);
    let kind = kind.ok_or_else(|| format!("KIND is one of {kinds}"))?;
    Rule::new(kind, value).map_err(|error| error.to_string())
}

/// What is sealed of a text unless it is said: of Secrets their values, of anything else all.
pub(super) fn common_rule(text: &[u8]) -> Rule {
    let Ok(text) = std::str::from_utf8(text) else {
        return Rule::common();
    };
    let documents = read_values(text, &Limits::default()).unwrap_or_default();
    let is_secret = |(_, document): &(u32, Value)| {
        document.is_null() || document["kind"] == "Secret" && document["apiVersion"] == "v1"
    };
    if !documents.is_empty() && documents.iter().all(is_secret) {
        Rule::of_secrets()
    } else {
        Rule::common()
    }
}

/// What the nearest `.sops.yaml` above a file says of it; nothing where there is none.
pub(super) fn configured(path: &Path) -> anyhow::Result<Option<(Plan, bool)>> {
    let full = std::path::absolute(path)?;
    for folder in full.ancestors().skip(1) {
        let rules = folder.join(RULES);
        if rules.is_file() {
            let inside = full.strip_prefix(folder).unwrap_or(&full);
            let wrong = || format!("{}", rules.display());
            return read(&files::read_text(&rules)?, inside)
                .with_context(wrong)
                .map(Some);
        }
    }
    Ok(None)
}

/// The plan that a configuration has for a file, and whether it names the rule.
fn read(text: &str, path: &Path) -> anyhow::Result<(Plan, bool)> {
    let config = read_value(text, &Limits::default())?;
    let rules = config["creation_rules"].as_array();
    let rules = rules.context("there are no `creation_rules` in it")?;
    let path = path.to_string_lossy();
    for (index, rule) in rules.iter().enumerate() {
        let fits = match rule["path_regex"].as_str() {
            None => true,
            Some(regex) => Rule::new(RuleKind::EncryptedRegex, regex)?.matches(&path),
        };
        if fits {
            let number = index + 1;
            return plan(rule).with_context(|| format!("rule {number} of `creation_rules`"));
        }
    }
    anyhow::bail!("no rule of `creation_rules` fits {path}")
}

fn plan(rule: &Value) -> anyhow::Result<(Plan, bool)> {
    let mut groups = Vec::new();
    match rule["key_groups"].as_array() {
        Some(written) => {
            for group in written {
                groups.push(group_of(group)?);
            }
        }
        None => groups.push(group_of(rule)?),
    }
    let named = RuleKind::ALL
        .into_iter()
        .filter_map(|kind| Some((kind, rule[kind.key()].as_str()?)))
        .next();
    let selection = match named {
        Some((kind, text)) => Rule::new(kind, text)?,
        None => Rule::common(),
    };
    let threshold = rule["shamir_threshold"].as_u64().unwrap_or(0);
    let plan = Plan {
        groups,
        threshold: u8::try_from(threshold).context("`shamir_threshold` is more than 255")?,
        rule: selection,
        mac_only_encrypted: rule["mac_only_encrypted"] == true,
    };
    Ok((plan, named.is_some()))
}

fn group_of(written: &Value) -> anyhow::Result<Vec<Recipient>> {
    for kind in OTHER_KEYS {
        anyhow::ensure!(
            written[kind].is_null(),
            "it names keys of the kind `{kind}`, for which nothing can be sealed here; use age"
        );
    }
    let mut names: Vec<&str> = Vec::new();
    match &written["age"] {
        Value::String(text) => names.extend(text.split(',')),
        Value::Array(items) => names.extend(items.iter().filter_map(Value::as_str)),
        _ => anyhow::bail!("it names no recipients of age"),
    }
    let names = names
        .into_iter()
        .map(str::trim)
        .filter(|name| !name.is_empty());
    let recipients: Result<Vec<Recipient>, _> = names.map(Recipient::parse).collect();
    Ok(recipients?)
}
