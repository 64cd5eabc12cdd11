//! Evaluates an expression and counts what that costs, as the real server counts it, so that no
//! rule takes longer than it may. Functions are those of a library; operators and loops are here.
//! It must not know schemas.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use kube_cel::cel::Value;
use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr as Expression, MapExpr, SelectExpr,
    operators,
};
use kube_cel::cel::objects::{Key, Map, OptionalValue};

use super::authorizer::{Asked, Decision, Question};
use super::collections::{inserted, key, pairs, sorted, unwrapped};
use super::conversions::{converted, said};
use super::cost;
use super::expression::qualified;
use super::library::{Result, Stop, fail, held, library};
use super::macros::{INSERT, SORT};
use super::typing::is_type;
use super::values::{RESERVED, map, text};

/// What one evaluation of a rule may cost (`PerCallLimit` of k8s.io/apiserver).
const CALL_LIMIT: u64 = 1_000_000;

/// The value of an expression with these variables, and what it cost.
pub(crate) fn evaluate(
    expression: &Expression,
    variables: Vec<(String, Value)>,
) -> (Result<Value>, u64) {
    evaluate_within(expression, variables, None)
}

/// The same for an expression that may ask for more than it is given.
pub(crate) fn evaluate_within(
    expression: &Expression,
    variables: Vec<(String, Value)>,
    outside: Option<&dyn Outside>,
) -> (Result<Value>, u64) {
    let mut run = Run {
        variables,
        cost: 0,
        outside,
    };
    let value = run.value(expression);
    (value, run.cost)
}

/// What an expression may ask for while it is evaluated.
pub(crate) trait Outside {
    /// The value of one of the expressions that have a name, below [`COMPOSED`]; nothing where there
    /// is no such.
    fn composed(&self, name: &str) -> Option<Result<Value>>;

    /// Whether somebody may do something.
    fn decide(&self, question: &Question) -> Decision;
}

/// The variable whose fields are expressions that have names.
pub(crate) const COMPOSED: &str = "variables";

struct Run<'a> {
    /// Inner ones are later.
    variables: Vec<(String, Value)>,
    cost: u64,
    outside: Option<&'a dyn Outside>,
}

fn optional(value: Option<Value>) -> Value {
    let optional = value.map_or_else(OptionalValue::none, OptionalValue::of);
    Value::Opaque(Arc::new(optional))
}

fn truth(value: &Value) -> Result<bool> {
    match value {
        Value::Bool(flag) => Ok(*flag),
        _ => fail("no such overload"),
    }
}

fn member(owner: &Value, index: &Value) -> Result<Value> {
    match owner {
        Value::Map(entries) => {
            let found = entries.get(&key(index)?).or_else(|| field(entries, index));
            let found = found.cloned();
            found.map_or_else(|| fail(format!("no such key: {}", cost::shown(index))), Ok)
        }
        Value::List(items) => {
            let Value::Int(at) = index else {
                return fail("unsupported index type in list");
            };
            let found = usize::try_from(*at)
                .ok()
                .and_then(|at| items.get(at))
                .cloned();
            found.map_or_else(|| fail(format!("index out of bounds: {at}")), Ok)
        }
        _ => fail("no such overload"),
    }
}

/// A field whose name is a word of the language, which may be written as it is.
fn field<'a>(entries: &'a Map, name: &Value) -> Option<&'a Value> {
    match name {
        Value::String(name) if RESERVED.contains(&name.as_str()) => {
            entries.get(&Key::from(format!("__{name}__")))
        }
        _ => None,
    }
}

