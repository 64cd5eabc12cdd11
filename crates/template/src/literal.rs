//! Go's literals: numbers, characters and quoted strings, read and written as `strconv` does.
//!
//! It must not know templates or values.

use crate::ast::Number;

/// The bytes that a quoted string stands for; `None` when it is malformed.
pub(crate) fn unquote(text: &str) -> Option<Vec<u8>> {
    let mut letters = text.chars();
    let (open, close) = (letters.next()?, letters.next_back()?);
    if open != close {
        return None;
    }
    let inside = letters.as_str();
    match open {
        '`' => Some(inside.replace('\r', "").into_bytes()),
        '"' => unescape(inside, '"'),
        _ => None,
    }
}

fn unescape(text: &str, quote: char) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        rest = &rest[letter.len_utf8()..];
        if letter == quote || letter == '\n' {
            return None;
        }
        if letter == '\\' {
            match escape(&mut rest, quote)? {
                Escaped::Byte(byte) => bytes.push(byte),
                Escaped::Letter(letter) => {
                    bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                }
            }
        } else {
            bytes.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    Some(bytes)
}

enum Escaped {
    Byte(u8),
    Letter(char),
}

fn escape(rest: &mut &str, quote: char) -> Option<Escaped> {
    let kind = rest.chars().next()?;
    *rest = &rest[kind.len_utf8()..];
    let mut digits = |count: usize, radix: u32| {
        let text = rest.get(..count)?;
        if !text.chars().all(|digit| digit.is_digit(radix)) {
            return None;
        }
        *rest = &rest[count..];
        u32::from_str_radix(text, radix).ok()
    };
    Some(match kind {
        'a' => Escaped::Byte(7),
        'b' => Escaped::Byte(8),
        'f' => Escaped::Byte(12),
        'n' => Escaped::Byte(b'\n'),
        'r' => Escaped::Byte(b'\r'),
        't' => Escaped::Byte(b'\t'),
        'v' => Escaped::Byte(11),
        '\\' => Escaped::Byte(b'\\'),
        '\'' | '"' if kind == quote => Escaped::Letter(kind),
        'x' => Escaped::Byte(u8::try_from(digits(2, 16)?).ok()?),
        'u' => Escaped::Letter(char::from_u32(digits(4, 16)?)?),
        'U' => Escaped::Letter(char::from_u32(digits(8, 16)?)?),
        '0'..='7' => {
            let high = kind.to_digit(8)?;
            Escaped::Byte(u8::try_from(high * 64 + digits(2, 8)?).ok()?)
        }
        _ => return None,
    })
}

/// What a character constant such as `'a'` is as a number.
pub(crate) fn character(text: &str) -> Option<Number> {
    let inside = text.strip_prefix('\'')?.strip_suffix('\'')?;
    let mut letters = inside.chars();
    let code = match letters.next()? {
        '\\' => {
            let mut rest = letters.as_str();
            let escaped = escape(&mut rest, '\'')?;
            if !rest.is_empty() {
                return None;
            }
            match escaped {
                Escaped::Byte(byte) => u32::from(byte),
                Escaped::Letter(letter) => u32::from(letter),
            }
        }
        letter if letters.as_str().is_empty() => u32::from(letter),
        _ => return None,
    };
    Some(Number {
        integer: Some(i64::from(code)),
        unsigned: Some(u64::from(code)),
        float: Some(f64::from(code)),
        reads_as_float: false,
    })
}

