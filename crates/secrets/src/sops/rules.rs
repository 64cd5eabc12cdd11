//! Which values of a file are sealed: one of SOPS' six rules, by the keys that lead to a value or by the
//! comments in front of it.

use std::fmt;

use holdfast_go::regexp::{Regex, compile};

use super::tree::{Entry, Value};
use crate::error::Error;

/// The most bytes that a compiled expression may take.
const EXPRESSION: usize = 1 << 20;

/// Which values of a file are sealed.
#[derive(Clone)]
pub struct Rule {
    kind: RuleKind,
    /// The suffix or expression as it was written.
    text: String,
    regex: Option<Regex>,
}

/// The six kinds of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleKind {
    /// All but what stands below a key with this ending.
    UnencryptedSuffix,
    /// What stands below a key with this ending.
    EncryptedSuffix,
    /// All but what stands below a key that fits.
    UnencryptedRegex,
    /// What stands below a key that fits.
    EncryptedRegex,
    /// All but what stands behind a comment that fits.
    UnencryptedCommentRegex,
    /// What stands behind a comment that fits.
    EncryptedCommentRegex,
}

impl RuleKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::UnencryptedSuffix,
        Self::EncryptedSuffix,
        Self::UnencryptedRegex,
        Self::EncryptedRegex,
        Self::UnencryptedCommentRegex,
        Self::EncryptedCommentRegex,
    ];

    /// Its key in the `sops` block.
    pub fn key(self) -> &'static str {
        match self {
            Self::UnencryptedSuffix => "unencrypted_suffix",
            Self::EncryptedSuffix => "encrypted_suffix",
            Self::UnencryptedRegex => "unencrypted_regex",
            Self::EncryptedRegex => "encrypted_regex",
            Self::UnencryptedCommentRegex => "unencrypted_comment_regex",
            Self::EncryptedCommentRegex => "encrypted_comment_regex",
        }
    }

    fn by_comment(self) -> bool {
        matches!(
            self,
            Self::UnencryptedCommentRegex | Self::EncryptedCommentRegex
        )
    }

    /// Whether what fits is what is sealed.
    fn seals(self) -> bool {
        matches!(
            self,
            Self::EncryptedSuffix | Self::EncryptedRegex | Self::EncryptedCommentRegex
        )
    }
}

impl Rule {
    /// A rule of this kind with this suffix or expression, in Go's syntax.
    ///
    /// # Errors
    /// What is wrong with the expression.
    pub fn new(kind: RuleKind, text: &str) -> Result<Self, Error> {
        let regex = match kind {
            RuleKind::UnencryptedSuffix | RuleKind::EncryptedSuffix => None,
            _ => Some(compile(text, EXPRESSION).map_err(|error| Error::Rule {
                problem: format!("`{text}` is no regular expression: {error}"),
            })?),
        };
        let text = text.to_owned();
        Ok(Self { kind, text, regex })
    }

    /// What SOPS does where no rule is given: all but what ends in `_unencrypted`.
    pub fn common() -> Self {
        Self {
            kind: RuleKind::UnencryptedSuffix,
            text: "_unencrypted".to_owned(),
            regex: None,
        }
    }

    /// What is sealed of a Secret: its data, so that names and labels stay readable.
    pub fn of_secrets() -> Self {
        let text = "^(data|stringData)$";
        Self {
            kind: RuleKind::EncryptedRegex,
            text: text.to_owned(),
            regex: compile(text, EXPRESSION).ok(),
        }
    }

    /// Its kind.
    pub fn kind(&self) -> RuleKind {
        self.kind
    }

    /// Its suffix or expression.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether its suffix or expression fits a text.
    pub fn matches(&self, text: &str) -> bool {
        self.fits(text)
    }

    /// Whether a comment with this text says what is sealed.
    pub(crate) fn misleads(&self, text: &str) -> bool {
        self.kind.by_comment() && self.fits(text)
    }

    pub(crate) fn fits(&self, text: &str) -> bool {
        match &self.regex {
            Some(regex) => regex.is_match(text),
            None => !self.text.is_empty() && text.ends_with(&self.text),
        }
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.kind.key(), self.text)
    }
}

