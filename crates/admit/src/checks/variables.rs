//! Checks of the variables that a container starts with. It must not know the rest of it.

use holdfast_kinds::{items, text};
use holdfast_model::{FieldError, Value};
use serde_json::json;

use super::fields::{named, one_of};
use super::volumes::field_path;
use crate::names;

pub(super) fn variables(one: &Value, place: &str, errors: &mut Vec<FieldError>) {
    for (index, variable) in items(one, "env").iter().enumerate() {
        let field = |name: &str| format!("{place}.env[{index}].{name}");
        let name = text(variable, "name");
        if name.is_empty() {
            errors.push(FieldError::required(field("name"), ""));
        } else if let Some(problem) = variable_problem(name) {
            errors.push(FieldError::invalid(field("name"), &json!(name), &problem));
        }
        if variable["valueFrom"].is_object() {
            let is_given = !text(variable, "value").is_empty();
            value_source(
                &variable["valueFrom"],
                &field("valueFrom"),
                is_given,
                errors,
            );
        }
    }
    for (index, source) in items(one, "envFrom").iter().enumerate() {
        let place_of = |name: &str| format!("{place}.envFrom[{index}].{name}");
        named(
            &source["prefix"],
            &place_of("prefix"),
            variable_problem,
            errors,
        );
        let kinds = ["configMapRef", "secretRef"];
        let given = kinds.iter().filter(|kind| source[**kind].is_object());
        for kind in given.clone() {
            let (name, place) = (&source[*kind]["name"], place_of(&format!("{kind}.name")));
            if name.as_str().unwrap_or("").is_empty() {
                errors.push(FieldError::required(place, ""));
            } else {
                named(name, &place, names::dns_subdomain_problem, errors);
            }
        }
        let problem = match given.count() {
            0 => "must specify one of: `configMapRef` or `secretRef`",
            1 => continue,
            _ => "may not have more than one field specified at a time",
        };
        errors.push(FieldError::invalid(
            format!("{place}.envFrom"),
            &json!(""),
            problem,
        ));
    }
}

/// What is wrong with the name of a variable, or with the start of one.
fn variable_problem(name: &str) -> Option<String> {
    let fits = |byte: u8| (0x20..0x7f).contains(&byte) && byte != b'=';
    let problem = "a valid environment variable name must consist only of printable ASCII \
                   characters other than '='";
    (!name.bytes().all(fits)).then(|| problem.to_owned())
}

/// Where the value of a variable comes from.
fn value_source(source: &Value, place: &str, is_given: bool, errors: &mut Vec<FieldError>) {
    const RESOURCES: [&str; 6] = [
        "limits.cpu",
        "limits.ephemeral-storage",
        "limits.memory",
        "requests.cpu",
        "requests.ephemeral-storage",
        "requests.memory",
    ];
    let mut count = 0;
    if source["fieldRef"].is_object() {
        count += 1;
        let path = &source["fieldRef"]["fieldPath"];
        field_path(path, &format!("{place}.fieldRef.fieldPath"), &[], errors);
    }
    if source["resourceFieldRef"].is_object() {
        count += 1;
        let found = &source["resourceFieldRef"]["resource"];
        // Large pages and what extends the machine have names of their own.
        if !text(&source["resourceFieldRef"], "resource").contains("hugepages-") {
            let field = format!("{place}.resourceFieldRef.resource");
            one_of(found, &field, &RESOURCES, errors);
        }
    }
    for kind in ["configMapKeyRef", "secretKeyRef"] {
        let reference = &source[kind];
        if !reference.is_object() {
            continue;
        }
        count += 1;
        let (name, key) = (text(reference, "name"), text(reference, "key"));
        if let Some(problem) = names::dns_subdomain_problem(name) {
            let field = format!("{place}.{kind}.name");
            errors.push(FieldError::invalid(field, &json!(name), &problem));
        }
        let field = format!("{place}.{kind}.key");
        if key.is_empty() {
            errors.push(FieldError::required(field, ""));
        } else {
            named(&json!(key), &field, names::config_key_problem, errors);
        }
    }
    count += usize::from(source["fileKeyRef"].is_object());
    let problem = match count {
        0 => {
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, \
             `secretKeyRef` or `fileKeyRef`"
        }
        _ if is_given => "may not be specified when `value` is not empty",
        1 => return,
        _ => "may not have more than one field specified at a time",
    };
    errors.push(FieldError::invalid(place, &json!(""), problem));
}
