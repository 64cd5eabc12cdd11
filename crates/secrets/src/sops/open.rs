//! Opens a SOPS file: the data key by the keys at hand, every value by the data key, and the message
//! authentication code over all of them. Nothing is given out unless all of it fits.

use holdfast_model::secret::Secret;
use sha2::{Digest as _, Sha512};
use zeroize::Zeroizing;

use super::cipher::{Cipher, plain};
use super::format::Format;
use super::metadata::{Group, Metadata};
use super::rules::walk;
use super::tree::{Documents, Value};
use crate::Clear;
use crate::error::Error;
use crate::keys::Keys;
use crate::shamir::{Bytes, combine};

/// What the hash begins with where only sealed values count, so that one kind is never taken for the
/// other: the SHA-256 of `sops`.
const ONLY_ENCRYPTED: [u8; 32] = [
    0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b,
    0x0b, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
];

/// What a sealed file says of itself without a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Whom it is sealed for, group by group.
    pub groups: Vec<Vec<String>>,
    /// How many groups are needed to open it.
    pub threshold: usize,
    /// The rule for what is sealed, as it stands in the file.
    pub rule: String,
    /// When it was sealed last.
    pub last_modified: String,
}

/// The clear text of a sealed file, as `sops --decrypt` prints it.
///
/// # Errors
/// Why it cannot be opened. Nothing is given out of a file that does not fit as a whole.
pub fn open(sealed: &[u8], format: Format, keys: &Keys) -> Result<Clear, Error> {
    let opened = open_tree(sealed, format, keys)?;
    let text = Zeroizing::new(format.write_plain(&opened.documents)?);
    Ok(Secret::new(text, &keys.digest_key))
}

/// What a sealed file says of itself.
///
/// # Errors
/// Why it is no sealed file.
pub fn describe(sealed: &[u8], format: Format) -> Result<Described, Error> {
    let (_, metadata) = format.read_sealed(sealed)?;
    let names = |group: &Group| {
        let age = group.age.iter().map(|wrapped| wrapped.recipient.clone());
        let others = group.kinds().map(|kind| format!("a key of {kind}"));
        age.chain(others).collect()
    };
    Ok(Described {
        groups: metadata.groups.iter().map(names).collect(),
        threshold: metadata.needed(),
        rule: format!("{}: {}", metadata.rule.kind().key(), metadata.rule.text()),
        last_modified: metadata.last_modified,
    })
}

/// A sealed file that was opened.
pub(super) struct Opened {
    pub(super) documents: Documents,
    pub(super) metadata: Metadata,
    pub(super) data_key: Bytes,
}

pub(super) fn open_tree(sealed: &[u8], format: Format, keys: &Keys) -> Result<Opened, Error> {
    open_tree_noting(sealed, format, keys, &mut |_| {})
}

/// Opens a file; `note` is given each value that was sealed.
pub(super) fn open_tree_noting(
    sealed: &[u8],
    format: Format,
    keys: &Keys,
    note: &mut dyn FnMut(&Value),
) -> Result<Opened, Error> {
    let (mut documents, metadata) = format.read_sealed(sealed)?;
    let data_key = data_key(&metadata, keys)?;
    let cipher = Cipher::new(&data_key)?;
    let mut hash = Hash::new(metadata.mac_only_encrypted);
    for document in &mut documents {
        walk(&metadata.rule, document, &mut |leaf| {
            if leaf.selected {
                *leaf.value = open_leaf(leaf.value, &cipher, leaf.path)?;
                if !leaf.value.is_comment() {
                    note(leaf.value);
                }
            }
            hash.add(leaf.value, leaf.selected, leaf.path)
        })?;
    }
    let expected = cipher.open(&metadata.mac, &metadata.last_modified);
    let expected = expected.map_err(|_| Error::Mac)?;
    if expected.as_text() != Some(hash.finish().as_str()) {
        return Err(Error::Mac);
    }
    Ok(Opened {
        documents,
        metadata,
        data_key,
    })
}

fn open_leaf(value: &Value, cipher: &Cipher, path: &str) -> Result<Value, Error> {
    match value {
        // Older versions of SOPS left comments as they were.
        Value::Comment(comment) => Ok(cipher
            .open(&comment.text, path)
            .ok()
            .filter(Value::is_comment)
            .unwrap_or_else(|| value.clone())),
        value => {
            let sealed = value.as_text().ok_or_else(|| Error::Value {
                path: path.trim_end_matches(':').to_owned(),
                problem: "it stands there unsealed, which the file's rule does not allow",
            })?;
            cipher.open(sealed, path)
        }
    }
}

/// The hash over values, for the message authentication code.
pub(super) struct Hash {
    hash: Sha512,
    only_encrypted: bool,
}

impl Hash {
    pub(super) fn new(only_encrypted: bool) -> Self {
        let mut hash = Sha512::new();
        if only_encrypted {
            hash.update(ONLY_ENCRYPTED);
        }
        Self {
            hash,
            only_encrypted,
        }
    }

    pub(super) fn add(&mut self, value: &Value, selected: bool, path: &str) -> Result<(), Error> {
        if value.is_comment() || self.only_encrypted && !selected {
            return Ok(());
        }
        let (bytes, _) = plain(value).ok_or_else(|| Error::Value {
            path: path.trim_end_matches(':').to_owned(),
            problem: "it has no form that could be sealed",
        })?;
        self.hash.update(&bytes);
        Ok(())
    }

    pub(super) fn finish(self) -> String {
        let digest = self.hash.finalize();
        digest.iter().map(|byte| format!("{byte:02X}")).collect()
    }
}

/// The data key, by as many groups as are needed.
fn data_key(metadata: &Metadata, keys: &Keys) -> Result<Bytes, Error> {
    let part = |group: &Group| {
        let mut parts = group.age.iter().map(|wrapped| keys.unwrap(&wrapped.sealed));
        parts.find_map(|part| part)
    };
    let parts: Vec<Bytes> = metadata.groups.iter().filter_map(part).collect();
    let threshold = metadata.needed();
    if let [group] = metadata.groups.as_slice()
        && parts.is_empty()
        && group.age.is_empty()
    {
        let mut kinds: Vec<&str> = group.kinds().collect();
        kinds.dedup();
        let kinds = kinds.join(" and ");
        return Err(Error::KindOfKey { kinds });
    }
    if parts.is_empty() {
        return Err(Error::NoKey {
            held: keys.len(),
            wanted: metadata.recipients(),
        });
    }
    if parts.len() < threshold {
        return Err(Error::TooFewGroups {
            opened: parts.len(),
            threshold,
        });
    }
    match parts.as_slice() {
        [part] if metadata.groups.len() == 1 => Ok(part.clone()),
        parts => combine(parts),
    }
}
