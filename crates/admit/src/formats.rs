//! Formats and patterns of texts in schemas. What is not known fits. It must not know schemas.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use holdfast_go::regexp::{self, Regex};
use holdfast_model::base64;
use holdfast_model::time::Time;

/// The largest automaton that a pattern may need.
const MAX_PATTERN: usize = 1 << 20;

/// Reads a pattern.
///
/// # Errors
/// Why it is none.
pub(super) fn pattern(text: &str) -> Result<Regex, String> {
    regexp::compile(text, MAX_PATTERN).map_err(|error| error.to_string())
}

/// Whether a text is of a format.
pub(super) fn fits(text: &str, format: &str) -> bool {
    match format {
        "date-time" => Time::parse(text).is_some(),
        "date" => Time::parse(&format!("{text}T00:00:00Z")).is_some(),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => is_network(text),
        "mac" => is_mac(text),
        "uuid" => is_uuid(text),
        "byte" => base64::decode(text).is_some(),
        "email" => is_address(text),
        "duration" => is_span(text),
        "hostname" => is_host(text),
        "uri" => is_uri(text),
        _ => true,
    }
}

fn is_network(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else {
        return false;
    };
    let most = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    length.parse::<u8>().is_ok_and(|length| length <= most)
}

/// Six, eight or twenty bytes in pairs of digits with colons or dashes between them, or in fours
/// with dots.
fn is_mac(text: &str) -> bool {
    let is_made_of = |sign: char, size: usize| {
        let parts: Vec<&str> = text.split(sign).collect();
        let is_part =
            |part: &&str| part.len() == size && part.bytes().all(|digit| digit.is_ascii_hexdigit());
        matches!(parts.len() * size / 2, 6 | 8 | 20) && parts.iter().all(is_part)
    };
    is_made_of(':', 2) || is_made_of('-', 2) || is_made_of('.', 4)
}

/// Thirty-two digits, with or without dashes after the usual ones.
fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    let is_digits = text
        .bytes()
        .all(|digit| digit.is_ascii_hexdigit() || digit == b'-');
    is_digits && matches!(lengths.as_slice(), [8, 4, 4, 4, 12] | [32])
}

/// Units of spans of time; longer words may begin with the last one of a row.
const UNITS: [&[&str]; 8] = [
    &["ns", "nano"],
    &["us", "µs", "micro"],
    &["ms", "milli"],
    &["s", "sec"],
    &["m", "min"],
    &["h", "hr", "hour"],
    &["d", "day"],
    &["w", "wk", "week"],
];

/// A number with a unit somewhere, or nothing at all of time.
fn is_span(text: &str) -> bool {
    if matches!(text, "0" | "+0" | "-0") {
        return true;
    }
    let numbers = text.split(|letter: char| !letter.is_ascii_digit());
    let has_number = numbers.clone().any(|number| !number.is_empty());
    let words = text.split(|letter: char| !letter.is_alphabetic());
    let mut words = words.map(str::to_lowercase);
    has_number
        && words.any(|word| {
            UNITS.iter().any(|unit| {
                let longest = unit.last().is_some_and(|last| word.starts_with(last));
                longest || unit.contains(&word.as_str())
            })
        })
}

/// What is surely no name of a host is told.
fn is_host(text: &str) -> bool {
    let is_sign = |letter: char| !letter.is_ascii() || letter.is_ascii_alphanumeric();
    let is_label = |label: &str| label.len() <= 63;
    !text.is_empty()
        && text.len() <= 255
        && text
            .chars()
            .all(|letter| is_sign(letter) || ".-".contains(letter))
        && text.split('.').all(is_label)
}

/// A path, or something with a scheme.
fn is_uri(text: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "+.-".contains(letter);
    let is_scheme = |scheme: &str| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.chars().all(is_part)
    };
    let scheme = text.split_once(':').map(|(scheme, _)| scheme);
    text.starts_with('/') || scheme.is_some_and(is_scheme)
}

/// What is surely no address of mail is told; a name around it is allowed.
fn is_address(text: &str) -> bool {
    let plain = text.rsplit_once('<').map_or(text, |(_, rest)| rest);
    let plain = plain.trim_end_matches('>');
    plain
        .rsplit_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
}
