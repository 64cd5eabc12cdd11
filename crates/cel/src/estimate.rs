//! What an expression may cost at most, as cel-go's checker reckons (`checker/cost.go`) with the
//! sizes that the schema allows. It must not know objects.

use holdfast_model::Value;
use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr as Expression, ListExpr, LiteralValue,
    MapExpr, operators,
};

use super::expression::qualified;
use super::sizes::largest;
use super::typing::{Type, Typed, member};
use super::weights;

/// The fewest and the most characters, items or entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    pub(crate) least: u64,
    pub(crate) most: u64,
}

impl Size {
    pub(crate) const UNKNOWN: Self = Self {
        least: 0,
        most: u64::MAX,
    };

    pub(crate) fn exactly(size: u64) -> Self {
        Self {
            least: size,
            most: size,
        }
    }

    pub(crate) fn up_to(most: u64) -> Self {
        Self { least: 0, most }
    }

    pub(crate) fn plus(self, other: Self) -> Self {
        Self {
            least: self.least.saturating_add(other.least),
            most: self.most.saturating_add(other.most),
        }
    }

    pub(crate) fn times(self, other: Self) -> Self {
        Self {
            least: self.least.saturating_mul(other.least),
            most: self.most.saturating_mul(other.most),
        }
    }

    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            least: self.least.min(other.least),
            most: self.most.max(other.most),
        }
    }
}

/// The sizes of the keys and values of a list or map.
#[derive(Clone, Copy, Debug)]
struct Entries {
    is_list: bool,
    key: Size,
    value: Size,
}

impl Entries {
    fn or(self, other: Self) -> Self {
        Self {
            is_list: self.is_list,
            key: self.key.or(other.key),
            value: self.value.or(other.value),
        }
    }
}

/// Where in the schema a value comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin<'a> {
    /// Nowhere: it has been made.
    Made,
    /// A part of the schema.
    At(&'a Value, IsRoot),
    /// The keys of a map.
    Keys,
    /// A part that the schema does not have.
    Lost,
}

type IsRoot = bool;

impl Origin<'_> {
    fn size(self) -> Option<Size> {
        match self {
            Self::At(schema, _) => Some(Size::up_to(largest(schema))),
            Self::Keys => Some(Size::exactly(0)),
            Self::Made | Self::Lost => None,
        }
    }
}

/// What is known of an expression.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    pub(crate) cost: u64,
    /// The size of its value, where that is known.
    pub(crate) size: Option<Size>,
    pub(crate) origin: Origin<'a>,
    entries: Option<Entries>,
}

impl Known<'_> {
    fn costing(cost: u64) -> Self {
        Self {
            cost,
            size: None,
            origin: Origin::Made,
            entries: None,
        }
    }

    /// The size of the items of a list that comes from the schema.
    pub(crate) fn item_size(&self) -> Option<Size> {
        let Origin::At(schema, is_root) = self.origin else {
            return None;
        };
        let (item, _) = member(schema, is_root, "@items")?;
        Some(Size::up_to(largest(item)))
    }

    pub(crate) fn any_size(&self) -> Size {
        self.size.unwrap_or(Size::UNKNOWN)
    }
}

/// The most that an expression may cost whose `self` is of this schema.
pub(crate) fn estimate<'a>(
    expression: &Expression,
    typed: &Typed<'a>,
    (schema, is_root): (&'a Value, bool),
) -> u64 {
    let mut estimate = Estimate {
        typed,
        root: Origin::At(schema, is_root),
        variables: Vec::new(),
    };
    estimate.part(expression).cost
}

struct Estimate<'a, 't> {
    typed: &'t Typed<'a>,
    root: Origin<'a>,
    /// Inner ones are later.
    variables: Vec<(String, Known<'a>)>,
}

impl<'a> Estimate<'a, '_> {
    /// A part of something. What is selected of something made is taken for the root, as by the
    /// real server.
    fn step(&self, origin: Origin<'a>, name: &str) -> Origin<'a> {
        match origin {
            Origin::Made => self.root,
            Origin::At(schema, is_root) => match member(schema, is_root, name) {
                Some((schema, is_root)) => Origin::At(schema, is_root),
                None if name == "@keys" && schema["additionalProperties"].is_object() => {
                    Origin::Keys
                }
                None => Origin::Lost,
            },
            Origin::Keys | Origin::Lost => Origin::Lost,
        }
    }

    fn part(&mut self, expression: &Expression) -> Known<'a> {
        let mut known = self.known(expression);
        known.size = known.size.or_else(|| {
            let of_type = self.typed.of(expression).filter(|found| is_scalar(found));
            let of_type = of_type.map(|_| Size::exactly(1));
            known.origin.size().or(of_type)
        });
        if let Expr::Ident(name) = &expression.expr
            && known.size.is_none()
        {
            known.size = self.variable(name).and_then(|variable| variable.size);
        }
        known
    }

