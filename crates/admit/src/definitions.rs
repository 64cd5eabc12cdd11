//! What makes a CustomResourceDefinition one: names, versions, and schemas that are structural
//! and whose rules can be evaluated. It must not know objects of the kinds defined.

use holdfast_kinds::{items, text};
use holdfast_model::{FieldError, Value};
use serde_json::json;

use crate::names;

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
/// The deepest nesting of a schema.
const MAX_DEPTH: usize = 100;

/// What is wrong with a definition.
#[expect(clippy::too_many_lines, reason = "it is a list of alike checks")]
pub(crate) fn validate(definition: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let spec = &definition["spec"];
    let mut errors = Vec::new();
    let (group, plural) = (text(spec, "group"), text(&spec["names"], "plural"));
    let wanted = format!("{plural}.{group}");
    let name = text(&definition["metadata"], "name");
    if name != wanted {
        errors.push(FieldError::invalid(
            "metadata.name",
            &json!(name),
            "must be spec.names.plural+\".\"+spec.group",
        ));
    }
    if group.is_empty() {
        errors.push(FieldError::required("spec.group", ""));
    } else if let Some(problem) = names::dns_subdomain_problem(group) {
        errors.push(FieldError::invalid("spec.group", &json!(group), &problem));
    } else if !group.contains('.') {
        errors.push(FieldError::invalid(
            "spec.group",
            &json!(group),
            "should be a domain with at least one dot",
        ));
    }
    let scope = text(spec, "scope");
    if scope.is_empty() {
        errors.push(FieldError::required("spec.scope", ""));
    } else if !matches!(scope, "Cluster" | "Namespaced") {
        errors.push(FieldError::unsupported(
            "spec.scope",
            &json!(scope),
            &["Cluster", "Namespaced"],
        ));
    }
    errors.extend(name_errors(&spec["names"]));
    errors.extend(version_errors(spec));
    if let Some(old) = old {
        for field in ["group", "scope"] {
            if old["spec"][field] != spec[field] {
                errors.push(FieldError::invalid(
                    format!("spec.{field}"),
                    &spec[field],
                    "field is immutable",
                ));
            }
        }
        for field in ["kind", "plural"] {
            if old["spec"]["names"][field] != spec["names"][field] {
                errors.push(FieldError::invalid(
                    format!("spec.names.{field}"),
                    &spec["names"][field],
                    "field is immutable",
                ));
            }
        }
    }
    if spec["conversion"]["strategy"] == "Webhook" {
        errors.push(FieldError::forbidden(
            "spec.conversion.strategy",
            "this server does not call conversion webhooks",
        ));
    }
    errors
}

fn name_errors(names: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for field in ["plural", "singular"] {
        let name = text(names, field);
        if name.is_empty() {
            errors.push(FieldError::required(format!("spec.names.{field}"), ""));
        } else if let Some(problem) = names::dns_1035_problem(name) {
            errors.push(FieldError::invalid(
                format!("spec.names.{field}"),
                &json!(name),
                &problem,
            ));
        }
    }
    for field in ["kind", "listKind"] {
        let name = text(names, field);
        if name.is_empty() {
            errors.push(FieldError::required(format!("spec.names.{field}"), ""));
        } else if let Some(problem) = names::dns_1035_problem(&name.to_lowercase()) {
            let problem = format!("may have mixed case, but should otherwise match: {problem}");
            errors.push(FieldError::invalid(
                format!("spec.names.{field}"),
                &json!(name),
                &problem,
            ));
        }
    }
    errors
}

