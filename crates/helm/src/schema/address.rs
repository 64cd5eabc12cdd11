//! References between schemas, and pointers into documents.
//!
//! It must not know schemas, and opens no address.

use holdfast_go::quote::quoted;
use holdfast_go::url::{Address, escaped, unescape};

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
