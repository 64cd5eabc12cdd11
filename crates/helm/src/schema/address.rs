//! Addresses of schemas as Go's `net/url` reads, joins and writes them, and pointers into documents.
//!
//! It must not know schemas, and opens no address.

use holdfast_template::quoted;

use super::ip;

/// The pieces of an address without its fragment, each as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Address {
    /// In lower case; empty for a relative address.
    pub(super) scheme: String,
    opaque: String,
    /// The part before `@`.
    user: Option<String>,
    /// With its port.
    pub(super) host: String,
    pub(super) path: String,
    query: Option<String>,
    /// Whether a slash alone follows the scheme.
    omits_host: bool,
}

impl Address {
    /// Reads an address. A fragment is read and dropped.
    ///
    /// # Errors
    /// Go's words, which quote the text.
    pub(super) fn parse(text: &str) -> Result<Self, Refused> {
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
    pub(super) fn host_name(&self) -> &str {
        if let Some(inside) = self.host.strip_prefix('[') {
            return inside.rfind(']').map_or(inside, |end| &inside[..end]);
        }
        match self.host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => &self.host,
        }
    }

    /// What `reference` means where this is the base.
    fn resolve(&self, reference: &Self) -> Self {
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
pub(super) struct Refused {
    text: String,
    /// In Go's words, which may quote a part of the text.
    problem: String,
}

impl Refused {
    /// What is wrong without what it quotes.
    pub(super) fn kind(&self) -> &str {
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

fn escaped(text: &str, is_plain: impl Fn(u8) -> bool) -> String {
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
pub(super) fn unescape(text: &str) -> Result<String, String> {
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

/// An address, and what follows its `#`, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference {
    /// The address.
    pub(super) url: String,
    /// A pointer, or the name of an anchor.
    pub(super) fragment: String,
}

impl std::fmt::Display for Reference {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}#{}", self.url, encode(&self.fragment))
    }
}

/// What precedes the first `#`, and what follows it.
pub(super) fn split(text: &str) -> (&str, &str) {
    text.split_once('#').unwrap_or((text, ""))
}

/// As [`split`], with the fragment decoded.
///
/// # Errors
/// The library's words for a fragment that cannot be decoded.
pub(super) fn split_fragment(text: &str) -> Result<(&str, String), String> {
    let (before, fragment) = split(text);
    match unescape(fragment) {
        Ok(fragment) => Ok((before, fragment)),
        Err(problem) => Err(unparsable(text, &problem)),
    }
}

/// What `reference` means in a schema whose address is `base`.
///
/// # Errors
/// The library's words for what is no address.
pub(super) fn join(base: &str, reference: &str) -> Result<Reference, String> {
    let parse =
        |text: &str| Address::parse(text).map_err(|refused| unparsable(text, &refused.to_string()));
    let base = parse(base)?;
    let (relative, fragment) = split_fragment(reference)?;
    Ok(Reference {
        url: base.resolve(&parse(relative)?).to_string(),
        fragment,
    })
}

fn unparsable(text: &str, problem: &str) -> String {
    format!("error in parsing {}: {problem}", quoted(text))
}

/// A fragment as an address shows it: everything but slashes and what a path may hold is escaped.
pub(super) fn encode(fragment: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~$&+:=@/".contains(&byte);
    escaped(fragment, is_plain)
}

/// A place in a document: its address and a pointer.
pub(super) fn place(url: &str, pointer: &str) -> String {
    format!("{url}#{}", encode(pointer))
}

/// A key or an index as a pointer holds it.
pub(super) fn token(text: &str) -> String {
    text.replace('~', "~0").replace('/', "~1")
}

/// The key that a pointer's token means; nothing for one that is malformed.
pub(super) fn untoken(token: &str) -> Option<String> {
    let mut parts = token.split('~');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let letter = part.chars().next()?;
        out.push(match letter {
            '0' => '~',
            '1' => '/',
            _ => return None,
        });
        out.push_str(&part[1..]);
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(base: &str, reference: &str, expected: &str) {
        let joined = join(base, reference).map(|joined| joined.to_string());
        let joined = joined.unwrap_or_else(|message| message);
        assert_eq!(joined, expected, "{base} {reference}");
    }

    #[test]
    fn references_are_joined_as_go_joins_them() {
        let file = "file:///values.schema.json";
        check(file, "#/a%25b", "file:///values.schema.json#/a%25b");
        check(file, "x/../y.json", "file:///y.json#");
        check("http://a.b/c/d", "../../e#f", "http://a.b/e#f");
        check("http://a.b/c/d", "//x/y", "http://x/y#");
        check("urn:uuid:1", "#a", "urn:uuid:1#a");
        check("http://a.b", "c d", "http://a.b/c%20d#");
        check("http://a.b/c?q", "", "http://a.b/c?q#");
        check(
            file,
            "#%zz",
            r##"error in parsing "#%zz": invalid URL escape "%zz""##,
        );
        check(
            file,
            "a b:c",
            r#"error in parsing "a b:c": parse "a b:c": first path segment in URL cannot contain colon"#,
        );
    }
}
