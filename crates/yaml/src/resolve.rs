//! What a scalar means: the rules of `go-yaml` v2 and v3, which differ in words for booleans, in
//! timestamps and in some octal numbers.

use holdfast_model::base64;

use crate::error::Error;
use crate::node::{Node, NodeValue, Style};
use crate::number::{Integer, looks_like_float, parse_float, parse_integer};

/// Whose rules say what a plain scalar means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// `go-yaml` v2: what Helm, kubectl and `sigs.k8s.io/yaml` read by. `yes` is a boolean.
    V2,
    /// `go-yaml` v3: what Kustomize reads resources by. `yes` is a text.
    V3,
}

/// The meaning of a scalar.
#[derive(Clone, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// An integer that fits 64 bits with a sign.
    Int(i64),
    /// An integer above that.
    Uint(u64),
    /// A number with a fraction or exponent, or an integer above 64 bits.
    Float(f64),
    /// A text.
    Str(&'a str),
    /// A moment, by v3 as RFC 3339 with nanoseconds; by v2 it is the text that was written.
    Timestamp(String),
    /// `!!binary`, decoded.
    Binary(Vec<u8>),
    /// `<<`, the key that merges.
    Merge,
}

/// The meaning of a scalar node.
///
/// # Errors
/// A tag that the text does not fit, and nodes that are no scalars.
pub fn resolve(node: &Node, rules: Rules) -> Result<Scalar<'_>, Error> {
    let NodeValue::Scalar(text) = &node.value else {
        return Err(Error::new(node.line, node.column, "expected a scalar"));
    };
    let tag = match node.tag.as_deref() {
        Some("!") if rules == Rules::V2 => return Ok(Scalar::Str(text)),
        Some("!") | None if node.style != Style::Plain => return Ok(Scalar::Str(text)),
        Some("!") | None => return Ok(resolve_plain(text, rules)),
        Some(tag) => tag,
    };
    let refuse = || {
        let message = format!("the scalar does not fit its tag `{tag}`");
        Err(Error::new(node.line, node.column, message))
    };
    let meaning = || match resolve_plain(text, rules) {
        // An explicit tag other than the timestamp's own rules the timestamp out.
        Scalar::Timestamp(_) if tag != "!!timestamp" => Scalar::Str(text),
        meaning => meaning,
    };
    match (tag, meaning()) {
        ("!!str", _) => Ok(Scalar::Str(text)),
        ("!!binary", _) => match base64::decode(text) {
            Some(bytes) => Ok(Scalar::Binary(bytes)),
            None => refuse(),
        },
        ("!!null", Scalar::Null) => Ok(Scalar::Null),
        ("!!bool", Scalar::Bool(truth)) => Ok(Scalar::Bool(truth)),
        ("!!int", Scalar::Int(number)) => Ok(Scalar::Int(number)),
        ("!!int", Scalar::Uint(number)) => Ok(Scalar::Uint(number)),
        ("!!float", Scalar::Float(number)) => Ok(Scalar::Float(number)),
        ("!!float", Scalar::Int(number)) => Ok(Scalar::Float(number as f64)),
        ("!!timestamp", Scalar::Timestamp(moment)) => Ok(Scalar::Timestamp(moment)),
        ("!!merge", Scalar::Merge) => Ok(Scalar::Merge),
        ("!!null" | "!!bool" | "!!int" | "!!float" | "!!timestamp", _) => refuse(),
        _ => Ok(Scalar::Str(text)),
    }
}

/// The meaning of a plain scalar without a tag.
pub fn resolve_plain(text: &str, rules: Rules) -> Scalar<'_> {
    let Some(first) = text.bytes().next() else {
        return Scalar::Null;
    };
    match first {
        b'0'..=b'9' | b'+' | b'-' | b'.' => resolve_number(text, first, rules),
        b'~' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'y' | b'Y' | b'o' | b'O' => {
            resolve_word(text, rules)
        }
        b'<' if text == "<<" => Scalar::Merge,
        _ => Scalar::Str(text),
    }
}

fn resolve_word(text: &str, rules: Rules) -> Scalar<'_> {
    match text {
        "~" | "null" | "Null" | "NULL" => Scalar::Null,
        "true" | "True" | "TRUE" => Scalar::Bool(true),
        "false" | "False" | "FALSE" => Scalar::Bool(false),
        text if rules == Rules::V2 => match old_bool(text) {
            Some(truth) => Scalar::Bool(truth),
            None => Scalar::Str(text),
        },
        text => Scalar::Str(text),
    }
}

