//! SOPS files as they are found among others: which file is one, whatever it is called, and what of it
//! was secret. It must not know where files come from.

use zeroize::Zeroizing;

use super::cipher::plain;
use super::format::Format;
use super::open::open_tree_noting;
use crate::error::Error;
use crate::keys::Keys;

/// A file that was opened.
pub struct Unsealed {
    /// The file as it was before it was sealed.
    pub text: Zeroizing<Vec<u8>>,
    /// The values that were sealed, as the bytes of their texts.
    pub values: Vec<Zeroizing<Vec<u8>>>,
}

/// The clear text of a file that SOPS has sealed; nothing for any other file. The format is the one
/// that the name says, and what the bytes look like where it says none. A file of YAML may hold
/// documents that were sealed each by itself, and ones that are not sealed beside them.
pub fn unseal(name: &str, bytes: &[u8], keys: &Keys) -> Option<Result<Unsealed, Error>> {
    let format = format_of(name, bytes)?;
    let whole = open_noting(bytes, format, keys);
    let Err(error) = &whole else {
        return Some(whole);
    };
    let parts = match format {
        Format::Yaml => documents(bytes),
        _ => Vec::new(),
    };
    if parts.len() < 2 || matches!(error, Error::NoKey { .. } | Error::KindOfKey { .. }) {
        return Some(whole);
    }
    let mut all = Unsealed {
        text: Zeroizing::new(Vec::with_capacity(bytes.len())),
        values: Vec::new(),
    };
    for part in parts {
        all.text.extend_from_slice(b"---\n");
        if has_block(part, Format::Yaml) {
            // What the whole file was refused for is said, unless a part says it better.
            match open_noting(part, format, keys) {
                Ok(opened) => {
                    all.text.extend_from_slice(&opened.text);
                    all.values.extend(opened.values);
                }
                Err(Error::Tampered { .. } | Error::Mac) => return Some(whole),
                Err(error) => return Some(Err(error)),
            }
        } else {
            all.text.extend_from_slice(part);
        }
        if !all.text.ends_with(b"\n") {
            all.text.push(b'\n');
        }
    }
    Some(Ok(all))
}

/// Whether SOPS has sealed a file.
pub fn is_sealed(name: &str, bytes: &[u8]) -> bool {
    format_of(name, bytes).is_some()
}

fn open_noting(sealed: &[u8], format: Format, keys: &Keys) -> Result<Unsealed, Error> {
    let mut values = Vec::new();
    let opened = open_tree_noting(sealed, format, keys, &mut |value| {
        let bytes = plain(value).map(|(bytes, _)| bytes);
        values.extend(bytes.filter(|bytes| !bytes.is_empty()));
    })?;
    let text = Zeroizing::new(format.write_plain(&opened.documents)?);
    Ok(Unsealed { text, values })
}

/// The format of a file that is sealed; nothing for any other file.
fn format_of(name: &str, bytes: &[u8]) -> Option<Format> {
    if !Format::looks_sealed(bytes) {
        return None;
    }
    let said = Format::of_name(name);
    let formats: &[Format] = match said {
        // A file of bytes is an object of JSON with nothing but `data`; others keep their format under
        // any name.
        Format::Binary => &[Format::Json, Format::Yaml, Format::Ini, Format::Env],
        _ => std::slice::from_ref(&said),
    };
    let found = formats.iter().find(|format| has_block(bytes, **format))?;
    match (said, found) {
        (Format::Binary, Format::Json) if is_bytes(bytes) => Some(Format::Binary),
        (_, found) => Some(*found),
    }
}

/// Whether there is a block of SOPS where the format has it. A file that only speaks of one has none.
fn has_block(bytes: &[u8], format: Format) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.lines();
    let is_object = || {
        text.trim_start().starts_with('{')
            && serde_json::from_str::<serde_json::Value>(&text)
                .is_ok_and(|value| value["sops"]["mac"].is_string())
    };
    match format {
        Format::Yaml => {
            let is_block = |line: &str| {
                let rest = line.strip_prefix("sops:").map(str::trim);
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['{', '#']))
            };
            lines.any(is_block) || is_object()
        }
        Format::Json | Format::Binary => is_object(),
        Format::Env => lines.any(|line| line.starts_with("sops_mac=")),
        Format::Ini => lines.any(|line| line.trim() == "[sops]"),
    }
}

/// Whether an object of JSON holds the bytes of a file.
fn is_bytes(bytes: &[u8]) -> bool {
    let value = serde_json::from_slice::<serde_json::Value>(bytes);
    let value = value.unwrap_or_default();
    let is_alone = value.as_object().is_some_and(|object| object.len() == 2);
    is_alone && value["data"].is_string()
}

/// The documents of a text of YAML, as they are written.
fn documents(bytes: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let (mut begin, mut at) = (0, 0);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if line.trim_ascii_end() == b"---" {
            parts.push(&bytes[begin..at]);
            begin = at + line.len();
        }
        at += line.len();
    }
    parts.push(&bytes[begin..]);
    parts.retain(|part| !part.trim_ascii().is_empty());
    parts
}
