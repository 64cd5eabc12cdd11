//! Seals files: anew, after an edit with only the values that changed, and for other recipients.

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::cipher::{Cipher, plain};
use super::format::Format;
use super::metadata::{Group, Metadata, Wrapped};
use super::open::{Hash, Opened, open_tree};
use super::rules::{Leaf, Rule, RuleKind, walk};
use super::tree::{Documents, Value};
use crate::error::Error;
use crate::keys::{Keys, Recipient};
use crate::shamir::{Bytes, split};

/// How a file is sealed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Groups of recipients. Of one group each recipient opens the file by itself.
    pub groups: Vec<Vec<Recipient>>,
    /// Of several groups, how many are needed; all where it is 0.
    pub threshold: u8,
    /// What is sealed.
    pub rule: Rule,
    /// Whether the message authentication code is over the sealed values only, so that the others can
    /// be changed by hand.
    pub mac_only_encrypted: bool,
}

/// What happens to the data key when a file is sealed for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataKey {
    /// It stays, and with it every sealed value.
    Kept,
    /// A new one is made, and every value sealed with it.
    New,
}

/// Seals a clear text. `now` is the moment by RFC 3339 that the file says.
///
/// # Errors
/// What cannot be read, or cannot be sealed.
pub fn seal(clear: &[u8], format: Format, plan: &Plan, now: &str) -> Result<Vec<u8>, Error> {
    let documents = format.read_plain(clear)?;
    let data_key = new_data_key()?;
    let mut metadata = Metadata::new(plan.rule.clone(), plan.mac_only_encrypted);
    wrap(&mut metadata, plan, &data_key)?;
    let opened = Opened {
        documents,
        metadata,
        data_key,
    };
    seal_tree(opened, format, &Stash::new(), now)
}

/// Seals a text that was changed after it was opened from `sealed`: values that are the same at the same
/// place stay as they were sealed. Gives `None` where nothing changed.
///
/// # Errors
/// Why the sealed file cannot be opened, or the new text not be sealed.
pub fn edit(
    sealed: &[u8],
    changed: &[u8],
    format: Format,
    keys: &Keys,
    now: &str,
) -> Result<Option<Vec<u8>>, Error> {
    let (mut before, _) = format.read_sealed(sealed)?;
    let mut opened = open_tree(sealed, format, keys)?;
    if *format.write_plain(&opened.documents)? == *changed {
        return Ok(None);
    }
    let stash = stash(&mut opened, &mut before)?;
    opened.documents = format.read_plain(changed)?;
    seal_tree(opened, format, &stash, now).map(Some)
}

/// Seals a file for other recipients.
///
/// # Errors
/// Why the file cannot be opened, or that keys which cannot be used would be lost or be left with a data
/// key that is no longer the file's.
pub fn rekey(
    sealed: &[u8],
    format: Format,
    keys: &Keys,
    plan: (&[Vec<Recipient>], u8),
    (data_key, now): (DataKey, &str),
) -> Result<Vec<u8>, Error> {
    let mut opened = open_tree(sealed, format, keys)?;
    let (groups, threshold) = plan;
    let foreign = {
        let mut kinds = opened.metadata.groups.iter().flat_map(Group::kinds);
        kinds.next()
    };
    let one_group = groups.len() == 1 && opened.metadata.groups.len() == 1;
    if let Some(kind) = foreign.filter(|_| data_key == DataKey::New || !one_group) {
        return Err(Error::KindOfKey {
            kinds: format!("a key of {kind} as well, for which no data key can be sealed here"),
        });
    }
    let others = match opened.metadata.groups.as_slice() {
        [group] => group.others.clone(),
        _ => Vec::new(),
    };
    let plan = Plan {
        groups: groups.to_vec(),
        threshold,
        rule: opened.metadata.rule.clone(),
        mac_only_encrypted: opened.metadata.mac_only_encrypted,
    };
    if data_key == DataKey::New {
        opened.data_key = new_data_key()?;
        wrap(&mut opened.metadata, &plan, &opened.data_key)?;
        return seal_tree(opened, format, &Stash::new(), now);
    }
    wrap(&mut opened.metadata, &plan, &opened.data_key)?;
    if let [group] = opened.metadata.groups.as_mut_slice() {
        group.others = others;
    }
    // The values and their code stay as they are.
    let (documents, _) = format.read_sealed(sealed)?;
    format.write_sealed(documents, &opened.metadata)
}

fn new_data_key() -> Result<Bytes, Error> {
    let mut key = Zeroizing::new(vec![0u8; 32]);
    getrandom::fill(&mut key).map_err(|_| Error::Entropy)?;
    Ok(key)
}

