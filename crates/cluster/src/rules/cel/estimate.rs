//! What a rule may cost at most, told from the bounds of its schema: as cel-go's checker reckons
//! (`checker/cost.go`) with the sizes that k8s.io/apiserver takes for what has no bound
//! (`pkg/cel/common/schemas.go`). What cannot be told is no reason to refuse a rule.
//! It must not know objects.

use holdfast_model::Value;
use kube_cel::cel::common::ast::{
    CallExpr, ComprehensionExpr, Expr, IdedExpr as Expression, LiteralValue, operators,
};

use super::cost;
use super::expression::{children, qualified};
use super::values::escaped;
use crate::rules::{items, text};

/// The largest request, in bytes.
const MAX_REQUEST: u64 = 3 << 20;

/// Where a part of a schema is: how often there may be one of it.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Nothing where there is no bound.
    count: Option<u64>,
    /// Whether it is the object as a whole.
    pub(super) is_root: bool,
    /// The length of the path of the list around it whose items cannot be told apart.
    pub(super) untold: Option<usize>,
}

impl Place {
    pub(super) fn root() -> Self {
        Self {
            count: Some(1),
            is_root: true,
            untold: None,
        }
    }

    /// A field of an object.
    pub(super) fn field(self) -> Self {
        Self {
            is_root: false,
            ..self
        }
    }

    /// Inside of a list or map.
    pub(super) fn inside(self, schema: &Value, path: &str) -> Self {
        let is_list = text(schema, "type") == "array";
        let bound = if is_list { "maxItems" } else { "maxProperties" };
        let own = schema[bound].as_u64();
        let has_keys = text(schema, "x-kubernetes-list-type") == "map";
        Self {
            is_root: false,
            count: self
                .count
                .zip(own)
                .map(|(count, own)| count.saturating_mul(own)),
            untold: self.untold.or((is_list && !has_keys).then_some(path.len())),
        }
    }

    /// How often a rule of this schema may be evaluated for one object.
    pub(super) fn times(self, schema: &Value) -> u64 {
        self.count
            .unwrap_or_else(|| MAX_REQUEST / (smallest(schema, 0) + 1))
    }
}

/// The fewest bytes that a value of a schema takes as JSON.
fn smallest(schema: &Value, depth: usize) -> u64 {
    if schema["x-kubernetes-int-or-string"] == true || depth > 64 {
        return 1;
    }
    match text(schema, "type") {
        "object" if schema["additionalProperties"].is_object() => 2,
        "object" => {
            let required = items(schema, "required").iter().filter_map(Value::as_str);
            let fields = required.map(|name| {
                let field = &schema["properties"][name];
                if field.get("default").is_some() {
                    return 0;
                }
                name.len() as u64 + smallest(field, depth + 1) + 4
            });
            fields.sum::<u64>() + 2
        }
        "boolean" => 4,
        "array" | "string" => 2,
        _ => 1,
    }
}

/// The largest size of a value of a schema: characters, items or entries.
fn largest(schema: &Value) -> Option<u64> {
    if schema["x-kubernetes-int-or-string"] == true {
        return Some(MAX_REQUEST - 2);
    }
    match text(schema, "type") {
        "array" => {
            let own = schema["maxItems"].as_u64();
            Some(own.unwrap_or_else(|| (MAX_REQUEST - 2) / (smallest(&schema["items"], 0) + 1)))
        }
        "object" if schema["additionalProperties"].is_object() => {
            let least = smallest(&schema["additionalProperties"], 0);
            let own = schema["maxProperties"].as_u64();
            Some(own.unwrap_or_else(|| (MAX_REQUEST - 2) / (least + 6)))
        }
        "string" => Some(longest_text(schema)),
        "integer" | "number" | "boolean" => Some(1),
        _ => None,
    }
}

fn longest_text(schema: &Value) -> u64 {
    match text(schema, "format") {
        "duration" => return 32,
        "date" => return 12,
        "date-time" => return 34,
        _ => {}
    }
    // A bound counts characters, which take up to four bytes.
    if let Some(own) = schema["maxLength"].as_u64() {
        return own.saturating_mul(4);
    }
    let words = items(schema, "enum").iter().filter_map(Value::as_str);
    let longest = words.map(|word| word.len() as u64).max();
    longest.unwrap_or(MAX_REQUEST - 2)
}

