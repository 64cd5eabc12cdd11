//! Tokens to nodes, by libyaml's grammar. Aliases are expanded here, within the limits.

use std::collections::HashMap;

use crate::error::Error;
use crate::limits::Limits;
use crate::node::{Comment, Document, Node, NodeValue, Style};
use crate::scan::{Scanner, Token, TokenKind};

pub(crate) struct Parser<'a> {
    scanner: Scanner<'a>,
    limits: &'a Limits,
    first: bool,
    handles: Vec<(String, String)>,
    anchors: HashMap<String, Anchored>,
    /// Whether there is a `*` at all; without one no anchored node is worth keeping.
    has_aliases: bool,
    alias_nodes: usize,
    depth: usize,
}

/// What an anchor stands for; nothing as long as its node is still being read.
struct Anchored {
    node: Option<Node>,
    nodes: usize,
}

/// Where a node stands, which decides what may begin it.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Block,
    /// A mapping's key or value, where a sequence needs no deeper indentation.
    BlockEntry,
    Flow,
}

#[derive(Default)]
struct Properties {
    anchor: Option<String>,
    tag: Option<Box<str>>,
    place: Option<(u32, u32)>,
}

impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a str, limits: &'a Limits) -> Result<Self, Error> {
        if text.len() > limits.bytes {
            let message = format!(
                "the text has {} bytes; the limit is {}",
                text.len(),
                limits.bytes
            );
            return Err(Error::new(1, 1, message));
        }
        Ok(Self {
            scanner: Scanner::new(text, limits.depth)?,
            limits,
            first: true,
            handles: Vec::new(),
            anchors: HashMap::new(),
            has_aliases: text.contains('*'),
            alias_nodes: 0,
            depth: 0,
        })
    }

    /// From here on the comments that are passed are kept.
    pub(crate) fn keep_comments(&mut self) {
        self.scanner.comments = Some(Vec::new());
    }

    /// The comments that were kept.
    pub(crate) fn into_comments(self) -> Vec<Comment> {
        self.scanner.comments.unwrap_or_default()
    }

    pub(crate) fn next_document(&mut self) -> Result<Option<Document>, Error> {
        let first = std::mem::replace(&mut self.first, false);
        if !first {
            while self.next_is(&TokenKind::DocumentEnd)? {
                self.scanner.next()?;
            }
        }
        self.anchors.clear();
        self.handles.clear();
        let token = self.scanner.peek()?;
        let mut line = token.line + 1;
        let mut started = false;
        match token.kind {
            TokenKind::StreamEnd => return Ok(None),
            TokenKind::Version { .. }
            | TokenKind::TagDirective { .. }
            | TokenKind::DocumentStart => {
                line = self.take_document_start()?;
                started = true;
            }
            _ if first => {}
            _ => return Err(error_at(token, "did not find expected <document start>")),
        }
        let token = self.scanner.peek()?;
        let is_empty = matches!(
            token.kind,
            TokenKind::Version { .. }
                | TokenKind::TagDirective { .. }
                | TokenKind::DocumentStart
                | TokenKind::DocumentEnd
                | TokenKind::StreamEnd
        );
        // Only a document that was started with a mark may be empty.
        let node = if is_empty && started {
            empty(line, 1)
        } else {
            line = token.line + 1;
            self.parse_node(Place::Block)?
        };
        // One end mark belongs to this document. Anything else that follows is looked at with the
        // next document, so that readers of the first one never see what comes behind it.
        if self.next_is(&TokenKind::DocumentEnd)? {
            self.scanner.next()?;
        }
        Ok(Some(Document { line, node }))
    }

    fn next_is(&mut self, kind: &TokenKind) -> Result<bool, Error> {
        Ok(self.scanner.peek()?.kind == *kind)
    }

    fn take_document_start(&mut self) -> Result<u32, Error> {
        let mut versioned = false;
        loop {
            let token = self.scanner.next()?;
            match token.kind {
                TokenKind::Version { major, minor } => {
                    if versioned {
                        return Err(error_at(&token, "found duplicate %YAML directive"));
                    }
                    if (major, minor) != (1, 1) {
                        return Err(error_at(&token, "found incompatible YAML document"));
                    }
                    versioned = true;
                }
                TokenKind::TagDirective {
                    ref handle,
                    ref prefix,
                } => {
                    if self.handles.iter().any(|(known, _)| known == handle) {
                        return Err(error_at(&token, "found duplicate %TAG directive"));
                    }
                    self.handles.push((handle.clone(), prefix.clone()));
                }
                TokenKind::DocumentStart => return Ok(token.line + 1),
                _ => return Err(error_at(&token, "did not find expected <document start>")),
            }
        }
    }

    fn parse_node(&mut self, place: Place) -> Result<Node, Error> {
        self.depth += 1;
        if self.depth > self.limits.depth {
            let message = format!("nested more than {} levels deep", self.limits.depth);
            return Err(error_at(self.scanner.peek()?, &message));
        }
        let node = self.parse_node_within(place);
        self.depth -= 1;
        node
    }

    fn parse_node_within(&mut self, place: Place) -> Result<Node, Error> {
        if matches!(self.scanner.peek()?.kind, TokenKind::Alias(_)) {
            return self.take_alias();
        }
        let properties = self.take_properties()?;
        if let Some(anchor) = &properties.anchor {
            let open = Anchored {
                node: None,
                nodes: 0,
            };
            self.anchors.insert(anchor.clone(), open);
        }
        let token = self.scanner.peek()?;
        let (line, column) = properties
            .place
            .unwrap_or((token.line + 1, token.column + 1));
        let (value, style) = self.parse_content(place, &properties)?;
        let node = Node {
            value,
            tag: properties.tag,
            style,
            line,
            column,
        };
        if let Some(anchor) = properties.anchor {
            let kept = self.has_aliases.then(|| node.clone());
            let nodes = kept.as_ref().map_or(0, count);
            self.anchors.insert(anchor, Anchored { node: kept, nodes });
        }
        Ok(node)
    }

    fn parse_content(
        &mut self,
        place: Place,
        properties: &Properties,
    ) -> Result<(NodeValue, Style), Error> {
        let token = self.scanner.peek()?;
        match &token.kind {
            TokenKind::Scalar { .. } => {
                let TokenKind::Scalar { text, style } = self.scanner.next()?.kind else {
                    unreachable!("the peeked token was a scalar")
                };
                Ok((NodeValue::Scalar(text), style))
            }
            TokenKind::BlockEntry if place == Place::BlockEntry => {
                Ok((self.parse_indentless_sequence()?, Style::Block))
            }
            TokenKind::FlowSequenceStart => Ok((self.parse_flow_sequence()?, Style::Flow)),
            TokenKind::FlowMappingStart => Ok((self.parse_flow_mapping()?, Style::Flow)),
            TokenKind::BlockSequenceStart if place != Place::Flow => {
                Ok((self.parse_block_sequence()?, Style::Block))
            }
            TokenKind::BlockMappingStart if place != Place::Flow => {
                Ok((self.parse_block_mapping()?, Style::Block))
            }
            _ if properties.place.is_some() => Ok((NodeValue::Scalar(String::new()), Style::Plain)),
            _ => Err(error_at(token, "did not find expected node content")),
        }
    }

    fn take_alias(&mut self) -> Result<Node, Error> {
        let token = self.scanner.next()?;
        let TokenKind::Alias(name) = &token.kind else {
            unreachable!("the peeked token was an alias")
        };
        let Some(anchored) = self.anchors.get(name) else {
            return Err(error_at(
                &token,
                &format!("unknown anchor '{name}' referenced"),
            ));
        };
        let Some(node) = &anchored.node else {
            return Err(error_at(
                &token,
                &format!("anchor '{name}' value contains itself"),
            ));
        };
        self.alias_nodes += anchored.nodes;
        if self.alias_nodes > self.limits.alias_nodes {
            return Err(error_at(&token, "document contains excessive aliasing"));
        }
        if depth_of(node) + self.depth > self.limits.depth {
            let message = format!("nested more than {} levels deep", self.limits.depth);
            return Err(error_at(&token, &message));
        }
        Ok(node.clone())
    }

    fn take_properties(&mut self) -> Result<Properties, Error> {
        let mut properties = Properties::default();
        loop {
            let token = self.scanner.peek()?;
            let place = (token.line + 1, token.column + 1);
            match &token.kind {
                TokenKind::Anchor(name) if properties.anchor.is_none() => {
                    properties.anchor = Some(name.clone());
                }
                TokenKind::Tag { .. } if properties.tag.is_none() => {
                    properties.tag = Some(self.expand_tag()?);
                }
                _ => return Ok(properties),
            }
            properties.place.get_or_insert(place);
            self.scanner.next()?;
        }
    }

    /// The full tag of the next token, with YAML's own ones in their short form.
    fn expand_tag(&mut self) -> Result<Box<str>, Error> {
        let token = self.scanner.peek()?;
        let TokenKind::Tag { handle, suffix } = &token.kind else {
            unreachable!("the peeked token was a tag")
        };
        let declared = self.handles.iter().find(|(known, _)| known == handle);
        let prefix = match (declared, handle.as_str()) {
            (Some((_, prefix)), _) => prefix.as_str(),
            (None, "") => "",
            (None, "!") => "!",
            (None, "!!") => "tag:yaml.org,2002:",
            _ => return Err(error_at(token, "found undefined tag handle")),
        };
        let tag = format!("{prefix}{suffix}");
        Ok(match tag.strip_prefix("tag:yaml.org,2002:") {
            Some(short) => format!("!!{short}").into(),
            None => tag.into(),
        })
    }

    fn parse_block_sequence(&mut self) -> Result<NodeValue, Error> {
        self.scanner.next()?;
        let mut items = Vec::new();
        loop {
            let token = self.scanner.next()?;
            match token.kind {
                TokenKind::BlockEntry => {}
                TokenKind::BlockEnd => return Ok(NodeValue::Sequence(items)),
                _ => return Err(error_at(&token, "did not find expected '-' indicator")),
            }
            let item = match self.scanner.peek()?.kind {
                TokenKind::BlockEntry | TokenKind::BlockEnd => empty_after(&token),
                _ => self.parse_node(Place::Block)?,
            };
            items.push(item);
        }
    }

    fn parse_indentless_sequence(&mut self) -> Result<NodeValue, Error> {
        let mut items = Vec::new();
        while self.next_is(&TokenKind::BlockEntry)? {
            let token = self.scanner.next()?;
            let item = match self.scanner.peek()?.kind {
                TokenKind::BlockEntry | TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd => {
                    empty_after(&token)
                }
                _ => self.parse_node(Place::Block)?,
            };
            items.push(item);
        }
        Ok(NodeValue::Sequence(items))
    }

    fn parse_block_mapping(&mut self) -> Result<NodeValue, Error> {
        self.scanner.next()?;
        let mut entries = Vec::new();
        loop {
            let token = self.scanner.peek()?;
            let key = match token.kind {
                TokenKind::Key => {
                    let token = self.scanner.next()?;
                    self.parse_entry_part(&token)?
                }
                TokenKind::BlockEnd => {
                    self.scanner.next()?;
                    return Ok(NodeValue::Mapping(entries));
                }
                _ => return Err(error_at(token, "did not find expected key")),
            };
            let token = self.scanner.peek()?;
            let value = if token.kind == TokenKind::Value {
                let token = self.scanner.next()?;
                self.parse_entry_part(&token)?
            } else {
                empty(token.line + 1, token.column + 1)
            };
            entries.push((key, value));
        }
    }

    fn parse_entry_part(&mut self, indicator: &Token) -> Result<Node, Error> {
        match self.scanner.peek()?.kind {
            TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd => Ok(empty_after(indicator)),
            _ => self.parse_node(Place::BlockEntry),
        }
    }

    fn parse_flow_sequence(&mut self) -> Result<NodeValue, Error> {
        self.scanner.next()?;
        let mut items = Vec::new();
        loop {
            if !items.is_empty() && !self.next_is(&TokenKind::FlowSequenceEnd)? {
                let token = self.scanner.next()?;
                if token.kind != TokenKind::FlowEntry {
                    return Err(error_at(&token, "did not find expected ',' or ']'"));
                }
            }
            let token = self.scanner.peek()?;
            match token.kind {
                TokenKind::FlowSequenceEnd => {
                    self.scanner.next()?;
                    return Ok(NodeValue::Sequence(items));
                }
                TokenKind::Key => items.push(self.parse_pair()?),
                _ => items.push(self.parse_node(Place::Flow)?),
            }
        }
    }

    /// `[a: b]`: a mapping of one entry without braces.
    fn parse_pair(&mut self) -> Result<Node, Error> {
        let start = self.scanner.next()?;
        let end = TokenKind::FlowSequenceEnd;
        let key = self.parse_flow_part(&start, &end)?;
        let value = self.parse_flow_value(&end)?;
        Ok(Node {
            value: NodeValue::Mapping(vec![(key, value)]),
            tag: None,
            style: Style::Flow,
            line: start.line + 1,
            column: start.column + 1,
        })
    }

    fn parse_flow_mapping(&mut self) -> Result<NodeValue, Error> {
        self.scanner.next()?;
        let end = TokenKind::FlowMappingEnd;
        let mut entries = Vec::new();
        loop {
            if !entries.is_empty() && !self.next_is(&end)? {
                let token = self.scanner.next()?;
                if token.kind != TokenKind::FlowEntry {
                    return Err(error_at(&token, "did not find expected ',' or '}'"));
                }
            }
            let token = self.scanner.peek()?;
            match token.kind {
                TokenKind::FlowMappingEnd => {
                    self.scanner.next()?;
                    return Ok(NodeValue::Mapping(entries));
                }
                TokenKind::Key => {
                    let start = self.scanner.next()?;
                    let key = self.parse_flow_part(&start, &end)?;
                    let value = self.parse_flow_value(&end)?;
                    entries.push((key, value));
                }
                _ => {
                    let key = self.parse_node(Place::Flow)?;
                    let value = empty(key.line, key.column);
                    entries.push((key, value));
                }
            }
        }
    }

    fn parse_flow_part(&mut self, indicator: &Token, end: &TokenKind) -> Result<Node, Error> {
        let kind = &self.scanner.peek()?.kind;
        if matches!(kind, TokenKind::Value | TokenKind::FlowEntry) || kind == end {
            return Ok(empty_after(indicator));
        }
        self.parse_node(Place::Flow)
    }

    fn parse_flow_value(&mut self, end: &TokenKind) -> Result<Node, Error> {
        let token = self.scanner.peek()?;
        if token.kind != TokenKind::Value {
            return Ok(empty(token.line + 1, token.column + 1));
        }
        let indicator = self.scanner.next()?;
        let kind = &self.scanner.peek()?.kind;
        if *kind == TokenKind::FlowEntry || kind == end {
            return Ok(empty_after(&indicator));
        }
        self.parse_node(Place::Flow)
    }
}

