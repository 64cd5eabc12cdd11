//! Macros that the parser does not know, written as what they stand for (`ext` and
//! `cel/library.go` of cel-go). It must not know schemas or values.

use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, Expr, IdedExpr as Expression, ListExpr, LiteralValue, MapExpr,
    operators,
};

use super::places::Problem;
use super::tree::walk;

/// The variable in which a macro keeps what it has so far; nobody can write its name.
const SO_FAR: &str = "@result";
/// What the variable of a loop has to be.
const SIMPLE: &str = "argument must be a simple name";
const UNSORTED: &str = "sortBy can only be applied to a list, identifier, comprehension, call or \
     select expression";
/// The loop variable of what is no loop.
const UNUSED: &str = "@unused";
/// How large an expression may be that a macro writes twice. One in another doubles it again.
const MAX_TWICE: usize = 1000;
/// The name of a list that is sorted.
const SORTED: &str = "@sorted";
/// A function that nobody can call by its name: a map with another entry.
pub(crate) const INSERT: &str = "cel.@mapInsert";
/// Another one: a list in the order of the keys that go with its items.
pub(crate) const SORT: &str = "@sortByAssociatedKeys";

/// What a call of a macro stands for; nothing where it is none.
///
/// # Errors
/// When it is one and what is given to it does not make sense.
pub(crate) fn expanded(
    id: u64,
    name: &str,
    target: Option<&Expression>,
    args: &[Expression],
) -> Result<Option<Expression>, Problem> {
    let Some(target) = target else {
        return Ok(None);
    };
    let expression = match (name, args) {
        ("all" | "exists" | "existsOne" | "exists_one", [first, second, body]) => {
            over_two(target, (first, second), quantified(name, body.clone()))?
        }
        ("transformList" | "transformMap" | "transformMapEntry", [first, second, inner @ ..])
            if matches!(inner.len(), 1 | 2) =>
        {
            over_two(target, (first, second), transformed(name, first, inner)?)?
        }
        ("optMap" | "optFlatMap", [bound, body]) => of_optional(name, target, bound, body)?,
        ("sortBy", [bound, key]) => sorted(target, bound, key)?,
        _ => return Ok(None),
    };
    Ok(Some(placed(expression, id)))
}

fn plain(expr: Expr) -> Expression {
    Expression { id: 0, expr }
}

fn variable(name: &str) -> Expression {
    plain(Expr::Ident(name.to_owned()))
}

fn call(name: &str, args: Vec<Expression>) -> Expression {
    plain(Expr::Call(CallExpr {
        func_name: name.to_owned(),
        target: None,
        args,
    }))
}

fn method(target: Expression, name: &str, args: Vec<Expression>) -> Expression {
    plain(Expr::Call(CallExpr {
        func_name: name.to_owned(),
        target: Some(Box::new(target)),
        args,
    }))
}

fn truth(value: bool) -> Expression {
    plain(Expr::Literal(LiteralValue::Boolean(value.into())))
}

fn name_of(expression: &Expression, message: &str) -> Result<String, Problem> {
    match &expression.expr {
        Expr::Ident(name) => Ok(name.clone()),
        _ => Err(Problem {
            id: expression.id,
            message: message.to_owned(),
        }),
    }
}

/// What a macro is written out as, every part of which stands where the macro is called.
fn placed(mut expression: Expression, id: u64) -> Expression {
    if expression.id != 0 {
        return expression;
    }
    expression.id = id;
    let inner = |list: Vec<Expression>| list.into_iter().map(|part| placed(part, id)).collect();
    expression.expr = match expression.expr {
        Expr::Call(call) => Expr::Call(CallExpr {
            func_name: call.func_name,
            target: call.target.map(|target| Box::new(placed(*target, id))),
            args: inner(call.args),
        }),
        Expr::List(mut list) => {
            list.elements = inner(list.elements);
            Expr::List(list)
        }
        Expr::Comprehension(made) => Expr::Comprehension(Box::new(ComprehensionExpr {
            iter_range: placed(made.iter_range, id),
            accu_init: placed(made.accu_init, id),
            loop_cond: placed(made.loop_cond, id),
            loop_step: placed(made.loop_step, id),
            result: placed(made.result, id),
            ..*made
        })),
        other => other,
    };
    expression
}

/// What is done with the value of an optional one where there is one.
fn of_optional(
    name: &str,
    target: &Expression,
    bound: &Expression,
    body: &Expression,
) -> Result<Expression, Problem> {
    let mut size = 0;
    walk(target, &mut |_| size += 1);
    if size > MAX_TWICE {
        return Err(Problem {
            id: target.id,
            message: format!("what {name}() is called on is too large"),
        });
    }
    let problem = format!("{name}() variable name must be a simple identifier");
    let bound = name_of(bound, &problem)?;
    let value = method(target.clone(), "value", Vec::new());
    let body = bind(bound, value, body.clone());
    let body = if name == "optMap" {
        method(variable("optional"), "of", vec![body])
    } else {
        body
    };
    let none = method(variable("optional"), "none", Vec::new());
    let has = method(target.clone(), "hasValue", Vec::new());
    Ok(call(operators::CONDITIONAL, vec![has, body, none]))
}

