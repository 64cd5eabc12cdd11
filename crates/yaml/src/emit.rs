//! Writes YAML as Go's emitters do, byte for byte. It takes events, so that every value model can
//! be written without being copied; it must not know any of them.

mod scalar;

use crate::analyze::{Analysis, analyze, wanted_style};
use crate::node::Style;
use crate::number::{format_float, format_json_float};
use crate::resolve::{Rules, Scalar, resolve_plain};

/// Whose output is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// `sigs.k8s.io/yaml.Marshal`: v2 rules, numbers as after a way through JSON.
    Sigs,
    /// `go-yaml` v3 with this many spaces per level.
    V3 {
        /// Spaces per level; 2 in Helm's `toYamlPretty` and in Kustomize, 4 by default in Go.
        indent: usize,
        /// How sequences inside of mappings stand.
        sequences: Sequences,
    },
}

/// How sequences inside of mappings stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sequences {
    /// The dash below the key's first character.
    Compact,
    /// The dash one level deeper.
    Wide,
}

impl Dialect {
    /// What Helm's `toYamlPretty` writes.
    pub const PRETTY: Self = Self::V3 {
        indent: 2,
        sequences: Sequences::Wide,
    };
    /// What Kustomize writes of a node.
    pub const KYAML: Self = Self::V3 {
        indent: 2,
        sequences: Sequences::Compact,
    };

    /// The rules by which keys sort and texts need quotes.
    pub fn rules(self) -> Rules {
        match self {
            Self::Sigs => Rules::V2,
            Self::V3 { .. } => Rules::V3,
        }
    }
}

/// Takes a document as events and writes it.
///
/// The caller gives one node, where a collection is `begin_*`, its content, `end`; in a mapping
/// each value follows its [`Emitter::key`]. Keys are written in the order they come.
pub struct Emitter {
    dialect: Dialect,
    out: String,
    column: usize,
    /// Whether the last character was white space that separates.
    whitespace: bool,
    /// Whether only indentation and indicators stand on this line so far.
    indention: bool,
    indent: i64,
    frames: Vec<Frame>,
    place: Place,
}

struct Frame {
    indent_before: i64,
    kind: Kind,
    flow: bool,
    items: usize,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Sequence,
    Mapping,
}

/// Where the next node stands.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Root,
    Item,
    Key,
    Value,
}

/// A key longer than this, or of several lines, is written behind a `?`.
const SIMPLE_KEY_LENGTH: usize = 128;

