//! References to values in Vault as they are written in Git: `<path:PATH#KEY>` with a version and modifiers,
//! and `<KEY>` where an annotation names the path, as argocd-vault-plugin has them. Pure: what they name is
//! read elsewhere.

use std::fmt;

/// The longest path, key or modifier that is taken.
const LONGEST: usize = 1024;
/// The deepest indentation.
const DEEPEST: usize = 256;

/// Where secrets lie in Vault.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The path, with the mount of its engine and with or without the `data/` of KV version 2.
    pub path: String,
    /// The version; the newest where none is named.
    pub version: Option<u64>,
}

/// A value in Vault, and what is done with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Where it lies.
    pub location: Location,
    /// The key of the value there.
    pub key: String,
    /// What is done with it, in order.
    pub(crate) modifiers: Vec<Modifier>,
}

/// What is done with a value before it is put in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Modifier {
    Base64Encode,
    Base64Decode,
    Sha256Sum,
    Indent(usize),
    JsonParse,
    YamlParse,
    JsonPath(Vec<Hop>),
}

/// A step into a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Hop {
    Field(String),
    Item(usize),
}

/// A part of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// It stands for itself.
    Text(&'a str),
    /// It stands for a value in Vault.
    Reference(Reference),
}

/// What is written like a reference and is none that can be followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` cannot be followed: {problem}")]
pub struct Malformed {
    /// What is written.
    pub text: String,
    /// What is wrong with it.
    pub problem: String,
}

/// The parts of a text. `<KEY>` counts where there is a default location.
///
/// # Errors
/// What is written like a reference and is none.
pub fn parse<'a>(text: &'a str, default: Option<&Location>) -> Result<Vec<Part<'a>>, Malformed> {
    let mut parts = Vec::new();
    let (mut plain, mut at) = (0, 0);
    while let Some(found) = text[at..].find('<') {
        let open = at + found;
        let rest = &text[open + 1..];
        let is_whole = rest.starts_with("path:");
        let close = rest.find('>');
        at = open + 1;
        if !is_whole && default.is_none() {
            continue;
        }
        let inner = match close {
            Some(close) => &rest[..close],
            None if is_whole => return Err(malformed(&text[open..], "it does not end with `>`")),
            None => break,
        };
        let reference = match (inner.strip_prefix("path:"), default) {
            (Some(inner), _) => Some(whole(inner)),
            (None, Some(default)) => short(inner, default),
            (None, None) => None,
        };
        let Some(reference) = reference else {
            continue;
        };
        let written = &text[open..open + inner.len() + 2];
        let reference = reference.map_err(|problem| malformed(written, problem))?;
        if plain < open {
            parts.push(Part::Text(&text[plain..open]));
        }
        parts.push(Part::Reference(reference));
        at = open + written.len();
        plain = at;
    }
    if plain < text.len() {
        parts.push(Part::Text(&text[plain..]));
    }
    Ok(parts)
}

impl Reference {
    /// Reads `PATH#KEY`, `PATH#KEY#VERSION` and modifiers behind a bar.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        whole(text).map_err(|problem| malformed(text, problem))
    }
}

impl Location {
    /// Reads `PATH` and `PATH#VERSION`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(path: &str, version: Option<&str>) -> Result<Self, Malformed> {
        let location = location(path, version);
        location.map_err(|problem| malformed(path, problem))
    }
}

fn malformed(text: &str, problem: impl Into<String>) -> Malformed {
    Malformed {
        text: text.chars().take(200).collect(),
        problem: problem.into(),
    }
}

/// What stands behind `path:`.
fn whole(inner: &str) -> Result<Reference, String> {
    let (place, modifiers) = inner.split_once('|').unwrap_or((inner, ""));
    let mut parts = place.trim().split('#');
    let (path, key) = (parts.next().unwrap_or_default(), parts.next());
    let (version, more) = (parts.next(), parts.next());
    let key = key.ok_or("it names no key; `PATH#KEY` does")?;
    if more.is_some() {
        return Err("it has more than a path, a key and a version".to_owned());
    }
    Ok(Reference {
        location: location(path, version)?,
        key: checked_key(key.trim())?,
        modifiers: read_modifiers(modifiers)?,
    })
}

