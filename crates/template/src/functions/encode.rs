//! Base64, base32 and digests.
//!
//! It must not know templates.

use holdfast_go::base64;
use sha2::Digest as _;

use super::arguments::bytes;
use crate::exec::Outcome;
use crate::value::Value;

pub(super) fn b64enc(arguments: &[Value]) -> Outcome {
    Ok(Value::from(base64::encode(bytes(arguments, 0))))
}

pub(super) fn b32enc(arguments: &[Value]) -> Outcome {
    Ok(Value::from(base64::encode32(bytes(arguments, 0))))
}

/// What is no base64 gives Go's complaint as its result.
pub(super) fn b64dec(arguments: &[Value]) -> Outcome {
    Ok(match base64::decode(bytes(arguments, 0)) {
        Ok(decoded) => Value::string(decoded),
        Err(at) => Value::from(format!("illegal base64 data at input byte {at}")),
    })
}

pub(super) fn b32dec(arguments: &[Value]) -> Outcome {
    Ok(match base64::decode32(bytes(arguments, 0)) {
        Ok(decoded) => Value::string(decoded),
        Err(at) => Value::from(format!("illegal base32 data at input byte {at}")),
    })
}

fn hex(bytes: &[u8]) -> Value {
    Value::from(
        bytes
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>(),
    )
}

pub(super) fn sha1sum(arguments: &[Value]) -> Outcome {
    Ok(hex(&sha1::Sha1::digest(bytes(arguments, 0))))
}

pub(super) fn sha256sum(arguments: &[Value]) -> Outcome {
    Ok(hex(&sha2::Sha256::digest(bytes(arguments, 0))))
}

pub(super) fn sha512sum(arguments: &[Value]) -> Outcome {
    Ok(hex(&sha2::Sha512::digest(bytes(arguments, 0))))
}

/// The checksum in decimal, as sprig prints it.
pub(super) fn adler32sum(arguments: &[Value]) -> Outcome {
    let (mut low, mut high) = (1u32, 0u32);
    for byte in bytes(arguments, 0) {
        low = (low + u32::from(*byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    Ok(Value::from((high << 16 | low).to_string()))
}
