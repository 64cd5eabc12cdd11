//! Texts as parts of addresses.

/// A part of a path or a value of a query, percent-encoded: what is not unreserved by RFC 3986, section
/// 2.3, byte by byte.
pub fn encode(part: &str) -> String {
    let mut text = String::new();
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::encode;

    #[test]
    fn what_has_a_meaning_in_addresses_is_encoded() {
        assert_eq!(encode("a-Z_0.9~"), "a-Z_0.9~");
        assert_eq!(encode("a=b,c/d \u{f6}"), "a%3Db%2Cc%2Fd%20%C3%B6");
    }
}
