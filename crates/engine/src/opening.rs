//! Opens what is sealed in Git while it is rendered, with the keys of the Stack, and remembers what was
//! opened so that none of it is shown. It must not know renderers.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use holdfast_assess::pointer;
use holdfast_model::Value;
use holdfast_model::artifact::TreePath;
use holdfast_model::base64;
use holdfast_model::digest::Digest;
use holdfast_model::operation::Failure;
use holdfast_model::secret::DigestKey;
use holdfast_model::stack::{SealedFiles, SealedObjects, SecretReference, SecretsChoice};
use holdfast_model::time::Time;
use holdfast_render::{Unseal, Unsealer};
use holdfast_secrets::keyring::Keyring;
use holdfast_secrets::sealed::{self, Chances};
use holdfast_secrets::sops;
use holdfast_yaml::{Limits, read_values, to_yaml};
use zeroize::Zeroizing;

use crate::masking::Mask;
use crate::references::{Reader, Vault, Watched};

/// Shorter values are only found where they are all of a text.
const SHORT: usize = 6;

/// What opens for one render.
#[derive(Clone)]
pub struct Opening {
    /// For the render.
    pub unsealer: Unsealer,
    opener: Option<Arc<Opener>>,
}

impl Opening {
    /// What a Stack's keys open, as it says. Nothing is asked of a Stack that names no keys.
    ///
    /// # Errors
    /// That a Secret with keys cannot be read, or what is wrong with a key in it.
    pub async fn of(
        choice: &SecretsChoice,
        vault: Vault,
        chance: Chance<'_>,
    ) -> Result<Self, Failure> {
        let mut keys = Keyring::new(chance.digests);
        for secret in &choice.keys {
            let entries = vault.connections.entries(secret).await;
            let entries = entries.map_err(|failure| no_keys(secret, failure))?;
            for (name, bytes) in &entries {
                keys.add(name, bytes).map_err(|error| {
                    let place = format!("`{name}` of Secret {}/{}", secret.namespace, secret.name);
                    bad_key(&format!("{place}: {error}"))
                })?;
            }
        }
        let named = choice.vault.as_ref();
        let reader = named.map(|choice| Reader::new(vault, Arc::clone(choice)));
        Ok(Self::reading(choice, keys, chance, reader))
    }

    /// What these keys open. References to Vault are left as they are.
    pub fn with(choice: &SecretsChoice, keys: Keyring, chance: Chance<'_>) -> Self {
        Self::reading(choice, keys, chance, None)
    }

    fn reading(
        choice: &SecretsChoice,
        keys: Keyring,
        chance: Chance<'_>,
        reader: Option<Reader>,
    ) -> Self {
        let leaves_all = choice.sops == SealedFiles::Leave && choice.sealed == SealedObjects::Leave;
        if leaves_all && reader.is_none() {
            return Self {
                unsealer: Unsealer::default(),
                opener: None,
            };
        }
        let opener = Arc::new(Opener {
            keys,
            files: choice.sops,
            objects: choice.sealed,
            now: chance.now,
            entropy: chance.entropy,
            reader,
            found: Mutex::default(),
        });
        Self {
            unsealer: Unsealer::of(Arc::clone(&opener) as Arc<dyn Unseal>),
            opener: Some(opener),
        }
    }

    /// A digest of the keys, where something did not open with them: other keys may open it.
    pub fn unopened(&self) -> Option<Digest> {
        let opener = self.opener.as_ref()?;
        opener.found().has_failed.then(|| opener.keys.digest())
    }

    fn reader(&self) -> Option<&Reader> {
        self.opener.as_ref()?.reader.as_ref()
    }

    /// Why values of Vault could not be had, where nothing but time has to pass.
    pub fn away(&self) -> Option<holdfast_secrets::vault::Error> {
        self.reader()?.away()
    }

    /// Whether values of Vault could not be had.
    pub fn lacks_values(&self) -> bool {
        self.reader().is_some_and(Reader::has_failed)
    }

