//! Formats of JSON Schema as Helm's validator checks them, with its words and Go's for what is wrong.
//!
//! It must not know schemas.

use holdfast_go::ip;
use holdfast_go::quote::quoted;
use holdfast_go::url::{Address, unescape};
use holdfast_template::compile_regex;

use super::expressions;
use super::problem::quoted_letter;
use super::times;

/// A format and its check.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    /// Its name.
    pub(super) name: &'static str,
    /// Whether a text has it.
    pub(super) check: fn(&str) -> Result<(), Wrong>,
}

/// Why a text does not have a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// In the words of the library and of Go, which quote the text or parts of it.
    pub(super) open: String,
    /// Without what comes from the text.
    pub(super) safe: String,
}

impl From<ip::Wrong> for Wrong {
    fn from(wrong: ip::Wrong) -> Self {
        Self {
            open: wrong.open,
            safe: wrong.safe,
        }
    }
}

/// Words that quote nothing.
pub(super) fn wrong<T>(words: &str) -> Result<T, Wrong> {
    quoting(words.to_owned(), words)
}

/// Words that quote something, and the same without that.
pub(super) fn quoting<T>(open: String, safe: &str) -> Result<T, Wrong> {
    Err(Wrong {
        open,
        safe: safe.to_owned(),
    })
}

/// Puts words before those of a part of a text.
pub(super) fn within<T>(outcome: Result<T, Wrong>, words: &str) -> Result<T, Wrong> {
    outcome.map_err(|inner| Wrong {
        open: format!("{words}: {}", inner.open),
        safe: format!("{words}: {}", inner.safe),
    })
}

/// Words with the character that they are about, in Go's quotes.
fn character<T>(words: &str, letter: char, rest: &str) -> Result<T, Wrong> {
    let shown = quoted_letter(letter);
    quoting(format!("{words} {shown}{rest}"), &format!("{words}{rest}"))
}

/// The formats that are known; any other is a remark.
const FORMATS: [Format; 19] = [
    row("regex", is_regex),
    row("json-pointer", is_pointer),
    row("relative-json-pointer", is_relative_pointer),
    row("uuid", is_uuid),
    row("duration", times::is_duration),
    row("period", times::is_period),
    row("ipv4", is_ipv4),
    row("ipv6", is_ipv6),
    row("hostname", is_host_name),
    row("email", is_email),
    row("date", times::is_date),
    row("time", times::is_time),
    row("date-time", times::is_moment),
    row("uri", is_uri),
    row("iri", is_uri),
    row("uri-reference", is_uri_reference),
    row("iri-reference", is_uri_reference),
    row("uri-template", is_uri_template),
    row("semver", is_semver),
];

const fn row(name: &'static str, check: fn(&str) -> Result<(), Wrong>) -> Format {
    Format { name, check }
}

/// The format of a name.
pub(super) fn format(name: &str) -> Option<Format> {
    FORMATS.into_iter().find(|format| format.name == name)
}

fn is_regex(text: &str) -> Result<(), Wrong> {
    match compile_regex(text) {
        Some(_) => Ok(()),
        None => quoting(expressions::problem_of(text), "error parsing regexp"),
    }
}

fn is_pointer(text: &str) -> Result<(), Wrong> {
    if text.is_empty() {
        return Ok(());
    }
    let Some(tokens) = text.strip_prefix('/') else {
        return wrong("not starting with /");
    };
    for token in tokens.split('/') {
        let mut escapes = token.split('~').skip(1);
        if escapes.any(|rest| !rest.starts_with(['0', '1'])) {
            return wrong("~ must be followed by 0 or 1");
        }
    }
    Ok(())
}

fn is_relative_pointer(text: &str) -> Result<(), Wrong> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    if digits == 0 {
        return wrong("must start with non-negative integer");
    }
    if digits > 1 && text.starts_with('0') {
        return wrong("starts with zero");
    }
    match &text[digits..] {
        "#" => Ok(()),
        pointer => is_pointer(pointer),
    }
}

fn is_uuid(text: &str) -> Result<(), Wrong> {
    const SIZES: [usize; 5] = [8, 4, 4, 4, 12];
    let groups: Vec<&str> = text.split('-').collect();
    if groups.len() != SIZES.len() {
        return wrong("must have 5 elements");
    }
    for (index, (group, size)) in groups.iter().zip(SIZES).enumerate() {
        if group.len() != size {
            return wrong(&format!(
                "element {} must be {size} characters long",
                index + 1
            ));
        }
        if let Some(letter) = group.chars().find(|letter| !letter.is_ascii_hexdigit()) {
            return character("non-hex character", letter, "");
        }
    }
    Ok(())
}

/// A whole number as `strconv.Atoi` reads it.
pub(super) fn whole_number(text: &str) -> Result<i64, Wrong> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let problem = match text.parse() {
        Ok(number) => return Ok(number),
        Err(_) if digits.is_empty() || digits.bytes().any(|byte| !byte.is_ascii_digit()) => {
            "invalid syntax"
        }
        Err(_) => "value out of range",
    };
    quoting(
        format!("strconv.Atoi: parsing {}: {problem}", quoted(text)),
        problem,
    )
}

fn is_ipv4(text: &str) -> Result<(), Wrong> {
    let groups: Vec<&str> = text.split('.').collect();
    if groups.len() != 4 {
        return wrong("expected four decimals");
    }
    for group in groups {
        if group.len() > 1 && group.starts_with('0') {
            return wrong("leading zeros");
        }
        if !(0..=255).contains(&whole_number(group)?) {
            return wrong("decimal must be between 0 and 255");
        }
    }
    Ok(())
}