impl Run<'_> {
    fn pay(&mut self, cost: u64) -> Result<()> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost > CALL_LIMIT {
            return Err(Stop::Costly);
        }
        Ok(())
    }

    fn value(&mut self, expression: &Expression) -> Result<Value> {
        match &expression.expr {
            Expr::Literal(literal) => {
                let value = Value::try_from(literal.to_val().as_ref());
                value.map_err(|error| Stop::Error(error.to_string()))
            }
            Expr::Ident(name) => {
                self.pay(1)?;
                let mut known = self.variables.iter().rev();
                match known.find(|(known, _)| known == name) {
                    Some((_, value)) => Ok(value.clone()),
                    None if is_type(name) => Ok(of_type(name)),
                    None => fail(format!("no such attribute(s): {name}")),
                }
            }
            Expr::Select(select) => {
                if let Some(found) = self.composed(select) {
                    return found;
                }
                let owner = self.value(&select.operand)?;
                if select.test {
                    return self.has(&owner, &select.field);
                }
                self.pay(1)?;
                let field = text(&select.field);
                match held(&owner) {
                    Some(None) => Ok(optional(None)),
                    Some(Some(owner)) => Ok(optional(member(&owner, &field).ok())),
                    None => member(&owner, &field),
                }
            }
            Expr::List(list) => {
                let mut items = Vec::with_capacity(list.elements.len());
                for (index, element) in list.elements.iter().enumerate() {
                    let item = self.value(element)?;
                    match held(&item) {
                        Some(inner) if list.optional_indices.contains(&index) => {
                            items.extend(inner)
                        }
                        _ => items.push(item),
                    }
                }
                self.pay(10)?;
                Ok(Value::List(Arc::new(items)))
            }
            Expr::Map(literal) => {
                let entries = self.entries(literal)?;
                self.pay(30)?;
                Ok(map(entries))
            }
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(inner) => self.comprehension(inner),
            Expr::Struct(_) | Expr::Unspecified => fail("no such overload"),
        }
    }

    /// A field of the variable whose fields are expressions of their own, which are evaluated when
    /// they are asked for.
    fn composed(&mut self, select: &SelectExpr) -> Option<Result<Value>> {
        let outside = self.outside?;
        let is_field = matches!(&select.operand.expr, Expr::Ident(name) if name == COMPOSED);
        if !is_field || self.variables.iter().any(|(known, _)| known == COMPOSED) {
            return None;
        }
        if let Err(stop) = self.pay(if select.test { 1 } else { 2 }) {
            return Some(Err(stop));
        }
        let found = outside.composed(&select.field);
        if select.test {
            // Whether there is one shows when it is evaluated.
            let is_there = found.map_or(Ok(false), |found| found.map(|_| true));
            return Some(is_there.map(Value::Bool));
        }
        Some(found.unwrap_or_else(|| fail(format!("no such key: {}", select.field))))
    }

    fn entries(&mut self, literal: &MapExpr) -> Result<HashMap<Key, Value>> {
        let mut entries = HashMap::new();
        for entry in &literal.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else {
                return fail("structs cannot be made here");
            };
            let name = key(&self.value(&entry.key)?)?;
            let value = self.value(&entry.value)?;
            match held(&value) {
                Some(inner) if entry.optional => {
                    entries.extend(inner.map(|value| (name, value)));
                }
                _ => {
                    entries.insert(name, value);
                }
            }
        }
        Ok(entries)
    }

    fn has(&mut self, owner: &Value, field: &str) -> Result<Value> {
        let owner = match held(owner) {
            Some(None) => return Ok(Value::Bool(false)),
            Some(Some(owner)) => owner,
            None => owner.clone(),
        };
        match &owner {
            Value::Map(entries) => {
                let found = entries.get(&Key::from(field));
                let found = found.or_else(|| self::field(entries, &text(field)));
                Ok(Value::Bool(found.is_some()))
            }
            _ => fail("no such overload"),
        }
    }

    /// Operators whose operands are not all evaluated, or not in the ordinary way.
    fn call(&mut self, call: &CallExpr) -> Result<Value> {
        match (call.func_name.as_str(), call.args.as_slice()) {
            (operators::CONDITIONAL, [condition, yes, no]) => {
                let is_so = self.value(condition)?;
                self.value(if truth(&is_so)? { yes } else { no })
            }
            (operators::LOGICAL_AND, [left, right]) => self.either(left, right, false),
            (operators::LOGICAL_OR, [left, right]) => self.either(left, right, true),
            (operators::NOT_STRICTLY_FALSE, [inner]) => {
                let value = match self.value(inner) {
                    Err(Stop::Costly) => return Err(Stop::Costly),
                    other => other,
                };
                self.pay(1)?;
                Ok(Value::Bool(!matches!(value, Ok(Value::Bool(false)))))
            }
            (operators::OPT_SELECT | operators::OPT_INDEX, [owner, index]) => {
                let owner = self.value(owner)?;
                let index = self.value(index)?;
                self.pay(1)?;
                let owner = match held(&owner) {
                    Some(inner) => inner,
                    None => Some(owner),
                };
                Ok(optional(
                    owner.and_then(|owner| member(&owner, &index).ok()),
                ))
            }
            (operators::INDEX, [owner, index]) => {
                let owner = self.value(owner)?;
                let index = self.value(index)?;
                self.pay(1)?;
                match held(&owner) {
                    Some(None) => Ok(optional(None)),
                    Some(Some(owner)) => Ok(optional(member(&owner, &index).ok())),
                    None => member(&owner, &index),
                }
            }
            (operators::ADD, [left, right]) if is_so_far(left) => {
                // What a loop has so far is about to be replaced, so that it need not be copied.
                let right = self.value(right)?;
                self.pay(1)?;
                let mut known = self.variables.iter_mut().rev();
                let found = known.find(|(known, _)| known == SO_FAR);
                let left = found.map(|(_, value)| std::mem::replace(value, Value::Null));
                let left = left.unwrap_or(Value::Null);
                self.pay(cost::of_call("_+_", &[&left, &right], None))?;
                binary(operators::ADD, left, right)
            }
            ("orValue", [other]) if call.target.is_some() => {
                let target = call.target.as_deref().map(|target| self.value(target));
                match target.transpose()?.as_ref().and_then(held) {
                    Some(Some(value)) => Ok(value),
                    Some(None) => self.value(other),
                    None => fail("no such overload"),
                }
            }
            _ => self.function(call),
        }
    }

    /// `&&` and `||`: the value that decides does so whatever the other one is.
    fn either(&mut self, left: &Expression, right: &Expression, deciding: bool) -> Result<Value> {
        let first = match self.value(left) {
            Err(Stop::Costly) => return Err(Stop::Costly),
            Ok(Value::Bool(flag)) if flag == deciding => return Ok(Value::Bool(deciding)),
            Ok(value) => match failed(&value) {
                Some(problem) => Err(Stop::Error(problem)),
                None => Ok(value),
            },
            other => other,
        };
        match (first, self.value(right)) {
            (_, Err(Stop::Costly)) => Err(Stop::Costly),
            (_, Ok(Value::Bool(flag))) if flag == deciding => Ok(Value::Bool(deciding)),
            (Ok(Value::Bool(_)), Ok(Value::Bool(flag))) => Ok(Value::Bool(flag)),
            // Of two errors the first one is shown.
            (Err(stop), _) | (_, Err(stop)) => Err(stop),
            _ => fail("no such overload"),
        }
    }

    fn function(&mut self, call: &CallExpr) -> Result<Value> {
        let full_name = qualified(call);
        let target = match (&full_name, call.target.as_deref()) {
            (None, Some(target)) => Some(self.value(target)?),
            _ => None,
        };
        let mut args = Vec::with_capacity(call.args.len());
        for arg in &call.args {
            args.push(self.value(arg)?);
        }
        let name = full_name.as_deref().unwrap_or(&call.func_name);
        let operands: Vec<&Value> = target.iter().chain(&args).collect();
        self.pay(cost::of_call(name, &operands, None))?;
        let first_size = operands.first().copied().cloned();
        let value = self.result(name, target, args)?;
        if let Some(first) = first_size {
            self.pay(cost::of_call(name, &[&first], Some(&value)))?;
        }
        Ok(value)
    }

    fn result(&self, name: &str, target: Option<Value>, mut args: Vec<Value>) -> Result<Value> {
        if let Some(asked) = target.as_ref().and_then(Asked::of) {
            return asked.call(name, &args, self.outside);
        }
        if let Some(inner) = target.as_ref().and_then(held) {
            match (name, inner, args.as_slice()) {
                ("hasValue", inner, []) => return Ok(Value::Bool(inner.is_some())),
                ("value", Some(value), []) => return Ok(value),
                ("value", None, []) => return fail("optional.none() dereference"),
                ("or", Some(value), [_]) => return Ok(optional(Some(value))),
                ("or", None, [other]) => return Ok(other.clone()),
                _ => {}
            }
        }
        match (name, args.len()) {
            ("type", 1) if target.is_none() => return Ok(of_type(type_of(&args[0]))),
            ("dyn", 1) if target.is_none() => return Ok(args.remove(0)),
            ("optional.none", 0) => return Ok(optional(None)),
            ("optional.of", 1) => return Ok(optional(args.pop())),
            ("optional.ofNonZeroValue", 1) => {
                return Ok(optional(args.pop().filter(|value| !value.is_zero())));
            }
            ("format.named", 1) => {
                let found = library(name, None, args).map_err(Stop::Error)?;
                return Ok(optional(Some(found).filter(|found| *found != Value::Null)));
            }
            (INSERT, _) => return inserted(args),
            (SORT, 1) => {
                if let (Some(list), Some(keys)) = (target, args.pop()) {
                    return sorted(&list, &keys);
                }
                return fail("no such overload");
            }
            ("unwrapOpt", 0) | ("optional.unwrap", 1) => {
                return unwrapped(target.or_else(|| args.pop()).as_ref());
            }
            (operators::LOGICAL_NOT, 1) => return Ok(Value::Bool(!truth(&args[0])?)),
            (operators::NEGATE, 1) => {
                return match &args[0] {
                    Value::Int(number) => number
                        .checked_neg()
                        .map_or_else(|| fail("integer overflow"), |number| Ok(Value::Int(number))),
                    Value::Float(number) => Ok(Value::Float(-number)),
                    _ => fail("no such overload"),
                };
            }
            (_, 2)
                if target.is_none() && !name.starts_with(|letter: char| letter.is_alphabetic()) =>
            {
                if let (Some(right), Some(left)) = (args.pop(), args.pop()) {
                    return binary(name, left, right);
                }
            }
            _ => {}
        }
        let operands: Vec<Value> = target.iter().chain(&args).cloned().collect();
        match converted(name, &operands) {
            Some(result) => result,
            None => library(name, target, args)
                .map_err(|problem| Stop::Error(said(name, &operands, &problem))),
        }
    }

    fn comprehension(&mut self, inner: &ComprehensionExpr) -> Result<Value> {
        let range = self.value(&inner.iter_range)?;
        let start = self.value(&inner.accu_init)?;
        let pairs = pairs(&range, inner.iter_var2.is_some())?;
        let before = self.variables.len();
        self.variables.push((inner.accu_var.clone(), start));
        let result = self
            .repeat(inner, pairs)
            .and_then(|()| self.value(&inner.result));
        self.variables.truncate(before);
        result
    }

    fn repeat(&mut self, inner: &ComprehensionExpr, pairs: Vec<(Value, Value)>) -> Result<()> {
        let at = self.variables.len() - 1;
        for (first, second) in pairs {
            let goes_on = self.value(&inner.loop_cond)?;
            if !truth(&goes_on)? {
                return Ok(());
            }
            self.variables.push((inner.iter_var.clone(), first));
            if let Some(name) = &inner.iter_var2 {
                self.variables.push((name.clone(), second));
            }
            let step = self.value(&inner.loop_step);
            self.variables.truncate(at + 1);
            // In `all` and `exists` a later item may decide in spite of an error.
            self.variables[at].1 = match step {
                Err(Stop::Error(problem)) if decides(inner) => failure(problem),
                other => other?,
            };
        }
        match failed(&self.variables[at].1) {
            Some(problem) => Err(Stop::Error(problem)),
            None => Ok(()),
        }
    }
}

