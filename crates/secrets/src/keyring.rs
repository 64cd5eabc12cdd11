//! The keys that a Stack has, of all kinds, as its Secrets hold them. It must not know where those are
//! kept.

use std::fmt;

use holdfast_model::digest::Digest;
use holdfast_model::secret::DigestKey;

use crate::error::Error;
use crate::keys::Keys;
use crate::sealed::SealingKeys;

/// Keys of all kinds, by what they look like.
pub struct Keyring {
    /// Keys of age and SSH, which open files of SOPS.
    pub age: Keys,
    /// Keys of the Sealed Secrets controller.
    pub sealing: SealingKeys,
    /// What was given and is no key that can be used, and why.
    unused: Vec<String>,
    digest_key: DigestKey,
    digest: Digest,
}

impl Keyring {
    /// No keys yet; digests of what is opened are made under this key.
    pub fn new(digest_key: &DigestKey) -> Self {
        Self {
            age: Keys::new(digest_key.clone()),
            sealing: SealingKeys::new(digest_key.clone()),
            unused: Vec::new(),
            digest: Digest::default(),
            digest_key: digest_key.clone(),
        }
    }

    /// Adds the keys of one entry of a Secret, whatever it is called. What holds no keys at all, such as
    /// a certificate beside its key, is left alone.
    ///
    /// # Errors
    /// What is wrong with a key in it.
    pub fn add(&mut self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let mut all = self.digest.as_bytes().to_vec();
        all.extend_from_slice(self.digest_key.digest(bytes).as_bytes());
        self.digest = self.digest_key.digest(&all);
        let Ok(text) = std::str::from_utf8(bytes) else {
            self.unused.push(format!("`{name}` is no text"));
            return Ok(());
        };
        let is_rsa = ["RSA PRIVATE KEY", "BEGIN PRIVATE KEY"];
        let is_rsa = is_rsa.iter().any(|mark| text.contains(mark));
        if text.contains("AGE-SECRET-KEY-") || text.contains("OPENSSH PRIVATE KEY") {
            self.age.add(text)?;
        } else if is_rsa {
            // Keys of SSH may have this form too.
            let opens_age = self.age.add(text).is_ok();
            let opens_sealed = self.sealing.add(text);
            if !opens_age {
                opens_sealed?;
            }
        } else if text.contains("PGP PRIVATE KEY") {
            self.unused.push(format!(
                "`{name}` is a key of PGP, which is not supported yet"
            ));
        } else if !text.contains("BEGIN CERTIFICATE") {
            self.unused.push(format!("`{name}` holds no private key"));
        }
        Ok(())
    }

    /// Notes that some keys could not be had, and why.
    pub fn note_unused(&mut self, why: String) {
        self.unused.push(why);
    }

    /// A digest of all that was given, which tells nothing of it.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What was given and is no key that can be used, and why.
    pub fn unused(&self) -> &[String] {
        &self.unused
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Keyring({:?}, {:?})", self.age, self.sealing)
    }
}
