//! `urlParse` and `urlJoin` as Go's `net/url` reads and writes addresses.
//!
//! It must not open any address.

use super::arguments::{map, text};
use crate::error::Error;
use crate::exec::Outcome;
use crate::value::{Map, Value};

/// The pieces of an address.
#[derive(Default)]
struct Address {
    scheme: String,
    opaque: String,
    user: Option<String>,
    host: String,
    path: String,
    query: String,
    fragment: String,
}

/// Which part of an address a text is, as that decides what is escaped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Host,
    User,
    Fragment,
}

fn failure(problem: &str) -> Error {
    Error::execute(format!("unable to parse url: {problem}"))
}

fn unescape(text: &str) -> Result<String, Error> {
    let mut out = Vec::with_capacity(text.len());
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'%' {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        let digits = text.get(at + 1..at + 3);
        let byte = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(byte.ok_or_else(|| failure("invalid URL escape"))?);
        at += 3;
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

fn escape(text: &str, part: Part) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let keeps = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => true,
            b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@' => match part {
                Part::Path => byte != b'?',
                Part::User => !matches!(byte, b'@' | b'/' | b'?' | b':'),
                Part::Host | Part::Fragment => true,
            },
            b'!' | b'\'' | b'(' | b')' | b'*' => {
                part != Part::User && part != Part::Path || byte == b'!' && part == Part::Host
            }
            b'[' | b']' | b'<' | b'>' | b'"' => part == Part::Host,
            _ => false,
        };
        if keeps {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

fn split_scheme(text: &str) -> Result<(&str, &str), Error> {
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index == 0 => return Err(failure("missing protocol scheme")),
            b':' => return Ok((&text[..index], &text[index + 1..])),
            _ => return Ok(("", text)),
        }
    }
    Ok(("", text))
}

fn parse(text: &str) -> Result<Address, Error> {
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err(failure("net/url: invalid control character in URL"));
    }
    let (before, fragment) = text.split_once('#').unwrap_or((text, ""));
    let mut address = Address {
        fragment: unescape(fragment)?,
        ..Address::default()
    };
    if before == "*" {
        address.path = "*".to_owned();
        return Ok(address);
    }
    let (scheme, rest) = split_scheme(before)?;
    address.scheme = scheme.to_lowercase();
    let (mut rest, query) = match rest.split_once('?') {
        Some((rest, query)) => (rest, query),
        None => (rest, ""),
    };
    address.query = query.to_owned();
    if !rest.starts_with('/') {
        if !address.scheme.is_empty() {
            address.opaque = rest.to_owned();
            return Ok(address);
        }
        if rest
            .split('/')
            .next()
            .is_some_and(|first| first.contains(':'))
        {
            return Err(failure("first path segment in URL cannot contain colon"));
        }
    }
    let has_authority =
        rest.starts_with("//") && (!address.scheme.is_empty() || !rest.starts_with("///"));
    if has_authority {
        let after = &rest[2..];
        let end = after.find('/').unwrap_or(after.len());
        let (authority, path) = after.split_at(end);
        rest = path;
        let host = match authority.rfind('@') {
            Some(at) => {
                address.user = Some(read_user(&authority[..at])?);
                &authority[at + 1..]
            }
            None => authority,
        };
        check_host(host)?;
        address.host = unescape(host)?;
    }
    address.path = unescape(rest)?;
    Ok(address)
}

/// The user part, read and written again, so that equal ones look equal.
fn read_user(text: &str) -> Result<String, Error> {
    match text.split_once(':') {
        Some((name, password)) => Ok(format!(
            "{}:{}",
            escape(&unescape(name)?, Part::User),
            escape(&unescape(password)?, Part::User)
        )),
        None => Ok(escape(&unescape(text)?, Part::User)),
    }
}

