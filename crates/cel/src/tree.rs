//! Walks through expressions. It must not know functions, types or values.

use kube_cel::cel::common::ast::{
    CallExpr, EntryExpr, Expr, IdedExpr as Expression, LiteralValue, operators,
};

pub(crate) fn walk(expression: &Expression, visit: &mut impl FnMut(&Expression)) {
    visit(expression);
    children(expression)
        .into_iter()
        .for_each(|child| walk(child, visit));
}

/// The parts of an expression.
fn children(expression: &Expression) -> Vec<&Expression> {
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

/// The parts of an expression, to be changed.
pub(crate) fn children_mut(expression: &mut Expression) -> Vec<&mut Expression> {
    match &mut expression.expr {
        Expr::Call(call) => call
            .target
            .as_deref_mut()
            .into_iter()
            .chain(&mut call.args)
            .collect(),
        Expr::Select(select) => vec![&mut select.operand],
        Expr::List(list) => list.elements.iter_mut().collect(),
        Expr::Map(map) => {
            let entries = map.entries.iter_mut();
            let entries = entries.filter_map(|entry| match &mut entry.expr {
                EntryExpr::MapEntry(entry) => Some([&mut entry.key, &mut entry.value]),
                EntryExpr::StructField(_) => None,
            });
            entries.flatten().collect()
        }
        Expr::Comprehension(inner) => vec![
            &mut inner.iter_range,
            &mut inner.accu_init,
            &mut inner.loop_cond,
            &mut inner.loop_step,
            &mut inner.result,
        ],
        _ => Vec::new(),
    }
}

/// Names with dots between them.
pub(crate) fn path(expression: &Expression) -> Option<String> {
    match &expression.expr {
        Expr::Ident(name) => Some(name.clone()),
        Expr::Select(select) if !select.test => {
            Some(format!("{}.{}", path(&select.operand)?, select.field))
        }
        _ => None,
    }
}

/// What a field that may be absent is selected of, and its name.
pub(crate) fn selected(call: &CallExpr) -> Option<(&Expression, &str)> {
    let ([operand, name], operators::OPT_SELECT) = (&*call.args, call.func_name.as_str()) else {
        return None;
    };
    match &name.expr {
        Expr::Literal(LiteralValue::String(name)) => Some((operand, name.inner())),
        _ => None,
    }
}
