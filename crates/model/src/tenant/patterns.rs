//! Lists of patterns, of which some take away what others allow. It must not know what they are for.

use std::fmt;

/// The longest pattern, in bytes.
const LONGEST: usize = 512;
/// The most patterns of a list.
const MOST: usize = 256;

/// Patterns such as `team-a-*`: `*` stands for any text without `/`, `**` for any text. What begins with
/// `!` takes away. Without patterns nothing is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Patterns {
    allowed: Vec<String>,
    denied: Vec<String>,
}

/// Why a list is none of patterns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// A pattern that stands for nothing.
    #[error("holds an empty pattern")]
    Empty,
    /// A pattern that is too long.
    #[error("holds a pattern of more than {LONGEST} bytes")]
    TooLong,
    /// Too many patterns.
    #[error("holds more than {MOST} patterns")]
    TooMany,
    /// A list that only takes away.
    #[error(
        "only takes away, so that it allows nothing; name first what is allowed, such as \"*\""
    )]
    OnlyTakesAway,
}

impl Patterns {
    /// Reads a list.
    ///
    /// # Errors
    /// [`PatternError`].
    pub fn read<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, PatternError> {
        let mut patterns = Self::default();
        for (count, text) in texts.into_iter().enumerate() {
            let (pattern, list) = match text.strip_prefix('!') {
                Some(pattern) => (pattern.to_lowercase(), &mut patterns.denied),
                None => (text.to_owned(), &mut patterns.allowed),
            };
            if pattern.is_empty() {
                return Err(PatternError::Empty);
            }
            if pattern.len() > LONGEST {
                return Err(PatternError::TooLong);
            }
            if count >= MOST {
                return Err(PatternError::TooMany);
            }
            list.push(pattern);
        }
        match patterns.allowed.is_empty() && !patterns.denied.is_empty() {
            true => Err(PatternError::OnlyTakesAway),
            false => Ok(patterns),
        }
    }

    /// The same with each pattern written in another way.
    #[must_use]
    pub fn map(self, write: impl Fn(String) -> String) -> Self {
        Self {
            allowed: self.allowed.into_iter().map(&write).collect(),
            denied: self.denied.into_iter().map(&write).collect(),
        }
    }

    /// Whether a text is allowed.
    pub fn allow(&self, text: &str) -> bool {
        self.allow_either(text, text)
    }

    /// Whether something is allowed that has a short and a long name, either of which patterns may mean.
    pub fn allow_either(&self, short: &str, long: &str) -> bool {
        let fit = |pattern: &String| fits(pattern, short) || fits(pattern, long);
        if !self.allowed.iter().any(fit) {
            return false;
        }
        if self.denied.is_empty() {
            return true;
        }
        // Many servers take names in capitals for the same: what is taken away stays so however it is
        // written.
        let (short, long) = (short.to_lowercase(), long.to_lowercase());
        let fit = |pattern: &String| fits(pattern, &short) || fits(pattern, &long);
        !self.denied.iter().any(fit)
    }
}

impl fmt::Display for Patterns {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.allowed.is_empty() {
            return formatter.write_str("nothing");
        }
        formatter.write_str(&self.allowed.join(", "))?;
        match self.denied.is_empty() {
            true => Ok(()),
            false => write!(formatter, " but not {}", self.denied.join(", ")),
        }
    }
}

/// Whether a text is what a pattern stands for.
fn fits(pattern: &str, text: &str) -> bool {
    let (mut pattern, text) = (pattern.as_bytes(), text.as_bytes());
    // The lengths of the text's beginnings that the pattern stands for, as far as it was gone through.
    let mut reached = vec![false; text.len() + 1];
    reached[0] = true;
    while let Some((byte, rest)) = pattern.split_first() {
        pattern = rest;
        if *byte != b'*' {
            for end in (0..text.len()).rev() {
                reached[end + 1] = reached[end] && text[end] == *byte;
            }
            reached[0] = false;
            continue;
        }
        let is_any = rest.first() == Some(&b'*');
        if is_any {
            pattern = &rest[1..];
        }
        for end in 0..text.len() {
            reached[end + 1] |= reached[end] && (is_any || text[end] != b'/');
        }
    }
    reached[text.len()]
}
