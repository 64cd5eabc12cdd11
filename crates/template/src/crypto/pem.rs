//! PEM: DER between two lines that say what it is.
//!
//! It must not know what is inside.

use holdfast_go::base64;

/// A block of a PEM text.
pub(crate) struct Block {
    pub(crate) label: String,
    pub(crate) bytes: Vec<u8>,
}

/// Writes a block.
pub(crate) fn encode(label: &str, bytes: &[u8]) -> String {
    let text = base64::encode(bytes);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

/// Reads the first block of a text.
pub(crate) fn decode(text: &str) -> Option<Block> {
    let begin = text.find("-----BEGIN ")?;
    let after = &text[begin + "-----BEGIN ".len()..];
    let (label, after) = after.split_once("-----")?;
    let end = after.find(&format!("-----END {label}-----"))?;
    let body: Vec<u8> = after[..end]
        .lines()
        .filter(|line| !line.contains(':'))
        .flat_map(str::bytes)
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    Some(Block {
        label: label.to_owned(),
        bytes: base64::decode(&body).ok()?,
    })
}
