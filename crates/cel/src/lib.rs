//! CEL as a Kubernetes API server has it: expressions are read, typed against schemas, their costs
//! estimated and counted; and the rules of schemas (`x-kubernetes-validations`), compiled when a
//! definition comes in, evaluated on every write. A rule that cannot be evaluated here is refused
//! with the definition, never skipped, and so is one that may cost more than the real server lets it.
//! And admission policies: their expressions, and what they say of a request.
//!
//! Pure. It must not know who asks, nor how objects are stored.
//!
//! ```text
//! definition ─expression─▶ tree ─typing, estimate─▶ refused, or Rules
//! object ─values─▶ Rules ─evaluate, cost─▶ what is wrong
//! policy ─expression, typing─▶ refused, or Policy; request ─values─▶ Policy ─evaluate, cost─▶ Verdict
//! ```

mod authorizer;
mod check;
mod collections;
mod conversions;
mod cost;
mod estimate;
mod evaluate;
mod expression;
mod forms;
mod library;
mod macros;
mod places;
mod policy;
mod sizes;
#[cfg(test)]
mod tests;
mod tree;
mod typing;
mod values;
mod weights;

use std::fmt;

use evaluate::evaluate as run;
use expression::{mentions, read};
use holdfast_kinds::{items, text};
use holdfast_model::{FieldError, Value};
use kube_cel::cel::Value as Cel;
use kube_cel::cel::common::ast::IdedExpr as Expression;
use kube_cel::cel::objects::OptionalValue;
use library::Stop;

pub use authorizer::{Authorizer, Decision, Question};
pub use check::problems;
pub use policy::{Compiled, Compiler, Denial, Facts, Input, Policy, Verdict};
pub use values::is_identifier;

/// What all rules together may cost for one object (`RuntimeCELCostBudget` of k8s.io/apiserver).
const BUDGET: u64 = 10_000_000;
const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

/// The rules of a schema.
pub struct Rules(Node);

impl fmt::Debug for Rules {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Rules")
    }
}

/// The rules of a part of a schema, and of its parts as far as they have any.
#[derive(Default)]
struct Node {
    rules: Vec<Rule>,
    properties: Vec<(String, Node)>,
    items: Option<Box<Node>>,
    values: Option<Box<Node>>,
}

struct Rule {
    text: String,
    expression: Expression,
    message: String,
    message_expression: Option<Expression>,
    reason: String,
    field_path: String,
    /// Whether it speaks of the state before an update.
    compares: bool,
    /// Whether that state may be absent.
    optional_old: bool,
}

/// The rules of a schema; nothing when it has none.
pub fn compile(schema: &Value) -> Option<Rules> {
    Node::of(schema).map(Rules)
}

impl Node {
    fn of(schema: &Value) -> Option<Self> {
        let inner = |name: &str| {
            let inner = schema.get(name).filter(|inner| inner.is_object())?;
            Self::of(inner).map(Box::new)
        };
        let properties = schema.get("properties").and_then(Value::as_object);
        let properties = properties.into_iter().flatten();
        let node = Self {
            rules: items(schema, "x-kubernetes-validations")
                .iter()
                .filter_map(Rule::of)
                .collect(),
            properties: properties
                .filter_map(|(name, schema)| Some((name.clone(), Self::of(schema)?)))
                .collect(),
            items: inner("items"),
            values: inner("additionalProperties"),
        };
        let is_empty = node.rules.is_empty()
            && node.properties.is_empty()
            && node.items.is_none()
            && node.values.is_none();
        (!is_empty).then_some(node)
    }
}

