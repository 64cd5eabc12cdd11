//! Executes templates: walks the tree, keeps variables, calls functions, writes output.
//!
//! It must not know what any function does, nor Kubernetes or charts.

mod eval;

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use holdfast_go::regexp::Regex;

use crate::ast::{Branch, Call, Node, Slot, Span, Template};
use crate::chance::Chance;
use crate::error::{Class, Error, Place};
use crate::format;
use crate::functions::compile_regex;
use crate::inputs::Inputs;
use crate::parse::{parse, position};
use crate::set::Set;
use crate::value::{Map, Value};

/// What a nested use of one name may reach, as Helm has it.
const MAX_INCLUDES: usize = 1000;

/// How many compiled expressions a render keeps.
const MAX_REGEXES: usize = 256;

/// The text that an absent value prints, which Helm takes out of its output again.
pub(crate) const NO_VALUE: &str = "<no value>";

/// One render: templates and inputs, and what has been used up so far.
pub struct Run<'r> {
    set: &'r Set,
    /// What it was given besides values.
    pub inputs: Inputs<'r>,
    pub(crate) chance: Chance,
    overlays: Vec<Set>,
    parsed: HashMap<Rc<str>, Arc<Vec<Arc<Template>>>>,
    includes: HashMap<Box<str>, usize>,
    steps: u64,
    bytes: u64,
    stack_base: usize,
    changed: Vec<Map>,
    regexes: HashMap<Box<str>, Regex>,
}

/// The variables of one execution of a template.
struct Frame<'t> {
    template: &'t Template,
    slots: Vec<Value>,
}

/// How a list of nodes ended.
#[derive(PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// What a function or a step of the evaluator gives.
pub(crate) type Outcome<T = Value> = Result<T, Error>;

impl<'r> Run<'r> {
    /// Starts a render over a set of templates.
    pub fn new(set: &'r Set, inputs: Inputs<'r>) -> Self {
        Self {
            set,
            inputs,
            chance: Chance::new(*inputs.entropy),
            overlays: Vec::new(),
            parsed: HashMap::new(),
            includes: HashMap::new(),
            steps: 0,
            bytes: 0,
            stack_base: stack_pointer(),
            changed: Vec::new(),
            regexes: HashMap::new(),
        }
    }

    /// Executes the template of that name as a file of its own; what it prints for absent values
    /// is taken out.
    ///
    /// # Errors
    /// What a template or a function refuses, and limits; with the places that led there.
    pub fn render(&mut self, name: &str, data: &Value) -> Outcome<Vec<u8>> {
        self.stack_base = stack_pointer();
        self.chance.begin(name);
        let mut out = Vec::new();
        self.execute(name, data, &mut out)?;
        Ok(without_no_value(out))
    }

    pub(crate) fn execute(&mut self, name: &str, data: &Value, out: &mut Vec<u8>) -> Outcome<()> {
        let template = self
            .find(name)
            .ok_or_else(|| Error::execute(format!("no template {name:?} associated")))?;
        self.execute_template(&template, data, out)
    }

    fn find(&self, name: &str) -> Option<Arc<Template>> {
        let overlay = self.overlays.iter().rev().find_map(|set| set.get(name));
        overlay.or_else(|| self.set.get(name)).cloned()
    }

    fn execute_template(
        &mut self,
        template: &Template,
        data: &Value,
        out: &mut Vec<u8>,
    ) -> Outcome<()> {
        self.check_stack()?;
        let mut slots = vec![Value::Invalid; template.slots.max(1)];
        slots[0] = data.clone();
        let mut frame = Frame { template, slots };
        self.walk(&mut frame, data, &template.body, out)?;
        Ok(())
    }

    fn check_stack(&self) -> Outcome<()> {
        if stack_pointer().abs_diff(self.stack_base) > self.inputs.limits.stack {
            return Err(Error::limit("templates are nested too deep"));
        }
        Ok(())
    }