/// A list in the order of what is made of its items.
fn sorted(
    target: &Expression,
    bound: &Expression,
    key: &Expression,
) -> Result<Expression, Problem> {
    if matches!(
        target.expr,
        Expr::Literal(_) | Expr::Map(_) | Expr::Struct(_)
    ) {
        return Err(Problem {
            id: target.id,
            message: UNSORTED.to_owned(),
        });
    }
    let bound = name_of(bound, "argument is not an identifier")?;
    let keys = looped(variable(SORTED), (bound, None), appended(key.clone()));
    let body = method(variable(SORTED), SORT, vec![keys]);
    Ok(bind(SORTED.to_owned(), target.clone(), body))
}

/// A value with a name: a loop that is never gone through. `cel.bind` itself is refused, as by the
/// real server in the rules of definitions.
fn bind(name: String, value: Expression, body: Expression) -> Expression {
    plain(Expr::Comprehension(Box::new(ComprehensionExpr {
        iter_range: plain(Expr::List(ListExpr::default())),
        iter_var: UNUSED.to_owned(),
        iter_var2: None,
        loop_step: variable(&name),
        accu_var: name,
        accu_init: value,
        loop_cond: truth(false),
        result: body,
    })))
}

/// What a loop begins with, how long it goes on, what it does with each item, and what results.
struct Loop {
    start: Expression,
    condition: Expression,
    step: Expression,
    result: Expression,
}

fn so_far() -> Expression {
    variable(SO_FAR)
}

fn looped(range: Expression, (first, second): (String, Option<String>), inner: Loop) -> Expression {
    plain(Expr::Comprehension(Box::new(ComprehensionExpr {
        iter_range: range,
        iter_var: first,
        iter_var2: second,
        accu_var: SO_FAR.to_owned(),
        accu_init: inner.start,
        loop_cond: inner.condition,
        loop_step: inner.step,
        result: inner.result,
    })))
}

/// Loops with two variables: an index and an item, or a key and a value.
fn over_two(
    range: &Expression,
    (first, second): (&Expression, &Expression),
    inner: Loop,
) -> Result<Expression, Problem> {
    let names = (name_of(first, SIMPLE)?, name_of(second, SIMPLE)?);
    if names.0 == names.1 {
        return Err(Problem {
            id: second.id,
            message: format!("duplicate variable name: {}", names.1),
        });
    }
    Ok(looped(range.clone(), (names.0, Some(names.1)), inner))
}

fn quantified(name: &str, body: Expression) -> Loop {
    let is_open = |expression| call(operators::NOT_STRICTLY_FALSE, vec![expression]);
    match name {
        "all" => Loop {
            start: truth(true),
            condition: is_open(so_far()),
            step: call(operators::LOGICAL_AND, vec![so_far(), body]),
            result: so_far(),
        },
        "exists" => Loop {
            start: truth(false),
            condition: is_open(call(operators::LOGICAL_NOT, vec![so_far()])),
            step: call(operators::LOGICAL_OR, vec![so_far(), body]),
            result: so_far(),
        },
        _ => {
            let number = |number: i64| plain(Expr::Literal(LiteralValue::Int(number.into())));
            let more = call(operators::ADD, vec![so_far(), number(1)]);
            Loop {
                start: number(0),
                condition: truth(true),
                step: call(operators::CONDITIONAL, vec![body, more, so_far()]),
                result: call(operators::EQUALS, vec![so_far(), number(1)]),
            }
        }
    }
}

/// A list with one more item after each step.
fn appended(item: Expression) -> Loop {
    let item = plain(Expr::List(ListExpr::new(vec![item])));
    Loop {
        start: plain(Expr::List(ListExpr::default())),
        condition: truth(true),
        step: call(operators::ADD, vec![so_far(), item]),
        result: so_far(),
    }
}

/// What is made of each entry, those before the last one only where a condition holds.
fn transformed(name: &str, key: &Expression, inner: &[Expression]) -> Result<Loop, Problem> {
    let (condition, body) = match inner {
        [condition, body] => (Some(condition.clone()), body.clone()),
        [body] => (None, body.clone()),
        _ => (None, plain(Expr::Unspecified)),
    };
    let mut made = appended(body.clone());
    if name != "transformList" {
        let key = variable(&name_of(key, SIMPLE)?);
        let entry = if name == "transformMap" {
            vec![so_far(), key, body]
        } else {
            vec![so_far(), body]
        };
        made.start = plain(Expr::Map(MapExpr::default()));
        made.step = call(INSERT, entry);
    }
    if let Some(condition) = condition {
        made.step = call(operators::CONDITIONAL, vec![condition, made.step, so_far()]);
    }
    Ok(made)
}