/// What stands alone between brackets; nothing where that is no key.
fn short(inner: &str, default: &Location) -> Option<Result<Reference, String>> {
    let (key, modifiers) = inner.split_once('|').unwrap_or((inner, ""));
    let key = key.trim();
    let is_key = !key.is_empty()
        && key
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "._-/".contains(letter));
    if !is_key || key.starts_with('/') || key.len() > LONGEST {
        return None;
    }
    Some(read_modifiers(modifiers).map(|modifiers| Reference {
        location: default.clone(),
        key: key.to_owned(),
        modifiers,
    }))
}

fn location(path: &str, version: Option<&str>) -> Result<Location, String> {
    let path = path.trim().trim_matches('/');
    if path.is_empty() {
        return Err("it names no path".to_owned());
    }
    if path.len() > LONGEST {
        return Err(format!("its path is longer than {LONGEST} bytes"));
    }
    let is_odd = |part: &str| part.is_empty() || part == "." || part == "..";
    if path.split('/').any(is_odd) || path.chars().any(char::is_control) {
        return Err("its path has empty parts, dots or control characters".to_owned());
    }
    let version = match version.map(str::trim).filter(|version| !version.is_empty()) {
        None => None,
        Some(text) => match text.parse() {
            Ok(number) if number > 0 => Some(number),
            _ => {
                return Err(format!(
                    "`{text}` is no version; a whole number from 1 up is"
                ));
            }
        },
    };
    Ok(Location {
        path: path.to_owned(),
        version,
    })
}

fn checked_key(key: &str) -> Result<String, String> {
    match key.is_empty() || key.len() > LONGEST || key.chars().any(char::is_control) {
        true => Err("it names no key; `PATH#KEY` does".to_owned()),
        false => Ok(key.to_owned()),
    }
}

fn read_modifiers(text: &str) -> Result<Vec<Modifier>, String> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    text.split('|').map(|one| modifier(one.trim())).collect()
}

fn modifier(text: &str) -> Result<Modifier, String> {
    let (name, argument) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let argument = argument.trim();
    let alone = |modifier: Modifier| match argument.is_empty() {
        true => Ok(modifier),
        false => Err(format!("modifier `{name}` takes nothing behind it")),
    };
    match name {
        "base64encode" => alone(Modifier::Base64Encode),
        "base64decode" => alone(Modifier::Base64Decode),
        "sha256sum" => alone(Modifier::Sha256Sum),
        "jsonParse" => alone(Modifier::JsonParse),
        "yamlParse" => alone(Modifier::YamlParse),
        "indent" => match argument.parse() {
            Ok(depth) if depth <= DEEPEST => Ok(Modifier::Indent(depth)),
            _ => Err(format!("modifier `indent` takes a number up to {DEEPEST}")),
        },
        "jsonPath" => hops(argument).map(Modifier::JsonPath).ok_or_else(|| {
            "modifier `jsonPath` takes fields and items, as in `jsonPath {.users[0].name}`; filters, \
             ranges and wildcards are not supported"
                .to_owned()
        }),
        _ => Err(format!(
            "there is no modifier `{name}`; known are base64encode, base64decode, jsonPath, jsonParse, \
             yamlParse, indent and sha256sum"
        )),
    }
}

/// The steps of a path such as `{.a.b[0]['c d']}`.
fn hops(text: &str) -> Option<Vec<Hop>> {
    let text = match text.strip_prefix('{') {
        Some(inner) => inner.strip_suffix('}')?,
        None => text,
    };
    let mut rest = text.trim().strip_prefix('$').unwrap_or(text.trim());
    let mut hops = Vec::new();
    while !rest.is_empty() {
        if let Some(inner) = rest.strip_prefix('[') {
            let (inside, behind) = inner.split_once(']')?;
            let quoted = inside
                .strip_prefix('\'')
                .map(|inside| inside.strip_suffix('\''));
            hops.push(match quoted {
                Some(name) => Hop::Field(name?.to_owned()),
                None => Hop::Item(inside.parse().ok()?),
            });
            rest = behind;
            continue;
        }
        let inner = rest.strip_prefix('.').unwrap_or(rest);
        let end = inner.find(['.', '[']).unwrap_or(inner.len());
        let name = &inner[..end];
        if name.is_empty() || name.contains(['*', '?', '@', '(', ' ', ']']) {
            return None;
        }
        hops.push(Hop::Field(name.to_owned()));
        rest = &inner[end..];
    }
    (!hops.is_empty()).then_some(hops)
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            None => formatter.write_str(&self.path),
            Some(version) => write!(formatter, "{} at version {version}", self.path),
        }
    }
}