/// The variable in which macros keep what they have so far.
const SO_FAR: &str = "@result";
/// How an error stands in that variable: nobody else makes values of this kind.
fn failure(problem: String) -> Value {
    Value::Function(Arc::new(problem), None)
}

fn failed(value: &Value) -> Option<String> {
    match value {
        Value::Function(problem, None) => Some(problem.to_string()),
        _ => None,
    }
}

/// A type as a value.
fn of_type(name: &str) -> Value {
    Value::Function(Arc::new(name.to_owned()), Some(Box::new(Value::Null)))
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Bool(_) => "bool",
        Value::Bytes(_) => "bytes",
        Value::Float(_) => "double",
        Value::Int(_) => "int",
        Value::List(_) => "list",
        Value::Map(_) => "map",
        Value::Null => "null_type",
        Value::String(_) => "string",
        Value::UInt(_) => "uint",
        Value::Duration(_) => "google.protobuf.Duration",
        Value::Timestamp(_) => "google.protobuf.Timestamp",
        _ => "type",
    }
}

fn is_so_far(expression: &Expression) -> bool {
    matches!(&expression.expr, Expr::Ident(name) if name == SO_FAR)
}

fn decides(inner: &ComprehensionExpr) -> bool {
    matches!(&inner.loop_step.expr, Expr::Call(call)
        if matches!(call.func_name.as_str(), operators::LOGICAL_AND | operators::LOGICAL_OR))
}

