//! Values that must not be seen: they print and compare as a digest keyed by a secret of the
//! installation.

use std::fmt;

use crate::digest::{Digest, hmac};

/// A key under which digests are made, so that equal values can be told from unequal ones without
/// letting anybody guess them from a dictionary, and so that nobody else can make one.
#[derive(Clone, PartialEq, Eq)]
pub struct DigestKey([u8; 32]);

impl DigestKey {
    /// The key for one purpose that an installation's secret gives. Keys of different purposes tell
    /// nothing of one another, nor of the secret.
    pub fn derive(secret: &[u8; 32], purpose: &str) -> Self {
        Self(hmac(secret, purpose.as_bytes()))
    }

    /// The keyed digest of these bytes: HMAC with SHA-256.
    pub fn digest(&self, bytes: &[u8]) -> Digest {
        Digest::from_bytes(hmac(&self.0, bytes))
    }

    /// Whether a digest is that of these bytes. How long this takes tells nothing of where they differ.
    pub fn is_digest_of(&self, digest: &Digest, bytes: &[u8]) -> bool {
        let expected = self.digest(bytes);
        let pairs = expected.as_bytes().iter().zip(digest.as_bytes());
        pairs.fold(0, |differs, (left, right)| differs | (left ^ right)) == 0
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