    fn step(&mut self) -> Outcome<()> {
        self.steps += 1;
        if self.steps > self.inputs.limits.steps {
            return Err(Error::limit("the templates take too many steps"));
        }
        Ok(())
    }

    /// Counts bytes that were made, whether or not they reach the output.
    pub(crate) fn charge(&mut self, bytes: usize) -> Outcome<()> {
        self.bytes += bytes as u64;
        if bytes > self.inputs.limits.text || self.bytes > self.inputs.limits.bytes {
            return Err(Error::limit("the templates make too much text"));
        }
        Ok(())
    }

    /// A regular expression, compiled once a render.
    pub(crate) fn regex(&mut self, pattern: &str) -> Outcome<Regex> {
        if let Some(known) = self.regexes.get(pattern) {
            return Ok(known.clone());
        }
        let regex = compile_regex(pattern)?;
        if self.regexes.len() < MAX_REGEXES {
            self.regexes.insert(pattern.into(), regex.clone());
        }
        Ok(regex)
    }

    /// Remembers a map that was given another map or list: it may now hold itself.
    pub(crate) fn note_change(&mut self, map: &Map) {
        if !self.changed.last().is_some_and(|last| last.is(map)) {
            self.changed.push(map.clone());
        }
    }

    /// Ends the render: takes apart what may refer to itself.
    pub fn finish(mut self) {
        for map in self.changed.drain(..) {
            map.clear();
        }
    }

    /// `include`: the output of a template as a string.
    pub(crate) fn include(&mut self, name: &str, data: &Value) -> Outcome {
        let uses = self.includes.entry(name.into()).or_insert(0);
        if *uses > MAX_INCLUDES {
            return Err(Error::limit(format!(
                "rendering template has a nested reference name: {name}: unable to execute template"
            )));
        }
        *uses += 1;
        let mut out = Vec::new();
        let outcome = self.execute(name, data, &mut out);
        if let Some(uses) = self.includes.get_mut(name) {
            *uses -= 1;
        }
        outcome?;
        self.charge(out.len())?;
        Ok(Value::string(out))
    }

    /// `tpl`: executes a text as a template. What it defines is seen by itself alone.
    pub(crate) fn expand(&mut self, text: &Rc<str>, data: &Value) -> Outcome {
        if !text.contains("{{") {
            if text.contains(NO_VALUE) {
                return Ok(Value::from(text.replace(NO_VALUE, "")));
            }
            return Ok(Value::Text(Rc::clone(text)));
        }
        let templates = self.parse_text(text)?;
        let Some((main, defined)) = templates.split_last() else {
            return Ok(Value::text(""));
        };
        let mut overlay = Set::new();
        let overlays = !defined.is_empty();
        if overlays {
            // A body that says nothing never hides one that does, wherever that stands.
            let says: Vec<Arc<Template>> = defined
                .iter()
                .filter(|template| {
                    !crate::ast::is_blank(&template.body, &template.source.text)
                        || self.find(&template.name).is_none()
                })
                .cloned()
                .collect();
            overlay.add(&says);
            self.overlays.push(overlay);
        }
        let mut out = Vec::new();
        let outcome = self.execute_template(main, data, &mut out);
        if overlays {
            self.overlays.pop();
        }
        outcome?;
        self.charge(out.len())?;
        Ok(Value::string(without_no_value(out)))
    }

    fn parse_text(&mut self, text: &Rc<str>) -> Outcome<Arc<Vec<Arc<Template>>>> {
        if let Some(known) = self.parsed.get(text) {
            return Ok(Arc::clone(known));
        }
        self.charge(text.len())?;
        let parsed = parse("gotpl", &**text).map_err(|error| {
            let line = error.place().map_or(1, |place| place.line);
            Error::execute(format!(
                "cannot parse the text as a template: line {line}: {}",
                error.message
            ))
        })?;
        let parsed = Arc::new(parsed.into_iter().map(Arc::new).collect::<Vec<_>>());
        self.parsed.insert(Rc::clone(text), Arc::clone(&parsed));
        Ok(parsed)
    }

