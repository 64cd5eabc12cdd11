//! Finds what should not stand in Git unsealed: values of Secrets, private keys, tokens of clouds and
//! forges, and values that look like passwords. A finding says where and what kind, never the value.

mod lines;
mod values;

pub use values::is_placeholder;

use std::fmt;

/// The most bytes of a file that are looked through; longer ones are no manifests.
pub const MOST_SCANNED: usize = 4 << 20;

/// The most findings of one file.
const MOST_FINDINGS: usize = 200;

/// What kind of secret was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A value of a `kind: Secret` that is not sealed.
    PlainSecret,
    /// A private key.
    PrivateKey,
    /// A token whose form says whose it is.
    Token,
    /// A value that looks like a password or a key by its name and by chance.
    LooksSecret,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [
        Self::PlainSecret,
        Self::PrivateKey,
        Self::Token,
        Self::LooksSecret,
    ];

    /// A word for the kind that never changes.
    pub fn name(self) -> &'static str {
        match self {
            Self::PlainSecret => "plain-secret",
            Self::PrivateKey => "private-key",
            Self::Token => "token",
            Self::LooksSecret => "looks-secret",
        }
    }

    /// What it is, in a sentence.
    pub fn about(self) -> &'static str {
        match self {
            Self::PlainSecret => "A value of a Secret stands in Git unsealed.",
            Self::PrivateKey => "A private key stands in Git.",
            Self::Token => "A token stands in Git.",
            Self::LooksSecret => "A value looks like a password or a key.",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Something that should not stand in Git.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The line, from 1.
    pub line: u32,
    /// What kind.
    pub kind: Kind,
    /// What it is, without the value.
    pub what: String,
    /// Where it is in words that stay the same when lines move.
    pub place: String,
}

/// What is found in a file. `path` is its name, by whose ending values are looked at one by one.
pub fn scan(path: &str, bytes: &[u8]) -> Vec<Finding> {
    if bytes.len() > MOST_SCANNED || bytes.contains(&0) {
        return Vec::new();
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Vec::new();
    };
    let mut findings = lines::scan(text);
    findings.extend(values::scan(path, text));
    findings.sort();
    // A line is reported for one reason: the plainest comes first.
    findings.dedup_by(|later, earlier| later.line == earlier.line);
    findings.truncate(MOST_FINDINGS);
    findings
}
