//! What a template text means, as a tree that many renders share.
//!
//! It must not hold values of a render: everything here is `Send + Sync`.

use std::sync::Arc;

use crate::functions::Function;

/// The text that templates were read from, kept for what errors say.
#[derive(Debug)]
pub struct Source {
    /// The name that errors give: a path within the chart.
    pub name: Box<str>,
    /// The text, shared with whoever holds the file.
    pub text: Arc<str>,
}

/// One named template.
#[derive(Debug)]
pub struct Template {
    /// The name it is called by.
    pub name: Box<str>,
    /// Where it was read from.
    pub source: Arc<Source>,
    pub(crate) body: Vec<Node>,
    /// How many variables it declares; the first is `$`.
    pub(crate) slots: usize,
}

/// A range of bytes in the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    /// Texts that are longer than a span can tell are refused before they are read.
    pub(crate) fn new(start: usize, end: usize) -> Self {
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        Self {
            start: place(start),
            end: place(end),
        }
    }
}

#[derive(Debug)]
pub(crate) enum Node {
    Text(Span),
    Action(Pipe),
    If(Box<Branch>),
    With(Box<Branch>),
    Range(Box<Branch>),
    Call(Box<Call>),
    Break,
    Continue,
}

/// A template that is called for its output.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) span: Span,
    pub(crate) name: Box<str>,
    pub(crate) pipe: Option<Pipe>,
}

#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) pipe: Pipe,
    pub(crate) body: Vec<Node>,
    pub(crate) otherwise: Vec<Node>,
}

#[derive(Debug)]
pub(crate) struct Pipe {
    pub(crate) span: Span,
    /// The slots of the variables that it sets.
    pub(crate) targets: Box<[Slot]>,
    pub(crate) commands: Box<[Command]>,
}

/// Where a variable lives; [`Slot::UNKNOWN`] for one that was assigned and never declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(pub(crate) u32);

impl Slot {
    pub(crate) const ROOT: Self = Self(0);
    pub(crate) const UNKNOWN: Self = Self(u32::MAX);
}

#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) span: Span,
    /// The first is what is called; never empty.
    pub(crate) operands: Box<[Operand]>,
}

#[derive(Debug)]
pub(crate) struct Operand {
    pub(crate) span: Span,
    pub(crate) term: Term,
}

#[derive(Debug)]
pub(crate) enum Term {
    Dot,
    Nil,
    Bool(bool),
    Number(Box<Number>),
    Text(Box<str>),
    /// A string literal whose escapes make bytes that are no UTF-8.
    Raw(Box<[u8]>),
    Field(Fields),
    Variable(Slot, Fields),
    Chain(Box<Operand>, Fields),
    Pipe(Box<Pipe>),
    Function(&'static Function),
}

/// Names behind dots, such as `.Values.image`, where they stand in the source; none where it is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields(pub(crate) Span);

impl Fields {
    /// The names up to the last one, with their dots, and the last one.
    pub(crate) fn split<'t>(&self, source: &'t Source) -> Option<(&'t str, &'t str)> {
        let text = source.text.get(self.0.start as usize..self.0.end as usize);
        text?.rsplit_once('.')
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.start == self.0.end
    }
}

/// A number literal: what it is as an integer and as a float, where it is one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number {
    pub(crate) integer: Option<i64>,
    pub(crate) unsigned: Option<u64>,
    pub(crate) float: Option<f64>,
    /// Whether its syntax asks for a float where nothing else does.
    pub(crate) reads_as_float: bool,
}

/// Whether a body says nothing, so that it may not replace one that does.
pub(crate) fn is_blank(body: &[Node], text: &str) -> bool {
    body.iter().all(|node| match node {
        Node::Text(span) => text[span.start as usize..span.end as usize]
            .trim()
            .is_empty(),
        _ => false,
    })
}
