//! What fields of many kinds have in common, and what is wrong with them. It must not know any kind.

use holdfast_kinds::{items, text};
use holdfast_model::{FieldError, Value};
use serde_json::json;

use crate::metadata::label_errors;
use crate::{addresses, names};

/// Refuses a field that differs from what it was.
pub(super) fn immutable(field: &str, new: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    if new != old {
        errors.push(FieldError::invalid(field, new, "field is immutable"));
    }
}

/// Refuses a number that is negative.
pub(super) fn not_negative(value: &Value, field: String, errors: &mut Vec<FieldError>) {
    if value.as_i64().is_some_and(|number| number < 0) {
        errors.push(FieldError::invalid(
            field,
            value,
            "must be greater than or equal to 0",
        ));
    }
}

/// Refuses a number below one, in the words of its field.
pub(super) fn positive(value: &Value, field: &str, problem: &str, errors: &mut Vec<FieldError>) {
    if value.as_i64().is_some_and(|number| number < 1) {
        errors.push(FieldError::invalid(field, value, problem));
    }
}

/// Refuses a number that is no port.
pub(super) fn port(value: &Value, field: String, errors: &mut Vec<FieldError>) {
    let number = value.as_i64().unwrap_or(0);
    if !(1..=65535).contains(&number) {
        errors.push(FieldError::invalid(
            field,
            &json!(number),
            "must be between 1 and 65535, inclusive",
        ));
    }
}

/// Refuses a protocol that is none.
pub(super) fn protocol(value: &Value, field: String, errors: &mut Vec<FieldError>) {
    const KNOWN: [&str; 3] = ["SCTP", "TCP", "UDP"];
    if !KNOWN.contains(&value.as_str().unwrap_or("")) {
        errors.push(FieldError::unsupported(field, value, &KNOWN));
    }
}

/// Refuses a text that is none of those that are known; absent is fine.
pub(super) fn one_of(value: &Value, field: &str, known: &[&str], errors: &mut Vec<FieldError>) {
    if let Some(text) = value.as_str()
        && !known.contains(&text)
    {
        errors.push(FieldError::unsupported(field, value, known));
    }
}

/// Refuses what is not a number of at least 0 or a percentage of at most 100; absent is fine.
pub(super) fn share(value: &Value, field: &str, is_bounded: bool, errors: &mut Vec<FieldError>) {
    const PERCENT: &str = "a valid percent string must be a numeric string followed by an ending \
         '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
    let Some(text) = value.as_str() else {
        return not_negative(value, field.to_owned(), errors);
    };
    let digits = text.strip_suffix('%').unwrap_or("");
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        errors.push(FieldError::invalid(field, value, PERCENT));
    } else if is_bounded && digits.parse().map_or(true, |share: u64| share > 100) {
        let problem = "must not be greater than 100%";
        errors.push(FieldError::invalid(field, value, problem));
    }
}

/// Refuses a text for a reason that is found in it; empty is fine.
pub(super) fn named(
    value: &Value,
    field: &str,
    problem: fn(&str) -> Option<String>,
    errors: &mut Vec<FieldError>,
) {
    let text = value.as_str().unwrap_or("");
    if let Some(problem) = Some(text).filter(|text| !text.is_empty()).and_then(problem) {
        errors.push(FieldError::invalid(field, value, &problem));
    }
}

/// The same for a text that has to be right even when it is empty; absent is fine.
pub(super) fn named_if_set(
    value: &Value,
    field: &str,
    problem: fn(&str) -> Option<String>,
    errors: &mut Vec<FieldError>,
) {
    if let Some(problem) = value.as_str().and_then(problem) {
        errors.push(FieldError::invalid(field, value, &problem));
    }
}

/// Refuses a text that is no key of a label; an empty one is wrong in two ways.
pub(super) fn label_key(value: &Value, field: &str, errors: &mut Vec<FieldError>) {
    let found = json!(value.as_str().unwrap_or(""));
    if found == "" {
        let problem = "name part must be non-empty";
        errors.push(FieldError::invalid(field, &found, problem));
        let problem = names::label_key_problem("-").unwrap_or_default();
        errors.push(FieldError::invalid(field, &found, &problem));
    }
    named(&found, field, names::label_key_problem, errors);
}

/// Refuses a label selector that cannot be read.
pub(super) fn label_selector(selector: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let labels = label_errors(&selector["matchLabels"], &format!("{path}.matchLabels"));
    errors.extend(labels);
    for (index, rule) in items(selector, "matchExpressions").iter().enumerate() {
        let place = format!("{path}.matchExpressions[{index}]");
        let has_values = !items(rule, "values").is_empty();
        match text(rule, "operator") {
            "In" | "NotIn" if !has_values => errors.push(FieldError::required(
                format!("{place}.values"),
                "must be specified when `operator` is 'In' or 'NotIn'",
            )),
            "Exists" | "DoesNotExist" if has_values => errors.push(FieldError::forbidden(
                format!("{place}.values"),
                "may not be specified when `operator` is 'Exists' or 'DoesNotExist'",
            )),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            _ => errors.push(FieldError::invalid(
                format!("{place}.operator"),
                &rule["operator"],
                "not a valid selector operator",
            )),
        }
        label_key(&rule["key"], &format!("{place}.key"), errors);
        for (rank, value) in items(rule, "values").iter().enumerate() {
            let field = format!("{place}.values[{rank}]");
            named(value, &field, names::label_value_problem, errors);
        }
    }
}

/// Refuses a text that is no address.
pub(super) fn address(value: &Value, field: String, errors: &mut Vec<FieldError>) {
    if let Some(problem) = addresses::address_problem(value.as_str().unwrap_or("")) {
        errors.push(FieldError::invalid(field, value, problem));
    }
}

/// Refuses a text that is no network.
pub(super) fn network(value: &Value, field: String, errors: &mut Vec<FieldError>) {
    if let Some(problem) = addresses::network_problem(value.as_str().unwrap_or("")) {
        errors.push(FieldError::invalid(field, value, problem));
    }
}

/// Refuses a text that is no path behind a domain, such as `acme.io/foo`.
pub(super) fn prefixed_path(value: &Value, field: &str, errors: &mut Vec<FieldError>) {
    let found = value.as_str().unwrap_or("");
    if found.is_empty() {
        errors.push(FieldError::required(field, ""));
        return;
    }
    let parts = found.split_once('/');
    let Some((domain, path)) =
        parts.filter(|(domain, path)| !domain.is_empty() && !path.is_empty())
    else {
        let problem = "must be a domain-prefixed path (such as \"acme.io/foo\")";
        errors.push(FieldError::invalid(field, value, problem));
        return;
    };
    if let Some(problem) = names::dns_subdomain_problem(domain) {
        errors.push(FieldError::invalid(field, &json!(domain), &problem));
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&byte);
    if !path.bytes().all(fits) {
        let problem =
            "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
        errors.push(FieldError::invalid(field, &json!(path), problem));
    }
}

/// Fields in the order of the real server's own type, as its messages show them.
pub(super) fn ordered(fields: &[(&str, Value)]) -> String {
    let fields = fields
        .iter()
        .map(|(name, value)| format!("{name:?}:{value}"));
    let fields: Vec<String> = fields.collect();
    format!("{{{}}}", fields.join(","))
}