    /// What was read from Vault at its newest version.
    pub fn watched(&self) -> Vec<Watched> {
        self.reader().map(Reader::watched).unwrap_or_default()
    }

    /// A digest of the keys.
    pub fn keys(&self) -> Option<Digest> {
        self.opener.as_ref().map(|opener| opener.keys.digest())
    }
}

/// What is derived from an installation's secret, and the time, for what is opened.
#[derive(Clone, Copy)]
pub struct Chance<'a> {
    /// What digests are made under.
    pub digests: &'a DigestKey,
    /// What templates of SealedSecrets make up at random is derived from.
    pub entropy: [u8; 32],
    /// The time that they are told.
    pub now: Time,
}

fn no_keys(secret: &SecretReference, failure: Failure) -> Failure {
    let SecretReference { namespace, name } = secret;
    let hint = (failure.reason == "NotFound").then(|| {
        format!(
            "`kubectl --namespace {namespace} create secret generic {name} --from-file=age.agekey` \
             makes it of a file with the private key"
        )
    });
    Failure {
        message: format!(
            "spec.secrets.keys names a Secret that cannot be had: {}",
            failure.message
        ),
        hint: hint.or(failure.hint),
        ..failure
    }
}

fn bad_key(message: &str) -> Failure {
    Failure {
        class: holdfast_model::operation::Class::Waiting,
        reason: "BadKey",
        message: message.to_owned(),
        hint: Some(
            "spec.secrets.keys names Secrets with private keys of age, SSH or Sealed Secrets"
                .to_owned(),
        ),
    }
}

/// Opens for one render.
struct Opener {
    keys: Keyring,
    files: SealedFiles,
    objects: SealedObjects,
    now: Time,
    entropy: [u8; 32],
    reader: Option<Reader>,
    found: Mutex<Found>,
}

/// What was opened.
#[derive(Default)]
struct Found {
    values: Vec<Zeroizing<String>>,
    mask: Mask,
    has_failed: bool,
}

impl Found {
    fn add(&mut self, value: &[u8]) {
        let encoded = base64::encode(value);
        let Ok(value) = std::str::from_utf8(value) else {
            self.values.push(Zeroizing::new(encoded));
            return;
        };
        self.mask.add_value(value);
        for text in [value, value.trim_end_matches('\n'), &encoded] {
            if !text.is_empty() {
                self.values.push(Zeroizing::new(text.to_owned()));
            }
        }
    }

    fn is_in(&self, text: &str) -> bool {
        self.values.iter().any(|value| match value.len() {
            0..SHORT => **value == text,
            _ => memchr::memmem::find(text.as_bytes(), value.as_bytes()).is_some(),
        })
    }
}

impl Opener {
    fn found(&self) -> std::sync::MutexGuard<'_, Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why something does not open, and what may help.
    fn refused(&self, error: &holdfast_secrets::Error) -> String {
        use holdfast_secrets::Error;
        self.found().has_failed = true;
        let mut text = error.to_string();
        let is_for_want_of_keys = matches!(
            error,
            Error::NoKey { .. } | Error::TooFewGroups { .. } | Error::Unsealable { .. }
        );
        if is_for_want_of_keys {
            for unused in self.keys.unused() {
                text.push_str(&format!("; {unused}"));
            }
            text.push_str("; name a Secret with the private key in spec.secrets.keys");
        }
        text
    }
}

impl Unseal for Opener {
    fn file(&self, path: &TreePath, bytes: &[u8]) -> Option<Result<Arc<[u8]>, String>> {
        if self.files == SealedFiles::Leave {
            return None;
        }
        let opened = sops::unseal(path.name(), bytes, &self.keys.age)?;
        Some(match opened {
            Ok(opened) => {
                let mut found = self.found();
                opened.values.iter().for_each(|value| found.add(value));
                Ok(Arc::from(opened.text.as_slice()))
            }
            Err(error) => Err(self.refused(&error)),
        })
    }

