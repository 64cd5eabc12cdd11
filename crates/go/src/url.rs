//! Addresses as `net/url` reads, joins and writes them. It must not open any.

use crate::ip;
use crate::quote::quoted;

/// The pieces of an address without its fragment, each as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// In lower case; empty for a relative address.
    pub scheme: String,
    /// What follows the scheme where that is no place.
    pub opaque: String,
    /// The part before `@`.
    pub user: Option<String>,
    /// With its port.
    pub host: String,
    /// The path.
    pub path: String,
    /// What follows `?`.
    pub query: Option<String>,
    /// Whether a slash alone follows the scheme.
    pub omits_host: bool,
}

impl Address {
    /// Reads an address. A fragment is read and dropped.
    ///
    /// # Errors
    /// Go's words, which quote the text.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let (before, fragment) = text.split_once('#').unwrap_or((text, ""));
        let address = Self::parse_part(before).map_err(|problem| Refused {
            text: before.to_owned(),
            problem,
        })?;
        match unescape(fragment) {
            Ok(_) => Ok(address),
            Err(problem) => Err(Refused {
                text: text.to_owned(),
                problem,
            }),
        }
    }

    fn parse_part(text: &str) -> Result<Self, String> {
        if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let mut address = Self::default();
        if text == "*" {
            text.clone_into(&mut address.path);
            return Ok(address);
        }
        let (scheme, rest) = split_scheme(text)?;
        address.scheme = scheme.to_ascii_lowercase();
        let (mut rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query.to_owned())),
            None => (rest, None),
        };
        address.query = query;
        if !rest.starts_with('/') {
            if !address.scheme.is_empty() {
                rest.clone_into(&mut address.opaque);
                return Ok(address);
            }
            let first = rest.split('/').next().unwrap_or_default();
            if first.contains(':') {
                return Err("first path segment in URL cannot contain colon".to_owned());
            }
        }
        let is_absolute = !address.scheme.is_empty();
        if rest.starts_with("//") && (is_absolute || !rest.starts_with("///")) {
            let after = &rest[2..];
            let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
            address.read_authority(authority)?;
            rest = path;
        } else if is_absolute && rest.starts_with('/') {
            address.omits_host = true;
        }
        unescape(rest)?;
        rest.clone_into(&mut address.path);
        Ok(address)
    }

    fn read_authority(&mut self, authority: &str) -> Result<(), String> {
        let host = match authority.rsplit_once('@') {
            Some((user, host)) => {
                if !user.chars().all(is_of_user) {
                    return Err("net/url: invalid userinfo".to_owned());
                }
                unescape(user)?;
                self.user = Some(user.to_owned());
                host
            }
            None => authority,
        };
        check_host(&self.scheme, host)?;
        host.clone_into(&mut self.host);
        Ok(())
    }

    /// The host without its port and brackets.
    pub fn host_name(&self) -> &str {
        if let Some(inside) = self.host.strip_prefix('[') {
            return inside.rfind(']').map_or(inside, |end| &inside[..end]);
        }
        match self.host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => &self.host,
        }
    }

    /// What `reference` means where this is the base.
    pub fn resolve(&self, reference: &Self) -> Self {
        let mut address = reference.clone();
        if !reference.scheme.is_empty() || !reference.host.is_empty() || reference.user.is_some() {
            if reference.scheme.is_empty() {
                address.scheme.clone_from(&self.scheme);
            }
            address.path = resolved_path(&reference.path, "");
            return address;
        }
        address.scheme.clone_from(&self.scheme);
        if reference.path.is_empty() && reference.query.is_none() {
            address.query.clone_from(&self.query);
        }
        if !self.opaque.is_empty() {
            // A name without a place has no parts that a relative address could replace.
            address.opaque.clone_from(&self.opaque);
            address.path.clear();
            return address;
        }
        address.host.clone_from(&self.host);
        address.user.clone_from(&self.user);
        address.omits_host = self.omits_host;
        address.path = resolved_path(&self.path, &reference.path);
        address
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = String::new();
        if !self.scheme.is_empty() {
            out.push_str(&self.scheme);
            out.push(':');
        }
        let has_authority = !self.host.is_empty() || self.user.is_some();
        if !self.opaque.is_empty() {
            out.push_str(&self.opaque);
        } else {
            if has_authority || !self.omits_host && !self.scheme.is_empty() && !self.path.is_empty()
            {
                out.push_str("//");
            }
            if let Some(user) = &self.user {
                out.push_str(user);
                out.push('@');
            }
            out.push_str(&self.host);
            let path = escaped_path(&self.path);
            if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
                out.push('/');
            }
            // A colon in the first part of a path would read as a scheme.
            let first = path.split('/').next().unwrap_or_default();
            if out.is_empty() && first.contains(':') {
                out.push_str("./");
            }
            out.push_str(&path);
        }
        if let Some(query) = &self.query {
            out.push('?');
            out.push_str(query);
        }
        formatter.write_str(&out)
    }
}