/// What is known of the value of an expression.
#[derive(Clone, Copy, Default)]
struct Known<'a> {
    schema: Option<&'a Value>,
    size: Option<u64>,
    is_text: bool,
}

impl<'a> Known<'a> {
    fn of(schema: &'a Value) -> Self {
        Self {
            schema: Some(schema),
            size: largest(schema),
            is_text: text(schema, "type") == "string",
        }
    }

    fn sized(size: u64) -> Self {
        Self {
            size: Some(size),
            ..Self::default()
        }
    }
}

/// The most that an expression may cost; nothing where that cannot be told.
pub(super) fn estimate(expression: &Expression, schema: &Value) -> Option<u64> {
    let mut variables = vec![
        ("self".to_owned(), Known::of(schema)),
        ("oldSelf".to_owned(), Known::of(schema)),
    ];
    guess(expression, &mut variables).map(|(cost, _)| cost)
}

type Variables<'a> = Vec<(String, Known<'a>)>;

fn guess<'a>(expression: &Expression, variables: &mut Variables<'a>) -> Option<(u64, Known<'a>)> {
    match &expression.expr {
        Expr::Literal(literal) => Some((0, of_literal(literal))),
        Expr::Ident(name) => {
            let known = variables.iter().rev().find(|(known, _)| known == name);
            Some((1, known.map(|(_, known)| *known).unwrap_or_default()))
        }
        Expr::Select(select) => {
            let (cost, owner) = guess(&select.operand, variables)?;
            if select.test {
                return Some((cost, Known::sized(1)));
            }
            Some((cost.saturating_add(1), field(owner, &select.field)))
        }
        Expr::List(list) => {
            let inner = sum(list.elements.iter(), variables)?;
            let size = list.elements.len() as u64;
            Some((inner.saturating_add(10), Known::sized(size)))
        }
        Expr::Map(map) => {
            let inner = sum(children(expression).into_iter(), variables)?;
            let size = map.entries.len() as u64;
            Some((inner.saturating_add(30), Known::sized(size)))
        }
        Expr::Call(call) => of_call(call, variables),
        Expr::Comprehension(inner) => of_loop(inner, variables),
        Expr::Struct(_) | Expr::Unspecified => None,
    }
}

fn sum<'a, 'b>(
    parts: impl Iterator<Item = &'b Expression>,
    variables: &mut Variables<'a>,
) -> Option<u64> {
    let mut total = 0_u64;
    for part in parts {
        total = total.saturating_add(guess(part, variables)?.0);
    }
    Some(total)
}

fn of_literal<'a>(literal: &LiteralValue) -> Known<'a> {
    match literal {
        LiteralValue::String(text) => Known {
            size: Some(text.inner().chars().count() as u64),
            is_text: true,
            schema: None,
        },
        LiteralValue::Bytes(bytes) => Known::sized(bytes.inner().len() as u64),
        _ => Known::sized(1),
    }
}

fn field<'a>(owner: Known<'a>, name: &str) -> Known<'a> {
    let Some(schema) = owner.schema else {
        return Known::default();
    };
    let properties = schema.get("properties").and_then(Value::as_object);
    let mut properties = properties.into_iter().flatten();
    let found = properties.find(|(known, _)| escaped(known) == name);
    let found = found.map(|(_, property)| property);
    let found = found.or_else(|| {
        schema
            .get("additionalProperties")
            .filter(|inner| inner.is_object())
    });
    found.map(Known::of).unwrap_or_default()
}

