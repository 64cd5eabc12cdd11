//! Expressions: reads them, and writes macros that the parser does not know as what they stand
//! for. It must not know schemas or values.

use std::collections::BTreeSet;

use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr as Expression, ListExpr, LiteralValue,
    operators,
};
use kube_cel::cel::parser::Parser;

/// The variable in which a macro keeps what it has so far; nobody can write its name.
const SO_FAR: &str = "@result";
/// The loop variable of what is no loop.
const UNUSED: &str = "@unused";

/// Functions that are called with a target, or alone.
const FUNCTIONS: &str = "abs add all asApproximateFloat asInteger bool bytes charAt \
     cidr compareTo contains containsCIDR containsIP distance double duration dyn endsWith \
     equivalent exists existsOne exists_one family filter find findAll first flatten format \
     getDate getDayOfMonth getDayOfWeek getDayOfYear getEscapedPath getFullYear getHost \
     getHostname getHours getMilliseconds getMinutes getMonth getPort getQuery getScheme \
     getSeconds hasValue indexOf int intersects ip isCIDR isCanonical isGlobalUnicast \
     isGreaterThan isIP isInteger isLessThan isLinkLocalMulticast isLinkLocalUnicast isLoopback \
     isQuantity isSemver isSorted isURL isUnspecified join last lastIndexOf lowerAscii major map \
     masked matches max min minor or orValue patch prefixLength quantity range replace reverse \
     semver sign size slice sort split startsWith string sub substring sum timestamp trim \
     type uint upperAscii url validate value";
/// Functions whose names have a dot.
const QUALIFIED: &str = "base64.decode base64.encode cidr.isCanonical format.named \
     ip.isCanonical math.abs math.ceil math.floor math.greatest math.isFinite math.isInf \
     math.isNaN math.least math.round math.sign math.sqrt math.trunc optional.none optional.of \
     optional.ofNonZeroValue sets.contains sets.equivalent sets.intersects strings.quote \
     jsonpatch.escapeKey";

/// The names of types, which are values too.
pub(super) const TYPES: [&str; 9] = [
    "bool",
    "bytes",
    "double",
    "int",
    "list",
    "map",
    "null_type",
    "string",
    "uint",
];

/// Reads an expression.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn read(text: &str) -> Result<Expression, String> {
    let parser = Parser::new().enable_optional_syntax(true);
    let expression = parser.parse(text).map_err(|error| error.to_string())?;
    rewritten(expression)
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

fn name_of(expression: &Expression) -> Result<String, String> {
    match &expression.expr {
        Expr::Ident(name) => Ok(name.clone()),
        _ => Err("argument must be a simple name".to_owned()),
    }
}

