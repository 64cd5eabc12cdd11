//! One sealed value: the length of the sealed key in two bytes, the sealed key, and the value.

use aes_gcm::aead::{Aead, generic_array::GenericArray};
use aes_gcm::{Aes256Gcm, KeyInit};
use aws_lc_rs::rsa::OAEP_SHA256_MGF1SHA256;
use zeroize::Zeroizing;

use super::keys::{Certificate, SealingKeys};
use crate::error::Error;

/// The bytes of a key for one value.
const KEY: usize = 32;

/// A key is used for one value only, so that its nonce may be zero.
const NONCE: [u8; 12] = [0; 12];

/// The clear bytes, by the first key that opens them.
pub(super) fn open(sealed: &[u8], label: &str, keys: &SealingKeys) -> Option<Zeroizing<Vec<u8>>> {
    let (length, rest) = sealed.split_at_checked(2)?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    let (wrapped, body) = rest.split_at_checked(length)?;
    for key in &keys.keys {
        let mut out = Zeroizing::new(vec![0; key.min_output_size()]);
        let session = key.decrypt(
            &OAEP_SHA256_MGF1SHA256,
            wrapped,
            &mut out,
            Some(label.as_bytes()),
        );
        let Ok(session) = session else { continue };
        let Ok(cipher) = Aes256Gcm::new_from_slice(session) else {
            continue;
        };
        if let Ok(clear) = cipher.decrypt(GenericArray::from_slice(&NONCE), body) {
            return Some(Zeroizing::new(clear));
        }
    }
    None
}

/// Seals bytes.
pub(super) fn seal(clear: &[u8], label: &str, certificate: &Certificate) -> Result<Vec<u8>, Error> {
    let mut session = Zeroizing::new([0u8; KEY]);
    getrandom::fill(&mut *session).map_err(|_| Error::Entropy)?;
    let refuse = || Error::Key {
        expected: "certificate",
        problem: "nothing can be sealed with its key".to_owned(),
    };
    let mut wrapped = vec![0; certificate.key.ciphertext_size()];
    let wrapped = certificate
        .key
        .encrypt(
            &OAEP_SHA256_MGF1SHA256,
            &*session,
            &mut wrapped,
            Some(label.as_bytes()),
        )
        .map_err(|_| refuse())?;
    let cipher = Aes256Gcm::new_from_slice(&*session).map_err(|_| refuse())?;
    let body = cipher.encrypt(GenericArray::from_slice(&NONCE), clear);
    let body = body.map_err(|_| refuse())?;
    let length = u16::try_from(wrapped.len()).map_err(|_| refuse())?;
    Ok([&length.to_be_bytes(), &*wrapped, &body].concat())
}