fn error_at(token: &Token, message: &str) -> Error {
    Error::new(token.line + 1, token.column + 1, message)
}

fn empty(line: u32, column: u32) -> Node {
    Node {
        value: NodeValue::Scalar(String::new()),
        tag: None,
        style: Style::Plain,
        line,
        column,
    }
}

/// The empty scalar behind an indicator of one character.
fn empty_after(indicator: &Token) -> Node {
    empty(indicator.line + 1, indicator.column + 2)
}

fn count(node: &Node) -> usize {
    match &node.value {
        NodeValue::Scalar(_) => 1,
        NodeValue::Sequence(items) => 1 + items.iter().map(count).sum::<usize>(),
        NodeValue::Mapping(entries) => {
            let each = |(key, value): &(Node, Node)| count(key) + count(value);
            1 + entries.iter().map(each).sum::<usize>()
        }
    }
}

fn depth_of(node: &Node) -> usize {
    let deepest = match &node.value {
        NodeValue::Scalar(_) => None,
        NodeValue::Sequence(items) => items.iter().map(depth_of).max(),
        NodeValue::Mapping(entries) => entries
            .iter()
            .map(|(key, value)| depth_of(key).max(depth_of(value)))
            .max(),
    };
    1 + deepest.unwrap_or(0)
}
