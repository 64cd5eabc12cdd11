//! What the real server refuses of expressions whose types fit: times, spans and patterns that
//! are none, lists and maps of mixed types, and texts that are filled with the wrong number of
//! values (`cel/validator.go` and `ext/formatting.go` of cel-go). It must not know schemas.

use std::collections::BTreeSet;

use holdfast_go::regexp;
use kube_cel::cel::common::ast::{CallExpr, Expr, IdedExpr as Expression, LiteralValue};

use super::bindings::Bindings;
use super::kinds::Type;
use crate::library::library;
use crate::places::Problem;
use crate::tree::walk;
use crate::values;

/// The largest automaton that a pattern may need.
const MAX_PATTERN: usize = 1 << 20;

/// A part of an expression, by its number, and its type.
type Part<'a> = (u64, Type<'a>);

/// The parts of a list or map that is written out, and its number.
pub(super) enum Literal<'a> {
    List(u64, Vec<Part<'a>>),
    /// Keys and values.
    Map(u64, Vec<(Part<'a>, Part<'a>)>),
}

/// What is wrong with what is written out in an expression.
pub(super) fn problems<'a>(
    expression: &Expression,
    literals: &[Literal<'a>],
    bindings: &mut Bindings<'a>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    // Texts are filled with what may be of any type.
    let mut free = BTreeSet::new();
    walk(expression, &mut |inner| {
        if let Expr::Call(call) = &inner.expr {
            problems.extend(argument_problem(call));
            if call.func_name == "format" {
                problems.extend(filling_problem(inner.id, call));
                walk(inner, &mut |part| {
                    free.insert(part.id);
                });
            }
        }
    });
    for literal in literals {
        match literal {
            Literal::List(id, items) if !free.contains(id) => {
                problems.extend(others(items.iter(), bindings).into_iter().take(1));
            }
            Literal::Map(id, entries) if !free.contains(id) => {
                let keys = entries.iter().map(|(key, _)| key);
                problems.extend(others(keys, bindings));
                let values = entries.iter().map(|(_, value)| value);
                problems.extend(others(values, bindings));
            }
            _ => {}
        }
    }
    problems
}

/// A text that is given to a function and that it cannot read.
fn argument_problem(call: &CallExpr) -> Option<Problem> {
    let name = call.func_name.as_str();
    let arg = call.args.first()?;
    let text = written(arg)?;
    let is_right = match name {
        "matches" => regexp::compile(text, MAX_PATTERN).is_ok(),
        "duration" | "timestamp" => library(name, None, vec![values::text(text)]).is_ok(),
        _ => true,
    };
    (!is_right).then(|| Problem {
        id: arg.id,
        message: format!("invalid {name} argument"),
    })
}

fn written(expression: &Expression) -> Option<&str> {
    match &expression.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner()),
        _ => None,
    }
}

/// A text that has more places than there are values, or fewer.
fn filling_problem(id: u64, call: &CallExpr) -> Option<Problem> {
    let text = written(call.target.as_deref()?)?;
    let [arg] = call.args.as_slice() else {
        return None;
    };
    let Expr::List(list) = &arg.expr else {
        return None;
    };
    let text = text.replace("%%", "");
    let clauses = text.split('%').skip(1);
    let wanted = clauses.clone().count();
    let given = list.elements.len();
    let mut letters = clauses.map(|clause| {
        let clause = clause.strip_prefix('.').unwrap_or(clause);
        clause.trim_start_matches(|digit: char| digit.is_ascii_digit())
    });
    let unknown = letters.find(|rest| !rest.starts_with(['s', 'd', 'f', 'e', 'b', 'x', 'X', 'o']));
    let message = if let Some(letter) = unknown.and_then(|rest| rest.chars().next()) {
        format!("could not parse formatting clause: unrecognized formatting clause \"{letter}\"")
    } else if wanted > given {
        format!("index {given} out of range")
    } else if wanted < given {
        format!("too many arguments supplied to string.format (expected {wanted}, got {given})")
    } else {
        return None;
    };
    Some(Problem { id, message })
}

/// The parts whose type is not that of the first one.
fn others<'a: 'b, 'b>(
    mut parts: impl Iterator<Item = &'b Part<'a>>,
    bindings: &mut Bindings<'a>,
) -> Vec<Problem> {
    let Some((_, first)) = parts.next() else {
        return Vec::new();
    };
    let wanted = bindings.settled(first);
    let mut problems = Vec::new();
    for (id, found) in parts {
        let found = bindings.settled(found);
        if !bindings.is_same(&wanted, &found) {
            problems.push(Problem {
                id: *id,
                message: format!("expected type '{wanted}' but found '{found}'"),
            });
        }
    }
    problems
}