    fn variable(&self, name: &str) -> Option<&Known<'a>> {
        let mut known = self.variables.iter().rev();
        known
            .find(|(known, _)| known == name)
            .map(|(_, known)| known)
    }

    fn known(&mut self, expression: &Expression) -> Known<'a> {
        match &expression.expr {
            Expr::Literal(literal) => Known {
                size: Some(Size::exactly(length(literal))),
                ..Known::costing(0)
            },
            Expr::Ident(name) => match self.variable(name) {
                Some(variable) => Known {
                    cost: 1,
                    size: None,
                    ..*variable
                },
                None => Known {
                    origin: self.root,
                    ..Known::costing(1)
                },
            },
            Expr::Select(select) => {
                let operand = self.part(&select.operand);
                if select.test {
                    return Known::costing(operand.cost);
                }
                let owner = self.typed.of(&select.operand);
                let has_fields = owner.is_some_and(Type::has_fields);
                let cost = operand.cost.saturating_add(u64::from(has_fields));
                Known {
                    origin: self.step(operand.origin, &select.field),
                    ..Known::costing(cost)
                }
            }
            Expr::List(list) => self.list(list),
            Expr::Map(map) => self.map(map),
            Expr::Call(call) => self.call(expression, call),
            Expr::Comprehension(inner) if is_binding(inner) => self.binding(inner),
            Expr::Comprehension(inner) => self.comprehension(inner),
            Expr::Struct(_) | Expr::Unspecified => Known::costing(0),
        }
    }

    fn list(&mut self, list: &ListExpr) -> Known<'a> {
        let mut cost = 10_u64;
        let mut value = None;
        for element in &list.elements {
            let known = self.part(element);
            cost = cost.saturating_add(known.cost);
            let size = known.any_size();
            value = Some(value.map_or(size, |value: Size| value.or(size)));
        }
        Known {
            size: Some(Size::exactly(list.elements.len() as u64)),
            entries: Some(Entries {
                is_list: true,
                key: Size::exactly(1),
                value: value.unwrap_or(Size::exactly(0)),
            }),
            ..Known::costing(cost)
        }
    }

    fn map(&mut self, map: &MapExpr) -> Known<'a> {
        let mut cost = 30_u64;
        let mut sizes: Option<(Size, Size)> = None;
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else {
                continue;
            };
            let (key, value) = (self.part(&entry.key), self.part(&entry.value));
            cost = cost.saturating_add(key.cost).saturating_add(value.cost);
            let (key, value) = (key.any_size(), value.any_size());
            sizes = Some(match sizes {
                Some((keys, values)) => (keys.or(key), values.or(value)),
                None => (key, value),
            });
        }
        let (key, value) = sizes.unwrap_or((Size::exactly(0), Size::exactly(0)));
        Known {
            size: Some(Size::exactly(map.entries.len() as u64)),
            entries: Some(Entries {
                is_list: false,
                key,
                value,
            }),
            ..Known::costing(cost)
        }
    }

    fn call(&mut self, expression: &Expression, call: &CallExpr) -> Known<'a> {
        let full_name = qualified(call);
        let name = full_name.as_deref().unwrap_or(&call.func_name);
        let args: Vec<Known<'a>> = call.args.iter().map(|arg| self.part(arg)).collect();
        let target = call.target.as_deref().filter(|_| full_name.is_none());
        let given = args.iter().map(|arg| arg.cost);
        let given = given.fold(0, u64::saturating_add);
        if let Some(known) = special(name, &args, given) {
            return known;
        }
        let target_known = target.map(|target| self.part(target));
        let mut known = Known::costing(0);
        let mut used = weights::Call {
            name,
            call,
            args: &args,
            target: target_known.as_ref(),
            types: self.operand_types(target, call),
            signature: None,
        };
        for signature in self.typed.signatures(expression) {
            used.signature = Some(signature);
            let (cost, size) = weights::weigh(&used);
            known.cost = known.cost.max(cost);
            if let Some(size) = size {
                known.size = Some(known.size.map_or(size, |before| before.or(size)));
            }
            if let (operators::INDEX, [owner, _]) = (name, args.as_slice()) {
                let step = match signature.args.first() {
                    Some(Type::List(_)) => "@items",
                    Some(Type::Map(_)) => "@values",
                    _ => continue,
                };
                known.size = owner.entries.map(|entries| entries.value);
                known.origin = self.step(owner.origin, step);
            }
            known.size = known.size.or_else(|| known.origin.size());
        }
        if let (operators::ADD, [left, right]) = (name, args.as_slice()) {
            let entries = left.entries.zip(right.entries);
            known.entries = entries.map(|(left, right)| left.or(right));
        }
        let target_cost = target_known.map_or(0, |target| target.cost);
        known.cost = known.cost.saturating_add(given).saturating_add(target_cost);
        known
    }

    /// The types of the target, where there is one, and of the arguments.
    fn operand_types(
        &self,
        target: Option<&Expression>,
        call: &CallExpr,
    ) -> Vec<Option<&Type<'a>>> {
        let operands = target.into_iter().chain(&call.args);
        operands.map(|operand| self.typed.of(operand)).collect()
    }

    fn binding(&mut self, inner: &ComprehensionExpr) -> Known<'a> {
        let range = self.part(&inner.iter_range);
        let bound = self.part(&inner.accu_init);
        self.variables.push((inner.accu_var.clone(), bound));
        let result = self.part(&inner.result);
        self.variables.pop();
        let cost = range.cost.saturating_add(bound.cost);
        Known {
            cost: cost.saturating_add(result.cost),
            origin: Origin::Made,
            ..result
        }
    }

    fn comprehension(&mut self, inner: &ComprehensionExpr) -> Known<'a> {
        let range = self.part(&inner.iter_range);
        let start = self.part(&inner.accu_init);
        let before = self.variables.len();
        self.variables.push((inner.accu_var.clone(), start));
        let is_list = match range.entries {
            Some(entries) => entries.is_list,
            None => matches!(self.typed.of(&inner.iter_range), Some(Type::List(_))),
        };
        let (key, value) = if is_list {
            ("@indices", "@items")
        } else {
            ("@keys", "@values")
        };
        let looped = |step: &str, size: Option<Size>| Known {
            size,
            origin: self.step(range.origin, step),
            ..Known::costing(0)
        };
        let keys = looped(key, range.entries.map(|entries| entries.key));
        let values = looped(value, range.entries.map(|entries| entries.value));
        match &inner.iter_var2 {
            Some(second) => {
                self.variables.push((inner.iter_var.clone(), keys));
                self.variables.push((second.clone(), values));
            }
            None => {
                let single = if is_list { values } else { keys };
                self.variables.push((inner.iter_var.clone(), single));
            }
        }
        let condition = self.part(&inner.loop_cond);
        let step = self.part(&inner.loop_step);
        self.variables.truncate(before + 1);
        let result = self.part(&inner.result);
        self.variables.truncate(before);
        let count = range.any_size();
        let each = condition.cost.saturating_add(step.cost);
        let cost = range.cost.saturating_add(start.cost);
        let cost = cost.saturating_add(result.cost);
        let makes_many = matches!(inner.accu_init.expr, Expr::List(_) | Expr::Map(_));
        Known {
            size: if makes_many { Some(count) } else { start.size },
            entries: step.entries.filter(|_| makes_many),
            ..Known::costing(cost.saturating_add(count.most.saturating_mul(each)))
        }
    }
}