    fn opens_files(&self) -> bool {
        self.files == SealedFiles::Open
    }

    fn object(&self, object: &Value) -> Option<Result<Value, String>> {
        if self.objects == SealedObjects::Leave || !sealed::is_sealed(object) {
            return None;
        }
        let text = Zeroizing::new(to_yaml(object));
        let chances = Chances {
            now: self.now,
            entropy: &self.entropy,
        };
        let opened = match sealed::open(&text, &self.keys.sealing, chances) {
            Ok(opened) => opened,
            Err(error) => return Some(Err(self.refused(&error))),
        };
        let text = String::from_utf8_lossy(opened.expose());
        let mut documents = read_values(&text, &Limits::strict()).unwrap_or_default();
        let secret = documents.pop().map(|(_, secret)| secret);
        let secret = secret.ok_or_else(|| "what is sealed in it cannot be read".to_owned());
        if let Ok(secret) = &secret {
            let mut found = self.found();
            for (_, value) in entries(secret, "data") {
                found.add(&value);
            }
        }
        Some(secret)
    }

    fn references(&self, object: &Value) -> Option<Result<Value, String>> {
        let note = |text: &str| self.found().add(text.as_bytes());
        self.reader.as_ref()?.object(object, &note)
    }

    fn values(&self, file: &Value) -> Option<Result<Value, String>> {
        let note = |text: &str| self.found().add(text.as_bytes());
        self.reader.as_ref()?.values(file, &note)
    }

    fn waits(&self) -> bool {
        self.reader.is_some()
    }

    fn found_in(&self, object: &Value) -> Vec<String> {
        let found = self.found();
        let mut pointers = Vec::new();
        let mut path = String::new();
        find(&found, object, &mut path, &mut pointers);
        let encoded: &[&str] = match object["kind"] == "Secret" {
            true => &["data"],
            false => &["binaryData"],
        };
        for field in encoded {
            for (name, bytes) in entries(object, field) {
                let mut pointer = format!("/{field}");
                pointer::push(&mut pointer, name);
                let text = String::from_utf8_lossy(&bytes);
                if found.is_in(&text) && !pointers.contains(&pointer) {
                    pointers.push(pointer);
                }
            }
        }
        pointers
    }

    fn hide(&self, text: &str) -> String {
        self.found().mask.apply(text)
    }
}

/// The values of a field that has them in base64.
fn entries<'a>(
    object: &'a Value,
    field: &str,
) -> impl Iterator<Item = (&'a str, Zeroizing<Vec<u8>>)> {
    let data = object.get(field).and_then(Value::as_object);
    data.into_iter().flatten().filter_map(|(name, encoded)| {
        let bytes = base64::decode(encoded.as_str()?)?;
        Some((name.as_str(), Zeroizing::new(bytes)))
    })
}

/// What an object is called is known to everybody.
const NAMES: [&str; 4] = [
    "/apiVersion",
    "/kind",
    "/metadata/name",
    "/metadata/namespace",
];

fn find(found: &Found, value: &Value, path: &mut String, pointers: &mut Vec<String>) {
    let length = path.len();
    let is_found = match value {
        Value::String(text) => found.is_in(text),
        Value::Number(number) => {
            let text = number.to_string();
            text.len() >= SHORT && found.is_in(&text)
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                path.push_str(&format!("/{index}"));
                find(found, item, path, pointers);
                path.truncate(length);
            }
            false
        }
        Value::Object(map) => {
            for (name, value) in map {
                pointer::push(path, name);
                find(found, value, path, pointers);
                path.truncate(length);
            }
            false
        }
        _ => false,
    };
    if is_found && !NAMES.contains(&path.as_str()) {
        pointers.push(path.clone());
    }
}

impl fmt::Debug for Opening {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Opening(…)")
    }
}
