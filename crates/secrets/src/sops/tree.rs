//! What SOPS holds of a document: entries in their order, with comments as entries of their own.
//! It must not know formats or keys.

use zeroize::Zeroizing;

/// The documents of a file.
pub(crate) type Documents = Vec<Vec<Entry>>;

/// An entry of a mapping: a key with its value, or a comment, which has no key.
#[derive(Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: Option<String>,
    pub(crate) value: Value,
}

/// A value or a comment. It has no `Debug`, so that nothing of it is ever printed by accident.
#[derive(Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    /// A text; in binary files and `!!binary` any bytes.
    Text(Zeroizing<Vec<u8>>),
    Int(i64),
    Float(f64),
    Bool(bool),
    /// A moment by RFC 3339.
    Time(String),
    Comment(Comment),
    List(Vec<Value>),
    Map(Vec<Entry>),
}

/// A comment without its `#`.
#[derive(Clone, PartialEq)]
pub(crate) struct Comment {
    pub(crate) text: Zeroizing<String>,
    /// Whether it stands behind the value that follows it.
    pub(crate) behind: bool,
}

impl Value {
    pub(crate) fn text(text: &str) -> Self {
        Self::Text(Zeroizing::new(text.as_bytes().to_vec()))
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(bytes) => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    pub(crate) fn comment(text: &str, behind: bool) -> Self {
        let text = Zeroizing::new(text.to_owned());
        Self::Comment(Comment { text, behind })
    }

    pub(crate) fn is_comment(&self) -> bool {
        matches!(self, Self::Comment(_))
    }
}

impl Entry {
    pub(crate) fn pair(key: impl Into<String>, value: Value) -> Self {
        let key = Some(key.into());
        Self { key, value }
    }

    pub(crate) fn comment(text: &str, behind: bool) -> Self {
        let value = Value::comment(text, behind);
        Self { key: None, value }
    }
}

/// The value of an entry with this key.
pub(crate) fn get<'a>(entries: &'a [Entry], key: &str) -> Option<&'a Value> {
    let mut found = entries
        .iter()
        .filter(|entry| entry.key.as_deref() == Some(key));
    found.next().map(|entry| &entry.value)
}
