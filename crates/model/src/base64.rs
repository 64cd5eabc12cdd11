//! Standard base64 with padding (RFC 4648, section 4), as Secrets have it.

pub use holdfast_go::base64::encode;

/// The bytes that a text stands for; `None` where it is none. Line breaks are skipped.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    holdfast_go::base64::decode(text.as_bytes()).ok()
}
