//! Holds a value against a schema, and says what does not fit.
//!
//! It must not know how schemas are read.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use holdfast_go::quote::quoted as go_quoted;
use holdfast_model::Value as Json;

use super::address::token;
use super::node::{Dynamic, Id, Node, type_name};
use super::number::Decimal;
use super::parts;
use super::problem::{Problem, What, quoted};

/// How many schemas are applied to the parts of one value in all.
const MAX_STEPS: u64 = 10_000_000;

/// How deep schemas are applied within each other. Each takes about a kilobyte of stack.
const MAX_DEPTH: u32 = 5_000;

/// How much of a value messages show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// Its texts too, which is for schemas: they are no secrets.
    Everything,
    /// Names, numbers and lengths. A text may be a secret.
    Names,
}

/// Schemas to hold values against.
#[derive(Default)]
pub(super) struct Check<'c> {
    pub(super) nodes: &'c [Node],
    /// Schemas behind them.
    pub(super) added: &'c [Node],
    /// Where the value is a schema: the schemas for the parts of it that have identifiers, by their
    /// pointers.
    pub(super) resources: Option<&'c BTreeMap<String, Id>>,
    pub(super) steps: Cell<u64>,
}

/// A schema that is being applied, and the ones that led to it.
pub(super) struct Frame<'f> {
    node: Id,
    /// The keyword of the reference that led to it, where it was one.
    keyword: &'static str,
    /// How deep the value lies that it is applied to.
    value_depth: u32,
    depth: u32,
    parent: Option<&'f Frame<'f>>,
}

/// A step to a value from the one that holds it.
pub(super) struct Step<'s> {
    /// The key or index.
    pub(super) name: &'s str,
    /// The step before it.
    pub(super) parent: Option<&'s Step<'s>>,
}

/// What of a value no keyword has been about.
#[derive(Default)]
pub(super) struct Unseen<'v> {
    pub(super) names: BTreeSet<&'v str>,
    pub(super) items: BTreeSet<usize>,
}

impl<'v> Unseen<'v> {
    /// All that a schema does not speak of at once, where anybody asks for it.
    fn of(value: &'v Json, node: &Node, is_asked: bool) -> Self {
        let mut unseen = Self::default();
        match value {
            Json::Object(table) => {
                let objects = node.objects.as_deref();
                let asks = objects.is_some_and(|objects| objects.unevaluated.is_some());
                let has_rest = objects.is_some_and(|objects| objects.additional.is_some());
                if (is_asked || asks) && !has_rest {
                    unseen.names = table.keys().map(String::as_str).collect();
                }
            }
            Json::Array(list) => {
                let arrays = node.arrays.as_deref();
                let asks = arrays.is_some_and(|arrays| arrays.unevaluated.is_some());
                let has_rest = arrays.is_some_and(|arrays| arrays.rest.is_some());
                let first = arrays.map_or(0, |arrays| arrays.first.len());
                if (is_asked || asks) && !has_rest {
                    unseen.items = (first..list.len()).collect();
                }
            }
            _ => {}
        }
        unseen
    }

    /// Leaves what neither has seen.
    fn merge(&mut self, other: &Self) {
        self.names.retain(|name| other.names.contains(name));
        self.items.retain(|item| other.items.contains(item));
    }

    /// Whether nothing is left.
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.items.is_empty()
    }
}

impl<'c> Check<'c> {
    /// Holds a value against a schema.
    ///
    /// # Errors
    /// Lines of problems.
    pub(super) fn lines(&self, top: Id, value: &Json, shown: Shown) -> Result<(), String> {
        let Err(problems) = self.problems(top, value, shown) else {
            return Ok(());
        };
        if self.is_exhausted() {
            return Err("values cannot be held against the schema: it takes too long".to_owned());
        }
        let mut lines = String::new();
        for problem in problems {
            problem.write(&mut lines, 0);
        }
        Err(lines)
    }

    /// What is wrong with a value.
    pub(super) fn problems(&self, top: Id, value: &Json, shown: Shown) -> Result<(), Vec<Problem>> {
        let frame = Frame {
            node: top,
            keyword: "",
            value_depth: 0,
            depth: 0,
            parent: None,
        };
        let look = Look {
            check: self,
            value,
            step: None,
            frame: &frame,
            node: top,
            meta: self.resources.map(|_| top),
            unseen: Unseen::of(value, self.node(top), false),
            problems: Vec::new(),
            only_verdict: false,
            shown,
        };
        match look.run() {
            Ok(_) => Ok(()),
            Err(problem) => Err(problem.parts()),
        }
    }

