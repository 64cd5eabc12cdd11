//! Expressions: reads them, and writes macros that the parser does not know as what they stand
//! for. It must not know schemas or values.

use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr as Expression, LiteralValue, operators,
};
use kube_cel::cel::parser::Parser;

use super::macros::expanded;
use super::places::{Problem, readable, shown, shown_at};
use super::tree::{children_mut, path, walk};
use super::typing::{is_function, is_type};
use super::values::RESERVED;

/// Reads an expression.
///
/// # Errors
/// What is wrong with it, as the real server shows it.
pub(crate) fn read(text: &str) -> Result<Expression, String> {
    // How deep it may be has been looked at.
    let parser = Parser::new().max_recursion_depth(u16::MAX - 1);
    let parser = parser.enable_optional_syntax(true);
    let expression = parser.parse(&readable(text)?).map_err(|error| {
        let errors = error.errors.iter().map(|error| {
            let line = usize::try_from(error.pos.0).unwrap_or(0);
            let column = usize::try_from(error.pos.1).unwrap_or(0).saturating_sub(1);
            (line, column, said(text, (line, column), &error.msg))
        });
        shown_at(text, errors.collect())
    })?;
    let reserved = reserved(&expression);
    if !reserved.is_empty() {
        return Err(shown(text, &reserved));
    }
    rewritten(expression).map_err(|problem| shown(text, &[problem]))
}

/// What the real parser says: of what is no name it says something else for some macros.
fn said<'a>(text: &str, (line, column): (usize, usize), message: &'a str) -> &'a str {
    let line = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let before: String = line.chars().take(column).collect();
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "_. ".contains(letter);
    let before = before.trim_end_matches(is_part);
    let is_made = ["map(", "filter("]
        .iter()
        .any(|name| before.ends_with(name));
    if is_made && message == "argument must be a simple name" {
        "argument is not an identifier"
    } else {
        message
    }
}

/// Words of the language that are used as names.
fn reserved(expression: &Expression) -> Vec<Problem> {
    let mut problems = Vec::new();
    walk(expression, &mut |inner| match &inner.expr {
        Expr::Ident(name) if RESERVED.contains(&name.as_str()) => problems.push(Problem {
            id: inner.id,
            message: format!("reserved identifier: {name}"),
        }),
        _ => {}
    });
    problems
}

/// The expression with its macros written out.
fn rewritten(expression: Expression) -> Result<Expression, Problem> {
    let name = path(&expression).filter(|name| name.contains('.') && is_type(name));
    if let Some(name) = name {
        let id = expression.id;
        let expr = Expr::Ident(name);
        return Ok(Expression { id, expr });
    }
    let Expression { id, expr } = expression;
    let expr = match expr {
        Expr::Call(call) => return rewritten_call(id, call),
        Expr::Select(mut select) => {
            select.operand = Box::new(rewritten(*select.operand)?);
            // A name in quotes is the name without them.
            select.field = select.field.trim_matches('`').to_owned();
            Expr::Select(select)
        }
        Expr::List(mut list) => {
            list.elements = all_rewritten(list.elements)?;
            Expr::List(list)
        }
        Expr::Map(mut map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    entry.key = rewritten(std::mem::take(&mut entry.key))?;
                    entry.value = rewritten(std::mem::take(&mut entry.value))?;
                }
            }
            Expr::Map(map)
        }
        Expr::Comprehension(inner) => Expr::Comprehension(Box::new(ComprehensionExpr {
            iter_range: rewritten(inner.iter_range)?,
            accu_init: rewritten(inner.accu_init)?,
            loop_cond: rewritten(inner.loop_cond)?,
            loop_step: rewritten(inner.loop_step)?,
            result: rewritten(inner.result)?,
            ..*inner
        })),
        other => other,
    };
    Ok(Expression { id, expr })
}

/// The expression with a name that has dots as one name.
pub(crate) fn joined(mut expression: Expression, name: &str) -> Expression {
    join(&mut expression, name);
    expression
}

fn join(expression: &mut Expression, name: &str) {
    if path(expression).as_deref() == Some(name) {
        expression.expr = Expr::Ident(name.to_owned());
        return;
    }
    for child in children_mut(expression) {
        join(child, name);
    }
}

fn all_rewritten(list: Vec<Expression>) -> Result<Vec<Expression>, Problem> {
    list.into_iter().map(rewritten).collect()
}

fn rewritten_call(id: u64, call: CallExpr) -> Result<Expression, Problem> {
    let target = match call.target {
        Some(target) => Some(rewritten(*target)?),
        None => None,
    };
    let mut args = all_rewritten(call.args)?;
    let name = call.func_name;
    if let Some(expression) = expanded(id, &name, target.as_ref(), &args)? {
        return Ok(expression);
    }
    if let Some(Expr::Literal(LiteralValue::String(field))) = args.get(1).map(|arg| &arg.expr)
        && name == operators::OPT_SELECT
    {
        let field = field.inner().trim_matches('`').to_owned();
        args[1].expr = Expr::Literal(LiteralValue::String(field.into()));
    }
    Ok(made(id, name, target, args))
}

fn made(
    id: u64,
    func_name: String,
    target: Option<Expression>,
    args: Vec<Expression>,
) -> Expression {
    let expr = Expr::Call(CallExpr {
        func_name,
        target: target.map(Box::new),
        args,
    });
    Expression { id, expr }
}

/// Whether an expression names a variable that is not bound in it.
pub(crate) fn mentions(expression: &Expression, name: &str) -> bool {
    let mut found = false;
    walk(expression, &mut |inner| {
        found |= matches!(&inner.expr, Expr::Ident(known) if known == name);
    });
    found
}

/// The name of a function whose name has dots.
pub(crate) fn qualified(call: &CallExpr) -> Option<String> {
    let target = path(call.target.as_deref()?)?;
    let name = format!("{target}.{}", call.func_name);
    is_function(&name).then_some(name)
}
