//! What cannot be evaluated in the rules of a definition, or may cost too much.
//! It must not know objects.

use holdfast_model::Value;
use kube_cel::cel::common::ast::{Expr, IdedExpr as Expression, LiteralValue, operators};

use super::estimate::{Place, estimate};
use super::expression::{TYPES, children, mentions, read, undeclared};
use crate::error::FieldError;
use crate::rules::{items, text};

/// The longest text of a rule.
const MAX_RULE: usize = 10 * 1024;
/// What one rule may cost at most, as far as that can be told from the schema, and what all rules
/// of a schema may (`StaticEstimatedCostLimit`, `StaticEstimatedCRDCostLimit` of
/// k8s.io/apiextensions-apiserver).
const RULE_LIMIT: u64 = 10_000_000;
const SCHEMA_LIMIT: u64 = 100_000_000;
/// How many of the costliest rules are named when all together cost too much.
const NAMED: usize = 4;

/// What is wrong with the rules of a schema.
pub(crate) fn problems(schema: &Value, path: &str) -> Vec<FieldError> {
    let mut check = Check::default();
    check.visit(schema, path, &Place::root());
    let total: u64 = check
        .costs
        .iter()
        .fold(0, |total, (cost, _)| total.saturating_add(*cost));
    if total > SCHEMA_LIMIT {
        check
            .costs
            .sort_by_key(|(cost, _)| std::cmp::Reverse(*cost));
        for (_, place) in check.costs.iter().take(NAMED) {
            let detail = "contributed to estimated rule cost total exceeding cost limit for entire \
                          OpenAPIv3 schema";
            check
                .errors
                .push(FieldError::forbidden(place.clone(), detail));
        }
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        let detail = too_costly(what, total, SCHEMA_LIMIT);
        check.errors.push(FieldError::forbidden(path, &detail));
    }
    check.errors
}

#[expect(clippy::cast_precision_loss, reason = "it is a factor for people")]
fn too_costly(what: &str, cost: u64, limit: u64) -> String {
    let factor = cost as f64 / limit as f64;
    let factor = if factor > 100.0 {
        "more than 100x".to_owned()
    } else if factor < 1.5 {
        format!("{factor:.6}x")
    } else {
        format!("{factor:.1}x")
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding \
         maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
}

#[derive(Default)]
struct Check {
    errors: Vec<FieldError>,
    /// What each rule may cost, and where it is.
    costs: Vec<(u64, String)>,
}

impl Check {
    fn visit(&mut self, schema: &Value, path: &str, place: &Place) {
        let rules = items(schema, "x-kubernetes-validations");
        for (index, rule) in rules.iter().enumerate() {
            let at = format!("{path}.x-kubernetes-validations[{index}]");
            self.rule(rule, schema, &at, place);
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            let path = format!("{path}.properties[{name}]");
            self.visit(property, &path, place);
        }
        for name in ["items", "additionalProperties"] {
            if let Some(inner) = schema.get(name).filter(|inner| inner.is_object()) {
                self.visit(
                    inner,
                    &format!("{path}.{name}"),
                    &place.inside(schema, path),
                );
            }
        }
        for name in ["allOf", "anyOf", "oneOf"] {
            for (index, inner) in items(schema, name).iter().enumerate() {
                self.visit(inner, &format!("{path}.{name}[{index}]"), place);
            }
        }
    }

    fn rule(&mut self, rule: &Value, schema: &Value, at: &str, place: &Place) {
        let found = text(rule, "rule");
        let field = format!("{at}.rule");
        if found.trim().is_empty() {
            self.errors
                .push(FieldError::required(field, "rule is not specified"));
            return;
        }
        if found.len() > MAX_RULE {
            self.errors.push(FieldError::too_long(field, MAX_RULE));
            return;
        }
        if let Some(expression) = self.expression(found, schema, &field) {
            let untold = place.untold.and_then(|length| at.get(..length));
            if let Some(path) = untold.filter(|_| mentions(&expression, "oldSelf")) {
                let detail = format!(
                    "oldSelf cannot be used on the uncorrelatable portion of the schema within \
                     {path}"
                );
                let value = Value::String(found.to_owned());
                self.errors
                    .push(FieldError::invalid(field, &value, &detail));
                return;
            }
            self.cost(&expression, schema, (&field, "estimated rule cost"), place);
        }
        let message = text(rule, "messageExpression");
        if !message.is_empty() {
            let field = format!("{at}.messageExpression");
            if let Some(expression) = self.expression(message, schema, &field) {
                let what = "estimated messageExpression cost";
                self.cost(&expression, schema, (&field, what), place);
            }
        }
    }

    fn expression(&mut self, found: &str, schema: &Value, field: &str) -> Option<Expression> {
        let names = ["self", "oldSelf"].into_iter().chain(TYPES);
        let mut bound: Vec<String> = names.map(str::to_owned).collect();
        let problem = match read(found) {
            Ok(expression) => match undeclared(&expression, &mut bound) {
                Some(name) => format!("undeclared reference to '{name}' (in container '')"),
                None => match undefined_field(&expression, schema) {
                    Some(problem) => problem,
                    None => return Some(expression),
                },
            },
            Err(problem) => problem,
        };
        let detail = format!("compilation failed: {problem}");
        let value = Value::String(found.to_owned());
        self.errors
            .push(FieldError::invalid(field, &value, &detail));
        None
    }

    fn cost(
        &mut self,
        expression: &Expression,
        schema: &Value,
        (field, what): (&str, &str),
        place: &Place,
    ) {
        let Some(cost) = estimate(expression, schema) else {
            return;
        };
        let cost = cost.saturating_mul(place.times(schema));
        if cost > RULE_LIMIT {
            let detail = too_costly(what, cost, RULE_LIMIT);
            self.errors.push(FieldError::forbidden(field, &detail));
        }
        self.costs.push((cost, field.to_owned()));
    }
}

/// The first field that is selected and that the schema does not have.
fn undefined_field(expression: &Expression, schema: &Value) -> Option<String> {
    let inner = children(expression)
        .into_iter()
        .find_map(|child| undefined_field(child, schema));
    if inner.is_some() {
        return inner;
    }
    let (operand, field) = selected(expression)?;
    let owner = schema_of(operand, schema)?;
    let properties = owner.get("properties")?.as_object()?;
    let free = owner.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    // Names that are words of CEL are written in another way there.
    let known = free
        || properties.contains_key(field)
        || field.contains("__")
        || matches!(field, "metadata" | "apiVersion" | "kind");
    (!known).then(|| format!("undefined field '{field}'"))
}

/// What a field is selected of, and its name.
fn selected(expression: &Expression) -> Option<(&Expression, &str)> {
    match &expression.expr {
        Expr::Select(select) => Some((&select.operand, &select.field)),
        Expr::Call(call) if call.func_name == operators::OPT_SELECT => {
            let [operand, name] = call.args.as_slice() else {
                return None;
            };
            match &name.expr {
                Expr::Literal(LiteralValue::String(name)) => Some((operand, name.inner())),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The schema of what an expression stands for, where that is a field of `self`.
fn schema_of<'a>(expression: &Expression, schema: &'a Value) -> Option<&'a Value> {
    if let Expr::Ident(name) = &expression.expr {
        return matches!(name.as_str(), "self" | "oldSelf").then_some(schema);
    }
    let (operand, field) = selected(expression)?;
    schema_of(operand, schema)?.get("properties")?.get(field)
}