/// Why a text is no address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    text: String,
    /// In Go's words, which may quote a part of the text.
    problem: String,
}

impl Refused {
    /// What is wrong without what it quotes.
    pub fn kind(&self) -> &str {
        if self.problem.starts_with("invalid host: ") {
            return "invalid host";
        }
        match self.problem.split('"').next().map(str::trim_end) {
            Some("invalid port") => "invalid port after host",
            Some("invalid character") => "invalid character in host name",
            Some(problem) => problem,
            None => &self.problem,
        }
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "parse {}: {}", quoted(&self.text), self.problem)
    }
}

fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok((&text[..index], &text[index + 1..])),
            _ => return Ok(("", text)),
        }
    }
    Ok(("", text))
}

fn is_of_user(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(letter)
}

/// Reads a host with a port. Only an IPv6 address may stand in brackets.
fn check_host(scheme: &str, host: &str) -> Result<(), String> {
    let (inside, port) = match host.rfind('[') {
        Some(0) => match host.rfind(']') {
            Some(end) => (Some(&host[1..end]), &host[end + 1..]),
            None => return Err("missing ']' in host".to_owned()),
        },
        Some(_) => return Err("invalid IP-literal".to_owned()),
        None => {
            // Other schemes may have lists of hosts, each with a port.
            let port = match scheme {
                "http" | "https" => host.find(':'),
                _ => host.rfind(':'),
            };
            (None, port.map_or("", |at| &host[at..]))
        }
    };
    let digits = port.strip_prefix(':');
    let is_port = digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    if !port.is_empty() && !is_port {
        return Err(format!("invalid port {} after host", quoted(port)));
    }
    let Some(inside) = inside else {
        return check_host_letters(host);
    };
    let (name, zone) = match inside.find("%25") {
        Some(at) => inside.split_at(at),
        None => (inside, ""),
    };
    check_host_letters(name)?;
    let name = format!("{}{}", unescape(name)?, unescape(zone)?);
    match ip::parse(&name) {
        Err(wrong) => Err(format!("invalid host: {}", wrong.open)),
        Ok(ip::Kind::Four) => Err("invalid IP-literal".to_owned()),
        Ok(ip::Kind::Six) => Ok(()),
    }
}

fn check_host_letters(host: &str) -> Result<(), String> {
    unescape(host)?;
    // A host escapes nothing but letters beyond ASCII.
    for (at, _) in host.match_indices('%') {
        if host[at + 1..].starts_with(|digit: char| digit < '8') {
            let escape = host.get(at..at + 3).unwrap_or_default();
            return Err(format!("invalid URL escape {}", quoted(escape)));
        }
    }
    let is_of_host = |letter: &char| {
        !letter.is_ascii()
            || letter.is_ascii_alphanumeric()
            || "-_.~!$&'()*+,;=:[]<>\"%".contains(*letter)
    };
    match host.chars().find(|letter| !is_of_host(letter)) {
        Some(letter) => Err(format!(
            "invalid character {} in host name",
            quoted(&letter.to_string())
        )),
        None => Ok(()),
    }
}

