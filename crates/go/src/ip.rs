//! IP addresses as `netip.ParseAddr` reads them, with its words for what is wrong. It must not know
//! whose they are.

use crate::quote::quoted;

/// What is wrong with an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// In the words of Go, which quote the text.
    pub open: String,
    /// Without what comes from the text.
    pub safe: String,
}

struct Reader<'t> {
    text: &'t str,
}

impl Reader<'_> {
    fn refuse<T>(&self, words: &str, at: Option<&str>) -> Result<T, Wrong> {
        let at = at
            .map(|at| format!(" (at {})", quoted(at)))
            .unwrap_or_default();
        let open = format!("ParseAddr({}): {words}{at}", quoted(self.text));
        let safe = words.to_owned();
        Err(Wrong { open, safe })
    }
}

/// The kinds of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Of four bytes.
    Four,
    /// Of sixteen bytes.
    Six,
}

/// Reads an address.
///
/// # Errors
/// What is wrong with it.
pub fn parse(text: &str) -> Result<Kind, Wrong> {
    let reader = Reader { text };
    match text.find(['.', ':', '%']).map(|at| text.as_bytes()[at]) {
        Some(b'.') => four(&reader, text).map(|()| Kind::Four),
        Some(b':') => six(&reader).map(|()| Kind::Six),
        Some(_) => reader.refuse("missing IPv6 address", None),
        None => reader.refuse("unable to parse IP", None),
    }
}

/// Four decimal fields.
fn four(reader: &Reader<'_>, text: &str) -> Result<(), Wrong> {
    let (mut value, mut fields, mut digits) = (0u32, 0, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'0'..=b'9' => {
                if digits == 1 && value == 0 {
                    return reader.refuse("IPv4 field has octet with leading zero", None);
                }
                value = value * 10 + u32::from(byte - b'0');
                digits += 1;
                if value > 255 {
                    return reader.refuse("IPv4 field has value >255", None);
                }
            }
            b'.' => {
                // An empty field, in front, in the middle or at the end.
                if at == 0 || at == text.len() - 1 || text.as_bytes()[at - 1] == b'.' {
                    let rest = text.get(at..);
                    return reader.refuse("IPv4 field must have at least one digit", rest);
                }
                if fields == 3 {
                    return reader.refuse("IPv4 address too long", None);
                }
                fields += 1;
                value = 0;
                digits = 0;
            }
            _ => return reader.refuse("unexpected character", text.get(at..)),
        }
    }
    match fields < 3 {
        true => reader.refuse("IPv4 address too short", None),
        false => Ok(()),
    }
}

fn six(reader: &Reader<'_>) -> Result<(), Wrong> {
    let mut text = reader.text;
    if let Some((before, zone)) = text.split_once('%') {
        if zone.is_empty() {
            return reader.refuse("zone must be a non-empty string", None);
        }
        text = before;
    }
    let mut fields = Fields::default();
    if let Some(rest) = text.strip_prefix("::") {
        fields.has_gap = true;
        text = rest;
        if text.is_empty() {
            return Ok(());
        }
    }
    while !text.is_empty() && fields.bytes < 16 {
        text = fields.next(reader, text)?;
    }
    if !text.is_empty() {
        return reader.refuse("trailing garbage after address", Some(text));
    }
    match (fields.bytes < 16, fields.has_gap) {
        (true, false) => reader.refuse("address string too short", None),
        (false, true) => reader.refuse("the :: must expand to at least one field of zeros", None),
        _ => Ok(()),
    }
}

/// The fields that have been read.
#[derive(Default)]
struct Fields {
    bytes: usize,
    /// Whether two colons have stood for fields of zeros.
    has_gap: bool,
}

impl Fields {
    /// Reads a field and the colons behind it; what follows.
    fn next<'t>(&mut self, reader: &Reader<'_>, text: &'t str) -> Result<&'t str, Wrong> {
        let rest = &text[field(reader, text)?..];
        if rest.starts_with('.') {
            if !self.has_gap && self.bytes != 12 {
                let words = "embedded IPv4 address must replace the final 2 fields of the address";
                return reader.refuse(words, Some(text));
            }
            if self.bytes + 4 > 16 {
                let words = "too many hex fields to fit an embedded IPv4 at the end of the address";
                return reader.refuse(words, Some(text));
            }
            four(reader, text)?;
            self.bytes += 4;
            return Ok("");
        }
        self.bytes += 2;
        if rest.is_empty() {
            return Ok("");
        }
        let Some(after) = rest.strip_prefix(':') else {
            return reader.refuse("unexpected character, want colon", Some(rest));
        };
        if after.is_empty() {
            return reader.refuse("colon must be followed by more characters", Some(rest));
        }
        let Some(behind) = after.strip_prefix(':') else {
            return Ok(after);
        };
        if self.has_gap {
            return reader.refuse("multiple :: in address", Some(after));
        }
        self.has_gap = true;
        Ok(behind)
    }
}

/// How many hexadecimal digits a field has.
fn field(reader: &Reader<'_>, text: &str) -> Result<usize, Wrong> {
    let digits = text.bytes().take_while(u8::is_ascii_hexdigit).count();
    if digits > 4 {
        let words = "each group must have 4 or less digits";
        return reader.refuse(words, Some(text));
    }
    if digits == 0 {
        let words = "each colon-separated field must have at least one digit";
        return reader.refuse(words, Some(text));
    }
    Ok(digits)
}
