//! One value of a SOPS file, sealed and opened: AES-256-GCM with a nonce of 32 bytes, the type beside
//! the text, and the path as additional data.

use aes_gcm::aead::consts::U32;
use aes_gcm::aead::generic_array::GenericArray;
use aes_gcm::aead::{Aead, Payload};
use aes_gcm::aes::Aes256;
use aes_gcm::{AesGcm, KeyInit};
use holdfast_go::base64;
use zeroize::Zeroizing;

use super::tree::{Comment, Value};
use crate::digits::{plain_float, read_float};
use crate::error::Error;

/// The bytes of a nonce and of a tag.
const NONCE: usize = 32;
const TAG: usize = 16;

/// A data key, ready for use.
pub(crate) struct Cipher {
    aes: AesGcm<Aes256, U32>,
}

/// The parts of a sealed value.
struct Parts<'a> {
    data: Vec<u8>,
    nonce: Vec<u8>,
    kind: &'a str,
}

impl Cipher {
    pub(crate) fn new(key: &[u8]) -> Result<Self, Error> {
        let problem = "it does not have 32 bytes";
        let aes = AesGcm::new_from_slice(key).map_err(|_| Error::DataKey { problem })?;
        Ok(Self { aes })
    }

    /// The value that a sealed text holds. An empty text is not sealed at all.
    pub(crate) fn open(&self, sealed: &str, path: &str) -> Result<Value, Error> {
        if sealed.is_empty() {
            return Ok(Value::text(""));
        }
        let wrong = |problem| Error::Value {
            path: path.trim_end_matches(':').to_owned(),
            problem,
        };
        let parts = take_apart(sealed).map_err(wrong)?;
        let payload = Payload {
            msg: &parts.data,
            aad: path.as_bytes(),
        };
        let clear = self
            .aes
            .decrypt(GenericArray::from_slice(&parts.nonce), payload);
        let clear = Zeroizing::new(clear.map_err(|_| Error::Tampered {
            path: path.trim_end_matches(':').to_owned(),
        })?);
        typed(&clear, parts.kind).ok_or_else(|| wrong("its type does not fit what it holds"))
    }

    /// Seals a value; an empty text stays as it is.
    pub(crate) fn seal(&self, value: &Value, path: &str) -> Result<String, Error> {
        let (clear, kind) = plain(value).ok_or_else(|| Error::Value {
            path: path.trim_end_matches(':').to_owned(),
            problem: "it has no form that could be sealed",
        })?;
        if clear.is_empty() {
            return Ok(String::new());
        }
        let mut nonce = [0u8; NONCE];
        getrandom::fill(&mut nonce).map_err(|_| Error::Entropy)?;
        let payload = Payload {
            msg: &clear,
            aad: path.as_bytes(),
        };
        let sealed = self.aes.encrypt(GenericArray::from_slice(&nonce), payload);
        let sealed = sealed.map_err(|_| Error::Value {
            path: path.trim_end_matches(':').to_owned(),
            problem: "it is too long to be sealed",
        })?;
        let (data, tag) = sealed.split_at(sealed.len() - TAG);
        let (data, nonce, tag) = (
            base64::encode(data),
            base64::encode(&nonce),
            base64::encode(tag),
        );
        Ok(format!(
            "ENC[AES256_GCM,data:{data},iv:{nonce},tag:{tag},type:{kind}]"
        ))
    }
}

fn take_apart(sealed: &str) -> Result<Parts<'_>, &'static str> {
    let inner = sealed
        .strip_prefix("ENC[AES256_GCM,data:")
        .and_then(|rest| rest.strip_suffix(']'))
        .ok_or("it does not begin with `ENC[AES256_GCM,` and end with `]`")?;
    let (data, rest) = inner.split_once(",iv:").ok_or("it has no nonce")?;
    let (nonce, rest) = rest.split_once(",tag:").ok_or("it has no tag")?;
    let (tag, kind) = rest.split_once(",type:").ok_or("it has no type")?;
    let bytes =
        |text: &str| base64::decode(text.as_bytes()).map_err(|_| "a part of it is no base64");
    let (mut data, nonce, tag) = (bytes(data)?, bytes(nonce)?, bytes(tag)?);
    if nonce.len() != NONCE || tag.len() != TAG {
        return Err("its nonce or its tag is cut off");
    }
    data.extend(tag);
    Ok(Parts { data, nonce, kind })
}

fn typed(clear: &Zeroizing<Vec<u8>>, kind: &str) -> Option<Value> {
    let text = || std::str::from_utf8(clear).ok();
    Some(match kind {
        "str" | "bytes" => Value::Text(clear.clone()),
        "int" => Value::Int(text()?.parse().ok()?),
        "float" => Value::Float(read_float(text()?)?),
        "bool" => Value::Bool(match text()? {
            "True" | "true" | "TRUE" | "T" | "t" | "1" => true,
            "False" | "false" | "FALSE" | "F" | "f" | "0" => false,
            _ => return None,
        }),
        "time" => Value::Time(text()?.to_owned()),
        "comment" => Value::Comment(Comment {
            text: Zeroizing::new(text()?.to_owned()),
            behind: false,
        }),
        _ => return None,
    })
}

/// What is sealed of a value and hashed of it, and its type.
pub(crate) fn plain(value: &Value) -> Option<(Zeroizing<Vec<u8>>, &'static str)> {
    let bytes = |text: &str| Zeroizing::new(text.as_bytes().to_vec());
    Some(match value {
        Value::Text(text) => (text.clone(), "str"),
        Value::Int(number) => (bytes(&number.to_string()), "int"),
        Value::Float(number) => (bytes(&plain_float(*number)), "float"),
        Value::Bool(truth) => (bytes(if *truth { "True" } else { "False" }), "bool"),
        Value::Time(moment) => (bytes(moment), "time"),
        Value::Comment(comment) => (bytes(&comment.text), "comment"),
        Value::Null | Value::List(_) | Value::Map(_) => return None,
    })
}
