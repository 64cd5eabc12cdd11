//! Formats of JSON Schema as Helm's validator checks them, which drafts up to 7 ask for.
//!
//! It must not know schemas. What is not here is checked as the schema library does it.

use std::net::{Ipv4Addr, Ipv6Addr};

use holdfast_template::{compile_regex, semver, url_scheme};

/// A format and its check.
pub(crate) type Format = (&'static str, fn(&str) -> bool);

/// The formats whose checks differ from the schema library's.
pub(crate) const FORMATS: [Format; 13] = [
    ("uuid", is_uuid),
    ("duration", is_duration),
    ("hostname", is_host_name),
    ("email", is_email),
    ("ipv4", is_ipv4),
    ("ipv6", is_ipv6),
    ("uri", is_uri),
    ("iri", is_uri),
    ("uri-reference", is_uri_reference),
    ("iri-reference", is_uri_reference),
    ("uri-template", is_uri_template),
    ("regex", is_regex),
    ("semver", is_semver),
];

fn is_regex(text: &str) -> bool {
    compile_regex(text).is_some()
}

fn is_uuid(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let sizes = [8, 4, 4, 4, 12];
    groups.len() == sizes.len()
        && groups.iter().zip(sizes).all(|(group, size)| {
            group.len() == size && group.bytes().all(|byte| byte.is_ascii_hexdigit())
        })
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_duration(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('P').filter(|rest| !rest.is_empty()) else {
        return false;
    };
    if let Some(weeks) = rest.strip_suffix('W') {
        return is_number(weeks);
    }
    let (days, times) = match rest.split_once('T') {
        Some((_, "")) => return false,
        Some((days, times)) => (days, times),
        None => (rest, ""),
    };
    has_units(days, "YMD") && has_units(times, "HMS")
}

/// Whether a text is numbers with units, each unit at most once and in this order.
fn has_units(text: &str, units: &str) -> bool {
    let mut units = units;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let Some(unit) = rest[digits..].chars().next() else {
            return false;
        };
        let Some(place) = units.find(unit) else {
            return false;
        };
        if digits == 0 {
            return false;
        }
        units = &units[place + 1..];
        rest = &rest[digits + unit.len_utf8()..];
    }
    true
}

fn is_host_name(text: &str) -> bool {
    let text = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    if text.len() > 254 || local.len() > 64 {
        return false;
    }
    let quoted = local
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let is_local = match quoted {
        Some(inside) => !inside.contains(['\\', '"']),
        None => {
            let is_plain = |letter: char| {
                letter.is_ascii_alphanumeric() || ".!#$%&'*+-/=?^_`{|}~".contains(letter)
            };
            !local.starts_with('.')
                && !local.ends_with('.')
                && !local.contains("..")
                && local.chars().all(is_plain)
        }
    };
    let literal = domain
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'));
    is_local
        && match literal {
            Some(address) => match address.strip_prefix("IPv6:") {
                Some(address) => is_ipv6(address),
                None => is_ipv4(address),
            },
            None => is_host_name(domain),
        }
}

fn is_ipv4(text: &str) -> bool {
    text.parse::<Ipv4Addr>().is_ok()
}

fn is_ipv6(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok()
}

fn is_uri(text: &str) -> bool {
    url_scheme(text).is_some_and(|scheme| !scheme.is_empty())
}

fn is_uri_reference(text: &str) -> bool {
    !text.contains('\\') && url_scheme(text).is_some()
}

fn is_uri_template(text: &str) -> bool {
    let mut depth = 0;
    let balanced = text.chars().all(|letter| {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        (0..=1).contains(&depth)
    });
    balanced && depth == 0
}

fn is_semver(text: &str) -> bool {
    let is_strict = text.starts_with(|letter: char| letter.is_ascii_digit())
        && text
            .split(['-', '+'])
            .next()
            .is_some_and(|numbers| numbers.split('.').count() == 3);
    is_strict && semver::Version::parse(text).is_ok()
}