    pub(super) fn node(&self, id: Id) -> &'c Node {
        match self.nodes.get(id) {
            Some(node) => node,
            None => &self.added[id - self.nodes.len()],
        }
    }

    fn is_exhausted(&self) -> bool {
        self.steps.get() > MAX_STEPS
    }

    fn dynamic(&self, id: Id) -> Option<&'c Dynamic> {
        self.node(id).dynamic.as_deref()
    }
}

/// One schema applied to one value.
pub(super) struct Look<'l, 'v> {
    pub(super) check: &'l Check<'l>,
    pub(super) value: &'v Json,
    step: Option<&'l Step<'l>>,
    frame: &'l Frame<'l>,
    node: Id,
    /// The schema for schemas that holds here, where the value is a schema.
    meta: Option<Id>,
    pub(super) unseen: Unseen<'v>,
    pub(super) problems: Vec<Problem>,
    /// Whether nobody asks what is wrong.
    pub(super) only_verdict: bool,
    pub(super) shown: Shown,
}

impl<'v> Look<'_, 'v> {
    /// The schema.
    pub(super) fn id(&self) -> Id {
        self.node
    }

    fn run(mut self) -> Result<Unseen<'v>, Problem> {
        let steps = &self.check.steps;
        steps.set(steps.get() + 1);
        if self.frame.depth > MAX_DEPTH {
            steps.set(MAX_STEPS + 1);
        }
        if self.check.is_exhausted() {
            return Err(self.problem(String::new));
        }
        let node = self.check.node(self.node);
        match node.verdict {
            Some(true) => return Ok(self.unseen),
            Some(false) => return Err(self.problem(|| "false schema".to_owned())),
            None => {}
        }
        if let Some(other) = self.frame.same() {
            return Err(self.problem(|| {
                format!(
                    "both {} and {} resolve to {} causing reference cycle",
                    self.frame.keywords(self.check),
                    other.keywords(self.check),
                    go_quoted(&node.location)
                )
            }));
        }
        self.check_whole(node)?;
        if let Some(target) = node.reference {
            let outcome = self.follow(target, "$ref");
            if node.draft < 2019 {
                return outcome.map(|()| self.unseen);
            }
            self.note(outcome);
        }
        parts::by_type(&mut self);
        if self.problems.is_empty() || !self.only_verdict {
            self.follow_dynamic(node);
            parts::combined(&mut self);
            parts::unevaluated(&mut self);
        }
        self.finish()
    }

    fn finish(mut self) -> Result<Unseen<'v>, Problem> {
        match self.problems.len() {
            0 => Ok(self.unseen),
            1 => Err(self.problems.remove(0)),
            _ => {
                let mut several = self.problem(String::new);
                several.what = What::Several;
                several.causes = self.problems;
                Err(several)
            }
        }
    }

    /// What is asked of a value as a whole.
    fn check_whole(&self, node: &Node) -> Result<(), Problem> {
        let value = self.value;
        if !node.types.allow(value) {
            let names = || format!("got {}, want {}", type_name(value), node.types.names());
            return Err(self.problem(names));
        }
        if let Some(constant) = &node.constant
            && !is_equal(value, constant)
        {
            return Err(self.problem(|| match constant {
                Json::Array(_) | Json::Object(_) => "'const' failed".to_owned(),
                constant => format!("value must be {}", shown(constant)),
            }));
        }
        if let Some(choices) = &node.choices
            && !choices.iter().any(|choice| is_equal(value, choice))
        {
            return Err(self.problem(|| choices_words(choices)));
        }
        if let (Some(format), Json::String(text)) = (node.format, value)
            && let Err(wrong) = (format.check)(text)
        {
            return Err(self.problem(|| match self.shown {
                Shown::Everything => {
                    format!(
                        "{} is not valid {}: {}",
                        quoted(text),
                        format.name,
                        wrong.open
                    )
                }
                Shown::Names => format!("value is not valid {}: {}", format.name, wrong.safe),
            }));
        }
        Ok(())
    }

    /// A problem with the value itself.
    pub(super) fn problem(&self, words: impl FnOnce() -> String) -> Problem {
        if self.only_verdict {
            return Problem {
                at: String::new(),
                what: What::Words(String::new()),
                causes: Vec::new(),
            };
        }
        Problem {
            at: self.pointer(),
            what: What::Words(words()),
            causes: Vec::new(),
        }
    }

    /// Notes a problem with the value itself.
    pub(super) fn add(&mut self, words: impl FnOnce() -> String) {
        let problem = self.problem(words);
        self.problems.push(problem);
    }

    /// Notes a problem that follows from others.
    pub(super) fn add_all(&mut self, causes: Vec<Problem>, words: impl FnOnce() -> String) {
        let mut problem = self.problem(words);
        problem.causes = causes;
        self.problems.push(problem);
    }

    /// Notes what another schema said.
    pub(super) fn note<T>(&mut self, outcome: Result<T, Problem>) {
        if let Err(problem) = outcome {
            self.problems.push(problem);
        }
    }

    pub(super) fn pointer(&self) -> String {
        let mut steps = Vec::new();
        let mut step = self.step;
        while let Some(one) = step {
            steps.push(format!("/{}", token(one.name)));
            step = one.parent;
        }
        steps.reverse();
        steps.concat()
    }

    /// Applies another schema to the same value.
    pub(super) fn same(&mut self, id: Id, only_verdict: bool) -> Result<(), Problem> {
        self.apply(id, "", only_verdict)
    }

    fn apply(&mut self, id: Id, keyword: &'static str, only_verdict: bool) -> Result<(), Problem> {
        let frame = Frame {
            node: id,
            keyword,
            value_depth: self.frame.value_depth,
            depth: self.frame.depth + 1,
            parent: Some(self.frame),
        };
        let mut look = Look {
            check: self.check,
            value: self.value,
            step: self.step,
            frame: &frame,
            node: id,
            meta: self.meta,
            unseen: Unseen::of(self.value, self.check.node(id), !self.unseen.is_empty()),
            problems: Vec::new(),
            only_verdict: self.only_verdict || only_verdict,
            shown: self.shown,
        };
        look.enter_resource();
        let unseen = look.run()?;
        self.unseen.merge(&unseen);
        Ok(())
    }

    /// Applies a schema to a value that this one holds.
    pub(super) fn part(&self, id: Id, value: &Json, name: &str) -> Result<(), Problem> {
        let frame = Frame {
            node: id,
            keyword: "",
            value_depth: self.frame.value_depth + 1,
            depth: self.frame.depth + 1,
            parent: Some(self.frame),
        };
        let step = Step {
            name,
            parent: self.step,
        };
        let mut look = Look {
            check: self.check,
            value,
            step: Some(&step),
            frame: &frame,
            node: id,
            meta: self.meta,
            unseen: Unseen::of(value, self.check.node(id), false),
            problems: Vec::new(),
            only_verdict: self.only_verdict,
            shown: self.shown,
        };
        look.enter_resource();
        look.run().map(|_| ())
    }

    /// A schema with an identifier inside of one is held against the schema of its own dialect.
    fn enter_resource(&mut self) {
        let Some(resources) = self.check.resources else {
            return;
        };
        if self.meta == Some(self.node)
            && let Some(own) = resources.get(&self.pointer())
        {
            self.meta = Some(*own);
            self.node = *own;
        }
    }

    /// Applies a schema that is referred to.
    fn follow(&mut self, id: Id, keyword: &'static str) -> Result<(), Problem> {
        let outcome = self.apply(id, keyword, false);
        outcome.map_err(|problem| {
            let mut referred = self.problem(String::new);
            referred.what = What::Referred;
            referred.causes = problem.parts();
            referred
        })
    }

    fn follow_dynamic(&mut self, node: &Node) {
        let Some(dynamic) = node.dynamic.as_deref() else {
            return;
        };
        if let Some(target) = dynamic.recursive_reference {
            let mut found = target;
            if self
                .check
                .dynamic(target)
                .is_some_and(|node| node.recursive_anchor)
            {
                found = self.frame.outermost(target, |id| {
                    let resource = self.check.dynamic(self.check.node(id).resource);
                    resource
                        .is_some_and(|node| node.recursive_anchor)
                        .then_some(id)
                });
            }
            let outcome = self.follow(found, "$recursiveRef");
            self.note(outcome);
        }
        if let Some((target, anchor)) = &dynamic.dynamic_reference {
            let mut found = *target;
            let first = self.check.dynamic(found);
            let is_dynamic = first.is_some_and(|node| node.dynamic_anchor == *anchor);
            if !anchor.is_empty() && is_dynamic {
                found = self.frame.outermost(found, |id| {
                    let resource = self.check.dynamic(self.check.node(id).resource)?;
                    resource.anchors.get(anchor).copied()
                });
            }
            let outcome = self.follow(found, "$dynamicRef");
            self.note(outcome);
        }
    }
}