impl Emitter {
    /// Starts a document.
    pub fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            out: String::new(),
            column: 0,
            whitespace: true,
            indention: true,
            indent: -1,
            frames: Vec::new(),
            place: Place::Root,
        }
    }

    /// The document's text, with a line break at its end.
    pub fn finish(mut self) -> String {
        self.indent = -1;
        self.write_indent();
        self.out
    }

    /// Writes `null`.
    pub fn null(&mut self) {
        self.scalar("null", Style::Plain);
    }

    /// Writes a boolean.
    pub fn bool(&mut self, truth: bool) {
        self.scalar(if truth { "true" } else { "false" }, Style::Plain);
    }

    /// Writes an integer.
    pub fn int(&mut self, number: i64) {
        self.scalar(&number.to_string(), Style::Plain);
    }

    /// Writes an integer without sign.
    pub fn uint(&mut self, number: u64) {
        self.scalar(&number.to_string(), Style::Plain);
    }

    /// Writes a float; by [`Dialect::Sigs`] what JSON makes of it, so that 1e6 is `1000000`.
    pub fn float(&mut self, number: f64) {
        let through_json = match self.dialect {
            Dialect::Sigs => format_json_float(number),
            Dialect::V3 { .. } => None,
        };
        match through_json
            .as_deref()
            .map(|text| resolve_plain(text, Rules::V2))
        {
            Some(Scalar::Int(number)) => self.int(number),
            Some(Scalar::Uint(number)) => self.uint(number),
            _ if number.is_nan() => self.scalar(".nan", Style::Plain),
            _ if number == f64::INFINITY => self.scalar(".inf", Style::Plain),
            _ if number == f64::NEG_INFINITY => self.scalar("-.inf", Style::Plain),
            _ => self.scalar(&format_float(number), Style::Plain),
        }
    }

    /// Writes a text in the style that Go picks for it.
    pub fn str(&mut self, text: &str) {
        let style = wanted_style(text, self.dialect.rules());
        self.scalar(text, style);
    }

    /// Writes a scalar, in this style where the text allows it.
    pub fn scalar(&mut self, text: &str, style: Style) {
        self.before_node();
        let analysis = analyze(text, self.dialect.rules());
        self.write_scalar(text, style, &analysis);
    }

    /// Writes a tag in front of the next node; only where that node is a scalar or a collection
    /// that is not empty.
    pub fn tag(&mut self, tag: &str) {
        self.before_node();
        if !self.whitespace {
            self.put(" ");
        }
        self.put(tag);
        self.whitespace = false;
        self.indention = false;
        self.place = match self.place {
            Place::Item => Place::Value,
            place => place,
        };
    }

    /// Writes a key that is a text.
    pub fn key(&mut self, text: &str) {
        let style = wanted_style(text, self.dialect.rules());
        self.key_scalar(text, style);
    }

    /// Writes the key that merges, in the way that Go writes it of a tree.
    pub fn merge_key(&mut self) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        frame.items += 1;
        if frame.flow {
            let first = frame.items == 1;
            self.write_flow_separator(first);
        } else {
            self.write_indent();
        }
        self.write_indicator("!!merge <<:", true, false, false);
        self.place = Place::Value;
    }

    /// Writes a key, in this style where the text allows it.
    pub fn key_scalar(&mut self, text: &str, style: Style) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        frame.items += 1;
        if frame.flow {
            let first = frame.items == 1;
            self.write_flow_separator(first);
        } else {
            self.write_indent();
        }
        let analysis = analyze(text, self.dialect.rules());
        if text.len() <= SIMPLE_KEY_LENGTH && !analysis.multiline {
            self.place = Place::Key;
            self.write_scalar(text, style, &analysis);
            self.write_indicator(":", false, false, false);
        } else {
            self.place = Place::Value;
            self.write_indicator("?", true, false, true);
            self.write_scalar(text, style, &analysis);
            self.write_indent();
            self.write_indicator(":", true, false, true);
        }
        self.place = Place::Value;
    }

    /// Writes a comment, which begins with `#`, on a line of its own in front of what follows in the
    /// open sequence or mapping. Nothing is written between brackets, where no comment can stand.
    pub fn comment(&mut self, text: &str) {
        if self.in_flow() {
            return;
        }
        self.write_indent();
        self.put(text);
        self.whitespace = false;
        self.indention = false;
    }

    /// Writes a comment behind the scalar that was written last.
    pub fn comment_behind(&mut self, text: &str) {
        if self.in_flow() {
            return;
        }
        self.put(" ");
        self.put(text);
        self.whitespace = false;
        self.indention = false;
    }

    /// Opens a sequence of so many items.
    pub fn begin_sequence(&mut self, items: usize) {
        self.begin(Kind::Sequence, items == 0);
    }

    /// Opens a mapping of so many entries.
    pub fn begin_mapping(&mut self, entries: usize) {
        self.begin(Kind::Mapping, entries == 0);
    }

    /// Opens a sequence in brackets.
    pub(crate) fn begin_flow_sequence(&mut self) {
        self.begin(Kind::Sequence, true);
    }

    /// Opens a mapping in braces.
    pub(crate) fn begin_flow_mapping(&mut self) {
        self.begin(Kind::Mapping, true);
    }

    /// Closes the innermost sequence or mapping.
    pub fn end(&mut self) {
        let Some(frame) = self.frames.pop() else {
            return;
        };
        self.indent = frame.indent_before;
        if frame.flow {
            let closing = if frame.kind == Kind::Sequence {
                "]"
            } else {
                "}"
            };
            self.write_indicator(closing, false, false, false);
        }
    }

    fn begin(&mut self, kind: Kind, flow: bool) {
        self.before_node();
        let flow = flow || self.frames.last().is_some_and(|frame| frame.flow);
        let indent_before = self.indent;
        if flow {
            let opening = if kind == Kind::Sequence { "[" } else { "{" };
            self.write_indicator(opening, true, true, false);
            self.increase_indent(true, false);
        } else {
            let under_key = kind == Kind::Sequence && self.place == Place::Value;
            let hanging = under_key && (self.column == 0 || !self.indention);
            self.increase_indent(false, hanging);
        }
        self.frames.push(Frame {
            indent_before,
            kind,
            flow,
            items: 0,
        });
    }

    fn before_node(&mut self) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        if frame.kind == Kind::Mapping {
            return;
        }
        frame.items += 1;
        if frame.flow {
            let first = frame.items == 1;
            self.write_flow_separator(first);
        } else {
            self.write_indent();
            self.write_indicator("-", true, false, true);
        }
        self.place = Place::Item;
    }

    fn write_flow_separator(&mut self, first: bool) {
        if !first {
            self.write_indicator(",", false, false, false);
        }
        if self.column > self.width() {
            self.write_indent();
        }
    }

    /// Goes one level deeper. `hanging` is a sequence right below a key.
    fn increase_indent(&mut self, flow: bool, hanging: bool) {
        self.indent = match self.dialect {
            Dialect::Sigs if self.indent < 0 => 2 * i64::from(flow),
            Dialect::Sigs if hanging => self.indent,
            Dialect::Sigs => self.indent + 2,
            Dialect::V3 { indent, sequences } => {
                let step = i64::try_from(indent.max(2)).unwrap_or(2);
                if self.indent < 0 {
                    step * i64::from(flow)
                } else if self.place == Place::Item {
                    self.indent + 2
                } else {
                    let compact = hanging && sequences == Sequences::Compact;
                    step * ((self.indent + step) / step) - 2 * i64::from(compact)
                }
            }
        };
    }

    /// The column behind which texts are folded.
    fn width(&self) -> usize {
        match self.dialect {
            Dialect::Sigs => 80,
            Dialect::V3 { .. } => usize::MAX,
        }
    }

    fn put(&mut self, text: &str) {
        self.out.push_str(text);
        self.column += if text.is_ascii() {
            text.len()
        } else {
            text.chars().count()
        };
    }

    fn put_char(&mut self, character: char) {
        self.out.push(character);
        self.column += 1;
    }

    fn put_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
        self.indention = true;
    }

    fn write_indent(&mut self) {
        let indent = usize::try_from(self.indent).unwrap_or(0);
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.put_break();
        }
        while self.column < indent {
            self.put_char(' ');
        }
        self.whitespace = true;
        if self.dialect == Dialect::Sigs {
            self.indention = true;
        }
    }

    fn write_indicator(&mut self, text: &str, apart: bool, whitespace: bool, indention: bool) {
        if apart && !self.whitespace {
            self.put(" ");
        }
        self.put(text);
        self.whitespace = whitespace;
        self.indention = self.indention && indention;
    }

    fn in_flow(&self) -> bool {
        self.frames.last().is_some_and(|frame| frame.flow)
    }

    /// The nearest style to the wanted one that the text and the place allow.
    fn allowed_style(&self, text: &str, wanted: Style, analysis: &Analysis) -> Style {
        let in_key = self.place == Place::Key;
        let mut style = wanted;
        if in_key && analysis.multiline {
            style = Style::DoubleQuoted;
        }
        if style == Style::Plain {
            let allowed = if self.in_flow() {
                analysis.flow_plain
            } else {
                analysis.block_plain
            };
            if !allowed || text.is_empty() && (self.in_flow() || in_key) {
                style = Style::SingleQuoted;
            }
        }
        if style == Style::SingleQuoted && !analysis.single_quoted {
            style = Style::DoubleQuoted;
        }
        let block = matches!(style, Style::Literal | Style::Folded);
        if block && (!analysis.block || self.in_flow() || in_key) {
            style = Style::DoubleQuoted;
        }
        style
    }

    fn write_scalar(&mut self, text: &str, wanted: Style, analysis: &Analysis) {
        let style = self.allowed_style(text, wanted, analysis);
        let indent_before = self.indent;
        self.increase_indent(true, false);
        let may_break = self.place != Place::Key;
        match style {
            Style::SingleQuoted => self.write_single_quoted(text, may_break),
            Style::DoubleQuoted => self.write_double_quoted(text, may_break),
            Style::Literal => self.write_literal(text),
            Style::Folded => self.write_folded(text),
            Style::Plain | Style::Block | Style::Flow => self.write_plain(text, may_break),
        }
        self.indent = indent_before;
    }
}