/// What a number literal stands for.
pub(crate) fn number(text: &str) -> Result<Number, String> {
    let bad = || format!("bad number syntax: {text:?}");
    if text.ends_with('i') {
        return Err(format!("complex numbers are not supported: {text:?}"));
    }
    let is_hex = {
        let digits = text.trim_start_matches(['+', '-']);
        digits.starts_with("0x") || digits.starts_with("0X")
    };
    let reads_as_float = if is_hex {
        text.contains(['p', 'P'])
    } else {
        text.contains(['.', 'e', 'E', 'p', 'P'])
    };
    let mut integer = parse_int(text);
    let mut unsigned = parse_uint(text);
    #[expect(clippy::cast_precision_loss, reason = "as Go converts")]
    let float = match (integer, unsigned) {
        (Some(number), _) => number as f64,
        (None, Some(number)) => number as f64,
        (None, None) => {
            let number = parse_float(text).ok_or_else(bad)?;
            if !text.contains(['.', 'e', 'E', 'p', 'P']) {
                return Err(format!("integer overflow: {text:?}"));
            }
            integer = whole(number);
            unsigned = integer.and_then(|number| u64::try_from(number).ok());
            number
        }
    };
    Ok(Number {
        integer,
        unsigned,
        float: Some(float),
        reads_as_float,
    })
}

/// The integer that a float is, where it is one.
fn whole(number: f64) -> Option<i64> {
    let limit = 9_223_372_036_854_775_807.0_f64;
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    let converted = number as i64;
    (number.fract() == 0.0 && number.abs() < limit).then_some(converted)
}

/// `strconv.ParseInt(text, 0, 64)`.
pub(crate) fn parse_int(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let magnitude = parse_uint(digits)?;
    if negative {
        0i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    }
}

/// `strconv.ParseUint(text, 0, 64)`.
pub(crate) fn parse_uint(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if digits.contains('_') && !underscores_fit(&lower) {
        return None;
    }
    let plain = digits.replace('_', "");
    if plain.is_empty() || plain.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(&plain, radix).ok()
}

/// Whether every underscore stands between digits, or between a prefix and a digit.
pub(crate) fn underscores_fit(text: &str) -> bool {
    let text = text.trim_start_matches(['+', '-']);
    let bytes = text.as_bytes();
    let (body, after_prefix) = match bytes {
        [b'0', b'x' | b'b' | b'o', ..] => (&bytes[2..], true),
        _ => (bytes, false),
    };
    let hex = bytes.starts_with(b"0x");
    let mut previous = if after_prefix { b'0' } else { b'^' };
    for &byte in body {
        let is_digit = byte.is_ascii_digit() || hex && byte.is_ascii_hexdigit();
        if byte == b'_' {
            if previous != b'0' {
                return false;
            }
            previous = b'_';
        } else if is_digit {
            previous = b'0';
        } else {
            if previous == b'_' {
                return false;
            }
            previous = b'!';
        }
    }
    previous != b'_'
}

/// `strconv.ParseFloat(text, 64)`; `None` for what is no number or out of range.
pub(crate) fn parse_float(text: &str) -> Option<f64> {
    let lower = text.to_ascii_lowercase();
    let unsigned = lower.trim_start_matches(['+', '-']);
    if unsigned.len() + 1 < lower.len() {
        return None;
    }
    match unsigned {
        "inf" | "infinity" => {
            let sign = if lower.starts_with('-') { -1.0 } else { 1.0 };
            return Some(sign * f64::INFINITY);
        }
        "nan" => return (unsigned.len() == lower.len()).then_some(f64::NAN),
        _ => {}
    }
    if unsigned.starts_with("0x") {
        return parse_hex_float(&lower);
    }
    if lower.contains('_')
        || !unsigned
            .bytes()
            .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'+' | b'-'))
    {
        return None;
    }
    let number: f64 = lower.parse().ok()?;
    number.is_finite().then_some(number)
}

fn parse_hex_float(text: &str) -> Option<f64> {
    let negative = text.starts_with('-');
    let digits = text.trim_start_matches(['+', '-']).strip_prefix("0x")?;
    let (mantissa, exponent) = digits.split_once('p')?;
    let exponent: i32 = exponent.parse().ok()?;
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut number = 0.0_f64;
    for digit in whole.chars() {
        number = number * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let mut scale = 1.0 / 16.0;
    for digit in fraction.chars() {
        number += f64::from(digit.to_digit(16)?) * scale;
        scale /= 16.0;
    }
    let number = number * 2f64.powi(exponent.clamp(-2000, 2000));
    Some(if negative { -number } else { number })
}
