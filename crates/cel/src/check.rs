//! What cannot be evaluated in the rules of a definition, or may cost too much.
//! It must not know objects.

use holdfast_kinds::{items, text};
use holdfast_model::{FieldError, Value};
use kube_cel::cel::common::ast::IdedExpr as Expression;

use super::estimate::estimate;
use super::expression::{mentions, read};
use super::forms::form;
use super::places::shown;
use super::sizes::Place;
use super::typing::{BOOL, STRING, Type, check, shape};

/// The longest text of a rule.
const MAX_RULE: usize = 10 * 1024;
/// What one rule may cost at most, as far as that can be told from the schema, and what all rules
/// of a schema may (`StaticEstimatedCostLimit`, `StaticEstimatedCRDCostLimit` of
/// k8s.io/apiextensions-apiserver).
const RULE_LIMIT: u64 = 10_000_000;
const SCHEMA_LIMIT: u64 = 100_000_000;
/// How many of the costliest rules are named when all together cost too much, of those that cost
/// at least a hundredth of the limit.
const NAMED: usize = 4;

/// What is wrong with the rules of a schema.
pub fn problems(schema: &Value, path: &str) -> Vec<FieldError> {
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
        let costly = check
            .costs
            .iter()
            .filter(|(cost, _)| *cost >= SCHEMA_LIMIT / 100);
        for (_, place) in costly.take(NAMED) {
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
    let mut errors = check.forms;
    errors.append(&mut check.errors);
    errors
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

/// Reads one of the expressions of a rule and checks its types; gives what it may cost, too.
///
/// # Errors
/// What is wrong with it, in words.
fn compiled(
    rule: &Value,
    name: &str,
    schema: &Value,
    is_root: bool,
) -> Result<(Expression, u64), String> {
    let found = text(rule, name);
    let (head, wanted, problem) = match name {
        "rule" => ("", BOOL, "cel expression must evaluate to a bool"),
        _ => (
            "messageExpression ",
            STRING,
            "messageExpression must evaluate to a string",
        ),
    };
    let failed = |problem: String| format!("{head}compilation failed: {problem}");
    let expression = read(found).map_err(failed)?;
    let is_root = is_root || schema["x-kubernetes-embedded-resource"] == true;
    let own = shape(schema, "selfType", is_root).unwrap_or(Type::Dyn);
    let old = if rule["optionalOldSelf"] == true {
        own.clone().optional()
    } else {
        own.clone()
    };
    let variables = vec![("self".to_owned(), own), ("oldSelf".to_owned(), old)];
    let typed =
        check(&expression, variables).map_err(|problems| failed(shown(found, &problems)))?;
    if !typed.result.is(&wanted) {
        return Err(problem.to_owned());
    }
    let cost = estimate(&expression, &typed, (schema, is_root));
    Ok((expression, cost))
}

#[derive(Default)]
struct Check {
    errors: Vec<FieldError>,
    /// What is wrong with rules besides their expressions, which is told before those.
    forms: Vec<FieldError>,
    /// What each rule may cost, and where it is.
    costs: Vec<(u64, String)>,
}

impl Check {
    /// Whether something other than an expression is wrong here or further down: then expressions
    /// are not looked at.
    fn visit(&mut self, schema: &Value, path: &str, place: &Place) -> bool {
        let mut is_wrong = false;
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            let path = format!("{path}.properties[{name}]");
            is_wrong |= self.visit(property, &path, &place.field());
        }
        for name in ["items", "additionalProperties"] {
            if let Some(inner) = schema.get(name).filter(|inner| inner.is_object()) {
                is_wrong |= self.visit(
                    inner,
                    &format!("{path}.{name}"),
                    &place.inside(schema, path),
                );
            }
        }
        for name in ["allOf", "anyOf", "oneOf"] {
            for (index, inner) in items(schema, name).iter().enumerate() {
                let path = format!("{path}.{name}[{index}]");
                is_wrong |= self.visit(inner, &path, &place.field());
            }
        }
        let rules = items(schema, "x-kubernetes-validations");
        let at = |index: usize| format!("{path}.x-kubernetes-validations[{index}]");
        for (index, rule) in rules.iter().enumerate() {
            let found = form(rule, schema, &at(index));
            is_wrong |= !found.is_empty();
            self.forms.extend(found);
        }
        if !is_wrong {
            for (index, rule) in rules.iter().enumerate() {
                self.rule(rule, schema, &at(index), place);
            }
        }
        is_wrong
    }

    fn rule(&mut self, rule: &Value, schema: &Value, at: &str, place: &Place) {
        let found = text(rule, "rule");
        let field = format!("{at}.rule");
        let message = text(rule, "messageExpression");
        for (name, found) in [("rule", found), ("messageExpression", message)] {
            if found.len() > MAX_RULE {
                let field = format!("{at}.{name}");
                self.errors.push(FieldError::too_long(field, MAX_RULE));
                return;
            }
        }
        let compiled = compiled(rule, "rule", schema, place.is_root);
        let is_right = compiled.is_ok();
        let mut compares = false;
        match compiled {
            Ok((expression, cost)) => {
                compares = mentions(&expression, "oldSelf");
                self.cost(cost, schema, (&field, "estimated rule cost"), place);
            }
            Err(problem) => self.refuse(&field, rule, &problem),
        }
        if is_right && !message.is_empty() {
            self.message(rule, schema, at, place);
        }
        let untold = place.untold.and_then(|length| at.get(..length));
        if let Some(path) = untold.filter(|_| compares) {
            let detail = format!(
                "oldSelf cannot be used on the uncorrelatable portion of the schema within {path}"
            );
            let value = Value::String(found.to_owned());
            self.errors
                .push(FieldError::invalid(field, &value, &detail));
        }
        let optional = &rule["optionalOldSelf"];
        if !compares && !optional.is_null() {
            let field = format!("{at}.optionalOldSelf");
            let detail = "may not be set if oldSelf is not used in rule";
            self.errors
                .push(FieldError::invalid(field, optional, detail));
        }
    }

    fn message(&mut self, rule: &Value, schema: &Value, at: &str, place: &Place) {
        let field = format!("{at}.messageExpression");
        match compiled(rule, "messageExpression", schema, place.is_root) {
            Ok((_, cost)) => {
                let what = "estimated messageExpression cost";
                self.cost(cost, schema, (&field, what), place);
            }
            Err(problem) => self.refuse(&field, rule, &problem),
        }
    }

    /// Refuses a rule, which is shown in full.
    fn refuse(&mut self, field: &str, rule: &Value, problem: &str) {
        let word = |name: &str| {
            // Signs of HTML are written out as Go's library does.
            let word = rule.get(name).unwrap_or(&Value::Null).to_string();
            let word = word.replace('&', "\\u0026");
            word.replace('<', "\\u003c").replace('>', "\\u003e")
        };
        let text = |name: &str| match word(name).as_str() {
            "null" => "\"\"".to_owned(),
            word => word.to_owned(),
        };
        let message = format!(
            "Invalid value: {{\"Rule\":{},\"Message\":{},\"MessageExpression\":{},\"Reason\":{},\
             \"FieldPath\":{},\"OptionalOldSelf\":{}}}: {problem}",
            text("rule"),
            text("message"),
            text("messageExpression"),
            word("reason"),
            text("fieldPath"),
            word("optionalOldSelf"),
        );
        let error = FieldError::plain("FieldValueInvalid", field, message);
        self.errors.push(error);
    }

    fn cost(&mut self, cost: u64, schema: &Value, (field, what): (&str, &str), place: &Place) {
        let cost = cost.saturating_mul(place.times(schema));
        if cost > RULE_LIMIT {
            let detail = too_costly(what, cost, RULE_LIMIT);
            self.errors.push(FieldError::forbidden(field, &detail));
        }
        self.costs.push((cost, field.to_owned()));
    }
}