/// Calls that cost in a way of their own; the arguments cost so much together.
fn special<'a>(name: &str, args: &[Known<'a>], given: u64) -> Option<Known<'a>> {
    Some(match (name, args) {
        (operators::LOGICAL_AND | operators::LOGICAL_OR, _) => Known::costing(given),
        (operators::OPT_SELECT, _) => Known::costing(given.saturating_add(1)),
        ("dyn", [arg]) => Known {
            cost: arg.cost.saturating_add(1),
            origin: Origin::Made,
            ..*arg
        },
        (operators::CONDITIONAL, [condition, yes, no]) => {
            let entries = yes.entries.zip(no.entries);
            Known {
                size: Some(yes.any_size().or(no.any_size())),
                entries: entries.map(|(yes, no)| yes.or(no)),
                ..Known::costing(condition.cost.saturating_add(yes.cost.max(no.cost)))
            }
        }
        _ => return None,
    })
}

/// A value with a name, which is written as a loop that is never gone through.
fn is_binding(inner: &ComprehensionExpr) -> bool {
    let is_empty = matches!(&inner.iter_range.expr, Expr::List(list) if list.elements.is_empty());
    let is_never = matches!(&inner.loop_cond.expr,
        Expr::Literal(LiteralValue::Boolean(flag)) if !*flag.inner());
    is_empty && is_never
}

fn is_scalar(found: &Type<'_>) -> bool {
    match found {
        Type::Plain(name) => matches!(
            *name,
            "bool" | "double" | "duration" | "int" | "timestamp" | "uint"
        ),
        _ => found.held().is_some_and(is_scalar),
    }
}

fn length(literal: &LiteralValue) -> u64 {
    match literal {
        LiteralValue::String(text) => text.inner().chars().count() as u64,
        LiteralValue::Bytes(bytes) => bytes.inner().len() as u64,
        _ => 1,
    }
}