/// Seals the data key for every recipient.
fn wrap(metadata: &mut Metadata, plan: &Plan, data_key: &[u8]) -> Result<(), Error> {
    if plan.groups.is_empty() || plan.groups.iter().any(Vec::is_empty) {
        return Err(Error::NoRecipient);
    }
    let threshold = match (plan.threshold, u8::try_from(plan.groups.len())) {
        (0, Ok(groups)) => groups,
        (threshold, _) => threshold,
    };
    let parts = match u8::try_from(plan.groups.len()) {
        Ok(1) => vec![Zeroizing::new(data_key.to_vec())],
        groups => split(data_key, groups.unwrap_or(0), threshold)?,
    };
    let group = |(recipients, part): (&Vec<Recipient>, &Bytes)| {
        let wrapped = recipients.iter().map(|recipient| {
            Ok(Wrapped {
                recipient: recipient.as_str().to_owned(),
                sealed: recipient.wrap(part)?,
            })
        });
        Ok(Group {
            age: wrapped.collect::<Result<_, Error>>()?,
            others: Vec::new(),
        })
    };
    let groups = plan.groups.iter().zip(&parts).map(group);
    metadata.groups = groups.collect::<Result<_, Error>>()?;
    metadata.threshold = usize::from(threshold);
    Ok(())
}

/// What was sealed how, by a digest over where and what it is.
type Stash = HashMap<[u8; 32], String>;

fn place(path: &str, value: &Value) -> Option<[u8; 32]> {
    let (clear, kind) = plain(value)?;
    let mut hash = Sha256::new();
    for part in [path.as_bytes(), kind.as_bytes(), &clear] {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    Some(hash.finalize().into())
}

/// Joins the clear values of a file with what they were sealed as.
fn stash(opened: &mut Opened, sealed: &mut Documents) -> Result<Stash, Error> {
    let rule = opened.metadata.rule.clone();
    let mut texts: Vec<Option<String>> = Vec::new();
    for document in sealed {
        walk(&rule, document, &mut |leaf| {
            let text = match leaf.value {
                Value::Comment(comment) => Some(comment.text.to_string()),
                value => value.as_text().map(str::to_owned),
            };
            texts.push(text.filter(|_| leaf.selected));
            Ok(())
        })?;
    }
    let mut stash = Stash::new();
    let mut texts = texts.into_iter();
    // Rules by comments have to see the comments as they are in the file, so the order alone joins.
    let always = Rule::new(RuleKind::EncryptedRegex, "")?;
    for document in &mut opened.documents {
        walk(&always, document, &mut |leaf| {
            if let (Some(Some(text)), Some(place)) = (texts.next(), place(leaf.path, leaf.value)) {
                stash.entry(place).or_insert(text);
            }
            Ok(())
        })?;
    }
    Ok(stash)
}

fn seal_tree(
    mut opened: Opened,
    format: Format,
    stash: &Stash,
    now: &str,
) -> Result<Vec<u8>, Error> {
    let cipher = Cipher::new(&opened.data_key)?;
    let rule = opened.metadata.rule.clone();
    let mut hash = Hash::new(opened.metadata.mac_only_encrypted);
    for document in &mut opened.documents {
        walk(&rule, document, &mut |leaf| {
            hash.add(leaf.value, leaf.selected, leaf.path)?;
            if leaf.selected {
                seal_leaf(leaf, &cipher, &rule, stash)?;
            }
            Ok(())
        })?;
    }
    now.clone_into(&mut opened.metadata.last_modified);
    opened.metadata.mac = cipher.seal(&Value::text(&hash.finish()), now)?;
    format.write_sealed(opened.documents, &opened.metadata)
}

/// How often a comment is sealed anew that would be taken for another one.
const TRIES: usize = 64;

fn seal_leaf(leaf: Leaf<'_>, cipher: &Cipher, rule: &Rule, stash: &Stash) -> Result<(), Error> {
    let known = place(leaf.path, leaf.value).and_then(|place| stash.get(&place));
    let mut sealed = match known {
        Some(sealed) => sealed.clone(),
        None => cipher.seal(leaf.value, leaf.path)?,
    };
    // Sealed bytes are chance, and a short expression fits them now and then. Such a comment would be taken
    // for one that says what is sealed when the file is opened.
    let misleads = |sealed: &str| leaf.value.is_comment() && rule.misleads(sealed);
    let mut tries = 0;
    while misleads(&sealed) {
        if tries == TRIES {
            return Err(Error::Rule {
                problem: format!("`{}` fits sealed comments too", rule.text()),
            });
        }
        tries += 1;
        sealed = cipher.seal(leaf.value, leaf.path)?;
    }
    match leaf.value {
        Value::Comment(comment) => comment.text = Zeroizing::new(sealed),
        value => *value = Value::text(&sealed),
    }
    Ok(())
}