fn binary(name: &str, left: Value, right: Value) -> Result<Value> {
    if let Some(problem) = failed(&left) {
        return Err(Stop::Error(problem));
    }
    let order = || match (&left, &right) {
        (Value::Bytes(left), Value::Bytes(right)) => Ok(left.cmp(right)),
        _ => match left.partial_cmp(&right) {
            Some(order) => Ok(order),
            None => fail("no such overload"),
        },
    };
    let flag = |flag: bool| Ok(Value::Bool(flag));
    match name {
        operators::EQUALS => flag(left == right),
        operators::NOT_EQUALS => flag(left != right),
        operators::LESS => flag(order()? == Ordering::Less),
        operators::LESS_EQUALS => flag(order()? != Ordering::Greater),
        operators::GREATER => flag(order()? == Ordering::Greater),
        operators::GREATER_EQUALS => flag(order()? != Ordering::Less),
        operators::IN => match &right {
            Value::List(items) => flag(items.contains(&left)),
            Value::Map(entries) => flag(entries.get(&key(&left)?).is_some()),
            _ => fail("no such overload"),
        },
        operators::DIVIDE | operators::MODULO
            if matches!(right, Value::Int(0) | Value::UInt(0))
                && matches!(left, Value::Int(_) | Value::UInt(_)) =>
        {
            let word = if name == operators::DIVIDE {
                "division"
            } else {
                "modulus"
            };
            fail(format!("{word} by zero"))
        }
        _ => arithmetic(name, left, right),
    }
}

