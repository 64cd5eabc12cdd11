//! A document as it was written: order, tags, styles and places kept, aliases expanded.
//! It must not know what a scalar means; see `resolve` for that.

use std::fmt;

/// A document of a stream.
#[derive(Clone, PartialEq)]
pub struct Document {
    /// The line on which its content begins, from 1.
    pub line: u32,
    /// What it holds; a document of comments only holds an empty plain scalar.
    pub node: Node,
}

impl fmt::Debug for Document {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Document(line {})", self.line)
    }
}

/// A comment of a stream. `Debug` shows no text, as it may be secret.
#[derive(Clone, PartialEq)]
pub struct Comment {
    /// The line, from 1.
    pub line: u32,
    /// The column of its `#` in characters, from 1.
    pub column: u32,
    /// Whether nothing else stands on its line.
    pub alone: bool,
    /// What was written, with the `#`.
    pub text: Box<str>,
}

impl fmt::Debug for Comment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Comment({}:{})", self.line, self.column)
    }
}

/// A scalar, sequence or mapping. `Debug` shows no text, as it may be secret.
#[derive(Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub value: NodeValue,
    /// The tag that was written, `!!str` in its short form; `!` is the non-specific one.
    pub tag: Option<Box<str>>,
    /// How it was written.
    pub style: Style,
    /// The line, from 1; 0 when it was not read from a text.
    pub line: u32,
    /// The column in characters, from 1; 0 when it was not read from a text.
    pub column: u32,
}

/// What a node is.
#[derive(Clone, PartialEq)]
pub enum NodeValue {
    /// A text whose meaning depends on tag, style and rules.
    Scalar(String),
    /// Nodes in order.
    Sequence(Vec<Node>),
    /// Keys and values in order; keys may repeat.
    Mapping(Vec<(Node, Node)>),
}

/// How a node was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// A scalar without quotes.
    #[default]
    Plain,
    /// `'text'`
    SingleQuoted,
    /// `"text"`
    DoubleQuoted,
    /// `|`
    Literal,
    /// `>`
    Folded,
    /// A sequence or mapping by indentation.
    Block,
    /// `[...]` or `{...}`
    Flow,
}

impl Node {
    /// A scalar that was not read from a text.
    pub fn scalar(text: impl Into<String>, style: Style) -> Self {
        Self::made(NodeValue::Scalar(text.into()), style)
    }

    /// A sequence that was not read from a text.
    pub fn sequence(nodes: Vec<Node>) -> Self {
        Self::made(NodeValue::Sequence(nodes), Style::Block)
    }

    /// A mapping that was not read from a text.
    pub fn mapping(entries: Vec<(Node, Node)>) -> Self {
        Self::made(NodeValue::Mapping(entries), Style::Block)
    }

    fn made(value: NodeValue, style: Style) -> Self {
        Self {
            value,
            tag: None,
            style,
            line: 0,
            column: 0,
        }
    }

    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            NodeValue::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// The nodes of a sequence.
    pub fn items(&self) -> Option<&[Node]> {
        match &self.value {
            NodeValue::Sequence(items) => Some(items),
            _ => None,
        }
    }

    /// The entries of a mapping.
    pub fn entries(&self) -> Option<&[(Node, Node)]> {
        match &self.value {
            NodeValue::Mapping(entries) => Some(entries),
            _ => None,
        }
    }

    /// The value of a mapping's first entry with this key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries()?
            .iter()
            .find(|(name, _)| name.text() == Some(key))
            .map(|(_, value)| value)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.value {
            NodeValue::Scalar(_) => "scalar",
            NodeValue::Sequence(_) => "sequence",
            NodeValue::Mapping(_) => "mapping",
        };
        write!(formatter, "Node({kind} at {}:{})", self.line, self.column)
    }
}
