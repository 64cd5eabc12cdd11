//! The keys of the Sealed Secrets controller: RSA keys that open, and the certificate that seals. It reads
//! PEM, and Secrets as `kubectl get secret -o yaml` prints them.

use std::fmt;

use aws_lc_rs::rsa::{
    OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey, PublicEncryptingKey,
};
use holdfast_go::base64;
use holdfast_model::Value;
use holdfast_model::secret::DigestKey;
use holdfast_template::{DerReader, wrap_der};
use holdfast_yaml::{Limits, read_values};
use zeroize::Zeroizing;

use crate::error::Error;

/// The most keys that are read: one is made a month, so these are those of twenty years.
const MOST_KEYS: usize = 256;

/// Keys that open SealedSecrets.
pub struct SealingKeys {
    pub(super) keys: Vec<OaepPrivateDecryptingKey>,
    pub(super) digest_key: DigestKey,
}

/// A certificate that Secrets are sealed with.
pub struct Certificate {
    pub(super) key: OaepPublicEncryptingKey,
}

impl SealingKeys {
    /// No keys yet; digests of what is opened are made under this key.
    pub fn new(digest_key: DigestKey) -> Self {
        Self {
            keys: Vec::new(),
            digest_key,
        }
    }

    /// Adds the private keys of a text: PEM, or Secrets that hold `tls.key`, as a backup of the
    /// controller's keys has them.
    ///
    /// # Errors
    /// That there is no key in it, or one that cannot be used.
    pub fn add(&mut self, text: &str) -> Result<(), Error> {
        let before = self.keys.len();
        if text.trim_start().starts_with("-----BEGIN ") {
            self.add_pem(text)?;
        } else {
            let limits = Limits {
                bytes: crate::MOST_BYTES,
                depth: 100,
                alias_nodes: 1_000,
                ..Limits::default()
            };
            let documents = read_values(text, &limits).map_err(|_| wrong("it is no YAML"))?;
            for (_, document) in &documents {
                self.add_secret(document)?;
                for item in document["items"].as_array().into_iter().flatten() {
                    self.add_secret(item)?;
                }
            }
        }
        if self.keys.len() == before {
            return Err(wrong(
                "there is neither PEM nor a Secret with `tls.key` in it",
            ));
        }
        Ok(())
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    fn add_secret(&mut self, object: &Value) -> Result<(), Error> {
        let Some(encoded) = object["data"]["tls.key"].as_str() else {
            return Ok(());
        };
        let pem = base64::decode(encoded.as_bytes()).map(Zeroizing::new);
        let pem = pem.map_err(|_| wrong("`tls.key` is no base64"))?;
        let pem = std::str::from_utf8(&pem).map_err(|_| wrong("`tls.key` is no PEM"))?;
        self.add_pem(pem)
    }

    fn add_pem(&mut self, text: &str) -> Result<(), Error> {
        for (kind, der) in blocks(text)? {
            let der = match kind.as_str() {
                "PRIVATE KEY" => der,
                "RSA PRIVATE KEY" => Zeroizing::new(as_pkcs8(&der)),
                // Certificates may stand beside their keys.
                "CERTIFICATE" => continue,
                _ => return Err(wrong("there is something else than an RSA key in it")),
            };
            if self.keys.len() >= MOST_KEYS {
                return Err(wrong("there are more keys than are read"));
            }
            let key = PrivateDecryptingKey::from_pkcs8(&der)
                .ok()
                .and_then(|key| OaepPrivateDecryptingKey::new(key).ok());
            let key = key.ok_or_else(|| wrong("an RSA key in it is damaged or too short"))?;
            self.keys.push(key);
        }
        Ok(())
    }
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SealingKeys({})", self.keys.len())
    }
}

impl Certificate {
    /// Reads a certificate as `kubeseal --fetch-cert` prints it; the first one counts.
    ///
    /// # Errors
    /// Why it is none.
    pub fn parse(text: &str) -> Result<Self, Error> {
        let refuse = |problem: &str| Error::Key {
            expected: "certificate",
            problem: problem.to_owned(),
        };
        let blocks = blocks(text).map_err(|_| refuse("it is no PEM"))?;
        let mut certificates = blocks.iter().filter(|(kind, _)| kind == "CERTIFICATE");
        let (_, der) = certificates
            .next()
            .ok_or_else(|| refuse("there is no certificate in it"))?;
        let key = public_key(der).ok_or_else(|| refuse("it is cut off or damaged"))?;
        let key = PublicEncryptingKey::from_der(key)
            .ok()
            .and_then(|key| OaepPublicEncryptingKey::new(key).ok());
        let key = key.ok_or_else(|| refuse("its key is no RSA key that can be used"))?;
        Ok(Self { key })
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Certificate")
    }
}

fn wrong(problem: &str) -> Error {
    Error::Key {
        expected: "file of keys of the Sealed Secrets controller",
        problem: problem.to_owned(),
    }
}

type Block = (String, Zeroizing<Vec<u8>>);

/// The blocks of a PEM text: what each is, and its bytes.
fn blocks(text: &str) -> Result<Vec<Block>, Error> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, Zeroizing<String>)> = None;
    for line in text.lines().map(str::trim) {
        let mark = |word: &str| line.strip_prefix(word)?.strip_suffix("-----");
        if let Some(kind) = mark("-----BEGIN ") {
            open = Some((kind.to_owned(), Zeroizing::new(String::new())));
        } else if mark("-----END ").is_some() {
            let (kind, encoded) = open.take().ok_or_else(|| wrong("its PEM is cut off"))?;
            let der = base64::decode(encoded.as_bytes());
            let der = der.map_err(|_| wrong("its PEM is damaged"))?;
            blocks.push((kind, Zeroizing::new(der)));
        } else if let Some((_, encoded)) = &mut open {
            encoded.push_str(line);
        }
    }
    match open {
        Some(_) => Err(wrong("its PEM is cut off")),
        None => Ok(blocks),
    }
}

/// A key by PKCS#1 within the envelope of PKCS#8.
fn as_pkcs8(key: &[u8]) -> Vec<u8> {
    // Version 0, and the algorithm rsaEncryption with no parameters.
    const HEAD: [u8; 18] = [
        0x02, 0x01, 0x00, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01,
        0x01, 0x05, 0x00,
    ];
    let mut inner = HEAD.to_vec();
    inner.extend(wrap_der(0x04, key));
    wrap_der(0x30, &inner)
}

/// The public key of a certificate, with its algorithm.
fn public_key(der: &[u8]) -> Option<&[u8]> {
    let (_, certificate, _) = DerReader::new(der).next()?;
    let (_, body, _) = DerReader::new(certificate).next()?;
    let mut body = DerReader::new(body);
    // The version may be left out; serial number, algorithm, issuer, time and subject follow.
    if body.peek() == Some(0xa0) {
        body.next()?;
    }
    for _ in 0..5 {
        body.next()?;
    }
    let (tag, _, key) = body.next()?;
    (tag == 0x30).then_some(key)
}
