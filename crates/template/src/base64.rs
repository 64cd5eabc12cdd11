//! Base64 and base32 with padding, as Go's standard encodings.
//!
//! It must not know values.

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Base64 with padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    encode_with(bytes, BASE64, (3, 6))
}

/// Base32 with padding.
pub(crate) fn encode32(bytes: &[u8]) -> String {
    encode_with(bytes, BASE32, (5, 5))
}

fn encode_with(bytes: &[u8], alphabet: &[u8], (group, bits): (usize, usize)) -> String {
    let letters = group * 8 / bits;
    let mut out = String::with_capacity(bytes.len().div_ceil(group) * letters);
    for chunk in bytes.chunks(group) {
        let mut word = 0u64;
        for index in 0..group {
            word = word << 8 | u64::from(chunk.get(index).copied().unwrap_or(0));
        }
        let used = (chunk.len() * 8).div_ceil(bits);
        for index in 0..letters {
            if index < used {
                let shift = (letters - 1 - index) * bits;
                let digit = usize::try_from(word >> shift).unwrap_or(0) & (alphabet.len() - 1);
                out.push(char::from(alphabet[digit]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

/// The bytes of a base64 text; where it is none, the offset of the first wrong byte.
pub(crate) fn decode(text: &[u8]) -> Result<Vec<u8>, usize> {
    decode_with(text, BASE64, (3, 6))
}

/// The bytes of a base32 text.
pub(crate) fn decode32(text: &[u8]) -> Result<Vec<u8>, usize> {
    decode_with(text, BASE32, (5, 5))
}

fn decode_with(
    text: &[u8],
    alphabet: &[u8],
    (group, bits): (usize, usize),
) -> Result<Vec<u8>, usize> {
    let letters = group * 8 / bits;
    // Line breaks are allowed anywhere.
    let kept: Vec<(usize, u8)> = text
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, byte)| !matches!(byte, b'\r' | b'\n'))
        .collect();
    let mut out = Vec::with_capacity(kept.len() * bits / 8);
    let mut groups = kept.chunks(letters).peekable();
    while let Some(chunk) = groups.next() {
        let used = chunk.iter().take_while(|(_, byte)| *byte != b'=').count();
        let mut word = 0u64;
        for (offset, byte) in &chunk[..used] {
            let digit = alphabet
                .iter()
                .position(|letter| letter == byte)
                .ok_or(*offset)?;
            word = word << bits | digit as u64;
        }
        let end = chunk.last().map_or(text.len(), |(offset, _)| *offset);
        if chunk.len() < letters {
            // Letters that make no group are told by where they begin, missing padding by the end.
            return Err(if used == chunk.len() {
                text.len() - used
            } else {
                text.len()
            });
        }
        let wrong = chunk[used..].iter().find(|(_, byte)| *byte != b'=');
        if let Some((offset, _)) = wrong {
            return Err(*offset);
        }
        let whole = used * bits / 8;
        // Padding has to stand at the end, and only where it can.
        if used < letters && (groups.peek().is_some() || (whole * 8).div_ceil(bits) != used) {
            let at = groups
                .peek()
                .and_then(|next| next.first())
                .map_or(end, |(offset, _)| *offset);
            return Err(at);
        }
        word <<= (letters - used) * bits;
        for index in 0..whole {
            let shift = (group - 1 - index) * 8;
            out.push(u8::try_from(word >> shift & 0xff).unwrap_or(0));
        }
    }
    Ok(out)
}