impl Rule {
    /// A rule that has been checked before, with its definition.
    fn of(rule: &Value) -> Option<Self> {
        let expression = read(text(rule, "rule")).ok()?;
        let message_expression = Some(text(rule, "messageExpression"));
        let message_expression = message_expression.filter(|text| !text.is_empty());
        Some(Self {
            text: text(rule, "rule").trim().to_owned(),
            compares: mentions(&expression, "oldSelf"),
            expression,
            message: text(rule, "message").trim().to_owned(),
            message_expression: message_expression.and_then(|text| read(text).ok()),
            reason: text(rule, "reason").to_owned(),
            field_path: text(rule, "fieldPath").to_owned(),
            optional_old: rule["optionalOldSelf"] == true,
        })
    }

    fn name(&self) -> &str {
        if self.message.is_empty() {
            &self.text
        } else {
            &self.message
        }
    }

    fn variables(&self, new: &Cel, old: Option<&Cel>) -> Vec<(String, Cel)> {
        let mut variables = vec![("self".to_owned(), new.clone())];
        let old = if self.optional_old {
            let old = old.cloned();
            let old = old.map_or_else(OptionalValue::none, OptionalValue::of);
            Some(Cel::Opaque(std::sync::Arc::new(old)))
        } else {
            old.cloned()
        };
        variables.extend(old.map(|old| ("oldSelf".to_owned(), old)));
        variables
    }
}

/// What the rules of a schema refuse about a value; `old` is its state before an update.
pub fn evaluate(
    rules: &Rules,
    schema: &Value,
    new: &Value,
    old: Option<&Value>,
) -> Vec<FieldError> {
    judged(rules, schema, (new, old), false)
}

/// What the rules have against what has not changed, which is only warned of.
pub fn kept_problems(rules: &Rules, schema: &Value, new: &Value, old: &Value) -> Vec<FieldError> {
    judged(rules, schema, (new, Some(old)), true)
}

fn judged(
    rules: &Rules,
    schema: &Value,
    states: (&Value, Option<&Value>),
    is_of_kept: bool,
) -> Vec<FieldError> {
    let mut walk = Walk {
        is_of_kept,
        kind: String::new(),
        left: BUDGET,
        errors: Vec::new(),
    };
    // What stopped it is among the errors.
    let _ = walk.visit(&rules.0, schema, states, "");
    walk.errors
}

/// There is no budget left.
struct Spent;

struct Walk {
    /// Whether what has not changed is judged, and nothing else.
    is_of_kept: bool,
    /// The type of the part that is looked at.
    kind: String,
    left: u64,
    errors: Vec<FieldError>,
}

impl Walk {
    fn visit(
        &mut self,
        node: &Node,
        schema: &Value,
        (new, old): (&Value, Option<&Value>),
        path: &str,
    ) -> Result<(), Spent> {
        if new.is_null() {
            return Ok(());
        }
        if !node.rules.is_empty() {
            text(schema, "type").clone_into(&mut self.kind);
            let value = values::of_json(new, schema);
            let before = old.map(|old| values::of_json(old, schema));
            // What has not changed is not judged again, but by what compares.
            let is_same = old == Some(new);
            let is_judged = |rule: &&Rule| (is_same && !rule.compares) == self.is_of_kept;
            let rules: Vec<&Rule> = node.rules.iter().filter(is_judged).collect();
            for rule in rules {
                self.apply(rule, &value, before.as_ref(), path)?;
            }
        }
        for (name, inner) in &node.properties {
            if let Some(value) = new.get(name) {
                let before = old.and_then(|old| old.get(name));
                let path = joined(path, name);
                self.visit(inner, &schema["properties"][name], (value, before), &path)?;
            }
        }
        if let (Some(inner), Some(list)) = (&node.items, new.as_array()) {
            for (index, item) in list.iter().enumerate() {
                let before = old.and_then(|old| counterpart(schema, item, old));
                let path = format!("{path}[{index}]");
                self.visit(inner, &schema["items"], (item, before), &path)?;
            }
        }
        if let (Some(inner), Some(fields)) = (&node.values, new.as_object()) {
            for (name, value) in fields {
                let before = old.and_then(|old| old.get(name));
                let path = format!("{path}[{name}]");
                let schema = &schema["additionalProperties"];
                self.visit(inner, schema, (value, before), &path)?;
            }
        }
        Ok(())
    }

