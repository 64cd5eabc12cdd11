//! Texts in quotes as `strconv` writes them. It must not know what they say.

/// A text in double quotes as `%q` writes it.
pub fn quoted(text: &str) -> String {
    quote(text.as_bytes())
}

/// `strconv.Quote`.
pub fn quote(bytes: &[u8]) -> String {
    quote_with(bytes, '"', false)
}

/// `strconv.AppendQuote` with any quote, and with everything but ASCII escaped where asked for.
pub fn quote_with(bytes: &[u8], mark: char, ascii: bool) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    out.push(mark);
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            push_escaped(&mut out, letter, mark, ascii);
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push(mark);
    out
}

fn push_escaped(out: &mut String, letter: char, mark: char, ascii: bool) {
    if letter == mark || letter == '\\' {
        out.push('\\');
        out.push(letter);
        return;
    }
    if is_printable(letter) && (!ascii || letter.is_ascii()) {
        out.push(letter);
        return;
    }
    let short = match letter {
        '\u{7}' => "\\a",
        '\u{8}' => "\\b",
        '\u{c}' => "\\f",
        '\n' => "\\n",
        '\r' => "\\r",
        '\t' => "\\t",
        '\u{b}' => "\\v",
        _ => "",
    };
    let code = u32::from(letter);
    if !short.is_empty() {
        out.push_str(short);
    } else if code < 0x20 || code == 0x7f {
        out.push_str(&format!("\\x{code:02x}"));
    } else if code < 0x10000 {
        out.push_str(&format!("\\u{code:04x}"));
    } else {
        out.push_str(&format!("\\U{code:08x}"));
    }
}

/// Close to `strconv.IsPrint`: what Rust's own debug form does not escape, and no space but U+0020.
pub fn is_printable(letter: char) -> bool {
    if letter.is_ascii() {
        return (' '..='~').contains(&letter);
    }
    if letter.is_whitespace() || letter.is_control() {
        return false;
    }
    // Combining marks are escaped by `escape_debug` only at the start, and Go prints them.
    let mut text = String::from("a");
    text.push(letter);
    text.escape_debug().nth(1) == Some(letter)
}
