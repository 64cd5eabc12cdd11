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
    /// The text.
    pub text: Box<str>,
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

#[derive(Debug)]
pub(crate) enum Node {
    Text(Span),
    Action(Pipe),
    If(Branch),
    With(Branch),
    Range(Branch),
    Call {
        span: Span,
        name: Box<str>,
        pipe: Option<Pipe>,
    },
    Break,
    Continue,
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
    pub(crate) targets: Vec<Slot>,
    pub(crate) commands: Vec<Command>,
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
    pub(crate) operands: Vec<Operand>,
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
    Number(Number),
    Text(Box<str>),
    /// A string literal whose escapes make bytes that are no UTF-8.
    Raw(Box<[u8]>),
    Field(Vec<Box<str>>),
    Variable(Slot, Vec<Box<str>>),
    Chain(Box<Operand>, Vec<Box<str>>),
    Pipe(Box<Pipe>),
    Function(&'static Function),
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