    fn walk(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        nodes: &[Node],
        out: &mut Vec<u8>,
    ) -> Outcome<Flow> {
        for node in nodes {
            match node {
                Node::Text(span) => {
                    let text = &frame.template.source.text.as_bytes();
                    out.extend_from_slice(&text[span.start as usize..span.end as usize]);
                }
                Node::Action(pipe) => {
                    self.step()?;
                    let value = self.pipe(frame, dot, pipe)?;
                    if pipe.targets.is_empty() {
                        format::print_to(out, &value);
                        if out.len() > self.inputs.limits.text {
                            let error = Error::limit("a template prints too much");
                            return Err(place(frame, pipe.span, error));
                        }
                    }
                }
                Node::If(branch) | Node::With(branch) => {
                    self.step()?;
                    let with = matches!(node, Node::With(_));
                    let value = self.pipe(frame, dot, &branch.pipe)?;
                    let flow = match (value.truth(), with) {
                        (true, true) => self.walk(frame, &value, &branch.body, out)?,
                        (true, false) => self.walk(frame, dot, &branch.body, out)?,
                        (false, _) => self.walk(frame, dot, &branch.otherwise, out)?,
                    };
                    if flow != Flow::Next {
                        return Ok(flow);
                    }
                }
                Node::Range(branch) => {
                    let flow = self.range(frame, dot, branch, out)?;
                    if flow != Flow::Next {
                        return Ok(flow);
                    }
                }
                Node::Call(call) => {
                    self.step()?;
                    self.call_template(frame, dot, call, out)?;
                }
                Node::Break => return Ok(Flow::Break),
                Node::Continue => return Ok(Flow::Continue),
            }
        }
        Ok(Flow::Next)
    }

    fn call_template(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        call: &Call,
        out: &mut Vec<u8>,
    ) -> Outcome<()> {
        let (span, name) = (call.span, &call.name);
        let Some(template) = self.find(name) else {
            let error = Error::execute(format!("template {name:?} not defined"));
            return Err(place(frame, span, error));
        };
        let data = match &call.pipe {
            Some(pipe) => self.pipe(frame, dot, pipe)?,
            None => Value::Invalid,
        };
        self.execute_template(&template, &data, out)
            .map_err(|error| match error.trace.is_empty() {
                true => place(frame, span, error),
                false => error,
            })
    }

    fn range(
        &mut self,
        frame: &mut Frame<'_>,
        dot: &Value,
        branch: &Branch,
        out: &mut Vec<u8>,
    ) -> Outcome<Flow> {
        let over = self.pipe(frame, dot, &branch.pipe)?;
        let targets = &*branch.pipe.targets;
        let pairs: Box<dyn Iterator<Item = (Value, Value)>> = match &over {
            Value::Invalid | Value::Nil => Box::new(std::iter::empty()),
            Value::Int(kind, count) => {
                if targets.len() > 1 {
                    let message =
                        format!("can't use {count} to iterate over more than one variable");
                    return Err(place(frame, branch.pipe.span, Error::execute(message)));
                }
                let kind = *kind;
                Box::new((0..*count).map(move |index| (Value::Invalid, Value::Int(kind, index))))
            }
            Value::List(list) => {
                Box::new((0i64..).map(Value::int).zip(list.items().iter().cloned()))
            }
            Value::Bytes(bytes) => Box::new(
                (0i64..).map(Value::int).zip(
                    bytes
                        .iter()
                        .map(|byte| Value::Int(crate::value::IntKind::Uint8, i64::from(*byte))),
                ),
            ),
            // The loop may change the map, so it goes over what is there now.
            Value::Map(map) => {
                let entries = map.entries().clone();
                Box::new(
                    entries
                        .into_iter()
                        .map(|(key, item)| (Value::Text(key), item)),
                )
            }
            Value::Object(object) if object.kind() != "struct" && object.kind() != "ptr" => {
                let entries = object.entries().into_iter();
                Box::new(entries.map(|(key, item)| (Value::Text(key), item)))
            }
            other => {
                let message = format!("range can't iterate over a {}", other.type_name());
                return Err(place(frame, branch.pipe.span, Error::execute(message)));
            }
        };
        let mut is_empty = true;
        for (key, item) in pairs {
            is_empty = false;
            self.step()?;
            match targets {
                [] => {}
                [single] => set_slot(frame, *single, item.clone())?,
                [first, second, ..] => {
                    set_slot(frame, *first, key)?;
                    set_slot(frame, *second, item.clone())?;
                }
            }
            if self.walk(frame, &item, &branch.body, out)? == Flow::Break {
                break;
            }
        }
        if is_empty {
            return self.walk(frame, dot, &branch.otherwise, out);
        }
        Ok(Flow::Next)
    }
}