/// The expression with its macros written out.
fn rewritten(expression: Expression) -> Result<Expression, String> {
    let Expression { id, expr } = expression;
    let expr = match expr {
        Expr::Call(call) => return rewritten_call(id, call),
        Expr::Select(mut select) => {
            select.operand = Box::new(rewritten(*select.operand)?);
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
        Expr::Struct(_) => return Err("structs cannot be made here".to_owned()),
        other => other,
    };
    Ok(Expression { id, expr })
}

fn all_rewritten(list: Vec<Expression>) -> Result<Vec<Expression>, String> {
    list.into_iter().map(rewritten).collect()
}

fn rewritten_call(id: u64, call: CallExpr) -> Result<Expression, String> {
    let target = match call.target {
        Some(target) => Some(rewritten(*target)?),
        None => None,
    };
    let args = all_rewritten(call.args)?;
    let name = call.func_name;
    let expression = match (name.as_str(), target, <[Expression; 3]>::try_from(args)) {
        ("all" | "exists" | "existsOne" | "transformList", Some(range), Ok(args)) => {
            over_two(&name, range, args)?
        }
        (_, target, Ok(args)) => made(id, name, target, args.into()),
        (_, target, Err(args)) => {
            match (name.as_str(), target, <[Expression; 2]>::try_from(args)) {
                ("optMap" | "optFlatMap", Some(target), Ok([bound, body])) => {
                    let bound = name_of(&bound)?;
                    let body = bind(bound, method(target.clone(), "value", Vec::new()), body);
                    let body = if name == "optMap" {
                        method(variable("optional"), "of", vec![body])
                    } else {
                        body
                    };
                    let none = method(variable("optional"), "none", Vec::new());
                    let has = method(target, "hasValue", Vec::new());
                    self::call(operators::CONDITIONAL, vec![has, body, none])
                }
                (_, target, Ok(args)) => made(id, name, target, args.into()),
                (_, target, Err(args)) => made(id, name, target, args),
            }
        }
    };
    Ok(expression)
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

/// Loops with two variables: an index and an item, or a key and a value.
fn over_two(
    name: &str,
    range: Expression,
    [first, second, body]: [Expression; 3],
) -> Result<Expression, String> {
    let so_far = || variable(SO_FAR);
    let is_open = |expression| call(operators::NOT_STRICTLY_FALSE, vec![expression]);
    let (start, condition, step, result) = match name {
        "all" => (
            truth(true),
            is_open(so_far()),
            call(operators::LOGICAL_AND, vec![so_far(), body]),
            so_far(),
        ),
        "exists" => (
            truth(false),
            is_open(call(operators::LOGICAL_NOT, vec![so_far()])),
            call(operators::LOGICAL_OR, vec![so_far(), body]),
            so_far(),
        ),
        "existsOne" => {
            let number = |number: i64| plain(Expr::Literal(LiteralValue::Int(number.into())));
            let more = call(operators::ADD, vec![so_far(), number(1)]);
            (
                number(0),
                truth(true),
                call(operators::CONDITIONAL, vec![body, more, so_far()]),
                call(operators::EQUALS, vec![so_far(), number(1)]),
            )
        }
        _ => {
            let item = plain(Expr::List(ListExpr::new(vec![body])));
            (
                plain(Expr::List(ListExpr::default())),
                truth(true),
                call(operators::ADD, vec![so_far(), item]),
                so_far(),
            )
        }
    };
    Ok(plain(Expr::Comprehension(Box::new(ComprehensionExpr {
        iter_range: range,
        iter_var: name_of(&first)?,
        iter_var2: Some(name_of(&second)?),
        accu_var: SO_FAR.to_owned(),
        accu_init: start,
        loop_cond: condition,
        loop_step: step,
        result,
    }))))
}

/// Whether an expression names a variable that is not bound in it.
pub(super) fn mentions(expression: &Expression, name: &str) -> bool {
    let mut found = false;
    walk(expression, &mut |inner| {
        found |= matches!(&inner.expr, Expr::Ident(known) if known == name);
    });
    found
}

fn walk(expression: &Expression, visit: &mut impl FnMut(&Expression)) {
    visit(expression);
    children(expression)
        .into_iter()
        .for_each(|child| walk(child, visit));
}

/// The parts of an expression.
pub(super) fn children(expression: &Expression) -> Vec<&Expression> {
    match &expression.expr {
        Expr::Call(call) => call
            .target
            .as_deref()
            .into_iter()
            .chain(&call.args)
            .collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => {
            let entries = map.entries.iter().filter_map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => Some([&entry.key, &entry.value]),
                EntryExpr::StructField(_) => None,
            });
            entries.flatten().collect()
        }
        Expr::Comprehension(inner) => vec![
            &inner.iter_range,
            &inner.accu_init,
            &inner.loop_cond,
            &inner.loop_step,
            &inner.result,
        ],
        _ => Vec::new(),
    }
}

/// The name of a function whose name has a dot.
pub(super) fn qualified(call: &CallExpr) -> Option<String> {
    let target = call.target.as_deref()?;
    let name = match &target.expr {
        Expr::Ident(prefix) => format!("{prefix}.{}", call.func_name),
        // Calls of `format.named` and such have one dot only.
        _ => return None,
    };
    QUALIFIED
        .split_whitespace()
        .any(|known| known == name)
        .then_some(name)
}

/// The first name that nothing stands for here, variables and functions alike.
pub(super) fn undeclared(expression: &Expression, bound: &mut Vec<String>) -> Option<String> {
    match &expression.expr {
        Expr::Ident(name) => (!bound.contains(name)).then(|| name.clone()),
        Expr::Call(call) => {
            let target = match (qualified(call), call.target.as_deref()) {
                (None, Some(target)) => undeclared(target, bound),
                _ => None,
            };
            let known: BTreeSet<&str> = FUNCTIONS.split_whitespace().collect();
            let name = call.func_name.as_str();
            let is_operator = !name.starts_with(|letter: char| letter.is_ascii_alphabetic());
            let is_known = is_operator || known.contains(name) || qualified(call).is_some();
            target
                .or_else(|| (!is_known).then(|| name.to_owned()))
                .or_else(|| call.args.iter().find_map(|arg| undeclared(arg, bound)))
        }
        Expr::Comprehension(inner) => {
            let outer = undeclared(&inner.iter_range, bound)
                .or_else(|| undeclared(&inner.accu_init, bound));
            if outer.is_some() {
                return outer;
            }
            let before = bound.len();
            bound.push(inner.accu_var.clone());
            bound.push(inner.iter_var.clone());
            bound.extend(inner.iter_var2.clone());
            let found = [&inner.loop_cond, &inner.loop_step, &inner.result]
                .into_iter()
                .find_map(|part| undeclared(part, bound));
            bound.truncate(before);
            found
        }
        _ => children(expression)
            .into_iter()
            .find_map(|child| undeclared(child, bound)),
    }
}
