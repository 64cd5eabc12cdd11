//! Base64 and base32 with padding, as `encoding/base64` and `encoding/base32` of Go have them. It must
//! not know what is encoded.

const BASE64: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Base64 with padding.
pub fn encode(bytes: &[u8]) -> String {
    encode_with(bytes, BASE64, (3, 6))
}

/// Base32 with padding.
pub fn encode32(bytes: &[u8]) -> String {
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

/// The bytes of a base64 text. Line breaks are skipped.
///
/// # Errors
/// The offset of the first wrong byte.
pub fn decode(text: &[u8]) -> Result<Vec<u8>, usize> {
    decode_with(text, BASE64, (3, 6))
}

/// The bytes of a base32 text. Line breaks are skipped.
///
/// # Errors
/// The offset of the first wrong byte.
pub fn decode32(text: &[u8]) -> Result<Vec<u8>, usize> {
    decode_with(text, BASE32, (5, 5))
}

fn decode_with(
    text: &[u8],
    alphabet: &[u8],
    (group, bits): (usize, usize),
) -> Result<Vec<u8>, usize> {
    let letters = group * 8 / bits;
    let mut digits: [Option<u8>; 256] = [None; 256];
    for (digit, letter) in (0..).zip(alphabet) {
        digits[usize::from(*letter)] = Some(digit);
    }
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
            let digit = digits[usize::from(*byte)].ok_or(*offset)?;
            word = word << bits | u64::from(digit);
        }
        // Padding stands behind two letters at the earliest; behind two of base64 there are two signs.
        let padding = &chunk[used..];
        match (padding.first(), padding.get(1)) {
            (Some((offset, _)), _) if used < 2 => return Err(*offset),
            (Some(_), None) if (used, bits) == (2, 6) => return Err(text.len()),
            (_, Some((offset, byte))) if (used, bits) == (2, 6) && *byte != b'=' => {
                return Err(offset - 1);
            }
            _ => {}
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
        let wrong = padding.iter().find(|(_, byte)| *byte != b'=');
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded_and_what_is_wrong_is_found_where_go_finds_it() {
        for bytes in [&b""[..], b"f", b"fo", b"foo", b"\0\xff\xfe\xfd"] {
            assert_eq!(decode(encode(bytes).as_bytes()).as_deref(), Ok(bytes));
            assert_eq!(decode32(encode32(bytes).as_bytes()).as_deref(), Ok(bytes));
        }
        assert_eq!(decode(b"Zm9v\r\nZg==\n").as_deref(), Ok(&b"foof"[..]));
        for (text, at) in [
            ("not base64!", 3),
            ("abc", 0),
            ("aGk", 0),
            ("aGk=x", 4),
            ("====", 0),
            ("a===", 1),
            ("aG=x", 2),
            ("Zg=", 3),
            ("Zg==Zg==", 4),
        ] {
            assert_eq!(decode(text.as_bytes()), Err(at), "{text}");
        }
    }
}