/// Where the stack is now, near enough to bound recursion by what it really takes.
fn stack_pointer() -> usize {
    let marker = 0u8;
    std::ptr::from_ref(&marker).addr()
}

fn set_slot(frame: &mut Frame<'_>, slot: Slot, value: Value) -> Outcome<()> {
    match frame.slots.get_mut(slot.0 as usize) {
        Some(place) => {
            *place = value;
            Ok(())
        }
        None => Err(Error::execute("undefined variable")),
    }
}

fn source(frame: &Frame<'_>, span: Span) -> String {
    let text = &frame.template.source.text;
    let text = text
        .get(span.start as usize..span.end as usize)
        .unwrap_or_default();
    text.trim().to_owned()
}

/// Adds the place where an error happened, unless it has one.
fn place(frame: &Frame<'_>, span: Span, mut error: Error) -> Error {
    if error.trace.is_empty() {
        error.trace.push(make_place(frame, span));
    }
    error
}

fn make_place(frame: &Frame<'_>, span: Span) -> Place {
    let (line, column) = position(&frame.template.source.text, span.start as usize);
    Place {
        file: frame.template.source.name.to_string(),
        line,
        column,
        template: frame.template.name.to_string(),
        expression: source(frame, span),
    }
}

/// How many places an error keeps; an endless `include` would make thousands.
const MAX_TRACE: usize = 64;

fn call_failed(frame: &Frame<'_>, span: Span, name: &str, mut error: Error) -> Error {
    if error.trace.is_empty() {
        if error.class == Class::Execute {
            error.message = format!("error calling {name}: {}", error.message);
        }
    } else if error.trace.len() < MAX_TRACE {
        error.doing.push(format!("error calling {name}"));
    }
    if error.trace.len() < MAX_TRACE {
        error.trace.push(make_place(frame, span));
    }
    error
}

fn without_no_value(out: Vec<u8>) -> Vec<u8> {
    let needle = NO_VALUE.as_bytes();
    // As a rule there is nothing of it, which is found out fast by its first letter.
    if !needle.first().is_some_and(|first| out.contains(first)) {
        return out;
    }
    let Some(first) = find_bytes(&out, needle) else {
        return out;
    };
    let mut kept = out[..first].to_vec();
    let mut rest = &out[first + needle.len()..];
    while let Some(next) = find_bytes(rest, needle) {
        kept.extend_from_slice(&rest[..next]);
        rest = &rest[next + needle.len()..];
    }
    kept.extend_from_slice(rest);
    kept
}

fn find_bytes(text: &[u8], needle: &[u8]) -> Option<usize> {
    let first = *needle.first()?;
    let mut start = 0;
    while let Some(found) = text[start..].iter().position(|byte| *byte == first) {
        if text[start + found..].starts_with(needle) {
            return Some(start + found);
        }
        start += found + 1;
    }
    None
}