fn check_host(host: &str) -> Result<(), Error> {
    if host.contains(' ') {
        return Err(failure("invalid character \" \" in host name"));
    }
    let port = match host.strip_prefix('[') {
        Some(inside) => match inside.rfind(']') {
            Some(end) => &inside[end + 1..],
            None => return Err(failure("missing ']' in host")),
        },
        None => host
            .find(':')
            .map_or("", |at| &host[host.rfind(':').unwrap_or(at)..]),
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    let is_port = port.is_empty()
        || port.starts_with(':') && digits.bytes().all(|byte| byte.is_ascii_digit());
    if is_port {
        Ok(())
    } else {
        Err(failure("invalid port after host"))
    }
}

/// The host without its port.
fn host_name(host: &str) -> &str {
    if let Some(inside) = host.strip_prefix('[') {
        return inside.rfind(']').map_or(inside, |end| &inside[..end]);
    }
    match host.rfind(':') {
        Some(at) if host[at + 1..].bytes().all(|byte| byte.is_ascii_digit()) => &host[..at],
        _ => host,
    }
}

pub(super) fn url_parse(arguments: &[Value]) -> Outcome {
    let address = parse(&text(arguments, 0))?;
    Ok(Value::map_of([
        ("scheme", Value::from(address.scheme)),
        ("host", Value::text(&address.host)),
        ("hostname", Value::text(host_name(&address.host))),
        ("path", Value::from(address.path)),
        ("query", Value::from(address.query)),
        ("opaque", Value::from(address.opaque)),
        ("fragment", Value::from(address.fragment)),
        ("userinfo", Value::from(address.user.unwrap_or_default())),
    ]))
}

fn entry(map: Option<&Map>, key: &str) -> Result<String, Error> {
    match map.and_then(|map| map.get(key)) {
        None => Ok(String::new()),
        Some(Value::Text(text)) => Ok(text.to_string()),
        Some(other) => Err(Error::execute(format!(
            "unable to parse {key} key, must be of type string, but {} found",
            other.kind()
        ))),
    }
}

pub(super) fn url_join(arguments: &[Value]) -> Outcome {
    let parts = map(arguments, 0);
    let address = Address {
        scheme: entry(parts, "scheme")?,
        opaque: entry(parts, "opaque")?,
        user: None,
        host: entry(parts, "host")?,
        path: entry(parts, "path")?,
        query: entry(parts, "query")?,
        fragment: entry(parts, "fragment")?,
    };
    let user = entry(parts, "userinfo")?;
    let user = if user.is_empty() {
        None
    } else {
        Some(read_user(&user)?)
    };
    Ok(Value::from(join(&Address { user, ..address })))
}

fn join(address: &Address) -> String {
    let mut out = String::new();
    if !address.scheme.is_empty() {
        out.push_str(&address.scheme);
        out.push(':');
    }
    if address.opaque.is_empty() {
        let has_authority = !address.host.is_empty() || address.user.is_some();
        let path = escape(&address.path, Part::Path);
        if has_authority || !address.scheme.is_empty() && address.path.starts_with('/') {
            if has_authority || address.path.starts_with("//") || address.path.starts_with('/') {
                out.push_str("//");
            }
            if let Some(user) = &address.user {
                out.push_str(user);
                out.push('@');
            }
            out.push_str(&escape(&address.host, Part::Host));
        }
        if !path.is_empty() && !path.starts_with('/') && !address.host.is_empty() {
            out.push('/');
        }
        // A colon in the first part of a path would read as a scheme.
        let first = path.split('/').next().unwrap_or_default();
        if out.is_empty() && first.contains(':') {
            out.push_str("./");
        }
        out.push_str(&path);
    } else {
        out.push_str(&address.opaque);
    }
    if !address.query.is_empty() {
        out.push('?');
        out.push_str(&address.query);
    }
    if !address.fragment.is_empty() {
        out.push('#');
        out.push_str(&escape(&address.fragment, Part::Fragment));
    }
    out
}