fn arithmetic(name: &str, left: Value, right: Value) -> Result<Value> {
    let whole = |number: Option<i64>| {
        number.map_or_else(|| fail("integer overflow"), |number| Ok(Value::Int(number)))
    };
    match (name, left, right) {
        (operators::ADD, Value::Int(left), Value::Int(right)) => whole(left.checked_add(right)),
        (operators::SUBSTRACT, Value::Int(left), Value::Int(right)) => {
            whole(left.checked_sub(right))
        }
        (operators::MULTIPLY, Value::Int(left), Value::Int(right)) => {
            whole(left.checked_mul(right))
        }
        (operators::DIVIDE, Value::Int(left), Value::Int(right)) => whole(left.checked_div(right)),
        (operators::MODULO, Value::Int(left), Value::Int(right)) => whole(left.checked_rem(right)),
        (operators::ADD, Value::List(mut left), Value::List(right)) => {
            Arc::make_mut(&mut left).extend(right.iter().cloned());
            Ok(Value::List(left))
        }
        (operators::ADD, Value::String(left), Value::String(right)) => {
            Ok(text(&format!("{left}{right}")))
        }
        (operators::ADD, span @ Value::Duration(_), time @ Value::Timestamp(_)) => {
            arithmetic(name, time, span)
        }
        // Times, spans and other numbers are reckoned with by the library.
        (name, left, right) => library(name, None, vec![left, right])
            .map_err(|_| Stop::Error("no such overload".to_owned())),
    }
}