impl Frame<'_> {
    /// The frame that already applies this schema to this value.
    fn same(&self) -> Option<&Self> {
        let mut parent = self.parent;
        while let Some(frame) = parent.filter(|frame| frame.value_depth == self.value_depth) {
            if frame.node == self.node {
                return Some(frame);
            }
            parent = frame.parent;
        }
        None
    }

    /// The target that the outermost schema has which has one.
    fn outermost(&self, fallback: Id, target: impl Fn(Id) -> Option<Id>) -> Id {
        let mut found = fallback;
        let mut frame = Some(self);
        while let Some(one) = frame {
            found = target(one.node).unwrap_or(found);
            frame = one.parent;
        }
        found
    }

    /// The keywords that led to this schema from the first one.
    fn keywords(&self, check: &Check<'_>) -> String {
        let mut steps = Vec::new();
        let mut frame = self;
        while let Some(parent) = frame.parent {
            if frame.keyword.is_empty() {
                let (from, to) = (
                    &check.node(parent.node).location,
                    &check.node(frame.node).location,
                );
                steps.push(
                    to.strip_prefix(from.as_str())
                        .unwrap_or_default()
                        .to_owned(),
                );
            } else {
                steps.push(format!("/{}", frame.keyword));
            }
            frame = parent;
        }
        steps.reverse();
        steps.concat()
    }
}