fn is_ipv6(text: &str) -> Result<(), Wrong> {
    if !text.contains(':') {
        return wrong("missing colon");
    }
    ip::parse(text)?;
    if text.contains('%') {
        return wrong("zone id is not a part of ipv6 address");
    }
    Ok(())
}

fn is_host_name(text: &str) -> Result<(), Wrong> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.len() > 253 {
        return wrong("more than 253 characters long");
    }
    for label in text.split('.') {
        if !(1..=63).contains(&label.len()) {
            return wrong("label must be 1 to 63 characters long");
        }
        if label.starts_with('-') {
            return wrong("label starts with hyphen");
        }
        if label.ends_with('-') {
            return wrong("label ends with hyphen");
        }
        let is_allowed = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '-';
        if let Some(letter) = label.chars().find(|letter| !is_allowed(letter)) {
            return character("invalid character", letter, "");
        }
    }
    Ok(())
}

fn is_email(text: &str) -> Result<(), Wrong> {
    if text.len() > 254 {
        return wrong("more than 255 characters long");
    }
    let Some((local, domain)) = text.rsplit_once('@') else {
        return wrong("missing @");
    };
    if local.len() > 64 {
        return wrong("local part more than 64 characters long");
    }
    let inside = local.strip_prefix('"');
    match inside.and_then(|rest| rest.strip_suffix('"')) {
        Some(inside) => {
            if inside.contains(['\\', '"']) {
                return wrong("backslash and quote are not allowed within quoted local part");
            }
        }
        None => is_plain_local(local)?,
    }
    let literal = domain.strip_prefix('[');
    match literal.and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => match address.strip_prefix("IPv6:") {
            Some(address) => within(is_ipv6(address), "invalid ipv6 address"),
            None => within(is_ipv4(address), "invalid ipv4 address"),
        },
        None => within(is_host_name(domain), "invalid domain"),
    }
}

fn is_plain_local(local: &str) -> Result<(), Wrong> {
    if local.starts_with('.') {
        return wrong("starts with dot");
    }
    if local.ends_with('.') {
        return wrong("ends with dot");
    }
    if local.contains("..") {
        return wrong("consecutive dots");
    }
    let is_allowed =
        |letter: &char| letter.is_ascii_alphanumeric() || ".!#$%&'*+-/=?^_`{|}~".contains(*letter);
    match local.chars().find(|letter| !is_allowed(letter)) {
        Some(letter) => character("invalid character", letter, ""),
        None => Ok(()),
    }
}

fn address(text: &str) -> Result<Address, Wrong> {
    let address = Address::parse(text).map_err(|refused| Wrong {
        open: refused.to_string(),
        safe: refused.kind().to_owned(),
    })?;
    let name = address.host_name();
    if name.contains(':') {
        if !address.host.contains('[') || !address.host.contains(']') {
            return wrong("ipv6 address not enclosed in brackets");
        }
        within(is_ipv6(name), "invalid ipv6 address")?;
    }
    Ok(address)
}

fn is_uri(text: &str) -> Result<(), Wrong> {
    match address(text)?.scheme.is_empty() {
        true => wrong("relative url"),
        false => Ok(()),
    }
}

fn is_uri_reference(text: &str) -> Result<(), Wrong> {
    if text.contains('\\') {
        return wrong("contains \\");
    }
    address(text).map(|_| ())
}

fn is_uri_template(text: &str) -> Result<(), Wrong> {
    // Only the path is looked at, and all of it is escaped well, or it would be no address.
    for segment in address(text)?.path.split('/') {
        let segment = unescape(segment).unwrap_or_default();
        let mut is_open = false;
        for brace in segment.chars().filter(|letter| matches!(letter, '{' | '}')) {
            if (brace == '{') == is_open {
                return wrong("nested curly braces");
            }
            is_open = !is_open;
        }
        if is_open {
            return wrong("no matching closing brace");
        }
    }
    Ok(())
}

fn is_semver(text: &str) -> Result<(), Wrong> {
    let is_of_name = |letter: &char| letter.is_ascii_alphanumeric() || *letter == '-';
    let (text, build) = match text.split_once('+') {
        Some((text, build)) => (text, Some(build)),
        None => (text, None),
    };
    if build == Some("") {
        return wrong("build is empty");
    }
    for name in build.iter().flat_map(|build| build.split('.')) {
        if name.is_empty() {
            return wrong("build identifier is empty");
        }
        if let Some(letter) = name.chars().find(|letter| !is_of_name(letter)) {
            return character("invalid character", letter, " in build identifier");
        }
    }
    let (core, before) = match text.split_once('-') {
        Some((core, before)) => (core, Some(before)),
        None => (text, None),
    };
    for name in before.iter().flat_map(|before| before.split('.')) {
        if name.is_empty() {
            return wrong("pre-release identifier is empty");
        }
        if let Some(letter) = name.chars().find(|letter| !is_of_name(letter)) {
            return character("invalid character", letter, " in pre-release identifier");
        }
        let is_number = name.bytes().all(|byte| byte.is_ascii_digit());
        if is_number && name.len() > 1 && name.starts_with('0') {
            return wrong("pre-release numeric identifier starts with zero");
        }
    }
    is_version_core(core)
}

fn is_version_core(core: &str) -> Result<(), Wrong> {
    let numbers: Vec<&str> = core.split('.').collect();
    if numbers.len() != 3 {
        return wrong("versionCore must have 3 numbers separated by dot");
    }
    for (number, name) in numbers.into_iter().zip(["major", "minor", "patch"]) {
        if number.is_empty() {
            return wrong(&format!("{name} is empty"));
        }
        if number.len() > 1 && number.starts_with('0') {
            return wrong(&format!("{name} starts with zero"));
        }
        if number.bytes().any(|byte| !byte.is_ascii_digit()) {
            return wrong(&format!("{name} contains non-digit"));
        }
    }
    Ok(())
}