    fn apply(
        &mut self,
        rule: &Rule,
        new: &Cel,
        old: Option<&Cel>,
        path: &str,
    ) -> Result<(), Spent> {
        if rule.compares && old.is_none() && !rule.optional_old {
            return Ok(());
        }
        let (result, cost) = run(&rule.expression, rule.variables(new, old));
        let name = rule.name();
        if cost > self.left && result != Err(Stop::Costly) {
            self.refuse(path, OUT_OF_BUDGET);
            return Err(Spent);
        }
        self.left = self.left.saturating_sub(cost);
        match result {
            Ok(Cel::Bool(true)) => {}
            Ok(Cel::Bool(false)) => self.broken(rule, new, old, path),
            Ok(_) => self.refuse(path, &format!("no such overload evaluating rule: {name}")),
            Err(Stop::Costly) => {
                let problem = format!(
                    "'operation cancelled: actual cost limit exceeded': no further validation \
                     rules will be run due to call cost exceeds limit for rule: {name}"
                );
                self.refuse(path, &problem);
                return Err(Spent);
            }
            Err(Stop::Error(problem)) if problem == "no such overload" => {
                let problem = format!(
                    "'{problem}': call arguments did not match a supported operator, function or \
                     macro signature for rule: {name}"
                );
                self.refuse(path, &problem);
            }
            Err(Stop::Error(problem)) => {
                self.refuse(path, &format!("{problem} evaluating rule: {name}"));
            }
        }
        Ok(())
    }

    fn refuse(&mut self, path: &str, problem: &str) {
        let field = if path.is_empty() { "<nil>" } else { path };
        let message = format!("Invalid value: {:?}: {problem}", self.kind);
        let error = FieldError::plain("FieldValueInvalid", field, message);
        self.errors.push(error);
    }

    /// The rule does not hold.
    fn broken(&mut self, rule: &Rule, new: &Cel, old: Option<&Cel>, path: &str) {
        let (reason, head) = match rule.reason.as_str() {
            "FieldValueForbidden" => ("FieldValueForbidden", "Forbidden"),
            "FieldValueRequired" => ("FieldValueRequired", "Required value"),
            "FieldValueDuplicate" => ("FieldValueDuplicate", "Duplicate value"),
            _ => ("FieldValueInvalid", "Invalid value"),
        };
        let written = rule.message_expression.as_ref().and_then(|expression| {
            let (result, cost) = run(expression, rule.variables(new, old));
            self.left = self.left.saturating_sub(cost);
            match result {
                Ok(Cel::String(text)) => Some(text.trim().to_owned()),
                _ => None,
            }
        });
        let is_one_line = |text: &String| !text.is_empty() && !text.contains('\n');
        let message = written.filter(is_one_line).unwrap_or_else(|| {
            if rule.message.is_empty() {
                format!("failed rule: {}", rule.text)
            } else {
                rule.message.clone()
            }
        });
        let field = format!("{path}{}", rule.field_path);
        let field = field.trim_start_matches('.');
        let field = if field.is_empty() { "<nil>" } else { field };
        let error = FieldError::plain(reason, field, format!("{head}: {message}"));
        self.errors.push(error);
    }
}

/// The path of a field.
fn joined(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// The item of a list that was there before: only those with keys can be told.
pub fn counterpart<'a>(schema: &Value, item: &Value, old: &'a Value) -> Option<&'a Value> {
    if text(schema, "x-kubernetes-list-type") != "map" {
        return None;
    }
    let keys = items(schema, "x-kubernetes-list-map-keys");
    let same = |other: &&Value| {
        let mut keys = keys.iter().filter_map(Value::as_str);
        keys.all(|key| item.get(key) == other.get(key))
    };
    old.as_array()?.iter().find(same)
}