fn version_errors(spec: &Value) -> Vec<FieldError> {
    let versions = items(spec, "versions");
    let mut errors = Vec::new();
    if versions.is_empty() {
        errors.push(FieldError::required(
            "spec.versions",
            "must have exactly one version marked as storage version",
        ));
        return errors;
    }
    let stored = versions
        .iter()
        .filter(|version| version["storage"] == true)
        .count();
    if stored != 1 {
        errors.push(FieldError::invalid(
            "spec.versions",
            &spec["versions"],
            "must have exactly one version marked as storage version",
        ));
    }
    for (index, version) in versions.iter().enumerate() {
        let place = format!("spec.versions[{index}]");
        let name = text(version, "name");
        if let Some(problem) = names::dns_1035_problem(name) {
            errors.push(FieldError::invalid(
                format!("{place}.name"),
                &json!(name),
                &problem,
            ));
        }
        let schema = &version["schema"]["openAPIV3Schema"];
        // The only version is spoken of as if it were all of them.
        let path = if versions.len() == 1 {
            "spec.validation.openAPIV3Schema".to_owned()
        } else {
            format!("{place}.schema.openAPIV3Schema")
        };
        if !schema.is_object() {
            let field = format!("{place}.schema.openAPIV3Schema");
            errors.push(FieldError::required(field, ""));
            continue;
        }
        if text(schema, "type") != "object" {
            errors.push(FieldError::invalid(
                format!("{path}.type"),
                &json!(text(schema, "type")),
                "must be object at the root",
            ));
        }
        let mut found = Vec::new();
        structure(schema, &path, 0, &mut found);
        // What is missing is told before what is unknown.
        found.sort_by_key(FieldError::is_unsupported);
        errors.extend(found);
        errors.extend(holdfast_cel::problems(schema, &path));
    }
    errors
}

fn flag(schema: &Value, name: &str) -> bool {
    schema.get(name) == Some(&Value::Bool(true))
}

/// Whether every part of a schema says what it is.
#[expect(clippy::too_many_lines, reason = "it is a list of alike checks")]
fn structure(schema: &Value, path: &str, depth: usize, errors: &mut Vec<FieldError>) {
    if depth > MAX_DEPTH {
        errors.push(FieldError::forbidden(path, "the schema is nested too deep"));
        return;
    }
    let kind = text(schema, "type");
    let free = flag(schema, "x-kubernetes-int-or-string")
        || flag(schema, "x-kubernetes-preserve-unknown-fields");
    if kind.is_empty() && !free {
        errors.push(FieldError::required(
            format!("{path}.type"),
            "must not be empty for specified object fields",
        ));
    } else if !kind.is_empty() && !TYPES.contains(&kind) {
        errors.push(FieldError::unsupported(
            format!("{path}.type"),
            &json!(kind),
            &TYPES,
        ));
    }
    for name in [
        "$ref",
        "definitions",
        "dependencies",
        "patternProperties",
        "additionalItems",
    ] {
        if schema.get(name).is_some() {
            errors.push(FieldError::forbidden(
                format!("{path}.{name}"),
                "must be empty to be structural",
            ));
        }
    }
    let has_properties = schema.get("properties").is_some();
    if has_properties && schema.get("additionalProperties").is_some() {
        errors.push(FieldError::forbidden(
            format!("{path}.additionalProperties"),
            "additionalProperties and properties are mutual exclusive",
        ));
    }
    if kind == "array" && schema.get("items").is_none() {
        errors.push(FieldError::required(
            format!("{path}.items"),
            "must be specified",
        ));
    }
    if text(schema, "x-kubernetes-list-type") == "map"
        && items(schema, "x-kubernetes-list-map-keys").is_empty()
    {
        errors.push(FieldError::required(
            format!("{path}.x-kubernetes-list-map-keys"),
            "must not be empty if x-kubernetes-list-type is map",
        ));
    }
    if let Some(pattern) = schema["pattern"].as_str()
        && let Err(error) = crate::formats::pattern(pattern)
    {
        errors.push(FieldError::invalid(
            format!("{path}.pattern"),
            &json!(pattern),
            &format!("must be a valid regular expression, but isn't: {error}"),
        ));
    }
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, inner) in properties.into_iter().flatten() {
        structure(
            inner,
            &format!("{path}.properties[{name}]"),
            depth + 1,
            errors,
        );
    }
    for name in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get(name).filter(|inner| inner.is_object()) {
            structure(inner, &format!("{path}.{name}"), depth + 1, errors);
        }
    }
}
