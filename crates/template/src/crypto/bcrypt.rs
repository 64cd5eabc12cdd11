//! bcrypt at cost 10, as Go's library writes it.
//!
//! It must not know users or templates.

use blowfish::Blowfish;

/// The cost that Go's library takes when nobody says.
const COST: u32 = 10;

/// What is encrypted again and again.
const TEXT: &[u8; 24] = b"OrpheanBeholderScryDoubt";

const ALPHABET: &[u8; 64] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// The hash of a password; `None` when it is longer than Go allows.
pub(crate) fn hash(password: &[u8], salt: [u8; 16]) -> Option<String> {
    if password.len() > 72 {
        return None;
    }
    let mut key = password.to_vec();
    key.push(0);
    let mut cipher: Blowfish = Blowfish::bc_init_state();
    cipher.salted_expand_key(&salt, &key);
    for _ in 0..1u32 << COST {
        cipher.bc_expand_key(&key);
        cipher.bc_expand_key(&salt);
    }
    let mut words: Vec<u32> = TEXT
        .chunks(4)
        .map(|bytes| u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        .collect();
    for pair in words.chunks_mut(2) {
        for _ in 0..64 {
            let [left, right] = cipher.bc_encrypt([pair[0], pair[1]]);
            pair[0] = left;
            pair[1] = right;
        }
    }
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    // The last byte is left out, as every implementation does since the first one did.
    Some(format!(
        "$2a${COST}${}{}",
        encode(&salt),
        encode(&bytes[..23])
    ))
}

/// bcrypt's own base64, without padding.
fn encode(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let word = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..=chunk.len() {
            let digit = word >> (18 - 6 * index) & 0x3f;
            out.push(char::from(ALPHABET[digit as usize]));
        }
    }
    out
}
