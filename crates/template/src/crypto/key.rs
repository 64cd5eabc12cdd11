//! A private key of any kind that certificates are made with.
//!
//! It must not know certificates beyond what a key adds to them.

use num_bigint::BigUint;

use super::{curve, der, edwards, pem, rsa};
use crate::chance::Chance;

/// A private key.
#[derive(Clone)]
pub(crate) enum Key {
    Rsa(Box<rsa::Key>),
    Curve(curve::Key),
    Edwards(edwards::Key),
}

impl Key {
    /// Reads the first block of a PEM text.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let block = pem::decode(text).ok_or("no PEM data in input")?;
        let parsed = match block.label.as_str() {
            "PRIVATE KEY" => {
                let parsed = read_pkcs8(&block.bytes);
                return parsed.ok_or_else(|| "decoding PEM as PKCS#8: unknown key".to_owned());
            }
            "RSA PRIVATE KEY" => rsa::Key::read(&block.bytes).map(|key| Self::Rsa(Box::new(key))),
            "EC PRIVATE KEY" => curve::Key::read(&block.bytes, None).map(Self::Curve),
            "DSA PRIVATE KEY" => {
                return Err("x509: only RSA, ECDSA and Ed25519 keys supported".to_owned());
            }
            label if label.ends_with(" PRIVATE KEY") => {
                let kind = label.trim_end_matches(" PRIVATE KEY");
                return Err(format!("invalid private key type {kind}"));
            }
            label => return Err(format!("no private key data in PEM block of type {label}")),
        };
        let kind = block.label.trim_end_matches(" PRIVATE KEY");
        parsed.ok_or_else(|| format!("parsing {kind} private key from PEM: it cannot be read"))
    }

    /// Writes it as Go does.
    pub(crate) fn write(&self) -> String {
        match self {
            Self::Rsa(key) => pem::encode("RSA PRIVATE KEY", &key.write()),
            Self::Curve(key) => pem::encode("EC PRIVATE KEY", &key.write()),
            Self::Edwards(key) => {
                let bytes = der::sequence(&[
                    der::integer(&BigUint::ZERO),
                    der::sequence(&[der::oid(der::ED25519)]),
                    der::octets(&der::octets(key.seed())),
                ]);
                pem::encode("PRIVATE KEY", &bytes)
            }
        }
    }

    /// The bits of the public key, as certificates hold them.
    pub(crate) fn public_bits(&self) -> Vec<u8> {
        match self {
            Self::Rsa(key) => key.public(),
            Self::Curve(key) => key.public().to_vec(),
            Self::Edwards(key) => key.public().to_vec(),
        }
    }

    /// The public key with its algorithm.
    pub(crate) fn public_info(&self) -> Vec<u8> {
        let algorithm = match self {
            Self::Rsa(_) => der::sequence(&[der::oid(der::RSA), der::null()]),
            Self::Curve(_) => der::sequence(&[der::oid(der::EC), der::oid(der::P256)]),
            Self::Edwards(_) => der::sequence(&[der::oid(der::ED25519)]),
        };
        der::sequence(&[algorithm, der::bits(&self.public_bits(), 0)])
    }

    /// The algorithm of its signatures.
    pub(crate) fn signature_algorithm(&self) -> Vec<u8> {
        match self {
            Self::Rsa(_) => der::sequence(&[der::oid(der::RSA_SHA256), der::null()]),
            Self::Curve(_) => der::sequence(&[der::oid(der::ECDSA_SHA256)]),
            Self::Edwards(_) => der::sequence(&[der::oid(der::ED25519)]),
        }
    }

    pub(crate) fn sign(&self, chance: &mut Chance, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Rsa(key) => key.sign(message),
            Self::Curve(key) => key.sign(chance, message).unwrap_or_default(),
            Self::Edwards(key) => key.sign(message),
        }
    }
}

fn read_pkcs8(bytes: &[u8]) -> Option<Key> {
    let mut reader = der::Reader::new(bytes).enter(der::SEQUENCE)?;
    reader.take(der::INTEGER)?;
    let mut algorithm = reader.enter(der::SEQUENCE)?;
    let inner = reader.take(der::OCTETS)?;
    match algorithm.take(der::OID)? {
        der::RSA => rsa::Key::read(inner).map(|key| Key::Rsa(Box::new(key))),
        der::EC => {
            let curve = algorithm.take(der::OID)?;
            curve::Key::read(inner, Some(curve)).map(Key::Curve)
        }
        der::ED25519 => {
            let seed = der::Reader::new(inner).take(der::OCTETS)?;
            Some(Key::Edwards(edwards::Key::of(seed.try_into().ok()?)))
        }
        _ => None,
    }
}
