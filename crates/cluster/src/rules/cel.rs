//! The CEL rules of custom kinds: compiled when a definition comes in, evaluated on every write.
//! A rule that cannot be evaluated here is refused with the definition, never skipped.

use std::collections::BTreeSet;
use std::fmt;

use holdfast_model::Value;
use kube_cel::cel::common::ast::{Expr, IdedExpr as Expression};
use kube_cel::{CompilationError, CompilationResult, CompiledSchema, Validator, compile_schema};

use crate::error::FieldError;

/// The longest text of a rule.
const MAX_RULE: usize = 10 * 1024;
/// Functions and macros that rules may call.
const KNOWN: &str = "abs all base64.decode base64.encode bool bytes ceil charAt compareTo \
     containedIn contains distance double duration dyn endsWith equivalent exists exists_one \
     existsOne filter find findAll first flatten floor format fractional getDate getDayOfMonth \
     getDayOfWeek getDayOfYear getFullYear getHost getHostname getHours getMilliseconds \
     getMinutes getMonth getPort getQuery getEscapedPath getScheme getSeconds greatest has \
     indexOf int intersects ip isCanonical isFinite isInf isIP isCIDR isNaN isGreaterThan \
     isInteger isLessThan isQuantity isSemver isSorted isURL join last lastIndexOf least \
     lowerAscii major map masked matches max min minor optional.none optional.of patch \
     prefixLength quantity quote range replace reverse round semver sets.contains \
     sets.equivalent sets.intersects sign sign size slice sort split sqrt startsWith string sub \
     asApproximateFloat asInteger add cidr containsCIDR containsIP family isUnspecified \
     isLoopback isLinkLocalMulticast isLinkLocalUnicast isGlobalUnicast substring sum timestamp \
     transform transformMap trim trunc type uint upperAscii url validate named hasValue value \
     orValue";

/// The rules of a schema.
pub(crate) struct Rules(CompiledSchema);

impl fmt::Debug for Rules {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Rules")
    }
}

/// The rules of a schema; nothing when it has none.
pub(crate) fn compile(schema: &Value) -> Option<Rules> {
    has_rules(schema).then(|| Rules(compile_schema(schema)))
}

fn has_rules(schema: &Value) -> bool {
    match schema {
        Value::Object(fields) => {
            fields.contains_key("x-kubernetes-validations") || fields.values().any(has_rules)
        }
        Value::Array(items) => items.iter().any(has_rules),
        _ => false,
    }
}

/// What cannot be evaluated in the rules of a schema.
pub(crate) fn problems(schema: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    collect_problems(schema, path, &mut errors);
    errors
}

fn collect_problems(schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let rules = super::items(schema, "x-kubernetes-validations");
    for (index, rule) in rules.iter().enumerate() {
        let text = super::text(rule, "rule");
        let place = format!("{path}.x-kubernetes-validations[{index}].rule");
        if text.is_empty() {
            errors.push(FieldError::required(place, "rule is not specified"));
            continue;
        }
        if text.len() > MAX_RULE {
            errors.push(FieldError::too_long(place, MAX_RULE));
            continue;
        }
        let alone = serde_json::json!({
            "type": schema["type"], "x-kubernetes-validations": [rule]
        });
        let compiled = compile_schema(&alone);
        let problem = match compiled.validations.first() {
            Some(Ok(result)) => unknown_function(result)
                .or_else(|| undefined_field(result.program.expression(), schema)),
            Some(Err(error)) => Some(parse_problem(error)),
            None => None,
        };
        if let Some(problem) = problem {
            let problem = format!("compilation failed: {problem}");
            errors.push(FieldError::invalid(
                place,
                &Value::String(text.to_owned()),
                &problem,
            ));
        }
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        collect_problems(property, &format!("{path}.properties[{name}]"), errors);
    }
    for name in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(name).filter(|inner| inner.is_object()) {
            collect_problems(inner, &format!("{path}.{name}"), errors);
        }
    }
    for name in ["allOf", "anyOf", "oneOf"] {
        for (index, inner) in super::items(schema, name).iter().enumerate() {
            collect_problems(inner, &format!("{path}.{name}[{index}]"), errors);
        }
    }
}

fn parse_problem(error: &CompilationError) -> String {
    use std::error::Error as _;
    match error.source() {
        Some(source) => source.to_string(),
        None => error.to_string(),
    }
}

fn unknown_function(result: &CompilationResult) -> Option<String> {
    let known: BTreeSet<&str> = KNOWN.split_whitespace().collect();
    let references = result.program.references();
    let named = |name: &str| {
        name.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && !known.contains(name)
            && !name.contains('@')
    };
    let unknown = references
        .functions()
        .into_iter()
        .find(|name| named(name))?;
    Some(format!(
        "undeclared reference to '{unknown}' (in container '')"
    ))
}

/// The first field that is selected and that the schema does not have.
fn undefined_field(expression: &Expression, schema: &Value) -> Option<String> {
    let within = |inner: &Expression| undefined_field(inner, schema);
    match &expression.expr {
        Expr::Select(select) => within(&select.operand).or_else(|| {
            let owner = schema_of(&select.operand, schema)?;
            let properties = owner.get("properties")?.as_object()?;
            let free =
                owner.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
            // Names that are words of CEL are written in another way there.
            let known = free
                || properties.contains_key(&select.field)
                || select.field.contains("__")
                || matches!(select.field.as_str(), "metadata" | "apiVersion" | "kind");
            (!known).then(|| format!("undefined field '{}'", select.field))
        }),
        Expr::Call(call) => {
            let target = call.target.as_deref();
            target
                .and_then(within)
                .or_else(|| call.args.iter().find_map(within))
        }
        Expr::List(list) => list.elements.iter().find_map(within),
        Expr::Comprehension(inner) => [
            &inner.iter_range,
            &inner.accu_init,
            &inner.loop_cond,
            &inner.loop_step,
            &inner.result,
        ]
        .into_iter()
        .find_map(within),
        _ => None,
    }
}

/// The schema of what an expression stands for, where that is a field of `self`.
fn schema_of<'a>(expression: &Expression, schema: &'a Value) -> Option<&'a Value> {
    match &expression.expr {
        Expr::Ident(name) if name == "self" || name == "oldSelf" => Some(schema),
        Expr::Select(select) => {
            let owner = schema_of(&select.operand, schema)?;
            owner.get("properties")?.get(&select.field)
        }
        _ => None,
    }
}

/// What the rules refuse about a value; `old` is its state before an update.
pub(crate) fn evaluate(rules: &Rules, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let Err(found) = Validator::new().validate_compiled(&rules.0, new, old) else {
        return Vec::new();
    };
    found
        .into_vec()
        .into_iter()
        .map(|error| {
            let reason = match error.reason.as_deref() {
                Some("FieldValueForbidden") => "FieldValueForbidden",
                Some("FieldValueRequired") => "FieldValueRequired",
                Some("FieldValueDuplicate") => "FieldValueDuplicate",
                _ => "FieldValueInvalid",
            };
            let head = match reason {
                "FieldValueForbidden" => "Forbidden",
                "FieldValueRequired" => "Required value",
                "FieldValueDuplicate" => "Duplicate value",
                _ => "Invalid value",
            };
            let field = if error.field_path.is_empty() {
                "<nil>"
            } else {
                &error.field_path
            };
            FieldError::plain(reason, field, format!("{head}: {}", error.message))
        })
        .collect()
}
