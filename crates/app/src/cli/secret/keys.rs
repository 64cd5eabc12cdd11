//! `holdfast secret keygen`, and where the other commands find keys: where sops looks for them.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Args;
use holdfast_model::secret::DigestKey;
use holdfast_secrets::keyring::Keyring;
use holdfast_secrets::sealed::SealingKeys;
use holdfast_secrets::{Keys, generate};
use zeroize::Zeroizing;

use super::files;
use crate::cli::print;
use crate::wiring;

/// Make a key of age, which opens what is sealed for it.
#[derive(Args)]
#[command(after_help = "Examples:\n  \
    holdfast secret keygen --out ~/.config/sops/age/keys.txt\n  \
    holdfast secret keygen > key.txt\n\
    \n\
    Whoever has the key opens everything that is sealed for it: keep a copy where you keep other keys, and \
    never commit it. The recipient, which begins with age1, is no secret.")]
pub(crate) struct Keygen {
    /// Where the key is written, readable by you alone; standard output when left out.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Keygen {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let (key, recipient) = generate();
        let created = wiring::now();
        let text = format!(
            "# created: {created}\n# public key: {recipient}\n{}\n",
            *key
        );
        let text = Zeroizing::new(text);
        match &self.out {
            None => print(&text),
            Some(path) => {
                if let Some(folder) = path
                    .parent()
                    .filter(|folder| !folder.as_os_str().is_empty())
                {
                    std::fs::create_dir_all(folder)
                        .with_context(|| format!("could not make {}", folder.display()))?;
                }
                anyhow::ensure!(
                    !path.exists(),
                    "{} is there already, and what is sealed for its key needs it; choose another file",
                    path.display()
                );
                files::write_private(path, text.as_bytes())?;
                print(&format!("{recipient}\n"));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Where keys are.
#[derive(Args, Default)]
pub(in crate::cli) struct KeyFiles {
    /// Private keys that open: of age, or of SSH without a passphrase; those of $SOPS_AGE_KEY_FILE when
    /// left out. Also taken are those of $SOPS_AGE_KEY and of ~/.config/sops/age/keys.txt.
    #[arg(long = "key", short, value_name = "FILE")]
    keys: Vec<PathBuf>,
    /// Private keys of the Sealed Secrets controller: PEM, or its Secrets as YAML.
    #[arg(long = "sealing-key", value_name = "FILE")]
    sealing_keys: Vec<PathBuf>,
}

impl KeyFiles {
    /// The keys of age that are at hand.
    pub(super) fn age(&self) -> anyhow::Result<Keys> {
        let keys = self.age_at_hand()?;
        anyhow::ensure!(
            !keys.is_empty(),
            "there is no key: give one with --key FILE or $SOPS_AGE_KEY_FILE, or make one with \
             `holdfast secret keygen --out ~/.config/sops/age/keys.txt`"
        );
        Ok(keys)
    }

    /// Whether keys of the Sealed Secrets controller were given.
    pub(in crate::cli) fn has_sealing(&self) -> bool {
        !self.sealing_keys.is_empty()
    }

    /// All keys that are at hand, which may be none. What is wrong with those that nobody has given for
    /// this is only said where something does not open.
    pub(in crate::cli) fn ring(&self) -> anyhow::Result<Keyring> {
        let mut ring = Keyring::new(&digest_key()?);
        match self.age_at_hand() {
            Ok(keys) => ring.age = keys,
            Err(error) if self.keys.is_empty() => ring.note_unused(format!("{error:#}")),
            Err(error) => return Err(error),
        }
        ring.sealing = self.sealing_at_hand()?;
        Ok(ring)
    }

    fn age_at_hand(&self) -> anyhow::Result<Keys> {
        let mut keys = Keys::new(digest_key()?);
        let (held, common) = wiring::age_keys();
        let mut files = self.keys.clone();
        if files.is_empty() {
            files.extend(wiring::age_key_file());
        }
        for path in &files {
            let text = files::read_text(path)?;
            keys.add(&text)
                .with_context(|| format!("the keys of {}", path.display()))?;
        }
        if let Some(text) = held {
            let text = one_a_line(&text);
            keys.add(&text).context("the keys of $SOPS_AGE_KEY")?;
        }
        if let Some(path) = common.filter(|path| path.exists() && !files.contains(path)) {
            let text = files::read_text(&path)?;
            keys.add(&text)
                .with_context(|| format!("the keys of {}", path.display()))?;
        }
        Ok(keys)
    }

    fn sealing_at_hand(&self) -> anyhow::Result<SealingKeys> {
        let mut keys = SealingKeys::new(digest_key()?);
        for path in &self.sealing_keys {
            let text = files::read_text(path)?;
            keys.add(&text)
                .with_context(|| format!("the keys of {}", path.display()))?;
        }
        Ok(keys)
    }

    /// The keys of the Sealed Secrets controller that were given.
    pub(super) fn sealing(&self) -> anyhow::Result<SealingKeys> {
        let keys = self.sealing_at_hand()?;
        anyhow::ensure!(
            !keys.is_empty(),
            "a SealedSecret is opened with the private keys of its controller: give them with \
             --sealing-key FILE, such as what `kubectl -n kube-system get secret -l \
             sealedsecrets.bitnami.com/sealed-secrets-key -o yaml` prints"
        );
        Ok(keys)
    }
}

/// The keys of an environment variable, where several may stand on one line.
fn one_a_line(text: &str) -> Zeroizing<String> {
    let mut out = Zeroizing::new(String::with_capacity(2 * text.len()));
    for line in text.lines() {
        if line.starts_with("AGE-SECRET-KEY-") {
            for key in line.split_whitespace() {
                out.push_str(key);
                out.push('\n');
            }
        } else {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// A key for digests within this process alone.
fn digest_key() -> anyhow::Result<DigestKey> {
    let mut chance = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *chance)
        .map_err(|_| anyhow::anyhow!("the system gave no random bytes"))?;
    Ok(DigestKey::derive(&chance, "secret"))
}