fn inside(owner: Known<'_>) -> Known<'_> {
    let inner = owner.schema.and_then(|schema| {
        let inner = schema
            .get("items")
            .or_else(|| schema.get("additionalProperties"));
        inner.filter(|inner| inner.is_object())
    });
    inner.map(Known::of).unwrap_or_default()
}

fn of_call<'a>(call: &CallExpr, variables: &mut Variables<'a>) -> Option<(u64, Known<'a>)> {
    let full_name = qualified(call);
    let name = full_name.as_deref().unwrap_or(&call.func_name);
    let mut operands = Vec::new();
    let mut total = 0_u64;
    let target = call.target.as_deref().filter(|_| full_name.is_none());
    for part in target.into_iter().chain(&call.args) {
        let (cost, known) = guess(part, variables)?;
        operands.push((cost, known));
        total = total.saturating_add(cost);
    }
    match (name, operands.as_slice()) {
        (operators::CONDITIONAL, [condition, yes, no]) => {
            let known = if yes.1.size >= no.1.size { yes.1 } else { no.1 };
            return Some((condition.0.saturating_add(yes.0.max(no.0)), known));
        }
        (operators::LOGICAL_AND | operators::LOGICAL_OR, _) => {
            return Some((total, Known::sized(1)));
        }
        (operators::INDEX | operators::OPT_INDEX, [owner, _]) => {
            return Some((total.saturating_add(1), inside(owner.1)));
        }
        (operators::OPT_SELECT, [owner, _]) => {
            let known = match call.args.get(1).map(|name| &name.expr) {
                Some(Expr::Literal(LiteralValue::String(name))) => field(owner.1, name.inner()),
                _ => Known::default(),
            };
            return Some((total.saturating_add(1), known));
        }
        ("orValue" | "dyn" | "value" | "optional.of" | "or", [first, ..]) => {
            return Some((total.saturating_add(1), first.1));
        }
        _ => {}
    }
    let sizes: Vec<Option<u64>> = operands.iter().map(|(_, known)| known.size).collect();
    let is_text = operands.iter().all(|(_, known)| known.is_text);
    let own = cost::of_sizes(name, &sizes, is_text)?;
    Some((total.saturating_add(own), of_result(name, &operands)))
}

/// What is known of the result of a call.
fn of_result<'a>(name: &str, operands: &[(u64, Known<'a>)]) -> Known<'a> {
    let first = operands
        .first()
        .map(|(_, known)| *known)
        .unwrap_or_default();
    let second = operands.get(1).map(|(_, known)| *known).unwrap_or_default();
    match name {
        "lowerAscii" | "upperAscii" | "trim" | "substring" | "replace" => Known {
            schema: None,
            ..first
        },
        "_+_" => Known {
            schema: first.schema,
            size: first
                .size
                .zip(second.size)
                .map(|(left, right)| left.saturating_add(right)),
            is_text: first.is_text,
        },
        "size" | "int" | "uint" | "double" | "bool" | "matches" | "contains" | "startsWith"
        | "endsWith" | "indexOf" | "lastIndexOf" | "isSorted" | "@in" | "hasValue" => {
            Known::sized(1)
        }
        _ if !name.starts_with(|letter: char| letter.is_alphabetic()) => Known::sized(1),
        _ => Known::default(),
    }
}

fn of_loop<'a>(
    inner: &ComprehensionExpr,
    variables: &mut Variables<'a>,
) -> Option<(u64, Known<'a>)> {
    let (range_cost, range) = guess(&inner.iter_range, variables)?;
    let (start_cost, start) = guess(&inner.accu_init, variables)?;
    let count = range.size?;
    let before = variables.len();
    variables.push((inner.accu_var.clone(), start));
    let is_map = range
        .schema
        .is_some_and(|schema| schema["additionalProperties"].is_object());
    let item = inside(range);
    let (first, second) = match (&inner.iter_var2, is_map) {
        (None, false) => (item, Known::default()),
        // Nobody says how long keys are.
        (None, true) => (Known::default(), Known::default()),
        (Some(_), _) => (Known::default(), item),
    };
    variables.push((inner.iter_var.clone(), first));
    if let Some(name) = &inner.iter_var2 {
        variables.push((name.clone(), second));
    }
    let each = guess(&inner.loop_cond, variables)
        .zip(guess(&inner.loop_step, variables))
        .map(|(condition, step)| (condition.0.saturating_add(step.0), step.1));
    variables.truncate(before + 1);
    let each = each.filter(|_| before < variables.len());
    let result = guess(&inner.result, variables);
    variables.truncate(before);
    let ((each, _), (result_cost, result)) = each.zip(result)?;
    let total = range_cost
        .saturating_add(start_cost)
        .saturating_add(count.saturating_mul(each))
        .saturating_add(result_cost);
    // A list that a loop makes is at most as long as what it goes through.
    let is_list = matches!(inner.accu_init.expr, Expr::List(_)) && count > 0;
    let known = if is_list { Known::sized(count) } else { result };
    Some((total, known))
}
