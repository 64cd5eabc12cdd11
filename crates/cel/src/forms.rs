//! What is wrong with rules besides their expressions. It must not know types.

use holdfast_kinds::text;
use holdfast_model::{FieldError, Value};

/// The reasons that a rule may give.
const REASONS: [&str; 4] = [
    "FieldValueDuplicate",
    "FieldValueForbidden",
    "FieldValueInvalid",
    "FieldValueRequired",
];

const EMPTY: &str = "must be non-empty if specified";

fn has_lines(text: &str) -> bool {
    text.contains(['\n', '\r'])
}

/// What is wrong with a rule besides its expressions.
pub(crate) fn form(rule: &Value, schema: &Value, at: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let field = |name: &str| format!("{at}.{name}");
    let given = |name: &str| text(rule, name);
    let (found, message) = (given("rule").trim(), given("message"));
    if found.is_empty() {
        errors.push(FieldError::required(field("rule"), "rule is not specified"));
    } else if !message.is_empty() && message.trim().is_empty() {
        errors.push(FieldError::invalid(
            field("message"),
            &rule["message"],
            EMPTY,
        ));
    } else if has_lines(message.trim()) {
        let detail = "must not contain line breaks";
        errors.push(FieldError::invalid(
            field("message"),
            &rule["message"],
            detail,
        ));
    } else if has_lines(found) && message.is_empty() {
        let detail = "message must be specified if rule contains line breaks";
        errors.push(FieldError::required(field("message"), detail));
    }
    let expression = given("messageExpression");
    if !expression.is_empty() && expression.trim().is_empty() {
        let detail = "messageExpression must be non-empty if specified";
        errors.push(FieldError::required(field("messageExpression"), detail));
    }
    if let Some(reason) = rule["reason"].as_str()
        && !REASONS.contains(&reason)
    {
        errors.push(FieldError::unsupported(
            field("reason"),
            &rule["reason"],
            &REASONS,
        ));
    }
    errors.extend(path_problems(rule, schema, &field("fieldPath")));
    errors
}

/// What is wrong with the part of the object that a rule says it is about.
fn path_problems(rule: &Value, schema: &Value, field: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let path = text(rule, "fieldPath");
    if !path.is_empty() && path.trim().is_empty() {
        errors.push(FieldError::invalid(field, &rule["fieldPath"], EMPTY));
    }
    if has_lines(path) {
        let detail = "must not contain line breaks";
        errors.push(FieldError::invalid(field, &rule["fieldPath"], detail));
    }
    if !path.is_empty() && !leads_somewhere(path, schema) {
        let detail = "must be a valid path";
        errors.push(FieldError::invalid(field, &rule["fieldPath"], detail));
    }
    errors
}

/// Whether a path such as `.a['b.c']` leads to a part of a schema.
fn leads_somewhere(path: &str, schema: &Value) -> bool {
    let (mut rest, mut schema) = (path, schema);
    while !rest.is_empty() {
        let Some((name, after)) = step(rest) else {
            return false;
        };
        let inner = match schema.get("properties") {
            Some(properties) => properties.get(&name),
            None => schema.get("additionalProperties"),
        };
        match inner.filter(|inner| inner.is_object()) {
            Some(inner) => (rest, schema) = (after, inner),
            None => return false,
        }
    }
    true
}

/// The first name of a path, and what follows it.
fn step(path: &str) -> Option<(String, &str)> {
    if let Some(rest) = path.strip_prefix('.') {
        let end = rest.find(['.', '[', ']']).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        return (!name.is_empty()).then(|| (name.to_owned(), rest));
    }
    let rest = path.strip_prefix("['")?;
    let mut name = String::new();
    let mut letters = rest.char_indices();
    while let Some((index, letter)) = letters.next() {
        match letter {
            '\\' => name.push(letters.next()?.1),
            '\'' => return Some((name, rest.get(index + 1..)?.strip_prefix(']')?)),
            other => name.push(other),
        }
    }
    None
}