/// The words for booleans that YAML 1.1 has beyond `true` and `false`.
pub(crate) fn old_bool(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

fn resolve_number(text: &str, first: u8, rules: Rules) -> Scalar<'_> {
    match text {
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Scalar::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        _ => {}
    }
    if first == b'.' {
        // Go's parser takes underscores between digits by itself.
        let between = |at: usize| {
            let digit = |at: usize| text.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
            digit(at.wrapping_sub(1)) && digit(at + 1)
        };
        let separated = text.match_indices('_').all(|(at, _)| between(at));
        let digits = text.replace('_', "");
        return match parse_float(&digits).filter(|_| separated) {
            Some(number) => Scalar::Float(number),
            None => Scalar::Str(text),
        };
    }
    if let Some(moment) = parse_timestamp(text) {
        return Scalar::Timestamp(moment);
    }
    let without;
    let digits = if text.contains('_') {
        without = text.replace('_', "");
        &without
    } else {
        text
    };
    match parse_integer(digits) {
        Some(Integer::Signed(number)) => return Scalar::Int(number),
        Some(Integer::Unsigned(number)) => return Scalar::Uint(number),
        None => {}
    }
    if looks_like_float(digits)
        && let Some(number) = parse_float(digits)
    {
        return Scalar::Float(number);
    }
    // `0b` and `0o` with another sign behind the prefix is what Go's fallback takes as well.
    let behind = |prefix: &str, radix| {
        let rest = digits.strip_prefix(prefix)?;
        let signed = rest.starts_with(['+', '-']);
        signed
            .then(|| i64::from_str_radix(rest, radix).ok())
            .flatten()
    };
    let octal = || (rules == Rules::V3).then(|| behind("0o", 8)).flatten();
    match behind("0b", 2).or_else(octal) {
        Some(number) => Scalar::Int(number),
        None => Scalar::Str(text),
    }
}

/// Reads a timestamp in one of the four forms that Go takes and writes it as RFC 3339.
fn parse_timestamp(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    if bytes.len() < 8 || bytes[4] != b'-' || !bytes[..4].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let mut rest = &text[5..];
    let year: u32 = text[..4].parse().ok()?;
    let month = take_number(&mut rest)?;
    rest = rest.strip_prefix('-')?;
    let day = take_number(&mut rest)?;
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    if rest.is_empty() {
        return Some(format!("{date}T00:00:00Z"));
    }
    let separator = rest.chars().next()?;
    if !matches!(separator, 'T' | 't' | ' ') {
        return None;
    }
    rest = &rest[1..];
    let hour = take_number(&mut rest)?;
    rest = rest.strip_prefix(':')?;
    let minute = take_number(&mut rest)?;
    rest = rest.strip_prefix(':')?;
    let second = take_number(&mut rest)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let fraction = take_fraction(&mut rest)?;
    let zone = match separator {
        ' ' => rest.is_empty().then(|| "Z".to_owned())?,
        _ => zone(rest)?,
    };
    Some(format!(
        "{date}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}"
    ))
}

fn take_number(rest: &mut &str) -> Option<u32> {
    let count = rest.bytes().take(2).take_while(u8::is_ascii_digit).count();
    let number = rest.get(..count)?.parse().ok()?;
    *rest = &rest[count..];
    Some(number)
}

fn take_fraction(rest: &mut &str) -> Option<String> {
    let Some(digits) = rest.strip_prefix(['.', ',']) else {
        return Some(String::new());
    };
    let count = digits.bytes().take_while(u8::is_ascii_digit).count();
    if count == 0 {
        return None;
    }
    *rest = &digits[count..];
    let kept = digits[..count.min(9)].trim_end_matches('0');
    Some(if kept.is_empty() {
        String::new()
    } else {
        format!(".{kept}")
    })
}

fn zone(text: &str) -> Option<String> {
    if text == "Z" {
        return Some("Z".to_owned());
    }
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes[at].is_ascii_digit();
    if bytes.len() != 6
        || !matches!(bytes[0], b'+' | b'-')
        || bytes[3] != b':'
        || ![1, 2, 4, 5].into_iter().all(digit)
    {
        return None;
    }
    let (hours, minutes): (u32, u32) = (text[1..3].parse().ok()?, text[4..].parse().ok()?);
    if hours > 24 || minutes > 60 {
        return None;
    }
    Some(if hours == 0 && minutes == 0 {
        "Z".to_owned()
    } else {
        text.to_owned()
    })
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}
