//! Versions and constraints as the Go library `Masterminds/semver` has them.
//!
//! It must not know what has a version: templates compare them, charts name their dependencies and the
//! clusters that they are for by them, and Stacks follow tags.

use std::cmp::Ordering;
use std::fmt;

/// A version: three numbers, and perhaps a pre-release and metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The first number.
    pub major: u64,
    /// The second number.
    pub minor: u64,
    /// The third number.
    pub patch: u64,
    /// What follows `-`.
    pub pre: String,
    /// What follows `+`.
    pub metadata: String,
    /// The text it was read from.
    pub original: String,
}

/// Why a text is no version or no constraint.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The text is no version.
    #[error("invalid semantic version")]
    Version,
    /// The text is no constraint.
    #[error("improper constraint: {0}")]
    Constraint(String),
}

impl Version {
    /// Reads a version; `v` in front and missing numbers are accepted.
    ///
    /// # Errors
    /// [`Error::Version`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let scanned = scan(text, false).filter(|(_, rest)| rest.is_empty());
        let Some((parts, _)) = scanned else {
            return Err(Error::Version);
        };
        let number = |text: Option<&str>| match text {
            Some(text) => text.parse().map_err(|_| Error::Version),
            None => Ok(0),
        };
        let version = Self {
            major: number(Some(parts.major))?,
            minor: number(parts.minor)?,
            patch: number(parts.patch)?,
            pre: parts.pre.unwrap_or_default().to_owned(),
            metadata: parts.metadata.unwrap_or_default().to_owned(),
            original: text.to_owned(),
        };
        let has_zero = |part: &str| {
            part.len() > 1
                && part.starts_with('0')
                && part.bytes().all(|byte| byte.is_ascii_digit())
        };
        if version.pre.split('.').any(has_zero) {
            return Err(Error::Version);
        }
        Ok(version)
    }

    /// Reads a version with nothing in front of it and all three numbers.
    ///
    /// # Errors
    /// [`Error::Version`].
    pub fn parse_strict(text: &str) -> Result<Self, Error> {
        let numbers = text.split(['-', '+']).next().unwrap_or_default();
        let is_plain = |number: &str| number == "0" || !number.starts_with(['0', 'v']);
        if numbers.split('.').count() != 3 || !numbers.split('.').all(is_plain) {
            return Err(Error::Version);
        }
        Self::parse(text)
    }

    /// Which of two versions comes first; metadata does not count.
    pub fn compare(&self, other: &Self) -> Ordering {
        self.major
            .cmp(&other.major)
            .then(self.minor.cmp(&other.minor))
            .then(self.patch.cmp(&other.patch))
            .then_with(|| compare_pre(&self.pre, &other.pre))
    }

    /// The next version of the given part: `0` for major, `1` for minor, `2` for patch.
    pub fn next(&self, part: u8) -> Self {
        let mut next = self.clone();
        next.pre.clear();
        next.metadata.clear();
        match part {
            0 => (next.major, next.minor, next.patch) = (self.major.saturating_add(1), 0, 0),
            1 => (next.minor, next.patch) = (self.minor.saturating_add(1), 0),
            _ if self.pre.is_empty() => next.patch = self.patch.saturating_add(1),
            _ => {}
        }
        let prefix = if self.original.starts_with('v') {
            "v"
        } else {
            ""
        };
        next.original = format!("{prefix}{next}");
        next
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.pre.is_empty() {
            write!(formatter, "-{}", self.pre)?;
        }
        if !self.metadata.is_empty() {
            write!(formatter, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

fn compare_pre(left: &str, right: &str) -> Ordering {
    if left == right {
        return Ordering::Equal;
    }
    // A release comes after all its pre-releases.
    match (left.is_empty(), right.is_empty()) {
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        _ => {}
    }
    let mut lefts = left.split('.');
    let mut rights = right.split('.');
    loop {
        match (lefts.next(), rights.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(left), Some(right)) => {
                let order = match (left.parse::<u64>(), right.parse::<u64>()) {
                    (Ok(left), Ok(right)) => left.cmp(&right),
                    (Ok(_), Err(_)) => Ordering::Less,
                    (Err(_), Ok(_)) => Ordering::Greater,
                    (Err(_), Err(_)) => left.cmp(right),
                };
                if order != Ordering::Equal {
                    return order;
                }
            }
        }
    }
}

/// The pieces of a version or of what stands for one in a constraint.
#[derive(Default)]
struct Parts<'t> {
    major: &'t str,
    minor: Option<&'t str>,
    patch: Option<&'t str>,
    pre: Option<&'t str>,
    metadata: Option<&'t str>,
}

/// Reads as much of a version as there is; wild cards count as digits where allowed.
fn scan(text: &str, wild: bool) -> Option<(Parts<'_>, &str)> {
    let is_number =
        |byte: u8| byte.is_ascii_digit() || wild && matches!(byte, b'x' | b'X' | b'*' | b'|');
    let number = |text: &str| text.bytes().take_while(|byte| is_number(*byte)).count();
    let rest = text.strip_prefix('v').unwrap_or(text);
    let length = number(rest);
    if length == 0 {
        return None;
    }
    let mut parts = Parts {
        major: &rest[..length],
        ..Parts::default()
    };
    let mut rest = &rest[length..];
    for part in [&mut parts.minor, &mut parts.patch] {
        let Some(after) = rest.strip_prefix('.') else {
            break;
        };
        let length = number(after);
        if length == 0 {
            break;
        }
        *part = Some(&after[..length]);
        rest = &after[length..];
    }
    for (mark, part) in [('-', &mut parts.pre), ('+', &mut parts.metadata)] {
        if let Some(after) = rest.strip_prefix(mark) {
            let length = identifiers(after);
            if length > 0 {
                *part = Some(&after[..length]);
                rest = &after[length..];
            }
        }
    }
    Some((parts, rest))
}

/// The length of dot-separated identifiers.
fn identifiers(text: &str) -> usize {
    let word = |text: &str| {
        text.bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
            .count()
    };
    let mut length = word(text);
    while length > 0 && text[length..].starts_with('.') {
        let next = word(&text[length + 1..]);
        if next == 0 {
            break;
        }
        length += 1 + next;
    }
    length
}

/// A constraint: alternatives, each a list of conditions that must all hold.
#[derive(Clone, Debug)]
pub struct Constraint {
    alternatives: Vec<Vec<Condition>>,
}

#[derive(Clone, Debug)]
struct Condition {
    operator: Operator,
    version: Version,
    /// Which numbers were left open.
    open: Open,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Open {
    Nothing,
    Patch,
    Minor,
    Major,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

const OPERATORS: [(&str, Operator); 11] = [
    ("!=", Operator::NotEqual),
    (">=", Operator::GreaterEqual),
    ("=>", Operator::GreaterEqual),
    ("<=", Operator::LessEqual),
    ("=<", Operator::LessEqual),
    ("~>", Operator::Tilde),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
];

impl Constraint {
    /// Reads a constraint such as `>=1.2 <2 || ^3`.
    ///
    /// # Errors
    /// [`Error::Constraint`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        let rewritten = rewrite_ranges(text);
        let alternatives = rewritten
            .split("||")
            .map(|part| conditions(part).ok_or_else(|| Error::Constraint(part.to_owned())))
            .collect::<Result<_, _>>()?;
        Ok(Self { alternatives })
    }

    /// Whether a version meets it.
    pub fn allows(&self, version: &Version) -> bool {
        self.alternatives
            .iter()
            .any(|conditions| meets(conditions, version))
    }
}

/// Whether a version meets conditions that belong together. A pre-release meets only those of which
/// one speaks of pre-releases.
fn meets(conditions: &[Condition], version: &Version) -> bool {
    let speaks = |condition: &Condition| !condition.version.pre.is_empty();
    let is_met = version.pre.is_empty() || conditions.iter().any(speaks);
    is_met && conditions.iter().all(|condition| condition.holds(version))
}

fn conditions(text: &str) -> Option<Vec<Condition>> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    if rest.is_empty() {
        // Nothing at all is no constraint for the library, except the empty text it never sees.
        return None;
    }
    loop {
        let operator = OPERATORS.iter().find(|(mark, _)| rest.starts_with(mark));
        let (operator, after) = match operator {
            Some((mark, operator)) => (*operator, &rest[mark.len()..]),
            None => (Operator::Equal, rest),
        };
        let (parts, after) = scan(after.trim_start(), true)?;
        found.push(condition(operator, &parts)?);
        let next = after.trim_start();
        if next.is_empty() {
            return Some(found);
        }
        rest = match next.strip_prefix(',') {
            Some(next) => next.trim_start(),
            None if next.len() < after.len() => next,
            None => return None,
        };
        if rest.is_empty() {
            return None;
        }
    }
}

fn condition(operator: Operator, parts: &Parts<'_>) -> Option<Condition> {
    let is_open = |part: Option<&str>| matches!(part, None | Some("x" | "X" | "*"));
    let pre = parts.pre.map(|pre| format!("-{pre}")).unwrap_or_default();
    let (open, text) = if is_open(Some(parts.major)) {
        (Open::Major, format!("0.0.0{pre}"))
    } else if is_open(parts.minor) {
        (Open::Minor, format!("{}.0.0{pre}", parts.major))
    } else if is_open(parts.patch) {
        let minor = parts.minor.unwrap_or_default();
        (Open::Patch, format!("{}.{minor}.0{pre}", parts.major))
    } else {
        let minor = parts.minor.unwrap_or_default();
        let patch = parts.patch.unwrap_or_default();
        let metadata = parts
            .metadata
            .map(|text| format!("+{text}"))
            .unwrap_or_default();
        (
            Open::Nothing,
            format!("{}.{minor}.{patch}{pre}{metadata}", parts.major),
        )
    };
    let version = Version::parse(&text).ok()?;
    Some(Condition {
        operator,
        version,
        open,
    })
}

/// `1.2 - 3.4` means `>= 1.2, <= 3.4`.
fn rewrite_ranges(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(" - ") {
        let (before, after) = rest.split_at(at);
        let after = after[3..].trim_start();
        let start = before
            .trim_end()
            .rfind(|letter: char| letter.is_whitespace() || letter == ',' || letter == '|')
            .map_or(0, |index| index + 1);
        let low = before[start..].trim();
        let (Some((_, "")), Some((_, tail))) = (scan(low, true), scan(after, true)) else {
            out.push_str(&rest[..at + 3]);
            rest = &rest[at + 3..];
            continue;
        };
        let high = &after[..after.len() - tail.len()];
        out.push_str(&before[..start]);
        out.push_str(&format!(">= {low}, <= {high} "));
        rest = tail;
    }
    out.push_str(rest);
    out
}

impl Condition {
    fn holds(&self, version: &Version) -> bool {
        let order = version.compare(&self.version);
        match self.operator {
            Operator::Equal if self.open == Open::Nothing => order == Ordering::Equal,
            Operator::Equal | Operator::Tilde => self.tilde(version, order),
            Operator::NotEqual => self.differs(version, order),
            Operator::Greater => self.is_below(version, order),
            Operator::Less => order == Ordering::Less,
            Operator::GreaterEqual => order != Ordering::Less,
            Operator::LessEqual => self.is_at_least(version, order),
            Operator::Caret => self.caret(version, order),
        }
    }

    fn leaves_minor(&self) -> bool {
        self.open == Open::Minor
    }

    fn tilde(&self, version: &Version, order: Ordering) -> bool {
        let own = &self.version;
        if order == Ordering::Less {
            return false;
        }
        let is_zero = (own.major, own.minor, own.patch) == (0, 0, 0);
        if is_zero && !matches!(self.open, Open::Minor | Open::Patch) {
            return true;
        }
        version.major == own.major && (version.minor == own.minor || self.leaves_minor())
    }

    fn differs(&self, version: &Version, order: Ordering) -> bool {
        let own = &self.version;
        if self.open == Open::Nothing {
            return order != Ordering::Equal;
        }
        if version.major != own.major || version.minor != own.minor && !self.leaves_minor() {
            return true;
        }
        match self.open {
            Open::Minor => false,
            Open::Patch => {
                (!version.pre.is_empty() || !own.pre.is_empty()) && version.pre != own.pre
            }
            _ if version.patch != own.patch => true,
            _ => order != Ordering::Equal,
        }
    }

    fn is_below(&self, version: &Version, order: Ordering) -> bool {
        let own = &self.version;
        match self.open {
            Open::Nothing => order == Ordering::Greater,
            _ if version.major != own.major => version.major > own.major,
            Open::Minor => false,
            Open::Patch => version.minor > own.minor,
            Open::Major => order == Ordering::Greater,
        }
    }

    fn is_at_least(&self, version: &Version, order: Ordering) -> bool {
        let own = &self.version;
        if self.open == Open::Nothing {
            return order != Ordering::Greater;
        }
        let exceeds_minor =
            version.major == own.major && version.minor > own.minor && !self.leaves_minor();
        version.major <= own.major && !exceeds_minor
    }

    fn caret(&self, version: &Version, order: Ordering) -> bool {
        let own = &self.version;
        if order == Ordering::Less {
            return false;
        }
        if own.major > 0 || self.leaves_minor() {
            return version.major == own.major;
        }
        if version.major > 0 {
            return false;
        }
        if own.minor > 0 || self.open == Open::Patch {
            return version.minor == own.minor;
        }
        version.minor == 0 && version.patch == own.patch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `semverCompare` of Helm 4.3.1 answers.
    #[test]
    fn a_pre_release_meets_conditions_of_which_one_speaks_of_pre_releases() {
        let cases = [
            (">=2.0.0-0 <2.1", "2.0.0-rc.1", true),
            ("1.x", "2.0.0-rc.1", false),
            (">=1.0.0", "1.2.0-rc.1", false),
            (">=1.0.0-0, <2", "1.2.0-rc.1", true),
            ("1.2", "1.3.0", false),
            (">1.2", "1.2.5", false),
            ("~1.2.3-0 || 3.x", "1.2.3-rc.2", true),
            ("!=1.2.3, >=1.0.0-0", "1.2.4-a", true),
            ("!=1.2.3", "1.2.4-a", false),
            ("!=1.2.3-a", "1.2.4-a", true),
            ("!=1.2", "1.2.4-a", false),
            ("!=1.2.x", "1.2.4-a", false),
            ("!=1.2.x", "1.3.4-a", false),
            ("!=1.2.x, >=1.0.0-0", "1.3.4-a", true),
            ("!=1.2.x, >=1.0.0-0", "1.2.4-a", true),
            ("^1.2-0 !=1.4.0", "1.4.0-b", true),
            ("~1, >1.0.0-0", "1.4.0-b", true),
            ("<1.4.0, >1.0.0-0", "1.4.0-b", true),
            ("<=1.4, >1.0.0-0", "1.4.0-b", true),
            ("<=1.4, >1.0.0-0", "1.5.0-b", false),
            ("1.x, >1.0.0-0", "1.5.0-b", true),
            ("1.x, >1.0.0-0", "2.0.0-b", false),
            ("^1, >1.0.0-0", "2.0.0-b", false),
            ("=1.5.0, >1.0.0-0", "1.5.0-b", false),
            (">1.4, >1.0.0-0", "1.5.0-b", true),
            (">1.4, >1.0.0-0", "1.4.5-b", false),
            (">=1.4, >1.0.0-0", "1.4.0-b", false),
            ("1.0.0 - 2.0.0-0", "1.4.0-b", true),
            ("1.0.0-0 - 2.0.0", "1.4.0-b", true),
            ("^0.2.3, >0.1.0-0", "0.3.0-b", false),
            ("^0.2.3, >0.1.0-0", "0.2.4-b", true),
            ("~0.2.3, >0.1.0-0", "0.3.0-b", false),
            ("~1.2, >0.1.0-0", "1.2.0-b", false),
            ("<2, >0.1.0-0", "2.0.0-b", true),
            ("<2, >0.1.0-0", "2.1.0-b", false),
        ];
        for (constraint, version, expected) in cases {
            let read = Constraint::parse(constraint).expect(constraint);
            let version = Version::parse(version).expect(version);
            assert_eq!(
                read.allows(&version),
                expected,
                "{constraint} {}",
                version.original
            );
        }
    }

    #[test]
    fn a_strict_version_has_three_numbers_and_nothing_in_front() {
        for text in ["1.2.3", "0.0.0", "1.2.3-rc.1+b5"] {
            assert!(Version::parse_strict(text).is_ok(), "{text}");
        }
        for text in [
            "v1.2.3", "1.2", "1", "01.2.3", "1.2.3-01", "1.2.x", "1.2.3.4", "",
        ] {
            assert!(Version::parse_strict(text).is_err(), "{text}");
        }
    }
}
