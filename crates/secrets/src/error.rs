//! Why something could not be opened or sealed. No error holds a value or a part of one.

use thiserror::Error as ThisError;

/// Why something could not be opened or sealed.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum Error {
    /// There is nothing sealed in it.
    #[error("there is no `sops` block, so this is not a SOPS file")]
    NotSealed,
    /// It holds more than is read.
    #[error("it has {bytes} bytes; at most {} are read", crate::MOST_BYTES)]
    TooLarge {
        /// How many bytes it has.
        bytes: usize,
    },
    /// It cannot be read as what its name says that it is.
    #[error("it is no {format} that can be read: {problem}")]
    Syntax {
        /// The format.
        format: &'static str,
        /// What is wrong with it, and on which line.
        problem: String,
    },
    /// The block of SOPS is wrong.
    #[error("the `sops` block is wrong: {problem}")]
    Metadata {
        /// What is wrong with it.
        problem: String,
    },
    /// It was sealed by a SOPS whose form is not known.
    #[error("it was sealed by version `{version}` of SOPS; versions 1 to 3 can be opened")]
    UnknownVersion {
        /// What the file says.
        version: String,
    },
    /// It is sealed for kinds of keys that cannot be used.
    #[error(
        "it is sealed for {kinds} only, which cannot be opened yet; add an age recipient to it"
    )]
    KindOfKey {
        /// The kinds of keys, as people name them.
        kinds: String,
    },
    /// None of the keys opens it.
    #[error(
        "none of the {held} keys at hand opens it; it is sealed for {}",
        wanted.join(", ")
    )]
    NoKey {
        /// How many keys were tried.
        held: usize,
        /// Whom it is sealed for.
        wanted: Vec<String>,
    },
    /// Too few of the groups of keys could be opened.
    #[error("{opened} of its key groups could be opened; {threshold} are needed")]
    TooFewGroups {
        /// How many groups were opened.
        opened: usize,
        /// How many are needed.
        threshold: usize,
    },
    /// A data key is not one, or its parts do not fit each other.
    #[error("the data key is damaged: {problem}")]
    DataKey {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A value is not what SOPS writes.
    #[error("the value of `{path}` is not a sealed value of SOPS: {problem}")]
    Value {
        /// The keys that lead to it.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A value was changed, cut off or moved after it was sealed.
    #[error(
        "the value of `{path}` does not open: it was changed or moved there after it was sealed"
    )]
    Tampered {
        /// The keys that lead to it.
        path: String,
    },
    /// The digest over all values does not fit.
    #[error(
        "the message authentication code does not fit: values were added, removed, moved or changed \
         without SOPS; restore the file from Git, or seal it anew if the change was meant"
    )]
    Mac,
    /// A text is neither a key nor a recipient.
    #[error("it is no {expected}: {problem}")]
    Key {
        /// What was expected.
        expected: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// What is to be sealed is sealed already.
    #[error("it is sealed already; change it with `holdfast secret edit`")]
    AlreadySealed,
    /// Nobody could open what is to be sealed.
    #[error("there is no recipient to seal it for")]
    NoRecipient,
    /// A rule for what is sealed is wrong.
    #[error("the rule for what is sealed is wrong: {problem}")]
    Rule {
        /// What is wrong with it.
        problem: String,
    },
    /// The values cannot be written in this format.
    #[error("it cannot be written as {format}: {problem}")]
    Unwritable {
        /// The format.
        format: &'static str,
        /// Why not.
        problem: String,
    },
    /// The machine gave no random bytes.
    #[error("the system gave no random bytes")]
    Entropy,
    /// A SealedSecret is wrong in its form.
    #[error("the SealedSecret is wrong: {problem}")]
    Form {
        /// What is wrong with it.
        problem: String,
    },
    /// Values of a SealedSecret do not open.
    #[error(
        "{} of the SealedSecret {name} in namespace {namespace} did not open with any of {held} keys: \
         sealed for another cluster, or for another name, namespace or scope than {scope}",
        keys.join(", ")
    )]
    Unsealable {
        /// Its name.
        name: String,
        /// Its namespace.
        namespace: String,
        /// The scope that its annotations say.
        scope: &'static str,
        /// The entries that did not open.
        keys: Vec<String>,
        /// How many keys were tried.
        held: usize,
    },
}

impl Error {
    /// A word for the reason that never changes.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotSealed => "NotSealed",
            Self::TooLarge { .. } => "TooLarge",
            Self::Syntax { .. } => "Syntax",
            Self::Metadata { .. } => "Metadata",
            Self::UnknownVersion { .. } => "UnknownVersion",
            Self::KindOfKey { .. } => "KindOfKey",
            Self::NoKey { .. } => "NoKey",
            Self::TooFewGroups { .. } => "TooFewGroups",
            Self::DataKey { .. } => "DataKey",
            Self::Value { .. } => "Value",
            Self::Tampered { .. } => "Tampered",
            Self::Mac => "Mac",
            Self::Key { .. } => "Key",
            Self::AlreadySealed => "AlreadySealed",
            Self::NoRecipient => "NoRecipient",
            Self::Rule { .. } => "Rule",
            Self::Unwritable { .. } => "Unwritable",
            Self::Entropy => "Entropy",
            Self::Form { .. } => "Form",
            Self::Unsealable { .. } => "Unsealable",
        }
    }
}