/// A path without `.` and `..`, seen from the folder of another.
fn resolved_path(base: &str, reference: &str) -> String {
    let full = if reference.is_empty() {
        base.to_owned()
    } else if reference.starts_with('/') {
        reference.to_owned()
    } else {
        let folder = base.rfind('/').map_or("", |at| &base[..=at]);
        format!("{folder}{reference}")
    };
    if full.is_empty() {
        return full;
    }
    let mut kept: Vec<&str> = Vec::new();
    let mut last = "";
    for segment in full.strip_prefix('/').unwrap_or(&full).split('/') {
        last = segment;
        match segment {
            "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let mut path = format!("/{}", kept.join("/"));
    if matches!(last, "." | "..") && !path.ends_with('/') {
        path.push('/');
    }
    path
}

/// A path with what may not stand in one escaped.
fn escaped_path(path: &str) -> String {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:@/%[]".contains(&byte);
    escaped(path, is_plain)
}

/// A text with every byte escaped but those that are plain.
pub fn escaped(text: &str, is_plain: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_plain(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// A text without its percent escapes.
///
/// # Errors
/// Go's words for an escape that is none.
pub fn unescape(text: &str) -> Result<String, String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'%' {
            out.push(bytes[at]);
            at += 1;
            continue;
        }
        let digits = bytes.get(at + 1..at + 3).unwrap_or_default();
        let digits = std::str::from_utf8(digits).unwrap_or_default();
        let is_hex = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let Some(byte) = u8::from_str_radix(digits, 16).ok().filter(|_| is_hex) else {
            let shown = &bytes[at..bytes.len().min(at + 3)];
            let shown = String::from_utf8_lossy(shown);
            return Err(format!("invalid URL escape {}", quoted(&shown)));
        };
        out.push(byte);
        at += 3;
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// Which part of an address a text is, as that decides what is escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The path.
    Path,
    /// The host with its port.
    Host,
    /// A name or a password.
    User,
    /// What follows `#`.
    Fragment,
}

/// A text with what may not stand in a part of an address escaped.
pub fn escape(text: &str, part: Part) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let keeps = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => true,
            b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@' => match part {
                Part::Path => byte != b'?',
                Part::User => !matches!(byte, b'@' | b'/' | b'?' | b':'),
                Part::Host | Part::Fragment => true,
            },
            b'!' | b'(' | b')' | b'*' => matches!(part, Part::Host | Part::Fragment),
            b'\'' => part == Part::Host,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What `urlJoin` of Helm 4.3.1 writes.
    #[test]
    fn addresses_are_written_as_go_writes_them() {
        let address = |scheme: &str, host: &str, path: &str| Address {
            scheme: scheme.to_owned(),
            host: escape(host, Part::Host),
            path: escape(path, Part::Path),
            ..Address::default()
        };
        for (address, expected) in [
            (address("http", "h.com", "/a b"), "http://h.com/a%20b"),
            (address("http", "", "a"), "http://a"),
            (address("", "", "a:b/c"), "./a:b/c"),
            (address("", "h", "p"), "//h/p"),
            (address("file", "", "/x"), "file:///x"),
            (
                address("", "", "a*b!(c)?d#e%"),
                "a%2Ab%21%28c%29%3Fd%23e%25",
            ),
            (address("http", "[::1]:80", ""), "http://[::1]:80"),
        ] {
            assert_eq!(address.to_string(), expected);
        }
        assert_eq!(escape("f g!'()*", Part::Fragment), "f%20g!%27()*");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, kind) in [
            ("http://a b/c", "invalid character in host name"),
            ("http://h/%zz", "invalid URL escape"),
            ("http://%41/", "invalid URL escape"),
            ("http://h:x/", "invalid port after host"),
            (":x", "missing protocol scheme"),
        ] {
            let refused = Address::parse(text).expect_err(text);
            assert_eq!(refused.kind(), kind, "{text}");
        }
        for text in ["*", "", "mailto:x@y", "//h/p", "x?y", "file:///a/b"] {
            assert!(Address::parse(text).is_ok(), "{text}");
        }
    }
}
