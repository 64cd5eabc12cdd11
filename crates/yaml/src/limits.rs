//! How much a text may ask for. Bounds are part of the input, so that a caller can see them.

/// What a mapping with the same key twice means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DuplicateKeys {
    /// The last one counts, as in Go's v2 rules.
    #[default]
    LastWins,
    /// It is an error that names the key and both lines.
    Refused,
}

/// The most that a text may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Levels of nesting.
    pub depth: usize,
    /// Bytes of text.
    pub bytes: usize,
    /// Nodes that aliases may add by being expanded.
    pub alias_nodes: usize,
    /// What duplicate keys mean where values are read.
    pub duplicate_keys: DuplicateKeys,
}

impl Default for Limits {
    /// Room for anything that people write; 400,000 nodes from aliases is where Go stops.
    fn default() -> Self {
        Self {
            depth: 500,
            bytes: 256 << 20,
            alias_nodes: 400_000,
            duplicate_keys: DuplicateKeys::LastWins,
        }
    }
}

impl Limits {
    /// The same limits with duplicate keys refused.
    pub fn strict() -> Self {
        Self {
            duplicate_keys: DuplicateKeys::Refused,
            ..Self::default()
        }
    }
}
