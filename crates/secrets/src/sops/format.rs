//! The formats of files, and where each of them keeps the `sops` block.

use super::metadata::Metadata;
use super::tree::{Documents, Entry, Value, get};
use super::{flat, ini, json, yaml};
use crate::error::Error;

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Documents of YAML.
    Yaml,
    /// An object of JSON.
    Json,
    /// Lines of `KEY=value`.
    Env,
    /// Sections of keys.
    Ini,
    /// Any other bytes, kept within an object of JSON once they are sealed.
    Binary,
}

/// The key of the block.
const BLOCK: &str = "sops";

impl Format {
    /// The format that a file's name says, as SOPS has it.
    pub fn of_name(name: &str) -> Self {
        let ending = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        if ending(&[".yaml", ".yml"]) {
            Self::Yaml
        } else if ending(&[".json"]) {
            Self::Json
        } else if ending(&[".env"]) {
            Self::Env
        } else if ending(&[".ini"]) {
            Self::Ini
        } else {
            Self::Binary
        }
    }

    /// Its name, as people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Yaml => "YAML",
            Self::Json => "JSON",
            Self::Env => "env file",
            Self::Ini => "INI file",
            Self::Binary => "binary file",
        }
    }

    /// Whether these bytes look sealed by SOPS: a cheap look, which may be wrong for files that speak
    /// of SOPS, and never for files that are sealed.
    pub fn looks_sealed(bytes: &[u8]) -> bool {
        let has = |needle: &[u8]| memchr::memmem::find(bytes, needle).is_some();
        bytes.len() <= crate::MOST_BYTES && has(b"sops") && has(b"ENC[AES256_GCM,")
    }

    fn text(self, bytes: &[u8]) -> Result<&str, Error> {
        if bytes.len() > crate::MOST_BYTES {
            let bytes = bytes.len();
            return Err(Error::TooLarge { bytes });
        }
        std::str::from_utf8(bytes).map_err(|error| Error::Syntax {
            format: self.name(),
            problem: format!("byte {} is no UTF-8", error.valid_up_to()),
        })
    }

    /// Reads a file that is not sealed.
    pub(super) fn read_plain(self, bytes: &[u8]) -> Result<Documents, Error> {
        if self == Self::Binary {
            if bytes.len() > crate::MOST_BYTES {
                let bytes = bytes.len();
                return Err(Error::TooLarge { bytes });
            }
            let value = Value::Text(zeroize::Zeroizing::new(bytes.to_vec()));
            return Ok(vec![vec![Entry::pair("data", value)]]);
        }
        let documents = self.read(self.text(bytes)?)?;
        let sealed = documents.iter().flatten().any(|entry| match &entry.key {
            Some(key) if self == Self::Env => key.starts_with(flat::PREFIX),
            Some(key) => key == BLOCK,
            None => false,
        });
        if sealed {
            return Err(Error::AlreadySealed);
        }
        Ok(documents)
    }

    fn read(self, text: &str) -> Result<Documents, Error> {
        Ok(match self {
            Self::Yaml => yaml::read(text)?,
            Self::Json | Self::Binary => vec![json::read(text)?],
            Self::Env => vec![flat::read_env(text)?],
            Self::Ini => vec![ini::read(text)?],
        })
    }

    /// Reads a sealed file: its documents without the block, and the block.
    pub(super) fn read_sealed(self, bytes: &[u8]) -> Result<(Documents, Metadata), Error> {
        let mut documents = self.read(self.text(bytes)?)?;
        let block = match self {
            Self::Env => take_flat(&mut documents),
            _ => take_block(&mut documents)?,
        };
        let block = block.ok_or(Error::NotSealed)?;
        let block = match self {
            Self::Env => flat::unflatten(&block)?,
            Self::Ini => {
                let unescape = |entry: &Entry| {
                    let text = entry.value.as_text()?.replace("\\n", "\n");
                    Some(Entry::pair(entry.key.clone()?, Value::text(&text)))
                };
                let block: Vec<Entry> = block.iter().filter_map(unescape).collect();
                flat::unflatten(&block)?
            }
            _ => block,
        };
        let metadata = Metadata::read(&block)?;
        Ok((documents, metadata))
    }

    /// The bytes of documents that are clear.
    pub(super) fn write_plain(self, documents: &[Vec<Entry>]) -> Result<Vec<u8>, Error> {
        let first = documents.first().map_or(&[][..], Vec::as_slice);
        match self {
            Self::Yaml => Ok(yaml::write(documents)),
            Self::Json => json::write(first),
            Self::Binary => json::write_binary(first),
            Self::Env => flat::write_env(first),
            Self::Ini => ini::write(first),
        }
    }

    /// The bytes of documents that are sealed, with the block in each of them.
    pub(super) fn write_sealed(
        self,
        mut documents: Documents,
        metadata: &Metadata,
    ) -> Result<Vec<u8>, Error> {
        let block = metadata.write();
        for document in &mut documents {
            match self {
                Self::Env => document.extend(flat::flatten(&block, flat::PREFIX)),
                Self::Ini => {
                    let escape = |mut entry: Entry| {
                        if let Some(text) = entry.value.as_text() {
                            entry.value = Value::text(&text.replace('\n', "\\n"));
                        }
                        entry
                    };
                    let flat = flat::flatten(&block, "").into_iter().map(escape);
                    document.push(Entry::pair(BLOCK, Value::Map(flat.collect())));
                }
                _ => document.push(Entry::pair(BLOCK, Value::Map(block.clone()))),
            }
        }
        match self {
            Self::Binary => json::write(documents.first().map_or(&[][..], Vec::as_slice)),
            format => format.write_plain(&documents),
        }
    }
}

/// Takes the block out of every document; the first one counts.
fn take_block(documents: &mut Documents) -> Result<Option<Vec<Entry>>, Error> {
    let block = match documents.first().and_then(|first| get(first, BLOCK)) {
        None => None,
        Some(Value::Map(entries)) => Some(entries.clone()),
        Some(_) => {
            return Err(Error::Metadata {
                problem: "`sops` is no mapping".to_owned(),
            });
        }
    };
    for document in documents {
        document.retain(|entry| entry.key.as_deref() != Some(BLOCK));
    }
    Ok(block)
}

/// Takes the flat block out of an env file.
fn take_flat(documents: &mut Documents) -> Option<Vec<Entry>> {
    let document = documents.first_mut()?;
    let is_block =
        |entry: &Entry| Some(entry.key.as_deref()?.strip_prefix(flat::PREFIX)?.to_owned());
    let block: Vec<Entry> = document
        .iter()
        .filter_map(|entry| Some(Entry::pair(is_block(entry)?, entry.value.clone())))
        .collect();
    document.retain(|entry| is_block(entry).is_none());
    (!block.is_empty()).then_some(block)
}