/// A value or comment, where it stands, and whether it is sealed by the rule.
pub(crate) struct Leaf<'a> {
    pub(crate) value: &'a mut Value,
    /// The keys that lead to it, each followed by a colon; a colon where there is none.
    pub(crate) path: &'a str,
    pub(crate) selected: bool,
}

/// What is done with each leaf.
pub(crate) type OnLeaf<'a> = dyn FnMut(Leaf<'_>) -> Result<(), Error> + 'a;

/// Goes through the leaves of a document in their order; nothing is called for nulls.
pub(crate) fn walk(
    rule: &Rule,
    document: &mut [Entry],
    on_leaf: &mut OnLeaf<'_>,
) -> Result<(), Error> {
    let mut walk = Walk {
        rule,
        path: String::new(),
        fits: false,
        comments: Vec::new(),
        on_leaf,
    };
    walk.map(document)
}

struct Walk<'a, 'b> {
    rule: &'a Rule,
    path: String,
    /// Whether a key of the path fits a rule by keys.
    fits: bool,
    /// For rules by comments: on each level, the comments since the last value, and whether they fit.
    comments: Vec<Vec<bool>>,
    on_leaf: &'a mut OnLeaf<'b>,
}

impl Walk<'_, '_> {
    fn map(&mut self, entries: &mut [Entry]) -> Result<(), Error> {
        self.comments.push(Vec::new());
        for entry in entries {
            self.note_comment(&entry.value);
            let Some(key) = &entry.key else {
                self.leaf(&mut entry.value)?;
                continue;
            };
            let (length, fitted) = (self.path.len(), self.fits);
            self.fits |= !self.rule.kind.by_comment() && self.rule.fits(key);
            self.path.push_str(key);
            self.path.push(':');
            self.value(&mut entry.value)?;
            self.path.truncate(length);
            self.fits = fitted;
            self.forget_comments(&entry.value);
        }
        self.comments.pop();
        Ok(())
    }

    fn value(&mut self, value: &mut Value) -> Result<(), Error> {
        match value {
            Value::Null => Ok(()),
            Value::Map(entries) => self.map(entries),
            Value::List(items) => {
                self.comments.push(Vec::new());
                for item in items {
                    let was_comment = item.is_comment();
                    self.note_comment(item);
                    self.value(item)?;
                    if !was_comment {
                        self.clear_comments();
                    }
                }
                self.comments.pop();
                Ok(())
            }
            _ => self.leaf(value),
        }
    }

    fn leaf(&mut self, value: &mut Value) -> Result<(), Error> {
        let selected = self.selects(value.is_comment());
        let path = if self.path.is_empty() {
            ":"
        } else {
            &self.path
        };
        (self.on_leaf)(Leaf {
            value,
            path,
            selected,
        })
    }

    fn note_comment(&mut self, value: &Value) {
        if let (true, Value::Comment(comment)) = (self.rule.kind.by_comment(), value) {
            let fits = self.rule.fits(&comment.text);
            if let Some(level) = self.comments.last_mut() {
                level.push(fits);
            }
        }
    }

    fn forget_comments(&mut self, value: &Value) {
        if !value.is_comment() {
            self.clear_comments();
        }
    }

    fn clear_comments(&mut self) {
        if let Some(level) = self.comments.last_mut() {
            level.clear();
        }
    }

    fn selects(&self, is_comment: bool) -> bool {
        let kind = self.rule.kind;
        let fits = if kind.by_comment() {
            // A comment that says that what follows is sealed is not sealed itself.
            let itself = usize::from(is_comment && kind.seals());
            let (last, above) = match self.comments.split_last() {
                Some((last, above)) => (last.as_slice(), above),
                None => (&[][..], &[][..]),
            };
            let kept = last.len().saturating_sub(itself);
            above.iter().flatten().any(|fits| *fits) || last[..kept].iter().any(|fits| *fits)
        } else {
            self.fits
        };
        fits == kind.seals()
    }
}
