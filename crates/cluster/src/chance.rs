//! What nobody can guess: bytes, and the identities of objects.
//! It must not know what they are for.

/// Fills in random bytes.
pub(crate) fn fill(bytes: &mut [u8]) {
    // A machine without a source of randomness cannot run TLS either; names would then repeat
    // and be refused as existing, which is safe.
    let filled = getrandom::fill(bytes);
    debug_assert!(filled.is_ok());
}

/// Random bytes.
pub(crate) fn random<const COUNT: usize>() -> [u8; COUNT] {
    let mut bytes = [0; COUNT];
    fill(&mut bytes);
    bytes
}

/// A random UUID.
pub(crate) fn new_uid() -> String {
    let mut bytes = random::<16>();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{}-{}-{}-{}-{}",
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..]
    )
}
