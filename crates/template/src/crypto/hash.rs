//! Digests and what is built of them: PBKDF2 and scrypt.
//!
//! It must not know keys.

use holdfast_model::digest::hmac;
use sha2::{Digest as _, Sha256, Sha512};

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub(crate) fn sha512(parts: &[&[u8]]) -> [u8; 64] {
    let mut hasher = Sha512::new();
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// PBKDF2 with one round, which is what scrypt needs.
fn pbkdf2(password: &[u8], salt: &[u8], size: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(size + 32);
    let mut index = 1u32;
    while out.len() < size {
        let mut message = salt.to_vec();
        message.extend(index.to_be_bytes());
        out.extend(hmac(password, &message));
        index += 1;
    }
    out.truncate(size);
    out
}

/// Words of one block of the mixing function with r = 8.
const BLOCK: usize = 256;

/// scrypt with N = 32768, r = 8, p = 2 and 64 bytes of key, as `derivePassword` uses it.
pub(crate) fn scrypt(password: &[u8], salt: &[u8]) -> Vec<u8> {
    let mut blocks = pbkdf2(password, salt, 2 * BLOCK * 4);
    for block in blocks.chunks_mut(BLOCK * 4) {
        let mut words = [0u32; BLOCK];
        for (word, bytes) in words.iter_mut().zip(block.chunks(4)) {
            *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        mix(&mut words);
        for (word, bytes) in words.iter().zip(block.chunks_mut(4)) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
    }
    pbkdf2(password, &blocks, 64)
}

fn mix(words: &mut [u32; BLOCK]) {
    const ROUNDS: usize = 32_768;
    let mut memory: Vec<[u32; BLOCK]> = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        memory.push(*words);
        *words = block_mix(words);
    }
    for _ in 0..ROUNDS {
        let index = words[BLOCK - 16] as usize % ROUNDS;
        for (word, other) in words.iter_mut().zip(&memory[index]) {
            *word ^= other;
        }
        *words = block_mix(words);
    }
}

fn block_mix(words: &[u32; BLOCK]) -> [u32; BLOCK] {
    let mut out = [0; BLOCK];
    let mut state = [0u32; 16];
    state.copy_from_slice(&words[BLOCK - 16..]);
    for (index, chunk) in words.chunks(16).enumerate() {
        for (word, other) in state.iter_mut().zip(chunk) {
            *word ^= other;
        }
        salsa(&mut state);
        // Even parts come first, odd ones behind them.
        let place = index / 2 + (index % 2) * (BLOCK / 32);
        out[place * 16..][..16].copy_from_slice(&state);
    }
    out
}

/// Salsa20 with eight rounds.
fn salsa(state: &mut [u32; 16]) {
    let before = *state;
    let quarter = |state: &mut [u32; 16], [a, b, c, d]: [usize; 4]| {
        state[b] ^= state[a].wrapping_add(state[d]).rotate_left(7);
        state[c] ^= state[b].wrapping_add(state[a]).rotate_left(9);
        state[d] ^= state[c].wrapping_add(state[b]).rotate_left(13);
        state[a] ^= state[d].wrapping_add(state[c]).rotate_left(18);
    };
    for _ in 0..4 {
        quarter(state, [0, 4, 8, 12]);
        quarter(state, [5, 9, 13, 1]);
        quarter(state, [10, 14, 2, 6]);
        quarter(state, [15, 3, 7, 11]);
        quarter(state, [0, 1, 2, 3]);
        quarter(state, [5, 6, 7, 4]);
        quarter(state, [10, 11, 8, 9]);
        quarter(state, [15, 12, 13, 14]);
    }
    for (word, before) in state.iter_mut().zip(before) {
        *word = word.wrapping_add(before);
    }
}
