//! Values that must not be seen: they print and compare as a digest keyed by a secret of the process.

use std::fmt;

use crate::digest::{Digest, Hasher};

/// The key under which sensitive values are digested, so that equal values can be told from
/// unequal ones without letting anybody guess them from a dictionary.
#[derive(Clone)]
pub struct DigestKey([u8; 32]);

impl DigestKey {
    /// Takes 32 random bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The keyed digest of these bytes.
    pub fn digest(&self, bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::new("secret");
        hasher.field(&self.0);
        hasher.field(bytes);
        hasher.finish()
    }
}

impl fmt::Debug for DigestKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("DigestKey(…)")
    }
}

/// A sensitive value. It has no `Display`, its `Debug` shows the keyed digest, and it can only be
/// read by saying so.
#[derive(Clone)]
pub struct Secret<T> {
    value: T,
    digest: Digest,
}

impl<T: AsRef<[u8]>> Secret<T> {
    /// Wraps a value; the digest is taken once.
    pub fn new(value: T, key: &DigestKey) -> Self {
        let digest = key.digest(value.as_ref());
        Self { value, digest }
    }
}

impl<T> Secret<T> {
    /// The value itself, for the one place that sends it on.
    pub fn expose(&self) -> &T {
        &self.value
    }

    /// What may be shown: equal values under one key have equal digests.
    pub fn digest(&self) -> Digest {
        self.digest
    }
}

impl<T> PartialEq for Secret<T> {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl<T> Eq for Secret<T> {}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Secret({})", self.digest.short())
    }
}
