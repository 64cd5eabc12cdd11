//! Standard base64 with padding (RFC 4648, section 4), as Secrets have it.

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The text of these bytes.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let [first, second, third] = [0, 1, 2].map(|at| chunk.get(at).copied().unwrap_or_default());
        let bits = u32::from_be_bytes([0, first, second, third]);
        for place in 0..4 {
            let sextet = (bits >> (18 - 6 * place)) & 63;
            let filled = place <= chunk.len();
            text.push(if filled {
                char::from(ALPHABET[sextet as usize])
            } else {
                '='
            });
        }
    }
    text
}

/// The bytes that a text stands for; `None` where it is none. Line breaks are skipped, as by Go's
/// `encoding/base64`.
pub fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut buffer, mut count, mut padding) = (0_u32, 0, 0);
    for letter in text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')) {
        let digit = match letter {
            b'=' => {
                padding += 1;
                0
            }
            _ if padding > 0 => return None,
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        buffer = buffer << 6 | u32::from(digit);
        count += 1;
        if count == 4 {
            if padding > 2 {
                return None;
            }
            let [_, bytes_of @ ..] = buffer.to_be_bytes();
            bytes.extend_from_slice(&bytes_of[..3 - padding]);
            (buffer, count) = (0, 0);
        }
    }
    (count == 0 && (padding == 0 || text.trim_end_matches(['\n', '\r']).ends_with('=')))
        .then_some(bytes)
}