/// A value that is no list or table, as messages show it.
fn shown(value: &Json) -> String {
    match value {
        Json::String(text) => quoted(text),
        // A nothing in Go's words.
        Json::Null => "<nil>".to_owned(),
        other => other.to_string(),
    }
}

fn choices_words(choices: &[Json]) -> String {
    let is_plain = |value: &Json| !matches!(value, Json::Array(_) | Json::Object(_));
    if !choices.iter().all(is_plain) {
        return "'enum' failed".to_owned();
    }
    match choices {
        [one] => format!("value must be {}", shown(one)),
        many => {
            let many: Vec<String> = many.iter().map(shown).collect();
            format!("value must be one of {}", many.join(", "))
        }
    }
}

/// Whether two values are the same to a schema: numbers by what they are.
pub(super) fn is_equal(left: &Json, right: &Json) -> bool {
    match (left, right) {
        (Json::Number(_), Json::Number(_)) => Decimal::of(left) == Decimal::of(right),
        (Json::Array(left), Json::Array(right)) => {
            let mut pairs = left.iter().zip(right);
            left.len() == right.len() && pairs.all(|(left, right)| is_equal(left, right))
        }
        (Json::Object(left), Json::Object(right)) => {
            let is_same = |(key, value): (&String, &Json)| {
                let other = right.get(key);
                other.is_some_and(|other| is_equal(value, other))
            };
            left.len() == right.len() && left.iter().all(is_same)
        }
        (left, right) => left == right,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::schema::compile::compile;

    #[test]
    fn what_takes_too_long_is_refused() {
        let mut definitions = json!({"d0": {"type": "string"}});
        for depth in 1..20 {
            let below = json!({"$ref": format!("#/$defs/d{}", depth - 1)});
            definitions[format!("d{depth}")] = json!({"allOf": [below, {"not": {"not": below}}]});
        }
        let schema = json!({"$defs": definitions, "$ref": "#/$defs/d19"});
        let compiled = compile("file:///s", &schema).expect("a schema");
        let check = Check {
            nodes: &compiled.nodes,
            steps: Cell::new(MAX_STEPS - 1000),
            ..Check::default()
        };
        let said = check.lines(compiled.top, &json!("x"), Shown::Names);
        assert_eq!(
            said,
            Err("values cannot be held against the schema: it takes too long".to_owned())
        );
    }
}
