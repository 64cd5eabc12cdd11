//! Addresses in one spelling, so that a rule about an address is not passed by writing it in another way.
//! It must not fetch.

/// Why nobody can say which address is meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Ambiguous {
    /// It goes up.
    #[error("an address with `..` in its path is not read")]
    GoesUp,
    /// It has characters that programs read in different ways.
    #[error("an address with backslashes, spaces or control characters is not read")]
    Characters,
    /// It has a user where addresses of the web have none.
    #[error("an address with a user is not read; credentials belong into a Secret")]
    User,
    /// It holds a percent sign that begins no byte, or an encoded slash or percent sign.
    #[error("an address with an encoded `/` or `%`, or a `%` that encodes nothing, is not read")]
    Percent,
}

/// A pattern of addresses in the same spelling; `*` alone stands for all addresses, as `**` does.
pub fn spelled_pattern(pattern: &str) -> String {
    match pattern {
        "*" => "**".to_owned(),
        pattern if pattern.starts_with('*') => pattern.to_owned(),
        pattern => spelled(pattern).unwrap_or_else(|_| pattern.to_owned()),
    }
}

/// An address as rules about addresses write it: scheme and host in small letters, no port that is usual,
/// no query, no `.git` and no `/` at the end, bytes in percent notation decoded, `user@host:path` as
/// `ssh://user@host/path`, and an address without a scheme as one of https.
///
/// # Errors
/// [`Ambiguous`].
pub fn spelled(address: &str) -> Result<String, Ambiguous> {
    let (scheme, rest) = match (address.split_once("://"), address.split_once(':')) {
        (Some((scheme, rest)), _) => (scheme.to_ascii_lowercase(), rest.to_owned()),
        (None, Some((host, path))) if host.contains('@') => (
            "ssh".to_owned(),
            format!("{host}/{}", path.trim_start_matches('/')),
        ),
        (None, _) => ("https".to_owned(), address.to_owned()),
    };
    let end = rest.find(['?', '#']).unwrap_or(rest.len());
    let rest = decoded(&rest[..end])?;
    let is_odd = |letter: char| letter == '\\' || letter.is_whitespace() || letter.is_control();
    if rest.contains(is_odd) {
        return Err(Ambiguous::Characters);
    }
    let (authority, path) = rest.split_once('/').unwrap_or((&rest, ""));
    let (user, host) = match authority.rsplit_once('@') {
        Some((user, host)) if scheme == "ssh" => (format!("{user}@"), host),
        Some(_) => return Err(Ambiguous::User),
        None => (String::new(), authority),
    };
    let usual = match scheme.as_str() {
        "https" | "oci" => ":443",
        "http" => ":80",
        "ssh" => ":22",
        _ => "",
    };
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix(usual).unwrap_or(&host);
    let host = host.strip_suffix('.').unwrap_or(host);
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    if parts.contains(&"..") {
        return Err(Ambiguous::GoesUp);
    }
    let path = parts.join("/");
    let path = path.strip_suffix(".git").unwrap_or(&path);
    Ok(match path.is_empty() {
        true => format!("{scheme}://{user}{host}"),
        false => format!("{scheme}://{user}{host}/{path}"),
    })
}

/// A text with bytes in percent notation decoded, once: what is encoded twice stays so, as for servers.
fn decoded(text: &str) -> Result<String, Ambiguous> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let (high, low) = (digit(rest.next()), digit(rest.next()));
        let (Some(high), Some(low)) = (high, low) else {
            return Err(Ambiguous::Percent);
        };
        let byte = u8::try_from(high * 16 + low).map_err(|_| Ambiguous::Percent)?;
        // Some servers take it as part of a name, others as what parts names.
        if byte == b'/' {
            return Err(Ambiguous::Percent);
        }
        bytes.push(byte);
    }
    // What is encoded once more than needed could be decoded once more by somebody else.
    let text = String::from_utf8(bytes).map_err(|_| Ambiguous::Characters)?;
    match text.contains('%') {
        true => Err(Ambiguous::Percent),
        false => Ok(text),
    }
}
