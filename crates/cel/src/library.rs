//! Functions of the libraries, called with values, and why there is no value. It must not know
//! operators, loops or costs.

use std::sync::LazyLock;

use kube_cel::KubeCelExt as _;
use kube_cel::cel::common::ast::{CallExpr, Expr, IdedExpr as Expression};
use kube_cel::cel::objects::OptionalValue;
use kube_cel::cel::{Context, Value};

/// Why there is no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// What went wrong, in words.
    Error(String),
    /// It cost too much.
    Costly,
}

pub(crate) type Result<T> = std::result::Result<T, Stop>;

pub(crate) fn fail<T>(problem: impl Into<String>) -> Result<T> {
    Err(Stop::Error(problem.into()))
}

static LIBRARY: LazyLock<Context<'static>> = LazyLock::new(|| Context::default().with_all());

/// Calls a function of the library.
pub(crate) fn library(
    name: &str,
    target: Option<Value>,
    args: Vec<Value>,
) -> std::result::Result<Value, String> {
    let is_type = |value: &Value| matches!(value, Value::Function(..));
    if target.iter().chain(&args).any(is_type) {
        return Err("no such overload".to_owned());
    }
    let mut scope = LIBRARY.new_inner_scope();
    let variable = |name: String| Expression {
        id: 0,
        expr: Expr::Ident(name),
    };
    // A qualified name is one whose target is a name.
    let (prefix, name) = name
        .split_once('.')
        .map_or((None, name), |(prefix, name)| (Some(prefix), name));
    let target = match (prefix, target) {
        (Some(prefix), _) => Some(Box::new(variable(prefix.to_owned()))),
        (None, Some(target)) => {
            scope.add_variable_from_value("@target", target);
            Some(Box::new(variable("@target".to_owned())))
        }
        (None, None) => None,
    };
    let mut names = Vec::new();
    for (index, arg) in args.into_iter().enumerate() {
        let name = format!("@{index}");
        scope.add_variable_from_value(name.clone(), arg);
        names.push(variable(name));
    }
    let call = Expression {
        id: 0,
        expr: Expr::Call(CallExpr {
            func_name: name.to_owned(),
            target,
            args: names,
        }),
    };
    Value::resolve(&call, &scope).map_err(|error| error.to_string())
}

/// What an optional value holds; nothing when the value is no such.
pub(crate) fn held(value: &Value) -> Option<Option<Value>> {
    let Value::Opaque(opaque) = value else {
        return None;
    };
    let optional = opaque.downcast_ref::<OptionalValue>()?;
    Some(optional.value().cloned())
}
